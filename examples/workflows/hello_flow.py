"""A flow: steps in order, each stored before the next begins.

python examples/workflows/hello_flow.py
"""

import asyncio

from pydantic import BaseModel

from stem import Flow, Stem, StepContext


class Guest(BaseModel):
    name: str


async def greet(step: StepContext) -> str:
    guest: Guest = step.params
    return f"hello, {guest.name}"


def shout(step: StepContext) -> str:
    """A plain function runs in a thread."""
    return str(step.previous_result).upper() + "!"


hello = Flow("demo.hello", params=Guest).step("greet", greet).step("shout", shout)


async def main() -> None:
    async with Stem.in_memory(workflows=[hello]) as app, app.worker():
        run = await hello.start(app, Guest(name="Ada"))
        print(await run.result(timeout="10s"))
        for step in (await run.status()).steps:
            print(f"{step.pos} {step.key}: {step.value}")


if __name__ == "__main__":
    asyncio.run(main())
