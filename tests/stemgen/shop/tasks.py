"""Tasks of all kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from app.contracts import (
    Address,
    Carrier,
    Colour,
    Empty,
    Level,
    Node,
    Page,
    Pet,
    Receipt,
    Signed,
    Tags,
)
from pydantic import Base64Bytes, BaseModel, Field, HttpUrl, JsonValue, PositiveInt, field_validator

from stem import Limit, Rate, TaskContext, Unique, task


class HelloArgs(BaseModel):
    name: str = Field(min_length=1, description="Whom to greet.")
    times: int = Field(default=1, ge=1, le=10, description="How many greetings.")
    tags: list[str] = []

    @field_validator("name")
    @classmethod
    def no_digits(cls, name: str) -> str:
        """Known to the worker alone."""
        if any(letter.isdigit() for letter in name):
            raise ValueError("a name has no digits")
        return name


@task("demo.hello")
async def hello(ctx: TaskContext, args: HelloArgs) -> str:
    '''Greet """somebody""", politely\\.

    Runs on the default queue. "
    '''
    return f"hello {args.name}, {args.times} times"


@task("demo.ping")
async def ping() -> None: ...


@task("demo.class")
async def reserved(args: Empty) -> bool:
    """Its name is a keyword."""
    return True


@task("demo.with-dash", stub="with_a_dash")
def dashed(args: Receipt) -> float:
    """Its stub has a name of its own."""
    return 1.5


class Everything(BaseModel):
    """One of each."""

    order_id: str
    to: Address
    carrier: Carrier = Carrier.UPS
    mode: Literal["air", "sea"] = "air"
    level: Level = Level.LOW
    colour: Literal[Colour.RED] = Colour.RED
    class_: str | None = Field(default=None, alias="class")
    ident: UUID = Field(default_factory=uuid4)
    wait: timedelta = timedelta(minutes=5)
    price: Decimal = Decimal("1.50")
    pets: list[Pet] = []
    count: PositiveInt = 1
    blob: Base64Bytes = b""
    url: HttpUrl | None = None
    names: list[Annotated[str, Field(max_length=3)]] = []
    node: Node | None = None
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    day: date = date(2026, 1, 1)
    hour: time = time(12, 30)
    file: Path | None = None
    point: tuple[int, int] = (0, 0)
    many: tuple[int, ...] = ()
    by_name: dict[str, list[Address]] = {}
    words: set[str] = set()
    frozen: frozenset[int] = frozenset()
    sequence: Sequence[int] = ()
    mapping: Mapping[str, int] = {}
    anything: Any = None
    json_: JsonValue = None
    either: int | str | None = None
    literal: Literal["a", 1, True, None] = "a"
    ratio: float = 0.5
    empty: Empty = Empty()


@task(
    "orders.ship",
    queue="shipping",
    priority=5,
    expires="1h",
    visibility_timeout="90s",
    result_ttl="2d",
    rate_limit=Rate("100/m", key="order_id", burst=7),
    concurrency=Limit(3, key="order_id"),
    unique=Unique(key="order_id", until="start", conflict="raise"),
)
async def ship(args: Everything) -> Receipt:
    return Receipt(order_id=args.order_id)


@task("orders.once", at_most_once=True, unique=Unique(for_="1h"), expires=None, concurrency=2)
def once(args: Receipt) -> Signed:
    return Signed(order_id=args.order_id)


class ReportArgs(BaseModel):
    receipts: list[Receipt]
    title: str
    limit: int = 3


@task("orders.report")
def report(args: ReportArgs) -> Page[Signed]:
    return Page(items=[])


@task("orders.nested.deep.walk")
def walk(args: Node) -> dict[str, list[Node]] | None:
    return None


@task("pack")
def pack(args: Receipt) -> Tags:
    """Without a namespace."""
    return Tags([])


@task("label")
def label(args: Tags) -> list[Pet]:
    return []
