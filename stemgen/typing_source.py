"""Types as source text of one generated file."""

# pyright: basic

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import pathlib
import re
import types
import typing
from collections.abc import Callable, Container, Iterable
from typing import Any, Final, Union

import annotated_types
import pydantic
import typing_extensions
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stemgen.errors import StemgenError
from stemgen.ir import Module
from stemgen.naming import is_keyword

#: A class of the app's to the name of its copy, as seen from a file.
CopyClass: typing.TypeAlias = Callable[[type[Any], Module, str], str]

_BUILTINS: Final = frozenset({str, int, float, bool, bytes, list, dict, set, frozenset, tuple})
_STDLIB: Final = frozenset(
    {"datetime", "uuid", "decimal", "pathlib", "ipaddress", "fractions", "collections", "collections.abc"}
)
#: Where the class itself says another module than the one that everybody imports it from.
_HOMES: Final = {"pathlib._local": "pathlib"}
#: What `pydantic.Field` takes and changes which JSON fits.
_CONSTRAINTS: Final = (
    *("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "strict"),
    *("allow_inf_nan", "max_digits", "decimal_places", "coerce_numbers_to_str", "union_mode"),
)
#: What `pydantic.StringConstraints` takes beside.
_TEXT: Final = ("strip_whitespace", "to_lower", "to_upper", "ascii_only")
#: Annotated types that pydantic has a public name for, as PositiveInt.
_ALIASES: Final = [
    (name, found)
    for name in pydantic.__all__
    for found in [getattr(pydantic, name, None)]
    if typing.get_origin(found) is typing.Annotated
]


class TypeSource:
    """Writes types for one file; `where` in messages names the place in the app.

    `bare`: without what constrains them, as the signature of a function has them. `shadowed`: names that stand for
    something else where the text is read.
    """

    def __init__(
        self, module: Module, copy: CopyClass, *, bare: bool = False, shadowed: Container[str] = frozenset()
    ) -> None:
        self._module, self._copy, self._bare, self._shadowed = module, copy, bare, shadowed

    def of(self, tp: Any, where: str) -> str:
        """The source of a type; StemgenError when it cannot stand in a package without the app's code."""
        origin, args = typing.get_origin(tp), typing.get_args(tp)
        if tp is None or tp is type(None):
            return "None"
        if isinstance(tp, typing.TypeVar):
            tp = _standing_for(tp)
        if isinstance(tp, typing.NewType):
            return self.of(tp.__supertype__, where)
        if tp is Any or tp is object:
            return f"{self._module.use('typing')}.Any"
        if isinstance(tp, typing_extensions.TypeAliasType) or isinstance(origin, typing_extensions.TypeAliasType):
            return self._alias(tp, where)
        if origin is typing.Annotated:
            return self._annotated(args[0], args[1:], where)
        if origin in (Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.of(one, where) for one in args))
        if origin is typing.Literal:
            return f"{self._module.use('typing')}.Literal[{', '.join(self.value(one, where) or '' for one in args)}]"
        if origin is not None:
            inner = ", ".join("..." if one is Ellipsis else self.of(one, where) for one in args)
            return f"{self._class(origin, where)}[{inner or '()'}]"
        return self._class(tp, where)

    def field(self, info: FieldInfo, where: str) -> tuple[str, str]:
        """A field's type, and the same with what constrains it."""
        plain = self.of(info.annotation, where)
        if info.discriminator is not None and not isinstance(info.discriminator, str):
            raise uncopied(where, "a union told apart by a function")
        kinds = [*info.metadata, *([info] if info.discriminator else [])]
        return plain, self._annotated(info.annotation, kinds, where)

    def value(self, found: object, where: str) -> str | None:
        """A plain value as source text; None when it has none."""
        if isinstance(found, enum.Flag) and found.name not in type(found).__members__:
            return f"{self._class(type(found), where)}({found.value!r})"
        if isinstance(found, BaseModel):
            return self._instance(found, where)
        if isinstance(found, enum.Enum):
            return f"{self._class(type(found), where)}.{found.name}"
        if isinstance(found, str):
            return quoted(found)
        if isinstance(found, bytes):
            return repr(found) if '"' in repr(found) else repr(found).replace("'", '"')
        if found is None or isinstance(found, bool | int) or (isinstance(found, float) and math.isfinite(found)):
            return repr(found)
        if isinstance(found, list | tuple) and type(found) in (list, tuple):
            parts = [self.value(one, where) for one in found]
            if any(part is None for part in parts):
                return None
            inner = ", ".join(typing.cast("list[str]", parts))
            return f"[{inner}]" if isinstance(found, list) else f"({inner}{',' * (len(parts) == 1)})"
        if type(found) in (dict, set, frozenset):
            return self._collection(found, where)
        home, kind = _HOMES.get(type(found).__module__, type(found).__module__), type(found)
        if home in {"decimal", "uuid", "ipaddress"}:
            return f"{self._module.use(home)}.{kind.__name__}({quoted(str(found))})"
        if isinstance(found, pathlib.PurePath):
            name = "Path" if isinstance(found, pathlib.Path) else kind.__name__
            return f"{self._module.use('pathlib')}.{name}({quoted(str(found))})"
        if home == "pydantic.networks" and getattr(pydantic, kind.__name__, None) is kind:
            return f"{self._module.use('pydantic')}.{kind.__name__}({quoted(str(found))})"
        if home == "datetime" and isinstance(getattr(found, "tzinfo", None), dt.timezone | None):
            named = repr(found).replace("datetime.timezone.utc", "datetime.UTC")
            return re.sub(r"\bdatetime\.", lambda _: f"{self._module.use('datetime')}.", named)
        return None

    # ---------------------------------------------------------------- inside

    def _collection(self, found: Any, where: str) -> str | None:
        """A dict, or a set in the order of its source."""
        parts = [self.value(one, where) for one in found]
        if any(part is None for part in parts):
            return None
        if isinstance(found, dict):
            values = [self.value(one, where) for one in found.values()]
            if any(value is None for value in values):
                return None
            return f"{{{', '.join(f'{key}: {value}' for key, value in zip(parts, values, strict=True))}}}"
        inner = ", ".join(sorted(typing.cast("list[str]", parts)))
        whole = f"{{{inner}}}" if inner else ""
        return f"frozenset({whole})" if isinstance(found, frozenset) else whole or "set()"

    def _instance(self, found: BaseModel, where: str) -> str | None:
        """A model that is somebody's default, by what it was made of."""
        fields = type(found).model_fields
        given = {
            fields[name].alias or name: self.value(part, where)
            for name, part in found
            if name in found.model_fields_set
        }
        if any(value is None or not is_keyword(name) for name, value in given.items()):
            return None
        return f"{self._class(type(found), where)}({', '.join(f'{name}={value}' for name, value in given.items())})"

    def _alias(self, tp: Any, where: str) -> str:
        if tp is pydantic.JsonValue:
            return f"{self._module.use('pydantic')}.JsonValue"
        origin = typing.get_origin(tp)
        if origin is not None:
            return self.of(origin.__value__[typing.get_args(tp)], where)
        if _mentions(tp.__value__, tp):
            raise uncopied(where, f"the recursive alias {tp}")
        return self.of(tp.__value__, where)

    def _annotated(self, tp: Any, metadata: Iterable[Any], where: str) -> str:
        kinds = list(metadata)
        if self._bare:
            return self.of(tp, where)
        if kinds:
            whole = typing.Annotated[(tp, *kinds)]
            for name, found in _ALIASES:
                if found == whole:
                    return f"{self._module.use('pydantic')}.{name}"
        packed = next(
            (n for n, one in enumerate(kinds) if one is pydantic.Json or isinstance(one, pydantic.Json)), None
        )
        if packed is None:
            plain = self.of(tp, where)
        else:  # what stands before it is said of what is inside
            plain = f"{self._module.use('pydantic')}.Json[{self._annotated(tp, kinds[:packed], where)}]"
            kinds = kinds[packed + 1 :]
        words: dict[str, str] = dict(pair for one in kinds for pair in self._constraints(one, where))
        text: dict[str, str] = {name: words.pop(name) for name in _TEXT if name in words}
        made = [f"{call}({_keywords(said)})" for call, said in (("StringConstraints", text), ("Field", words)) if said]
        if not made:
            return plain
        typing_, pydantic_ = self._module.use("typing"), self._module.use("pydantic")
        return f"{typing_}.Annotated[{plain}, {', '.join(f'{pydantic_}.{one}' for one in made)}]"

    def _constraints(self, one: Any, where: str) -> list[tuple[str, str]]:
        """Words for `pydantic.Field`; validators are not copied."""
        if isinstance(one, FieldInfo):
            words = [pair for part in one.metadata for pair in self._constraints(part, where)]
            return [*words, *([("discriminator", quoted(str(one.discriminator)))] if one.discriminator else [])]
        if isinstance(one, pydantic.Discriminator):
            if not isinstance(one.discriminator, str):
                raise uncopied(where, "a union told apart by a function")
            return [("discriminator", quoted(one.discriminator))]
        home = type(one).__module__
        if home == "pydantic.functional_serializers":
            raise uncopied(where, "a type with a serializer of its own")
        if home == "pydantic.functional_validators":
            return []
        if isinstance(one, annotated_types.GroupedMetadata):
            return [pair for part in one for pair in self._constraints(part, where)]
        words = []
        for name in (*_CONSTRAINTS, *_TEXT):
            found = getattr(one, name, None)
            if found is not None:
                written = quoted(found.pattern) if isinstance(found, re.Pattern) else self.value(found, where)
                if written is None:
                    raise uncopied(where, f"the constraint {name}={found!r}")
                words.append((name, written))
        if not words and hasattr(one, "__get_pydantic_core_schema__") and home != "pydantic.types":
            raise uncopied(where, f"the annotation {one!r}")
        return words

    def _class(self, tp: Any, where: str) -> str:
        if not isinstance(tp, type):
            raise uncopied(where, f"the type {tp!r}")
        home, name = _HOMES.get(tp.__module__, tp.__module__), str(tp.__name__)
        if tp in _BUILTINS:
            return f"{self._module.use('builtins')}.{name}" if name in self._shadowed else name
        if home in _STDLIB and "." not in tp.__qualname__:
            return f"{self._module.use(home)}.{tp.__name__}"
        if home == "stem" or home.startswith("stem."):
            return f"{self._module.use('stem')}.{tp.__name__}"
        if home.startswith("pydantic") and getattr(pydantic, name, None) is tp:
            return f"{self._module.use('pydantic')}.{name}"
        return self._copy(tp, self._module, where)


def _keywords(said: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in said.items())


def quoted(text: str) -> str:
    """Text in double quotes, or in single ones where that saves escaping."""
    inside = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f")[1:-1]
    if '"' in text and "'" not in text:
        plain = inside.replace('\\"', '"')
        return f"'{plain}'"
    return f'"{inside}"'


def _standing_for(variable: typing.TypeVar) -> Any:
    """What a type variable that nobody has filled in means: its default, its bound, or anything."""
    usual = getattr(variable, "__default__", typing_extensions.NoDefault)
    if usual not in (None, typing_extensions.NoDefault):
        return usual
    return variable.__bound__ or Any


def _mentions(tp: Any, name: Any) -> bool:
    return tp is name or any(_mentions(one, name) for one in typing.get_args(tp))


def uncopied(where: str, what: str) -> StemgenError:
    return StemgenError(
        f"{where}: {what} cannot be copied into the producer package; move its class to a light module that "
        "producers may import, and name that in shared-models of [tool.stemgen]"
    )
