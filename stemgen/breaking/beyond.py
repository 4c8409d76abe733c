"""What stands under the keyword for what JSON Schema cannot say, compared: which of it the older side keeps anyway."""

# pyright: basic

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from stem.core.full_schema import BEYOND, NULL

#: A bound: which way is tighter, and whether the bound itself is let through.
_BOUNDS: Final = {"ge": (1, True), "gt": (1, False), "le": (-1, True), "lt": (-1, False)}
#: The same bounds by their keywords of JSON Schema.
_KEYWORDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_DIGITS: Final = ("max_digits", "decimal_places")
#: Bounds that a model's settings have for all its texts: which way is tighter.
_TEXT_BOUNDS: Final = {"config.str_min_length": 1, "config.str_max_length": -1}
#: They only let more through.
_WIDENING: Final = frozenset({"coerce_numbers_to_str", "config.coerce_numbers_to_str"})
#: They only refuse: what passed with them passes without.
_FILTERS: Final = frozenset(
    {
        *_BOUNDS, *_DIGITS, *_TEXT_BOUNDS, "multiple_of", "now_op", "tz_constraint", "allowed_schemes", "host_required", "version",
        "allow_inf_nan", "kind", "keys", "inner", "min_length", "max_length", "ascii_only",
        NULL, "after", "strict", "config.strict",
    }
)  # fmt: skip
_REWRITING: Final = frozenset({"strip_whitespace", "to_lower", "to_upper"})
#: Compared as schemas.
SCHEMAS: Final = ("keys", "inner")
#: Where functions of a user's stand, each of which may raise anything.
_CALLED: Final = ("functions", "after", "core", "missing", "post_init", "steps")
#: The names under which a field is read, when they are several.
CHOICES: Final = "validation_alias"
#: A choice that a function makes: nobody can say which schema a document meets.
CHOSEN: Final = "discriminator"


def of(schema: Any) -> dict[str, Any]:
    """What is said there of a schema."""
    found: dict[str, Any] = schema.get(BEYOND, {}) if isinstance(schema, dict) else {}
    return found


def choices(schema: Any) -> list[list[Any]]:
    """The paths from which a field is read, first to last, where it is not just its name."""
    found: list[Any] = of(schema).get(CHOICES, [])
    return [found] if found and isinstance(found[0], str) else found


def called(schema: Any) -> Iterator[tuple[str, str]]:
    """All functions that are called for a schema whose references are written out: what stands for each, and for people."""
    if isinstance(schema, list):
        for one in schema:
            yield from called(one)
    elif isinstance(schema, dict):
        said = of(schema)
        yield from ((json.dumps(said[key], sort_keys=True), _shown(said[key])) for key in _CALLED if key in said)
        for part in schema.values():
            yield from called(part)


def unmet(old: Any, new: Any) -> list[tuple[str, str]]:
    """The rule and the text for each thing on the newer side that the older one is not known to keep."""
    left, right = of(old), of(new)
    kept = [key for key in right if key not in {*SCHEMAS, *_WIDENING} and not _is_harmless(key, new)]
    gone = [key for key in left if key not in {*right, *_FILTERS} and not _is_harmless(key, new)]
    found = [*[_finding(key, left, right, old) for key in kept], *[_gone(key, left) for key in gone]]
    return [one for one in found if one is not None]


def _is_harmless(key: str, new: Any) -> bool:
    """What changes text before it is looked at is of no matter where nothing looks at it."""
    return key in _REWRITING and not any(one in new for one in ("minLength", "maxLength", "pattern", "enum", "const"))


def _finding(key: str, left: dict[str, Any], right: dict[str, Any], old: Any) -> tuple[str, str] | None:
    if key in left and left[key] == right[key] and key not in _DIGITS:
        return None
    text = f"{key}: {_shown(left.get(key))} -> {_shown(right[key])}"
    if key in _BOUNDS:
        return None if _bounded(key, right[key], left, old) else ("CONSTRAINT_TIGHTENED", text)
    if key in _DIGITS:
        return None if _fits_digits(left, right) else ("CONSTRAINT_TIGHTENED", text)
    if key in _TEXT_BOUNDS and key in left:
        return None if (left[key] - right[key]) * _TEXT_BOUNDS[key] >= 0 else ("CONSTRAINT_TIGHTENED", text)
    if key == "names" and _only_more_names(left, right, old):
        return None
    if key == "kind":
        number = right[key] == "decimal" and old.get("type") in {"integer", "number"}
        return None if number else ("TYPE_CHANGED", f"{left.get(key) or old.get('type', 'anything')} -> {right[key]}")
    if key == "allowed_schemes" and set(left.get(key) or ()) and set(left[key]) <= set(right[key]):
        return None
    if key in _FILTERS - {NULL, "after"}:
        return "CONSTRAINT_TIGHTENED", text
    return "UNKNOWN", f"{text}; nobody knows which documents that refuses"


def _only_more_names(left: dict[str, Any], right: dict[str, Any], old: Any) -> bool:
    """Whether fields are read under further names, which no document of the older side has."""
    closed = not old.get("additionalProperties") and not old.get("patternProperties")
    more = {alias: name for alias, name in right["names"].items() if alias not in left.get("names", {})}
    return (
        closed
        and not set(more.values()) & set(old.get("properties", ()))
        and left.get("names", {}).items() <= right["names"].items()
    )


def _gone(key: str, left: dict[str, Any]) -> tuple[str, str]:
    """It may have changed documents before they were looked at, so that without it they are refused."""
    return "UNKNOWN", f"{key}: {_shown(left[key])} -> none; nobody knows what it let through"


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, dict) and "function" in one for one in value):
        return ", ".join(str(one["function"]) for one in value)
    return "none" if value is None else str(value)


def _bounded(key: str, bound: Any, left: dict[str, Any], old: Any) -> bool:
    """Whether everything that the older side lets through keeps this bound of the newer one."""
    way, included = _BOUNDS[key]
    for name, (other, strict_too) in _BOUNDS.items():
        had = left.get(name, old.get(_KEYWORDS[name]))
        if other != way or had is None:
            continue
        compared = _compared(had, bound)
        if compared is not None and (compared * way > 0 or (compared == 0 and (included or not strict_too))):
            return True
    return False


def _compared(one: Any, other: Any) -> int | None:
    """-1, 0 or 1 for less, equal, more; None when they cannot be compared."""
    try:
        left, right = Decimal(str(one)), Decimal(str(other))
    except InvalidOperation:
        try:
            first, second = date.fromisoformat(one), date.fromisoformat(other)
        except (TypeError, ValueError):
            return None if one != other else 0
        return (first > second) - (first < second)
    return (left > right) - (left < right)


def _fits_digits(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Places behind the point, and what is left of the digits before it."""
    digits, places = right.get("max_digits"), right.get("decimal_places")
    had, had_places = left.get("max_digits"), left.get("decimal_places")
    if places is not None and (had_places is None or had_places > places):
        return False
    if digits is None:
        return True
    if had is None or had > digits:
        return False
    return places is None or had - had_places <= digits - places
