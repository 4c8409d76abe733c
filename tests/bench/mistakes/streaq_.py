"""streaq."""

from streaq import Worker

worker = Worker()


class Address: ...


class Order: ...


@worker.task()
async def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@worker.task()
async def day(title: str) -> None: ...


@worker.task()
async def dispatch(to: Address) -> None: ...


async def main() -> None:
    await chrage.enqueue("1", "a", 2)  # the task is misspelt
    await worker.enqueue_unsafe("chrage", "1", "a", 2)  # the task is misspelt, by name
    await charge.enqueue("1", "a")  # an argument is missing
    await charge.enqueue("1", "a", "2")  # an argument has the wrong type
    await charge.enqueue(id="1", customer="a", cent=2)  # an argument is misspelt
    await charge.enqueue("1", "a", "2").start(delay=3)  # a wrong argument, with an option
    await charge.enqueue("1", "a", 2).start(dealy=3)  # an option is misspelt
    await charge.enqueue("1", "a", 2).start(delay=[])  # an option has the wrong type
    task = await charge.enqueue("1", "a", 2)
    number: int = (await task.result()).result  # the result has another type
    number = task.result()  # the result is not waited for
    await charge.enqueue("1", "a", 2).then(day)  # the next task does not take what this one gives
    await dispatch.enqueue(Order())  # another model than the task's
