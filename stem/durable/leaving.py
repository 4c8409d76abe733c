"""How a run leaves its worker: thrown through the user's code, which must let it pass."""

from __future__ import annotations

import asyncio


class Leaving(BaseException):
    """Base of what unwinds a workflow that has not come to its end; not an Exception, so that few swallow it."""


class Suspended(Leaving):
    """The run sleeps in its store; another claim goes on with it."""


class Lost(Leaving):
    """The lease is gone: whatever the code still does cannot be stored."""


class HandedBack(Leaving):
    """The worker stops: another one goes on."""


class Recalled(Leaving):
    """The code was run only to find out what has to be undone, and has come to what was not done."""


class Blocked(Leaving):
    """The code does not fit the record; the text says how."""


class Cancelling(asyncio.CancelledError):
    """Somebody wants the run to end; what user code sees of it."""
