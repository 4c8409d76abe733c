"""Threads that keep a worker's process from ending."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stem.worker.process import busy_threads


def of_pool(name: str) -> list[str]:
    return [one for one in busy_threads() if one.startswith(f"'{name}")]


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    made = ThreadPoolExecutor(1, thread_name_prefix="ours")
    made.submit(int).result()
    return made


def test_what_was_handed_to_a_pool_is_seen_at_once_also_before_a_thread_takes_it(pool: ThreadPoolExecutor) -> None:
    with pool:
        for _ in range(300):
            going = threading.Event()
            doing = pool.submit(going.wait, 30)
            assert len(of_pool("ours")) == 1
            going.set()
            doing.result()


def test_a_pool_that_waits_and_one_that_has_been_shut_down_keep_nothing(pool: ThreadPoolExecutor) -> None:
    until = time.monotonic() + 10
    while of_pool("ours") and time.monotonic() < until:  # its thread puts away what it has done
        time.sleep(0.001)
    assert of_pool("ours") == []
    pool.shutdown()
    assert of_pool("ours") == []


def test_of_several_threads_as_many_are_told_as_have_work() -> None:
    with ThreadPoolExecutor(3, thread_name_prefix="three") as pool:
        gate = threading.Barrier(4)
        for _ in range(3):
            pool.submit(gate.wait, 30)
        gate.wait(30)
        until = time.monotonic() + 10
        while of_pool("three") and time.monotonic() < until:
            time.sleep(0.001)
        going = threading.Event()
        doing = [pool.submit(going.wait, 30) for _ in range(2)]
        assert len(of_pool("three")) == 2
        going.set()
        assert all(one.result() for one in doing)
