"""Models of all kinds."""

from __future__ import annotations

import enum
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field

T = TypeVar("T")


class Carrier(enum.StrEnum):
    """Who carries it."""

    UPS = "ups"
    DHL = "dhl"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(str, enum.Enum):
    RED = "red"


class Address(BaseModel):
    """Where it goes."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    street: str = Field(min_length=1, description='The "street"\\ and number.')
    country: str = Field(default="FR", pattern="^[A-Z]{2}$")


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int = 0


class Node(BaseModel):
    value: int
    children: list[Node] = []
    parent: Node | None = None


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Receipt(BaseModel):
    order_id: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shown(self) -> str:
        """Not on the wire."""
        return f"receipt of {self.order_id}"


class Signed(Receipt):
    """A receipt and more."""

    by: str = "till"


class Tags(RootModel[list[str]]):
    """Words."""


class Empty(BaseModel):
    pass


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
