"""Right uses of the blocking twin, and of both sides side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

from pydantic import BaseModel
from warehouse_client import all_tasks, events, orders, reports

from stem import DeadLetter, Enqueuer, Job, QueueStats, Run, Stem, SyncEnqueuer, SyncJobHandle, task
from stem.testing import FakeStem


class Order(BaseModel):
    number: int


@task("sync.count")
def count(args: Order) -> int:
    return args.number


app = Stem("memory://", tasks=[count, *all_tasks()])
call = count.build(Order(number=1))
STUB = orders.charge(id="1", customer="a", cents=2)
RUN = orders.fulfil(order=orders.Order(id="1", customer="a", cents=2), to=orders.Address(street="s", city="c"))


def view(sync: SyncEnqueuer) -> int:
    handle = sync.enqueue(call.priority(5))
    assert_type(handle, SyncJobHandle[int])
    assert_type(handle.status(), Job)
    assert_type(handle.status().state in ("failed", "cancelled"), bool)
    assert_type(handle.cancel("late"), bool)
    assert_type([one.result("5s") for one in sync.enqueue_many([call, call])], list[int])
    assert_type(handle.watch(), Iterator[Job])
    return handle.result(timeout=5)


def whole() -> None:
    with app.sync as sync:
        assert_type(view(sync), int)
        assert_type(sync.enqueue(STUB).result("5s"), orders.Receipt)
        assert_type(sync.enqueue(reports.stock()).result(), list[str] | None)
        jobs, cursor = sync.run(sync.jobs.list(states=("failed", "cancelled"), task="sync.count"))
        assert_type(jobs, list[Job])
        assert_type(cursor, str)
        assert_type(sync.run(sync.jobs.get("job-1")), Job)
        assert_type(sync.run(sync.jobs.cancel("job-1")), bool)
        letters, _ = sync.run(sync.dead_letters.list(reason="expired"))
        assert_type(letters, list[DeadLetter])
        assert_type(sync.run(sync.dead_letters.purge([one.id for one in letters])), int)
        assert_type(sync.run(sync.queues.stats("mail")).waiting, int)
        assert_type(sync.run(sync.queues.list()), list[QueueStats])
        assert_type(sync.handle("job-1").result(), Any)
        run = sync.start(RUN.id("fulfil-1"))
        assert_type(run.result("5s"), orders.Parcel)
        assert_type(run.status(), Run)
        assert_type(sync.emit(events.order_packed.event(events.Packed(by="a"), key="1")), bool)
        for job in sync.enqueue(call).watch():
            assert_type(job.finished, bool)


def long_lived() -> int:
    sync = app.sync
    sync.open()
    try:
        with ThreadPoolExecutor(2) as pool:
            assert_type(list(pool.map(view, [sync, sync])), list[int])
        return sync.enqueue(call).result()
    finally:
        sync.close()


async def from_a_loop(enqueuer: Enqueuer) -> None:
    assert_type(await asyncio.to_thread(view, app.sync), int)
    assert_type(await (await call.enqueue(enqueuer)).result(), int)


fake = FakeStem()
fake.answer(count, 5)
assert_type(view(fake.sync), int)
with fake.sync as twin:
    assert_type(twin.enqueue(call).result(), int)
assert len(fake.enqueued(count)) == 4
