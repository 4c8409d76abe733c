"""The service that asks for work. It knows tasks, workflows and events by their stubs alone."""

import asyncio
import os
import sys

from warehouse_client import TaskName, all_tasks, events, orders, reports

from stem import InvalidArgumentsError, Stem

app = Stem[TaskName](os.environ.get("STEM_URL", "sqlite:///.stem/two-services.db"), tasks=all_tasks())


async def main() -> None:
    async with app:
        charged = await orders.charge(id="A-1", customer="ada", cents=4200).enqueue(app)
        receipt = await charged.result(timeout="20s")  # a Receipt
        print(f"charged {receipt.cents / 100:.2f} for {receipt.order_id}")

        address = orders.Address(street="1 rue de la Paix", city="Paris")
        sent = await orders.dispatch(receipt=receipt, to=address, speed="fast").priority(9).enqueue(app)
        parcel = await sent.result(timeout="20s")
        print(f"{parcel.order_id} goes by {parcel.carrier} to {parcel.label}")

        by_name = await app.enqueue("reports.stock")
        print(f"in stock: {await by_name.result(timeout='20s')}")

        day = await reports.day(receipts=[receipt], title="today").enqueue(app)
        print(f"today: {await day.result(timeout='20s')}")

        order = orders.Order(id="A-3", customer="ada", cents=900)
        run = await orders.fulfil(order=order, to=address).id("fulfil-A-3").start(app)
        await events.order_packed.emit(app, events.Packed(by="grace"), key="A-3")  # before or after it waits
        print(f"{run.id}: {(await run.result(timeout='20s')).label}")  # a Parcel

        try:
            await orders.charge(id="A-2", customer="ada", cents=0).enqueue(app)  # refused before anything is sent
        except InvalidArgumentsError as fault:
            print(fault)
        print(f"worker code here: {'warehouse' in sys.modules}")


asyncio.run(main())
