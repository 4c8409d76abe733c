"""How contract tests bring jobs about."""

from __future__ import annotations

from stem.contracts.engine import Engine
from stem.testing.contracts import (
    EngineFactory,
    again,
    bury,
    cancel,
    done,
    not_run,
    park,
    publish,
    release_one,
    settle_one,
    shift,
    stopped,
    submission,
    take,
    take_one,
)


async def restart(engine: Engine, engines: EngineFactory) -> Engine:
    await engine.close()
    return await engines.make()


async def claims_until(engine: Engine, job_id: str, *, most: int, strict: bool) -> int | None:
    """The number of the claim that served this job while higher ones kept coming; None: none of `most` did."""
    for number in range(1, most + 1):
        await publish(engine, submission(f"busy-{number}", priority=9))
        if job_id in {one.id for one in await take(engine, strict=strict)}:
            return number
    return None


async def bring(engine: Engine, job_id: str, state: str) -> None:
    """A new job in the given state."""
    match state:
        case "parked":
            await park(engine, job_id)
            return
        case "delayed":
            await publish(engine, submission(job_id, delay_ms=60_000))
            return
        case _:
            await publish(engine, submission(job_id))
    if state == "queued":
        return
    if state == "cancelled":
        await cancel(engine, job_id)
        return
    delivery = await take_one(engine)
    match state:
        case "succeeded":
            await settle_one(engine, done(delivery))
        case "failed":
            await settle_one(engine, bury(delivery))
        case "retried":
            await settle_one(engine, again(delivery, 60_000))
        case "handed back":
            await release_one(engine, delivery)
        case _:
            assert state == "running"


async def bring_to_end(engine: Engine, job_id: str, end: str) -> None:
    """Bring a queued job to its end."""
    match end:
        case "cancel":
            await cancel(engine, job_id)
            return
        case "purge":
            assert await engine.queues.purge("q") == 1
            return
        case "expiry":
            shift(1_000, engine)
        case _:
            pass
    delivery = await take_one(engine)
    match end:
        case "success":
            await settle_one(engine, done(delivery))
        case "burial":
            await settle_one(engine, bury(delivery))
        case "stop":
            await cancel(engine, job_id)
            await settle_one(engine, stopped(delivery))
        case _:
            await settle_one(engine, not_run(delivery))
