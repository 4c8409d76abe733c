"""How a run leaves its worker: thrown through the user's code, which must let it pass."""

from __future__ import annotations

import asyncio
from typing import Final


class Leaving(BaseException):
    """Base of what unwinds a workflow that has not come to its end; not an Exception, so that few swallow it."""


class Suspended(Leaving):
    """The run sleeps in its store; another claim goes on with it."""


class StepAgain(Leaving):
    """A sleep or a wait inside a step is over, in the hands of the same worker: the step begins at its top again."""


class Lost(Leaving):
    """The lease is gone: whatever the code still does cannot be stored."""


class HandedBack(Leaving):
    """The worker stops: another one goes on."""


class Recalled(Leaving):
    """The code was run only along its record, and has come to what was not done; `at_wait`: to a recorded wait that is
    not over, so that nothing can be recorded behind it.
    """

    def __init__(self, *, at_wait: bool = False) -> None:
        super().__init__()
        self.at_wait = at_wait


class Blocked(Leaving):
    """The code does not fit the record: `what`, and the ways out."""

    def __init__(self, what: str, ways_out: str = "") -> None:
        super().__init__(f"{what}. {ways_out}" if ways_out else what)
        self.what = what


class Died(BaseException):
    """The worker is no more. Only simulations raise it."""


#: What no code may take for a failure of a step or of the workflow.
PASSING: Final = (Leaving, Died, GeneratorExit)


class Cancelling(asyncio.CancelledError):
    """Somebody wants the run to end; what user code sees of it."""
