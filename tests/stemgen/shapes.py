"""Random models, random edits of them, and documents that the older one takes: what `breaking` is tried with.

A shape says what a model is without being one, so that an edit is a change of a shape, and both sides can be made anew.
"""

# pyright: basic

from __future__ import annotations

import copy
import enum
import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union
from uuid import UUID

from pydantic import (
    UUID1,
    UUID4,
    AfterValidator,
    AliasChoices,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    HttpUrl,
    Json,
    NaiveDatetime,
    SecretStr,
    StringConstraints,
    WebsocketUrl,
    create_model,
)
from pydantic.json_schema import SkipJsonSchema

NAMES: Final = "abcdef"
PATTERNS: Final = ("^[a-c]+$", "^[a-z]+$", "^x")
DAYS: Final = tuple(date(2020, 1, day) for day in (1, 10, 20))
URLS: Final = {"http": HttpUrl, "any": AnyUrl, "ws": WebsocketUrl}
UUIDS: Final = ("c0ffee00-1234-4678-9234-567812345678", "c0ffee00-1234-1678-9234-567812345678")
#: Types that are made at run time, which no checker reads.
ANNOTATED: Final[Any] = Annotated
LIST: Final[Any] = list
SET: Final[Any] = set
DICT: Final[Any] = dict
TUPLE: Final[Any] = tuple
LITERAL: Final[Any] = Literal
JSON: Final[Any] = Json
HIDDEN: Final[Any] = SkipJsonSchema


class Shape:
    """One type: its kind, what constrains it, and the shapes inside."""

    def __init__(self, kind: str, *inside: Shape, **more: Any) -> None:
        self.kind, self.inside, self.more = kind, list(inside), more

    def walk(self, seen: set[int] | None = None) -> Iterator[Shape]:
        """This shape and all inside, each once."""
        seen = set() if seen is None else seen
        if id(self) not in seen:
            seen.add(id(self))
            yield self
            for one in self.inside:
                yield from one.walk(seen)

    def __repr__(self) -> str:
        return self._shown(())

    def _shown(self, above: tuple[int, ...]) -> str:
        if id(self) in above:
            return "^"
        words = [one._shown((*above, id(self))) for one in self.inside]
        words += [f"{key}={value!r}" for key, value in self.more.items() if value not in (None, {}, False)]
        return f"{self.kind}({', '.join(words)})"


# ---------------------------------------------------------------- making shapes


class Maker:
    """Draws shapes, with `only` these leaves; models that were drawn before may come again, in several places."""

    def __init__(self, chance: random.Random, only: Sequence[str] = ()) -> None:
        self.chance, self.only = chance, only
        self.models: list[Shape] = []
        self.leaves: dict[str, Callable[[], Shape]] = {
            "int": self.int_, "float": self.float_, "str": self.str_, "stripped": self.stripped, "decimal": self.decimal,
            "date": self.date_, "delta": self.delta, "moment": self.moment, "url": self.url, "uuid": self.uuid,
            "literal": self.literal, "enum": self.enum, "bytes": self.bytes_, "bool": lambda: Shape("bool"),
            "any": lambda: Shape("any"), "none": lambda: Shape("none"),
            "secret": lambda: Shape("secret"), "path": lambda: Shape("path"),
        }  # fmt: skip

    def model(self, depth: int = 0) -> Shape:
        made = Shape("model", fields=[], extra=None, config={})
        if depth:
            self.models.append(made)
        for name in self.chance.sample(NAMES, self.chance.randint(1, 4)):
            self.add_field(made, name, depth)
        if self.chance.random() < 0.4:
            made.more["extra"] = self.chance.choice(["allow", "forbid"])
        return made

    def add_field(self, model: Shape, name: str, depth: int) -> None:
        if depth and self.chance.random() < 0.1:
            inside = self.chance.choice([Shape("list", model), Shape("optional", model)])
        else:
            inside = self.shape(depth + 1)
        model.more["fields"].append({"name": name, "required": self.chance.random() < 0.5, "alias": None, "also": ()})
        model.inside.append(inside)

    def shape(self, depth: int) -> Shape:
        leaves = [make for kind, make in self.leaves.items() if not self.only or kind in self.only]
        if depth > 3:
            return self.chance.choice(leaves)()
        nests: list[Callable[[], Shape]] = [
            lambda: Shape("list", self.shape(depth + 1), **self.sizes()),
            lambda: Shape("set", Shape(self.chance.choice(["int", "str"])), **self.sizes()),
            lambda: Shape("tuple", *(self.shape(depth + 1) for _ in range(self.chance.randint(1, 3)))),
            lambda: Shape("optional", self.shape(depth + 1), hidden=self.chance.random() < 0.2),
            lambda: Shape("union", *(self.shape(depth + 1) for _ in range(self.chance.randint(2, 3)))),
            lambda: Shape("dict", self.key(), self.shape(depth + 1), **self.sizes()),
            lambda: Shape("json", self.shape(depth + 1)),
            lambda: Shape("checked", self.shape(depth + 1), by=self.chance.choice(list(CHECKS))),
            lambda: self.known() or self.model(depth + 1),
            lambda: self.model(depth + 1),
            lambda: self.tagged(depth + 1),
            lambda: self.tagged(depth + 1),
        ]
        return self.chance.choice(nests if self.chance.random() < 0.5 else leaves)()

    def known(self) -> Shape | None:
        return self.chance.choice(self.models) if self.models else None

    def tagged(self, depth: int) -> Shape:
        tags = self.chance.sample(["cat", "dog", "bird"], self.chance.randint(2, 3))
        made = []
        for tag in tags:
            old = [one for one in self.models if one.more.get("tag") == tag]
            model = self.chance.choice(old) if old and self.chance.random() < 0.6 else self.model(depth)
            model.more.setdefault("tag", tag)
            if model.more["tag"] != tag or model in made:
                model = Shape("model", fields=[], extra=None, config={}, tag=tag)
            model.more.setdefault("tag_default", self.chance.random() < 0.6)
            made.append(model)
        self.models += [one for one in made if one not in self.models]
        return Shape("tagged" if self.chance.random() < 0.6 else "union", *made)

    def key(self) -> Shape:
        kinds: list[Callable[[], Shape]] = [
            lambda: Shape("str"), lambda: Shape("str", pattern=self.chance.choice(PATTERNS)), lambda: Shape("int"),
            lambda: Shape("literal", values=self.chance.sample(["x", "xa", "abc"], 2)), self.enum,
            lambda: Shape("str", max_length=self.chance.choice([1, 3])),
        ]  # fmt: skip
        return self.chance.choice(kinds)()

    def sizes(self) -> dict[str, Any]:
        return {
            "min_length": self.chance.choice([None, None, None, 1, 2]),
            "max_length": self.chance.choice([None, None, None, 2, 3]),
        }

    def bounds(self, values: Any) -> dict[str, Any]:
        low, high = sorted(self.chance.sample(list(values), 2))
        made: dict[str, Any] = {}
        if self.chance.random() < 0.4:
            made[self.chance.choice(["ge", "gt"])] = low
        if self.chance.random() < 0.4:
            made[self.chance.choice(["le", "lt"])] = high
        return made

    def int_(self) -> Shape:
        step = self.chance.choice([None, None, None, 2, 3, 6])
        return Shape("int", **self.bounds(range(-3, 12, 3)), multiple_of=step, strict=self.chance.random() < 0.1)

    def float_(self) -> Shape:
        step = self.chance.choice([None, None, None, 0.1, 0.5, 2])
        return Shape("float", **self.bounds([-1.5, 0, 0.5, 3, 10]), multiple_of=step)

    def str_(self) -> Shape:
        more: dict[str, Any] = {"pattern": self.chance.choice(PATTERNS)} if self.chance.random() < 0.2 else {}
        if self.chance.random() < 0.2:
            more[self.chance.choice(["strip_whitespace", "to_lower"])] = True
        return Shape("str", **more, **self.sizes())

    def stripped(self) -> Shape:
        return Shape("str", strip_whitespace=self.chance.random() < 0.5, **self.sizes())

    def bytes_(self) -> Shape:
        return Shape("bytes", **self.sizes())

    def decimal(self) -> Shape:
        digits = self.chance.choice([(None, None), (4, None), (5, 2), (5, 3), (None, 2), (4, 2), (None, 1)])
        return Shape("decimal", **self.bounds([Decimal(-1), Decimal("0.5"), Decimal(3), Decimal(10)]),
                     max_digits=digits[0], decimal_places=digits[1])  # fmt: skip

    def date_(self) -> Shape:
        return Shape("date", **self.bounds(DAYS))

    def delta(self) -> Shape:
        return Shape("delta", **self.bounds([timedelta(minutes=n) for n in (0, 5, 60)]))

    def moment(self) -> Shape:
        return Shape("moment", zone=self.chance.choice([None, "aware", "naive"]))

    def url(self) -> Shape:
        return Shape("url", of=self.chance.choice(list(URLS)))

    def uuid(self) -> Shape:
        return Shape("uuid", version=self.chance.choice([1, 4, None]))

    def literal(self) -> Shape:
        values = ["x", "abc", 1, 2, True, None, "2020-01-10"]
        return Shape("literal", values=self.chance.sample(values, self.chance.randint(1, 3)))

    def enum(self) -> Shape:
        return Shape("enum", values=self.chance.sample(["x", "xa", "abc", "zz"], self.chance.randint(1, 3)))


# ---------------------------------------------------------------- edits


def edited(shape: Shape, chance: random.Random, only: Sequence[str] = ()) -> Shape:
    """The shape with one to three edits; what is shared stays shared."""
    made = copy.deepcopy(shape)
    maker = Maker(chance, only)
    maker.models = [one for one in made.walk() if one.kind == "model" and one is not made]
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        one = chance.choice(list(made.walk()))
        edit_model(one, maker) if one.kind == "model" else edit_type(one, maker)
    return made


def edit_model(model: Shape, maker: Maker) -> None:
    chance, fields = maker.chance, model.more["fields"]
    place = chance.randrange(len(fields)) if fields else None
    what = chance.choice(
        ["add", "drop", "required", "alias", "also", "renamed", "extra", "config", "default", "type", "type"]
    )
    if what == "add":
        free = [name for name in NAMES if name not in {one["name"] for one in fields}]
        maker.add_field(model, chance.choice(free), 2) if free else None
    elif what == "extra":
        model.more["extra"] = chance.choice([None, "allow", "forbid"])
    elif what == "config":
        settings: list[tuple[str, list[Any]]] = [
            ("str_strip_whitespace", [True, False]), ("str_max_length", [2, 50]),
            ("populate_by_name", [True, False]), ("strict", [True, False]), ("coerce_numbers_to_str", [True, False]),
            ("str_min_length", [1, 2]),
        ]  # fmt: skip
        key, values = chance.choice(settings)
        model.more["config"] = {**model.more["config"], key: chance.choice(values)}
    elif what == "default" and "tag" in model.more:
        model.more["tag_default"] = not model.more.get("tag_default")
    elif place is not None:
        if what == "drop":
            del fields[place], model.inside[place]
        elif what == "required":
            fields[place]["required"] = not fields[place]["required"]
        elif what == "alias":
            fields[place]["alias"] = chance.choice([None, "A", "B"])
        elif what == "also":
            fields[place]["also"] = tuple(chance.sample((*NAMES, "Aa", "Bb"), chance.choice([0, 1, 1, 2])))
        elif what == "renamed":
            free = [name for name in NAMES if name not in {one["name"] for one in fields}]
            old = fields[place]["name"]
            fields[place] |= {"name": chance.choice(free), "also": (old,)} if free else {}
        elif model.inside[place].kind != "model":
            edit_type(model.inside[place], maker)


def edit_type(one: Shape, maker: Maker) -> None:
    """Another constraint, another type of the same kind, or a type around it."""
    chance = maker.chance
    near = {"int": "float", "float": "decimal", "list": "set", "set": "list", "str": chance.choice(["bytes", "decimal", "secret", "path"]), "bytes": "str",
            "tagged": "union", "union": "tagged", "decimal": "str", "date": "moment", "enum": "str", "url": "str", "path": "str", "secret": "str"}  # fmt: skip
    what = chance.random()
    if one.kind in maker.leaves and what < 0.5:
        make = maker.leaves["stripped" if one.kind == "str" and chance.random() < 0.5 else one.kind]
        one.more = make().more
    elif one.kind in near and what < 0.7 and (one.kind != "union" or all("tag" in each.more for each in one.inside)):
        one.kind = near[one.kind]
        one.more = {key: value for key, value in one.more.items() if key in {"min_length", "max_length", "values"}}
        if one.kind == "set":
            one.inside = [Shape("int")]
        if one.kind in {"str", "moment", "decimal", "secret", "path"}:
            one.more.pop("values", None)
    elif one.kind == "dict" and what < 0.85:
        one.inside[0] = maker.key()
    elif one.kind in {"union", "tagged"} and len(one.inside) > 2 and what < 0.9:
        del one.inside[chance.randrange(len(one.inside))]
    elif one.kind == "optional" and what < 0.9:
        one.more["hidden"] = not one.more.get("hidden")
    elif one.kind in {"list", "set", "dict"}:
        one.more = maker.sizes()
    elif one.kind == "checked":
        one.more["by"] = chance.choice(list(CHECKS))
    else:
        inside = Shape(one.kind, *one.inside, **one.more)
        around = chance.choice(["optional", "list", "union", "checked", "json", "other", "other"])
        if around == "other":
            other = maker.shape(3)
            one.kind, one.inside, one.more = other.kind, other.inside, other.more
        else:
            one.kind, one.inside, one.more = around, [inside], {"by": chance.choice(list(CHECKS))}
            if around == "union":
                one.inside.append(maker.shape(3))


# ---------------------------------------------------------------- models of shapes


def _even(value: Any) -> Any:
    if isinstance(value, int) and value % 2:
        raise ValueError("odd")
    return value


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _stripped(value: Any) -> Any:
    return value.strip()  # raises for what is no text


CHECKS: Final = {
    "even": AfterValidator(_even),
    "split": BeforeValidator(_split),
    "first": BeforeValidator(_first, json_schema_input_type=Any),
    "strip": BeforeValidator(_stripped),
}


def union(*types: Any) -> Any:
    """One of these types; `|` does not take all that may stand in a union."""
    return Union.__getitem__(types)


class Built:
    """Models made of shapes, each shape once; `closed`: those that ignore further fields refuse them."""

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self._made: dict[int, Any] = {}
        self._names: dict[int, str] = {}
        self._enums: dict[tuple[str, ...], Any] = {}

    def model(self, shape: Shape) -> Any:
        if id(shape) in self._made:
            return self._made[id(shape)]
        name = self._names.setdefault(id(shape), f"M{len(self._names)}")
        self._made[id(shape)] = name  # a reference by name, as long as it is under way
        fields: dict[str, Any] = {}
        if "tag" in shape.more:
            tag = LITERAL[shape.more["tag"]]
            fields["kind"] = (tag, shape.more["tag"]) if shape.more.get("tag_default") else (tag, ...)
        for field, inside in zip(shape.more["fields"], shape.inside, strict=True):
            annotation = self.type(inside)
            alias = field["alias"] and field["alias"] + field["name"]
            names: Any = AliasChoices(alias or field["name"], *field["also"]) if field["also"] else alias
            info = Field(default=... if field["required"] else None, alias=alias, validation_alias=names)
            fields[field["name"]] = (annotation, info)
        extra = shape.more["extra"] or ("forbid" if self._closed else "ignore")
        config: Any = {"extra": extra, **shape.more["config"]}
        made = create_model(name, __config__=config, __module__=__name__, **fields)
        self._made[id(shape)] = made
        return made

    def type(self, one: Shape) -> Any:
        more = {key: value for key, value in one.more.items() if value is not None}
        bounds = {
            key: value for key, value in more.items() if key not in {"hidden", "by", "zone", "of", "values", "version"}
        }
        match one.kind:
            case "model":
                return self.model(one)
            case "int" | "float" | "date" | "delta" | "decimal" | "bytes":
                kinds = {
                    "int": int,
                    "float": float,
                    "date": date,
                    "delta": timedelta,
                    "decimal": Decimal,
                    "bytes": bytes,
                }
                return ANNOTATED[kinds[one.kind], Field(**bounds)]
            case "str":
                return ANNOTATED[str, StringConstraints(**bounds)]
            case "moment":
                return {"aware": AwareDatetime, "naive": NaiveDatetime}.get(one.more.get("zone") or "", datetime)
            case "url":
                return URLS[one.more.get("of", "any")]
            case "uuid":
                return {1: UUID1, 4: UUID4}.get(one.more.get("version") or 0, UUID)
            case "secret" | "path":
                return {"secret": SecretStr, "path": Path}[one.kind]
            case "literal":
                return LITERAL[tuple(one.more["values"])]
            case "enum":
                values = tuple(one.more["values"])
                members = {f"V{n}": value for n, value in enumerate(values)}
                return self._enums.setdefault(values, enum.StrEnum(f"E{len(self._enums)}", members, module=__name__))
            case "bool" | "any" | "none":
                return {"bool": bool, "any": Any, "none": None}[one.kind]
            case "list":
                return ANNOTATED[LIST[self.type(one.inside[0])], Field(**bounds)]
            case "set":
                return ANNOTATED[SET[self.type(one.inside[0])], Field(**bounds)]
            case "tuple":
                return TUPLE[tuple(self.type(each) for each in one.inside)]
            case "dict":
                return ANNOTATED[DICT[self.type(one.inside[0]), self.type(one.inside[1])], Field(**bounds)]
            case "json":
                return JSON[self.type(one.inside[0])]
            case "checked":
                return ANNOTATED[self.type(one.inside[0]), CHECKS[one.more["by"]]]
            case "optional":
                inside = self.type(one.inside[0])
                return union(inside, HIDDEN[None] if one.more.get("hidden") else None)
            case "union":
                return union(*(self.type(each) for each in one.inside))
            case "tagged":
                return ANNOTATED[union(*(self.type(each) for each in one.inside)), Field(discriminator="kind")]
            case _:
                raise AssertionError(one.kind)


def built(shape: Shape, *, closed: bool = False) -> type[BaseModel]:
    """The model of a shape, complete; pydantic's own error when it cannot be made."""
    made = Built(closed=closed)
    model: type[BaseModel] = made.model(shape)
    names = {name: made._made[key] for key, name in made._names.items()}
    for one in names.values():
        one.model_rebuild(force=True, _types_namespace=names)
    return model


# ---------------------------------------------------------------- documents


class Writer:
    """Draws documents for a shape; values lie about the bounds of both sides."""

    def __init__(self, chance: random.Random, *shapes: Shape) -> None:
        self.chance = chance
        every = [one for shape in shapes for one in shape.walk()]
        found = [value for one in every for value in one.more.values()]
        numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
        self.numbers = [
            0,
            1,
            -5,
            40,
            *(n + d for n in numbers for d in (-1, 0, 1)),
            *(n * k for n in numbers for k in (2, 3)),
        ]
        self.words = ["", "a", "abc", "ABC", " x ", "xa", "é☃", "zzzz", "x", "2020-01-10", "1", "1.5", "a,b", "cat"]
        self.words += [value for one in every for value in one.more.get("values", ()) if isinstance(value, str)]

    def write(self, one: Shape, depth: int = 0) -> Any:
        pick = self.chance.choice
        match one.kind:
            case "model":
                return self.fields(one, depth)
            case "int":
                step = one.more.get("multiple_of") or 1
                return int(pick(self.numbers)) // step * step
            case "float":
                step = one.more.get("multiple_of")
                return pick(self.numbers) * step if step else pick([float(pick(self.numbers)), pick(self.numbers) / 7])
            case "decimal":
                return pick(
                    [str(pick(self.numbers)), f"{pick(self.numbers)}.{pick(['1', '25', '125'])}", pick(self.numbers)]
                )
            case "str" | "bytes" | "secret" | "path":
                return pick(
                    [
                        pick(self.words),
                        "".join(self.chance.choices(string.ascii_lowercase[:4], k=pick([0, 1, 2, 3, 5]))),
                    ]
                )
            case "date":
                return str(pick(DAYS) + timedelta(days=pick([-1, 0, 1])))
            case "delta":
                return f"PT{pick([0, 1, 299, 300, 301, 3600, 3601])}S"
            case "moment":
                aware, naive = one.more.get("zone") != "naive", one.more.get("zone") != "aware"
                zones = [UTC] * aware + [None] * naive
                return datetime(2020, 1, 10, 3, tzinfo=pick(zones)).isoformat()
            case "url":
                return pick(["http://example.org/", "https://example.org/", "ws://example.org/", "ftp://example.org/"])
            case "uuid":
                return pick(UUIDS)
            case "literal" | "enum":
                return pick(one.more["values"])
            case "bool":
                return pick([True, False])
            case "none":
                return None
            case "any":
                return pick([None, 1, "abc", [1], {"a": 1}, 1.5, True])
            case "list" | "set":
                return [self.write(one.inside[0], depth + 1) for _ in range(pick([0, 1, 2, 3, 4]) if depth < 5 else 0)]
            case "tuple":
                return [self.write(each, depth + 1) for each in one.inside]
            case "dict":
                return {
                    str(self.write(one.inside[0])): self.write(one.inside[1], depth + 1)
                    for _ in range(pick([0, 1, 2, 4]))
                }
            case "json":
                return json.dumps(self.write(one.inside[0], depth + 1))
            case "checked":
                made = self.write(one.inside[0], depth + 1)
                around: Any = {"split": ",".join(self.words[1:4]), "first": [made]}.get(one.more["by"], made)
                return pick([made, around])
            case "optional":
                return None if depth > 5 or self.chance.random() < 0.3 else self.write(one.inside[0], depth + 1)
            case _:
                return self.write(pick(one.inside), depth + 1)

    def fields(self, one: Shape, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if "tag" in one.more and (not one.more.get("tag_default") or self.chance.random() < 0.6):
            made["kind"] = one.more["tag"]
        for field, inside in zip(one.more["fields"], one.inside, strict=True):
            if field["required"] or self.chance.random() < (0.6 if depth < 4 else 0.05):
                by_name = not field["alias"] or (
                    one.more["config"].get("populate_by_name") and self.chance.random() < 0.5
                )
                name = field["name"] if by_name else field["alias"] + field["name"]
                if field["also"] and self.chance.random() < 0.5:
                    name = self.chance.choice(field["also"])
                made[name] = self.write(inside, depth + 1)
        if one.more["extra"] == "allow":
            for name in self.chance.sample("uv" + NAMES, self.chance.choice([0, 1, 3])):
                made[name] = self.chance.choice([1, "abc", None, [1]])
        return made


class Pair(NamedTuple):
    """An older and a newer model, and what they were made of; `closed` is the older one without fields that it ignores."""

    old: type[BaseModel]
    closed: type[BaseModel]
    new: type[BaseModel]
    old_shape: Shape
    new_shape: Shape


def pair(seed: int, only: Sequence[str] = ()) -> Pair | None:
    """The pair of this seed; None when pydantic makes no model of one of its shapes."""
    chance = random.Random(seed)
    old = Maker(chance, only).model()
    new = edited(old, chance, only)
    try:
        return Pair(built(old), built(old, closed=True), built(new), old, new)
    except Exception:
        return None
