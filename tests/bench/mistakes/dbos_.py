"""DBOS: workflows on a queue."""

from dbos import DBOS, DBOSClient, Queue, SetEnqueueOptions

queue = Queue("shop")


class Address: ...


class Order: ...


@DBOS.workflow()
def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@DBOS.workflow()
def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@DBOS.workflow()
def day(title: str) -> None: ...


@DBOS.workflow()
def dispatch(to: Address) -> None: ...


def main(client: DBOSClient) -> None:
    queue.enqueue(chrage, "1", "a", 2)  # the task is misspelt
    queue.enqueue(charge, "1", "a", 2)  # right
    client.enqueue({"workflow_name": "chrage", "queue_name": "shop"}, "1", "a", 2)  # the task is misspelt, by name
    client.enqueue({"workflow_name": "charge", "queue_name": "shop"}, "1", "a", 2)  # right
    queue.enqueue(charge, "1", "a")  # an argument is missing
    queue.enqueue(charge, "1", "a", 2)  # right
    queue.enqueue(charge, "1", "a", "2")  # an argument has the wrong type
    queue.enqueue(charge, "1", "a", 2)  # right
    queue.enqueue(charge, id="1", customer="a", cent=2)  # an argument is misspelt
    queue.enqueue(charge, id="1", customer="a", cents=2)  # right
    with SetEnqueueOptions(delay_seconds=3): queue.enqueue(charge, "1", "a", "2")  # a wrong argument, with an option
    with SetEnqueueOptions(delay_seconds=3): queue.enqueue(charge, "1", "a", 2)  # right
    with SetEnqueueOptions(dealy_seconds=3): queue.enqueue(charge, "1", "a", 2)  # an option is misspelt
    with SetEnqueueOptions(delay_seconds=3): queue.enqueue(charge, "1", "a", 2)  # right
    with SetEnqueueOptions(delay_seconds="soon"): queue.enqueue(charge, "1", "a", 2)  # an option has the wrong type
    with SetEnqueueOptions(delay_seconds=3): queue.enqueue(charge, "1", "a", 2)  # right
    handle = queue.enqueue(charge, "1", "a", 2)
    number: int = handle.get_result()  # the result has another type
    sums: dict[str, int] = handle.get_result()  # right
    number = queue.enqueue(total, {})  # the result is not waited for
    number = queue.enqueue(total, {}).get_result()  # right
    queue.enqueue(day, charge("1", "a", 2))  # the next task does not take what this one gives
    queue.enqueue(total, charge("1", "a", 2))  # right
    queue.enqueue(dispatch, Order())  # another model than the task's
    queue.enqueue(dispatch, Address())  # right
    ...  # the call is never sent
