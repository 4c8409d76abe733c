"""One step of a workflow: how it is named, what is recorded beside its result, and how the result is carried."""

# pyright: basic

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from stem.core.codec import ResultCodec, faults
from stem.core.full_schema import SteadySchema
from stem.core.options import retries
from stem.core.retry import DEFAULT_POLICY, RetryPolicy
from stem.core.schema import digest, result_schema
from stem.errors import ConfigError

Kind: TypeAlias = Literal[
    "step", "sleep", "wait", "call", "child", "emit", "send", "enqueue", "patch", "undo", "transaction"
]

#: Attempts at a step after the first, unless its options say otherwise. As for tasks.
STEP_RETRIES: Final = 3


class StepMeta(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is recorded of a step beside its result, so that a later replay can tell whether the code has changed.

    `fn`: the function's qualified name; `inputs`: digest of what it was given; `schema`: digest of its result's type;
    `undo`: it has a compensation; `source`: the id of the job or child that it began.
    """

    kind: Kind = "step"
    fn: str = ""
    inputs: str = ""
    schema: str = ""
    undo: bool = False
    policy: str = ""
    source: str = ""


class StepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `ctx.options(...)` says of the steps made through it."""

    max_retries: int = STEP_RETRIES
    retry: RetryPolicy = DEFAULT_POLICY
    timeout_ms: int | None = None
    auto_version: bool = False
    compensate: Callable[..., Any] | None = None
    upcast: Callable[[Any], Any] | None = None


DEFAULT_OPTIONS: Final = StepOptions()

_meta: Final = msgspec.json.Decoder(StepMeta)
_encoder: Final = msgspec.json.Encoder()


def encode_meta(meta: StepMeta) -> bytes:
    """As stored."""
    return _encoder.encode(meta)


def decode_meta(data: bytes) -> StepMeta:
    """As recorded; of foreign bytes nothing is known."""
    try:
        return _meta.decode(data) if data else StepMeta()
    except msgspec.MsgspecError:
        return StepMeta()


def step_options(
    *,
    compensate: Callable[..., Any] | None = None,
    auto_version: bool = False,
    max_retries: int = STEP_RETRIES,
    retry: RetryPolicy = DEFAULT_POLICY,
    timeout_ms: int | None = None,
    upcast: Callable[[Any], Any] | None = None,
) -> StepOptions:
    """From the words users write; ConfigError lists every fault at once."""
    problems: list[str] = []
    try:
        retries(max_retries)
    except ConfigError as fault:
        problems += fault.problems
    if not isinstance(retry, RetryPolicy):
        problems.append(f"retry must be a RetryPolicy, as RetryPolicy.fixed('5s'), found {retry!r}")
    problems += [
        f"{what} must be a function, found {fn!r}"
        for what, fn in (("compensate", compensate), ("upcast", upcast))
        if fn is not None and not callable(fn)
    ]
    if problems:
        raise ConfigError(problems)
    return StepOptions(
        max_retries=max_retries,
        retry=retry,
        timeout_ms=timeout_ms,
        auto_version=auto_version,
        compensate=compensate,
        upcast=upcast,
    )


def step_name(name: object) -> str:
    """A step's name: 1 to 200 printable characters, without '#' and '/', which stand for iterations and parts, but for
    what stands in brackets: 'charge[EU/42]'.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
        raise ConfigError(f"a step's name must be 1 to 200 printable characters, found {name!r}")
    if set(name.partition("[")[0] + _behind(name)) & {"#", "/"}:
        raise ConfigError(f"a step's name must be without '#' and '/' outside of brackets, found {name!r}")
    return name


def _behind(key: str) -> str:
    """What stands behind the brackets of a key; all of it when it has none."""
    return key.rpartition("]")[2]


def base_name(key: str) -> str:
    """The name that steps of one loop share: 'charge' of 'charge[42]', 'charge#3' and 'charge#3/sleep#0'."""
    return key.partition("[")[0].partition("/")[0].partition("#")[0]


def undo_key(key: str) -> str:
    """What the undoing of a step is recorded as."""
    return f"undo:{key}"


def whole_of(key: str) -> str:
    """The step that this is a part of: 'charge#3' of 'charge#3/sleep#0'; "" for what is no part."""
    behind = _behind(key)
    part = behind.find("/")
    return key[: len(key) - len(behind) + part] if part >= 0 else ""


def qualified(fn: Callable[..., Any]) -> str:
    """The function's name, for people and for comparing."""
    inner = getattr(fn, "func", fn)
    return f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


# ---------------------------------------------------------------- inputs


def fingerprint(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """A digest of what a step is given, equal in every process for equal values; of what is no data, its type alone."""
    if not args and not kwargs:
        return ""
    return hashlib.blake2b(_text([*args], dict(kwargs)), digest_size=6).hexdigest()


def _text(args: list[Any], kwargs: dict[str, Any]) -> bytes:
    """Their JSON, its keys in order."""
    flat = not kwargs and all(type(one) in _SCALARS for one in args)
    plain = [args, kwargs] if flat else _plain([args, kwargs])
    try:
        return _sorted.encode(plain)
    except (OverflowError, TypeError, ValueError):  # numbers beyond 64 bits
        return json.dumps(plain, sort_keys=True).encode()


_SCALARS: Final = frozenset({str, int, bool, type(None)})
_sorted: Final = msgspec.json.Encoder(order="sorted")


def _plain(value: Any) -> Any:
    """As JSON, with sets in order."""
    if value is None or (isinstance(value, bool | int | str) and type(value) in {bool, int, str}):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(part) for part in value), key=lambda part: json.dumps(part, sort_keys=True))
    if isinstance(value, BaseModel):
        return _plain(dict(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    try:
        return to_jsonable_python(value, fallback=lambda other: f"<{type(other).__qualname__}>")
    except Exception:
        return f"<{type(value).__qualname__}>"


# ---------------------------------------------------------------- results


class StepCodec(ResultCodec):
    """How the results of one type are carried: by their JSON, which is proved readable when it is written."""

    def __init__(self, returns: Any) -> None:
        super().__init__(returns)
        try:
            self.digest = digest(result_schema(returns, generator=SteadySchema))
        except ValueError:
            self.digest = ""

    def carried(self, value: Any) -> tuple[bytes, Any]:
        """The bytes, and the value as every replay will see it; EncodeError when it cannot be carried."""
        data = self.encode(value)
        return data, self.decode(data)

    def read(self, data: bytes, upcast: Callable[[Any], Any] | None) -> Any:
        """A recorded result; ValueError tells why it does not fit the type of today, `upcast` tried."""
        try:
            return self.decode(data)
        except ValidationError as fault:
            if upcast is None:
                raise ValueError("; ".join(faults(fault, self.returns)).replace("arguments: ", "")) from None
        value = upcast(json.loads(data))
        return self.decode(self.encode(value))


@lru_cache(maxsize=1024)
def codec_for(returns: Any) -> StepCodec:
    """The codec of a result type."""
    return StepCodec(returns)


def returns_of(fn: Callable[..., Any]) -> Any:
    """The declared result type of a function, Any when it declares none; ConfigError when it cannot be read."""
    try:
        return _returns(fn)
    except TypeError:  # not hashable
        return Any


@lru_cache(maxsize=4096)
def _returns(fn: Callable[..., Any]) -> Any:
    inner: Any = getattr(fn, "func", fn)
    target = inner if hasattr(inner, "__annotations__") else type(inner).__call__
    if "return" not in getattr(target, "__annotations__", {}):
        return Any
    try:
        return _awaited(typing.get_type_hints(target, include_extras=True)["return"])
    except (NameError, AttributeError, SyntaxError) as fault:
        raise ConfigError(
            f"the result type of {qualified(fn)} cannot be read: {fault}; define it where the function's module can see it"
        ) from None


def _awaited(found: Any) -> Any:
    """`Awaitable[X]`, `Coroutine[..., X]` of a plain function that gives a coroutine, as X."""
    origin = typing.get_origin(found)
    name = getattr(origin, "__name__", "")
    return typing.get_args(found)[-1] if name in {"Awaitable", "Coroutine"} else found


def codec_of(fn: Callable[..., Any]) -> StepCodec:
    """How the results of a function are carried; ConfigError when their type cannot be."""
    returns = returns_of(fn)
    try:
        return codec_for(returns)
    except TypeError:
        return StepCodec(returns)
    except Exception as fault:
        raise ConfigError(
            f"the result of {qualified(fn)} cannot be carried by JSON: {str(fault).partition(chr(10))[0]}"
        ) from None
