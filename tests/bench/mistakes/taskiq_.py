"""taskiq."""

from taskiq import InMemoryBroker
from taskiq.kicker import AsyncKicker

broker = InMemoryBroker()


class Address: ...


class Order: ...


@broker.task
async def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@broker.task
async def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@broker.task
async def day(title: str) -> None: ...


@broker.task
async def dispatch(to: Address) -> None: ...


async def main() -> None:
    await chrage.kiq("1", "a", 2)  # the task is misspelt
    await charge.kiq("1", "a", 2)  # right
    named: AsyncKicker[[str, str, int], None] = AsyncKicker("chrage", broker, {})  # the task is misspelt, by name
    also: AsyncKicker[[str, str, int], None] = AsyncKicker("charge", broker, {})  # right
    await charge.kiq("1", "a")  # an argument is missing
    await charge.kiq("1", "a", 2)  # right
    await charge.kiq("1", "a", "2")  # an argument has the wrong type
    await charge.kiq("1", "a", 2)  # right
    await charge.kiq(id="1", customer="a", cent=2)  # an argument is misspelt
    await charge.kiq(id="1", customer="a", cents=2)  # right
    await charge.kicker().with_labels(delay=3).kiq("1", "a", "2")  # a wrong argument, with an option
    await charge.kicker().with_labels(delay=3).kiq("1", "a", 2)  # right
    await charge.kicker().with_labels(dealy=3).kiq("1", "a", 2)  # an option is misspelt
    await charge.kicker().with_labels(delay=3).kiq("1", "a", 2)  # right
    await charge.kicker().with_labels(delay="soon").kiq("1", "a", 2)  # an option has the wrong type
    await charge.kicker().with_labels(delay=3).kiq("1", "a", 2)  # right
    task = await charge.kiq("1", "a", 2)
    number: int = (await task.wait_result()).return_value  # the result has another type
    sums: dict[str, int] = (await task.wait_result()).return_value  # right
    other = await total.kiq({})
    number = other.wait_result()  # the result is not waited for
    number = (await other.wait_result()).return_value  # right
    ...  # the next task does not take what this one gives
    await dispatch.kiq(Order())  # another model than the task's
    await dispatch.kiq(Address())  # right
    charge.kiq("1", "a", 2)  # the call is never sent
    await charge.kiq("1", "a", 2)  # right
