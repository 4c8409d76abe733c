"""procrastinate."""

from procrastinate import App, InMemoryConnector

app = App(connector=InMemoryConnector())


class Address: ...


class Order: ...


@app.task
async def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@app.task
async def total(sums: dict[str, int]) -> int:
    return sum(sums.values())


@app.task
async def day(title: str) -> None: ...


@app.task
async def dispatch(to: Address) -> None: ...


async def main() -> None:
    await chrage.defer_async(id="1", customer="a", cents=2)  # the task is misspelt
    await charge.defer_async(id="1", customer="a", cents=2)  # right
    await app.configure_task("chrage").defer_async(id="1", customer="a", cents=2)  # the task is misspelt, by name
    await app.configure_task("charge").defer_async(id="1", customer="a", cents=2)  # right
    await charge.defer_async(id="1", customer="a")  # an argument is missing
    await charge.defer_async(id="1", customer="a", cents=2)  # right
    await charge.defer_async(id="1", customer="a", cents="2")  # an argument has the wrong type
    await charge.defer_async(id="1", customer="a", cents=2)  # right
    await charge.defer_async(id="1", customer="a", cent=2)  # an argument is misspelt
    await charge.defer_async(id="1", customer="a", cents=2)  # right
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents="2")  # a wrong argument, with an option
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents=2)  # right
    await charge.configure(prioritty=3).defer_async(id="1", customer="a", cents=2)  # an option is misspelt
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents=2)  # right
    await charge.configure(priority="soon").defer_async(id="1", customer="a", cents=2)  # an option has the wrong type
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents=2)  # right
    ...  # the result has another type
    ...  # the result is not waited for
    ...  # the next task does not take what this one gives
    await dispatch.defer_async(to=Order())  # another model than the task's
    await dispatch.defer_async(to=Address())  # right
    charge.configure(priority=3)  # the call is never sent
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents=2)  # right
