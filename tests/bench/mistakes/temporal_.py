"""Temporal: a workflow of one argument, as its guide asks for, that calls activities."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client


class Address: ...


class Order: ...


@dataclass
class Charge:
    id: str
    customer: str
    cents: int


@activity.defn
async def sums(order: Charge) -> dict[str, int]:
    return {}


@activity.defn
async def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@activity.defn
async def day(title: str) -> None: ...


@workflow.defn
class Dispatch:
    @workflow.run
    async def run(self, to: Address) -> None: ...


@workflow.defn
class Charging:
    @workflow.run
    async def run(self, order: Charge) -> dict[str, int]:
        given = await workflow.execute_activity(sums, order, start_to_close_timeout=timedelta(seconds=1))
        await workflow.execute_activity(day, given, start_to_close_timeout=timedelta(seconds=1))  # the next task does not take what this one gives
        await workflow.execute_activity(total, given, start_to_close_timeout=timedelta(seconds=1))  # right
        return given


order = Charge("1", "a", 2)


async def main(client: Client) -> None:
    await client.start_workflow(Chraging.run, order, id="1", task_queue="q")  # the task is misspelt
    await client.start_workflow(Charging.run, order, id="1", task_queue="q")  # right
    await client.start_workflow("Chraging", order, id="1", task_queue="q")  # the task is misspelt, by name
    await client.start_workflow("Charging", order, id="1", task_queue="q")  # right
    await client.start_workflow(Charging.run, Charge("1", "a"), id="1", task_queue="q")  # an argument is missing
    await client.start_workflow(Charging.run, Charge("1", "a", 2), id="1", task_queue="q")  # right
    await client.start_workflow(Charging.run, Charge("1", "a", "2"), id="1", task_queue="q")  # an argument has the wrong type
    await client.start_workflow(Charging.run, Charge("1", "a", 2), id="1", task_queue="q")  # right
    await client.start_workflow(Charging.run, Charge(id="1", customer="a", cent=2), id="1", task_queue="q")  # an argument is misspelt
    await client.start_workflow(Charging.run, Charge(id="1", customer="a", cents=2), id="1", task_queue="q")  # right
    await client.start_workflow(Charging.run, "2", id="1", task_queue="q", start_delay=timedelta(3))  # a wrong argument, with an option
    await client.start_workflow(Charging.run, order, id="1", task_queue="q", start_delay=timedelta(3))  # right
    await client.start_workflow(Charging.run, order, id="1", task_queue="q", start_dealy=timedelta(3))  # an option is misspelt
    await client.start_workflow(Charging.run, order, id="1", task_queue="q", start_delay=timedelta(3))  # right
    await client.start_workflow(Charging.run, order, id="1", task_queue="q", start_delay="soon")  # an option has the wrong type
    await client.start_workflow(Charging.run, order, id="1", task_queue="q", start_delay=timedelta(3))  # right
    handle = await client.start_workflow(Charging.run, order, id="1", task_queue="q")
    number: int = await handle.result()  # the result has another type
    found: dict[str, int] = await handle.result()  # right
    found = handle.result()  # the result is not waited for
    found = await handle.result()  # right
    await client.start_workflow(Dispatch.run, Order(), id="1", task_queue="q")  # another model than the task's
    await client.start_workflow(Dispatch.run, Address(), id="1", task_queue="q")  # right
    client.start_workflow(Charging.run, order, id="1", task_queue="q")  # the call is never sent
    await client.start_workflow(Charging.run, order, id="1", task_queue="q")  # right
