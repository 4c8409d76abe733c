"""Dramatiq."""

import dramatiq
from dramatiq import Message


class Address: ...


class Order: ...


@dramatiq.actor
def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@dramatiq.actor
def day(title: str) -> None: ...


@dramatiq.actor
def dispatch(to: Address) -> None: ...


def main() -> None:
    chrage.send("1", "a", 2)  # the task is misspelt
    dramatiq.get_broker().enqueue(Message("default", "chrage", ("1", "a", 2), {}, {}))  # the task is misspelt, by name
    charge.send("1", "a")  # an argument is missing
    charge.send("1", "a", "2")  # an argument has the wrong type
    charge.send(id="1", customer="a", cent=2)  # an argument is misspelt
    charge.send_with_options(args=("1", "a", "2"), delay=3)  # a wrong argument, with an option
    charge.send_with_options(args=("1", "a", 2), dealy=3)  # an option is misspelt
    charge.send_with_options(args=("1", "a", 2), delay="soon")  # an option has the wrong type
    message = charge.send("1", "a", 2)
    number: int = message.get_result()  # the result has another type
    number = message  # the result is not waited for
    charge.message("1", "a", 2) | day.message()  # the next task does not take what this one gives
    dispatch.send(Order())  # another model than the task's
