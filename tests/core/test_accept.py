"""Arguments of today, of earlier models, and of nobody knows when."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from stem import ConfigError, task
from stem.core.accept import UnreadableError
from stem.core.schema import arguments_schema, digest


class V1(BaseModel):
    name: str

    def upgrade(self) -> V3:
        if self.name == "broken":
            raise LookupError("no such name")
        return V3(first=self.name, last="?")


class V2(BaseModel):
    first: str

    def upgrade(self) -> V3:
        return V3(first=self.first, last="-")


class V3(BaseModel):
    first: str
    last: str


class Wrong(BaseModel):
    x: int

    def upgrade(self) -> Any:
        return "no model"


@task("accept.f", accepts=[V2, V1, Wrong])
def f(args: V3) -> None:
    """Takes three models and one that is wrong."""


def schema_of(model: type[BaseModel]) -> str:
    return digest(arguments_schema(model))


@pytest.mark.parametrize(
    ("data", "schema", "expected"),
    [
        (b'{"first":"a","last":"b"}', f.schema, V3(first="a", last="b")),
        (b'{"first":"a","last":"b"}', "", V3(first="a", last="b")),
        (b'{"first":"a","last":"b"}', "0123456789ab", V3(first="a", last="b")),
        (b'{"name":"a"}', schema_of(V1), V3(first="a", last="?")),
        (b'{"first":"a"}', schema_of(V2), V3(first="a", last="-")),
        (b'{"name":"a"}', "", V3(first="a", last="?")),  # nobody said: the first that fits
        (b'{"first":"a"}', "0123456789ab", V3(first="a", last="-")),
        (
            b'{"first":"a","last":"b"}',
            schema_of(V2),
            V3(first="a", last="-"),
        ),  # as it was meant, not as it might be read
    ],
)
def test_arguments_are_read_as_they_were_written(data: bytes, schema: str, expected: V3) -> None:
    assert f.reads.read(data, schema) == expected


@pytest.mark.parametrize(
    ("data", "schema", "words"),
    [
        (b"{}", "0123456789ab", f"arguments of schema 0123456789ab, this worker has {f.schema}: first: Field required"),
        (b"{}", "", "^first: Field required"),
        (b"{}", f.schema, "^first: Field required"),
        (b"{}", schema_of(V1), "arguments of V1: name: Field required"),
        (b'{"name":"broken"}', schema_of(V1), r"V1.upgrade\(\) raised LookupError\('no such name'\)"),
        (b'{"x":1}', schema_of(Wrong), r"Wrong.upgrade\(\) must give V3, found 'no model'"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_schemas(data: bytes, schema: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        f.reads.read(data, schema)


@pytest.mark.parametrize("accepts", [[int], [V3], ["V1"], [BaseModel]])
def test_only_models_that_can_be_upgraded_are_accepted(accepts: list[Any]) -> None:
    with pytest.raises(ConfigError, match="accepts is of earlier argument models"):
        task("accept.g", accepts=accepts)(_takes_v3)


class Astray(BaseModel):
    def upgrade(self) -> V2:
        raise NotImplementedError


def test_an_earlier_model_that_becomes_another_one_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ConfigError, match=r"Astray.upgrade\(\) must give V3, the model of the handler; it gives V2"):
        task("accept.h", accepts=[Astray])(_takes_v3)


def _takes_v3(args: V3) -> None: ...


def test_a_digest_does_not_change_with_words_for_readers() -> None:
    class A(BaseModel):
        """One text."""

        x: int

    class B(BaseModel):
        """Another."""

        x: int

    assert schema_of(A) == schema_of(B) != schema_of(V1)
