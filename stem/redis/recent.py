"""How many finished jobs are listed: `lua/lib/packed.lua` keeps the lists."""

from __future__ import annotations

from typing import Final

#: Of all jobs.
LISTED: Final = 10_000
#: Of those that failed, and as many of those that were cancelled, so that successes do not push them out.
LISTED_UNSUCCESSFUL: Final = 2_000
#: Of each task, so that the jobs of others do not push them out.
LISTED_OF_TASK: Final = 200
#: Tasks that have a list of their own; all others share one.
LISTED_TASKS: Final = 500
