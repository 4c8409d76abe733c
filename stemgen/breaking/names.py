"""Fields that are read under several names: under which of them older documents have them."""

# pyright: basic

from __future__ import annotations

from typing import Any

from stem.core.full_schema import BEYOND
from stemgen.breaking import beyond


def as_older_documents_name(new: Any, old: Any) -> Any:
    """A model with fields of several names, each under the only one that documents of the older side may have.

    Where an older document may have further keys, or several of the names, or another field has that name, nothing is
    known, and the names are left as they are.
    """
    before, after = old.get("properties", {}), new.get("properties", {})
    if old.get("additionalProperties") or old.get("patternProperties"):
        return new
    fields, needed = dict(after), list(new.get("required", ()))
    for name, schema in after.items():
        choices, known = beyond.choices(schema), beyond.choices(before.get(name))
        taken = {*after, *fields} - {name}
        read = _read_as(name, choices, known, before, taken) if choices else None
        if read is not None:
            del fields[name]
            fields[read] = _with_names(schema, known)
            needed = [read if one == name else one for one in needed]
    return {**new, "properties": fields, "required": needed}


def _read_as(name: str, choices: list[Any], known: list[Any], before: Any, taken: set[str]) -> str | None:
    """The key of the older side that a field of these names is read from, or that of its own; None: it is not known."""
    if known:
        further = [path for path in choices[len(known) :] if path[0] in before]
        return name if choices[: len(known)] == known and not further else None
    had = [path[0] for path in choices if path[0] in before]
    if len(had) > 1 or any(len(path) > 1 for path in choices):
        return None
    read: str = had[0] if had else name
    return None if read in taken else read


def _with_names(schema: Any, names: list[Any]) -> Any:
    left = {key: part for key, part in beyond.of(schema).items() if key != beyond.CHOICES}
    said = {**left, beyond.CHOICES: names} if names else left
    return {**schema, BEYOND: said}
