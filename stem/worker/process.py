"""Settings of a Python process that is a worker and nothing else. A host's process is never touched."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from concurrent.futures import thread as pool
from types import FrameType
from typing import Final, NoReturn

#: Objects made before the collector looks: a worker makes many short-lived ones and hardly a cycle. Python's 700
#: costs about a quarter of the time spent on a small job.
YOUNG: Final = 20_000
#: Longest a thread keeps the interpreter, seconds. At Python's 5 ms a storing thread waits long for the event loop.
SWITCH: Final = 0.001


def tune() -> None:
    """What was loaded so far is no garbage; collect more rarely; let threads take turns more often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    sys.setswitchinterval(SWITCH)


def leave(code: int) -> NoReturn:
    """End this process now, whatever still runs in it; what was logged and printed comes out."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def busy_threads() -> list[str]:
    """Threads that keep the process from ending, as 'name at file:line': neither daemons, nor those of pools that wait."""
    frames = sys._current_frames()  # noqa: SLF001 - the only way to see another thread's stack
    found: list[str] = []
    waiting: dict[pool.ThreadPoolExecutor | None, list[str]] = {}
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread is threading.main_thread() or thread.daemon or frame is None:
            continue
        told = f"{thread.name!r} at {frame.f_code.co_filename}:{frame.f_lineno}"
        if _waits_in_pool(frame):
            waiting.setdefault(frame.f_locals["executor_reference"](), []).append(told)
        else:
            found.append(told)
    return found + [one for executor, threads in waiting.items() for one in _given_work(executor, threads)]


def _waits_in_pool(frame: FrameType) -> bool:
    """Whether this is a pool's thread without work: its innermost Python code is the pool's own loop."""
    return frame.f_code.co_filename == pool.__file__ and frame.f_code.co_name == "_worker"


def _given_work(executor: pool.ThreadPoolExecutor | None, threads: list[str]) -> list[str]:
    """Those beyond the ones that the pool itself counts as idle: what it was given a moment ago no thread has begun.

    None of a pool that is shut down or gone: its threads end by themselves.
    """
    if executor is None or executor._shutdown:  # noqa: SLF001 - it says so to nobody
        return []
    return threads[executor._idle_semaphore._value :]  # noqa: SLF001
