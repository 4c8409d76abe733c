"""stem, through a package that stemgen wrote."""

from stem import Stem
from warehouse_client import TaskName, orders, reports

app = Stem[TaskName]("memory://")
receipt = orders.Receipt(order_id="1", cents=2)
address = orders.Address(street="S", city="C")


async def main() -> None:
    orders.chrage(id="1", customer="a", cents=2)  # the task is misspelt
    orders.charge(id="1", customer="a", cents=2)  # right
    await app.enqueue("orders.chrage", {})  # the task is misspelt, by name
    await app.enqueue("orders.charge", {})  # right
    orders.charge(id="1", customer="a")  # an argument is missing
    orders.charge(id="1", customer="a", cents=2)  # right
    orders.charge(id="1", customer="a", cents="2")  # an argument has the wrong type
    orders.charge(id="1", customer="a", cents=2)  # right
    orders.charge(id="1", customer="a", cent=2)  # an argument is misspelt
    orders.charge(id="1", customer="a", cents=2)  # right
    orders.charge(id="1", customer="a", cents="2").delay(3)  # a wrong argument, with an option
    orders.charge(id="1", customer="a", cents=2).delay(3)  # right
    orders.charge(id="1", customer="a", cents=2).dealy(3)  # an option is misspelt
    orders.charge(id="1", customer="a", cents=2).delay(3)  # right
    orders.charge(id="1", customer="a", cents=2).priority("soon")  # an option has the wrong type
    orders.charge(id="1", customer="a", cents=2).priority(3)  # right
    handle = await orders.charge(id="1", customer="a", cents=2).enqueue(app)
    number: int = await handle.result()  # the result has another type
    found: orders.Receipt = await handle.result()  # right
    found = handle.result()  # the result is not waited for
    found = await handle.result()  # right
    orders.charge(id="1", customer="a", cents=2) | reports.day  # the next task does not take what this one gives
    orders.charge(id="1", customer="a", cents=2) | orders.dispatch.take("receipt", to=address)  # right
    orders.dispatch(receipt=receipt, to=receipt)  # another model than the task's
    orders.dispatch(receipt=receipt, to=address)  # right
    orders.charge(id="1", customer="a", cents=2)  # the call is never sent
    await orders.charge(id="1", customer="a", cents=2).enqueue(app)  # right
