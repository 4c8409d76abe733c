"""procrastinate."""

from procrastinate import App, InMemoryConnector

app = App(connector=InMemoryConnector())


class Address: ...


class Order: ...


@app.task
async def charge(id: str, customer: str, cents: int) -> dict[str, int]:
    return {}


@app.task
async def day(title: str) -> None: ...


@app.task
async def dispatch(to: Address) -> None: ...


async def main() -> None:
    await chrage.defer_async(id="1", customer="a", cents=2)  # the task is misspelt
    await app.configure_task("chrage").defer_async(id="1", customer="a", cents=2)  # the task is misspelt, by name
    await charge.defer_async(id="1", customer="a")  # an argument is missing
    await charge.defer_async(id="1", customer="a", cents="2")  # an argument has the wrong type
    await charge.defer_async(id="1", customer="a", cent=2)  # an argument is misspelt
    await charge.configure(priority=3).defer_async(id="1", customer="a", cents=Order())  # a wrong argument, with an option
    await charge.configure(prioritty=3).defer_async(id="1", customer="a", cents=2)  # an option is misspelt
    await charge.configure(priority="high").defer_async(id="1", customer="a", cents=2)  # an option has the wrong type
    job = await charge.defer_async(id="1", customer="a", cents=2)
    ...  # the result has another type
    ...  # the result is not waited for
    ...  # the next task does not take what this one gives
    await dispatch.defer_async(to=Order())  # another model than the task's
