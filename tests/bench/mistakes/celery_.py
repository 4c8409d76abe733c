"""Celery with celery-types."""

from celery import Celery, chain

app = Celery("shop")


class Address: ...


class Order: ...


@app.task
def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@app.task
def day(title: str) -> None: ...


@app.task
def dispatch(to: Address) -> None: ...


def main() -> None:
    chrage.delay("1", "a", 2)  # the task is misspelt
    app.send_task("orders.chrage", ("1", "a", 2))  # the task is misspelt, by name
    charge.delay("1", "a")  # an argument is missing
    charge.delay("1", "a", "2")  # an argument has the wrong type
    charge.delay(id="1", customer="a", cent=2)  # an argument is misspelt
    charge.apply_async(("1", "a", "2"), countdown=3)  # a wrong argument, with an option
    charge.apply_async(("1", "a", 2), countdwon=3)  # an option is misspelt
    charge.apply_async(("1", "a", 2), countdown="soon")  # an option has the wrong type
    result = charge.delay("1", "a", 2)
    number: int = result.get()  # the result has another type
    number = result  # the result is not waited for
    chain(charge.s("1", "a", 2), day.s())  # the next task does not take what this one gives
    dispatch.delay(Order())  # another model than the task's
