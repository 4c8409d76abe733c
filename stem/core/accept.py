"""Arguments as a worker reads them: of its own model, or of an earlier one that it still accepts."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from stem.core.codec import ArgumentsCodec, faults
from stem.core.schema import arguments_schema, digest


class Upgradable(Protocol):
    """An earlier argument model: a pydantic model with `upgrade()`, which gives the model of today."""

    def upgrade(self) -> BaseModel: ...


class UnreadableError(Exception):
    """The arguments fit no model that the task accepts; the message says what was found, and what there is here."""


class Arguments:
    """The arguments of one task: its model, and the earlier ones, the latest first."""

    __slots__ = ("_current", "_earlier", "schema")

    def __init__(self, current: ArgumentsCodec[Any], schema: str, earlier: tuple[type[BaseModel], ...]) -> None:
        self.schema = schema
        self._current = current
        self._earlier = {_digest(model): ArgumentsCodec(model) for model in earlier}

    def knows(self, schema: str) -> bool:
        """Whether this is a schema of today's model or of an earlier one; where nobody said which, or has one, it is."""
        return not self.schema or schema in {"", self.schema} or schema in self._earlier

    def read(self, data: bytes, schema: str) -> BaseModel:
        """The arguments in these bytes, which were written with `schema` ("": nobody said); UnreadableError."""
        known = self._earlier.get(schema)
        if known is not None and schema != self.schema:
            return self._upgraded(known, data)
        try:
            made: BaseModel = self._current.decode(data)
        except ValidationError as fault:
            found = self._of_an_earlier(data) if schema != self.schema else None
            if found is None:
                raise UnreadableError(self._text(fault, schema)) from None
            return found
        return made

    def _of_an_earlier(self, data: bytes) -> BaseModel | None:
        """Of the first earlier model that these bytes fit."""
        for codec in self._earlier.values():
            try:
                return self._upgraded(codec, data)
            except UnreadableError:
                continue
        return None

    def _upgraded(self, codec: ArgumentsCodec[Any], data: bytes) -> BaseModel:
        try:
            old = codec.decode(data)
        except ValidationError as fault:
            raise UnreadableError(
                f"arguments of {codec.model.__name__}: {'; '.join(faults(fault, codec.model))}"
            ) from None
        try:
            made: object = old.upgrade()
        except Exception as fault:
            raise UnreadableError(f"{codec.model.__name__}.upgrade() raised {fault!r}") from None
        if not isinstance(made, BaseModel) or not isinstance(made, self._current.model):
            raise UnreadableError(
                f"{codec.model.__name__}.upgrade() must give {self._current.model.__name__}, found {made!r:.80}"
            )
        return made

    def _text(self, fault: ValidationError, schema: str) -> str:
        said = "; ".join(faults(fault, self._current.model))
        if schema in {"", self.schema} or not self.schema:
            return said
        return f"arguments of schema {schema}, this worker has {self.schema}: {said}"


def _digest(model: type[BaseModel]) -> str:
    try:
        return digest(arguments_schema(model))
    except ValueError:
        return f"no schema of {model.__name__}"
