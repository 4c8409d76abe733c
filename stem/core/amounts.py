"""How much one step of a store does at most. The rest is done by the next step, which follows at once."""

from __future__ import annotations

from typing import Final

#: Jobs that one claim looks at, parked ones among them, and parked jobs of one queue that a changed limit lets back.
SCAN_LIMIT: Final = 1_000
#: Delays, and as many ended leases, of one queue that one claim handles. More made the slowest claim of Redis twice as slow and
#: the whole no faster.
PROMOTE_LIMIT: Final = 100
#: Limits whose time has come that one claim looks at.
LIMIT_KEYS: Final = 100
#: Waiting runs that one step wakes, and tasks left over by others that one claim of runs does.
WAKE_LIMIT: Final = 500
#: Runs that policies end in one claim of runs.
POLICY_LIMIT: Final = 100
