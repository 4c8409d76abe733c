"""What all tests share."""

from __future__ import annotations

import asyncio
import functools
import inspect
import signal
from collections.abc import Coroutine, Generator, Iterator
from typing import Any

import pytest

from tests.servers import binaries

#: The time limit of a test, seconds.
LIMIT = pytest.StashKey[float]()


def pytest_report_header() -> list[str]:
    """The head of the run names the server that each suite meets."""
    return binaries.describe()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Stem runs on asyncio."""
    return "asyncio"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children hear of SIGINT, also those of a runner that was started in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Called by pytest-timeout before each test that has a limit; it goes on to set its own timer."""
    item.stash[LIMIT] = settings.timeout


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A coroutine that stands still is cancelled a little before its limit.

    The alarm of pytest-timeout would find the event loop asleep and leave it: the test has failed, and its task stands
    where it stood. The fixtures that are to be closed after it in the same task would be waited for for ever, and the
    alarm comes only once.
    """
    limit, test = pyfuncitem.stash.get(LIMIT, None), pyfuncitem.obj
    if limit and inspect.iscoroutinefunction(test) and not hasattr(test, "hypothesis"):
        seconds = limit - min(10.0, limit / 3)

        @functools.wraps(test)
        async def in_time(**given: Any) -> None:
            __tracebackhide__ = True
            await _in_time(test(**given), seconds)

        pyfuncitem.obj = in_time
    return (yield)


async def _in_time(test: Coroutine[Any, Any, None], seconds: float) -> None:
    """Cancelled again and again: what stands still may do so once more while it is closed, as a worker that waits for
    its jobs.
    """
    __tracebackhide__ = True
    loop, task, timers = asyncio.get_running_loop(), asyncio.current_task(), list[asyncio.TimerHandle]()
    assert task is not None

    def cancel() -> None:
        task.cancel()
        timers.append(loop.call_later(0.5, cancel))

    timers.append(loop.call_later(seconds, cancel))
    fault: BaseException | None = None
    try:
        await test
    except asyncio.CancelledError as found:
        fault = found
    finally:
        timers[-1].cancel()
        for _ in timers[1:]:
            task.uncancel()
    if timers[1:]:
        raise TimeoutError(f"the test stood still for {seconds:g} s") from fault
    if fault is not None:
        raise fault
