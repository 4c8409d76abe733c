"""A job that failed for good is kept with its reason and its bytes; once the cause is gone, it is replayed."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stem import JobFailed, Stem, task


class Mail(BaseModel):
    to: str


servers_up: set[str] = set()


@task("mail.send", max_retries=0)
async def send(args: Mail) -> str:
    """Send one mail."""
    if "mail" not in servers_up:
        raise ConnectionError("the mail server is down")
    return f"sent to {args.to}"


async def main() -> None:
    app = Stem.in_memory(tasks=[send])
    async with app, app.worker():
        handle = await send.enqueue(app, Mail(to="ada@example.org"))
        try:
            await handle.result("5s")
        except JobFailed as failed:
            print(f"buried: {failed.reason}")

        letters, _ = await app.dead_letters.list(task="mail.send")
        for letter in letters:
            assert letter.error is not None
            print(f"{letter.task}  {letter.reason}  {letter.error.type}: {letter.error.message}")

        servers_up.add("mail")
        would_be = await app.dead_letters.replay(task="mail.send", dry_run=True)
        print(f"a dry run names {len(would_be)} job and changes nothing")
        await app.dead_letters.replay(task="mail.send")
        print(await handle.result("5s"))


if __name__ == "__main__":
    asyncio.run(main())
