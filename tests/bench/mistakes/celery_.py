"""Celery with celery-types."""

from celery import Celery, chain

app = Celery("shop")


class Address: ...


class Order: ...


@app.task
def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@app.task
def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@app.task
def day(title: str) -> None: ...


@app.task
def dispatch(to: Address) -> None: ...


def main() -> None:
    chrage.delay("1", "a", 2)  # the task is misspelt
    charge.delay("1", "a", 2)  # right
    app.send_task("orders.chrage", ("1", "a", 2))  # the task is misspelt, by name
    app.send_task("orders.charge", ("1", "a", 2))  # right
    charge.delay("1", "a")  # an argument is missing
    charge.delay("1", "a", 2)  # right
    charge.delay("1", "a", "2")  # an argument has the wrong type
    charge.delay("1", "a", 2)  # right
    charge.delay(id="1", customer="a", cent=2)  # an argument is misspelt
    charge.delay(id="1", customer="a", cents=2)  # right
    charge.apply_async(("1", "a", "2"), countdown=3)  # a wrong argument, with an option
    charge.apply_async(("1", "a", 2), countdown=3)  # right
    charge.apply_async(("1", "a", 2), countdwon=3)  # an option is misspelt
    charge.apply_async(("1", "a", 2), countdown=3)  # right
    charge.apply_async(("1", "a", 2), countdown="soon")  # an option has the wrong type
    charge.apply_async(("1", "a", 2), countdown=3)  # right
    result = charge.delay("1", "a", 2)
    number: int = result.get()  # the result has another type
    sums: dict[str, int] = result.get()  # right
    number = total.delay({})  # the result is not waited for
    number = total.delay({}).get()  # right
    chain(charge.s("1", "a", 2), day.s())  # the next task does not take what this one gives
    chain(charge.s("1", "a", 2), total.s())  # right
    dispatch.delay(Order())  # another model than the task's
    dispatch.delay(Address())  # right
    charge.s("1", "a", 2)  # the call is never sent
    charge.s("1", "a", 2).delay()  # right
