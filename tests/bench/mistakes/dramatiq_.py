"""Dramatiq."""

import dramatiq
from dramatiq import Message


class Address: ...


class Order: ...


@dramatiq.actor
def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@dramatiq.actor
def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@dramatiq.actor
def day(title: str) -> None: ...


@dramatiq.actor
def dispatch(to: Address) -> None: ...


def main() -> None:
    chrage.send("1", "a", 2)  # the task is misspelt
    charge.send("1", "a", 2)  # right
    named: Message[None] = Message("default", "chrage", ("1", "a", 2), {}, {})  # the task is misspelt, by name
    also: Message[None] = Message("default", "charge", ("1", "a", 2), {}, {})  # right
    charge.send("1", "a")  # an argument is missing
    charge.send("1", "a", 2)  # right
    charge.send("1", "a", "2")  # an argument has the wrong type
    charge.send("1", "a", 2)  # right
    charge.send(id="1", customer="a", cent=2)  # an argument is misspelt
    charge.send(id="1", customer="a", cents=2)  # right
    charge.send_with_options(args=("1", "a", "2"), delay=3)  # a wrong argument, with an option
    charge.send_with_options(args=("1", "a", 2), delay=3)  # right
    charge.send_with_options(args=("1", "a", 2), dealy=3)  # an option is misspelt
    charge.send_with_options(args=("1", "a", 2), delay=3)  # right
    charge.send_with_options(args=("1", "a", 2), delay="soon")  # an option has the wrong type
    charge.send_with_options(args=("1", "a", 2), delay=3)  # right
    message = charge.send("1", "a", 2)
    number: int = message.get_result()  # the result has another type
    sums: dict[str, int] = message.get_result()  # right
    number = total.send({})  # the result is not waited for
    number = total.send({}).get_result()  # right
    charge.message("1", "a", 2) | day.message()  # the next task does not take what this one gives
    charge.message("1", "a", 2) | total.message()  # right
    dispatch.send(Order())  # another model than the task's
    dispatch.send(Address())  # right
    charge.message("1", "a", 2)  # the call is never sent
    dramatiq.get_broker().enqueue(charge.message("1", "a", 2))  # right
