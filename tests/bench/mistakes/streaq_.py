"""streaq."""

from streaq import Worker

worker = Worker()


class Address: ...


class Order: ...


@worker.task()
async def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@worker.task()
async def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@worker.task()
async def day(title: str) -> None: ...


@worker.task()
async def dispatch(to: Address) -> None: ...


async def main() -> None:
    await chrage.enqueue("1", "a", 2)  # the task is misspelt
    await charge.enqueue("1", "a", 2)  # right
    await worker.enqueue_unsafe("chrage", "1", "a", 2)  # the task is misspelt, by name
    await worker.enqueue_unsafe("charge", "1", "a", 2)  # right
    await charge.enqueue("1", "a")  # an argument is missing
    await charge.enqueue("1", "a", 2)  # right
    await charge.enqueue("1", "a", "2")  # an argument has the wrong type
    await charge.enqueue("1", "a", 2)  # right
    await charge.enqueue(id="1", customer="a", cent=2)  # an argument is misspelt
    await charge.enqueue(id="1", customer="a", cents=2)  # right
    await charge.enqueue("1", "a", "2").start(delay=3)  # a wrong argument, with an option
    await charge.enqueue("1", "a", 2).start(delay=3)  # right
    await charge.enqueue("1", "a", 2).start(dealy=3)  # an option is misspelt
    await charge.enqueue("1", "a", 2).start(delay=3)  # right
    await charge.enqueue("1", "a", 2).start(delay="soon")  # an option has the wrong type
    await charge.enqueue("1", "a", 2).start(delay=3)  # right
    task = await charge.enqueue("1", "a", 2)
    number: int = (await task.result()).result  # the result has another type
    sums: dict[str, int] = (await task.result()).result  # right
    other = await total.enqueue({})
    number = other.result()  # the result is not waited for
    number = (await other.result()).result  # right
    await charge.enqueue("1", "a", 2).then(day)  # the next task does not take what this one gives
    await charge.enqueue("1", "a", 2).then(total)  # right
    await dispatch.enqueue(Order())  # another model than the task's
    await dispatch.enqueue(Address())  # right
    charge.enqueue("1", "a", 2)  # the call is never sent
    await charge.enqueue("1", "a", 2)  # right
