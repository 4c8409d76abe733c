"""Is every document of one JSON schema a document of another? What is not known counts as no, and is said to be unknown.

Only what pydantic writes is understood: objects, arrays, tuples, unions, references, enums and constraints, and what
stands beside them in the keyword of `stem.core.full_schema`. Any other keyword must be the same on both sides.
"""

# pyright: basic

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from stem.core.full_schema import BEYOND
from stemgen.breaking import beyond
from stemgen.breaking.names import as_older_documents_name

Schema: TypeAlias = Any
Level: TypeAlias = Literal["error", "warning"]

#: A keyword to which way is tighter: upwards, or downwards.
_BOUNDS: Final = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), 1),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), -1),
}
#: Keywords that must be equal, or new only on the left.
_EXACT: Final = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "contentMediaType")
_LENGTHS: Final = ("minLength", "maxLength")
#: Says nothing about which documents fit, or is looked at by itself.
_SILENT: Final = frozenset({"$defs", "default", "readOnly", "writeOnly", "title", "description", "discriminator"})
_KNOWN: Final = frozenset(
    {
        BEYOND, *_BOUNDS, *_EXACT, *_SILENT, "type", "const", "enum", "anyOf", "oneOf", "allOf", "$ref", "items", "prefixItems",
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "contentSchema",
    }
)  # fmt: skip


class Finding(msgspec.Struct, frozen=True):
    """One difference: an error refuses documents, a warning changes what they mean."""

    level: Level
    rule: str
    path: str
    text: str


def differences(old: Schema, new: Schema) -> list[Finding]:
    """Why documents of `old` would not all be documents of `new`; and warnings where they are, but mean less."""
    made = _Subset(old, new)
    fits = made.check(old, new, "$")
    if not fits and not any(one.level == "error" for one in made.found):
        made.add("error", "TYPE_CHANGED", "$", "it cannot be shown that what fitted still fits")
    return made.found


def received(sender: tuple[Schema, Schema], receiver: tuple[Schema, Schema]) -> list[Finding]:
    """As `differences`, of what one side writes and the other reads; each side is what it writes and what it reads.

    Pydantic may write a type in another way than it reads it, so two sides that are the same are not compared.
    """
    return [] if sender == receiver else differences(sender[0], receiver[1] or receiver[0])


class _Subset:
    def __init__(self, old: Schema, new: Schema, seen: frozenset[tuple[str, str, str]] = frozenset()) -> None:
        self.old, self.new, self.seen = old, new, seen
        self.found: list[Finding] = []

    def add(self, level: Level, rule: str, path: str, text: str) -> bool:
        self.found.append(Finding(level, rule, path, text))
        return level != "error"

    def check(self, old: Schema, new: Schema, path: str) -> bool:
        """Whether all documents of `old` fit `new`; why not is noted."""
        if new is True or old is False:
            return True
        if new is False or old is True:
            old, new = (old if old is not True else {}), (new if new is not False else {"enum": []})
        referring = old, new
        old, old_name = _resolved(old, self.old)
        new, new_name = _resolved(new, self.new)
        if old_name and new_name:
            # a reference means another schema with other keywords beside it, such as the tag that a union needs
            pair = (old_name, new_name, msgspec.json.encode([old, new], order="sorted").decode())
            if pair in self.seen:
                return True  # under way, further up: a recursive model fits if nothing else speaks against it
            self.seen |= {pair}
        if not set(new) - _SILENT:
            return True
        unknown = sorted(key for key in {*old, *new} if key not in _KNOWN)
        alike = "allOf" not in {*old, *new} and beyond.CHOSEN not in {*beyond.of(old), *beyond.of(new)}
        if unknown or not alike:
            what = unknown[0] if unknown else "allOf" if "allOf" in {*old, *new} else "a choice that a function makes"
            return self.same(old, new) or self.add(
                "error", "UNKNOWN", path, f"{what} is not understood, and has changed"
            )
        if not _is_union(old) and not _is_union(new):
            return self.plain(old, new, path)
        left, right = _alternatives(referring[0], self.old), _alternatives(referring[1], self.new)
        had_tag, has_tag = "discriminator" in old, "discriminator" in new
        calm = has_tag or self.calls_no_more([] if had_tag else left, right, path)
        return calm and self.unions(left, right, path)

    def calls_no_more(self, left: list[Schema], right: list[Schema], path: str) -> bool:
        """Whether no function is now called with what another part of a union takes: what it raises ends all.

        `left`: the parts of the older union that were all tried; none where a tag chose one of them.
        """
        others = [one for one in right if _resolved(one, self.new)[0].get("type") != "null"]
        if len(others) < 2:
            return True
        before = {exact for one in left for exact, _ in beyond.called(spelled(one, self.old))}
        new = [shown for one in others for exact, shown in beyond.called(spelled(one, self.new)) if exact not in before]
        return not new or self.add(
            "error",
            "UNKNOWN",
            path,
            f"{new[0]} is now called with all that the union takes, and what it raises refuses it",
        )

    def same(self, old: Schema, new: Schema) -> bool:
        """Whether both are written alike, down through their references; else nobody knows."""
        return bool(spelled(old, self.old) == spelled(new, self.new))

    def unions(self, left: list[Schema], right: list[Schema], path: str) -> bool:
        """Each alternative on the left must fit one on the right."""
        ok = True
        for one in left:
            tries = [self.tried(one, other, path) for other in right]
            fitting = next((found for fits, found in tries if fits), None)
            if fitting is not None:
                self.found += fitting
            elif len(right) == 1 or (near := _same_kind(one, right, self.old, self.new)) is None:
                ok = self.add("error", "TYPE_NARROWED", path, f"{_shown(one, self.old)} is no longer accepted") and ok
            else:
                self.found += tries[near][1]
                ok = False
        return ok

    def tried(self, old: Schema, new: Schema, path: str) -> tuple[bool, list[Finding]]:
        """The same by itself, so that an alternative that does not fit leaves nothing behind."""
        inner = _Subset(self.old, self.new, self.seen)
        return inner.check(old, new, path), inner.found

    def plain(self, old: Schema, new: Schema, path: str) -> bool:
        values, allowed = _values(old), _values(new)
        if not self.further(old, new, path):
            return False
        if "contentSchema" in new:
            return self.check(old.get("contentSchema", True), new["contentSchema"], path) and self.constraints(
                old, new, path
            )
        if allowed is not None:
            if values is None:
                return self.add("error", "TYPE_NARROWED", path, f"was {_shown(old, self.old)}, now one of {allowed}")
            gone = [value for value in values if not _has(allowed, value)]
            return not gone or self.add("error", "ENUM_VALUE_REMOVED", path, f"no longer accepts {gone}")
        if values is not None and not _typed(values, new.get("type")):
            return self.add("error", "TYPE_CHANGED", path, f"one of {values} -> {new.get('type')}")
        kind, wanted = old.get("type"), new.get("type")
        if values is None and wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
            return self.add("error", "TYPE_CHANGED", path, f"{kind or 'anything'} -> {wanted}")
        ok = self.constraints(old, new, path)
        if wanted == "array":
            ok = self.array(old, new, path) and ok
        if wanted == "object":
            ok = self.object(old, new, path) and ok
        return ok

    def further(self, old: Schema, new: Schema, path: str) -> bool:
        """What JSON Schema cannot say."""
        ok = True
        for rule, text in beyond.unmet(old, new):
            ok = self.add("error", rule, path, text)
        left, right = beyond.of(old), beyond.of(new)
        if "inner" in right and "inner" not in left:
            return self.add("error", "UNKNOWN", path, "a validator now takes what another type took")
        return ("inner" not in right or self.check(left["inner"], right["inner"], path)) and ok

    def constraints(self, old: Schema, new: Schema, path: str) -> bool:
        ok = True
        for key, way in _BOUNDS.items():
            if key in new and not _bounded(old, new, key, way):
                text = f"{key}: {old.get(key, 'none')} -> {new[key]}"
                ok = self.add("error", "CONSTRAINT_TIGHTENED", path, text) and ok
        for key in _EXACT:
            if key in new and old.get(key) != new[key] and not _divides(key, old, new) and not _is_wider(key, old, new):
                text = f"{key}: {old.get(key, 'none')} -> {new[key]}"
                ok = self.add("error", "CONSTRAINT_TIGHTENED", path, text) and ok
        return ok

    def array(self, old: Schema, new: Schema, path: str) -> bool:
        ok = True
        left, right = old.get("prefixItems", []), new.get("prefixItems", [])
        for place in range(max(len(left), len(right))):
            one = left[place] if place < len(left) else old.get("items", True)
            other = right[place] if place < len(right) else new.get("items", True)
            if place >= old.get("maxItems", place + 1):
                break
            ok = self.check(one, other, f"{path}[{place}]") and ok
        if "items" in new and old.get("maxItems", len(left) + 1) > len(left):
            ok = self.check(old.get("items", True), new["items"], f"{path}[]") and ok
        return ok

    def object(self, old: Schema, new: Schema, path: str) -> bool:
        ok = True
        old, new = _with_rest(old), _with_rest(new)
        new = as_older_documents_name(new, old)
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, had = set(new.get("required", ())), set(old.get("required", ()))
        for name, schema in after.items():
            ok = self.property(name, schema, old, name in needed, name in had, f"{path}.{name}") and ok
        for name in sorted(needed - set(after)):
            if name not in had:
                ok = (
                    self.add("error", "REQUIRED_FIELD_ADDED", f"{path}.{name}", "jobs already queued do not carry it")
                    and ok
                )
        rest = new.get("additionalProperties", True)
        for name, schema in before.items():
            if name not in after:
                ok = self.gone(schema, rest, f"{path}.{name}") and ok
        return self.others(old, new, rest, path) and ok

    def property(self, name: str, schema: Schema, old: Schema, needed: bool, had: bool, path: str) -> bool:  # noqa: FBT001
        before = old.get("properties", {})
        if name not in before:
            if beyond.choices(schema):
                return self.add("error", "UNKNOWN", path, "it is read under several names, and not only from here")
            if needed:
                return self.add(
                    "error", "REQUIRED_FIELD_ADDED", path, "jobs already queued do not carry it; give it a default"
                )
            others = list(old.get("patternProperties", {}).values())
            if old.get("additionalProperties", False) is not False:
                others.append(old["additionalProperties"])
            # a key of the old dict, or a further field that it took, may have this name
            fits = [self.check(one, schema, path) for one in others]
            return all(fits)
        ok = True
        if needed and not had:
            ok = self.add("error", "FIELD_BECAME_REQUIRED", path, "jobs already queued may leave it out")
        was, now = before[name].get("default"), schema.get("default")
        if was != now and "default" in before[name] and "default" in schema:
            self.add("warning", "DEFAULT_CHANGED", path, f"{was!r} -> {now!r}")
        return self.check(before[name], schema, path) and ok

    def gone(self, schema: Schema, rest: Schema, path: str) -> bool:
        if rest is False:
            return self.add(
                "error", "FIELD_REMOVED", path, "jobs already queued carry it, and extra fields are refused"
            )
        if isinstance(rest, dict):
            return self.check(schema, rest, path)
        self.add("warning", "FIELD_REMOVED", path, "what jobs already queued carry there is dropped without a word")
        return True

    def others(self, old: Schema, new: Schema, rest: Schema, path: str) -> bool:
        """Keys that neither side names."""
        ok = True
        was = old.get("additionalProperties", True)
        if rest is False and was is not False:
            if isinstance(was, dict) or "properties" not in old:
                ok = self.add("error", "CLOSED", path, "keys of any name are no longer accepted")
            elif was is True and "additionalProperties" in old:
                ok = self.add("error", "CLOSED", path, "extra fields are now refused")
        elif isinstance(rest, dict) and was is not False:
            ok = self.check(
                was if "additionalProperties" in old or not old.get("properties") else False, rest, f"{path}{{}}"
            )
        return self.keys(old, new, path) and ok

    def keys(self, old: Schema, new: Schema, path: str) -> bool:
        """The names of a dict's keys, and of the fields of a model that became one."""
        left, right = beyond.of(old).get("keys"), beyond.of(new).get("keys")
        if right is None:
            shown = [key for key in ("patternProperties", "propertyNames") if key in new and old.get(key) != new[key]]
            return not shown or self.add("error", "UNKNOWN", path, f"{shown[0]} has changed")
        named = [{"const": name} for name in old.get("properties", {})]
        open_ = "properties" not in old or old.get("additionalProperties", False) is not False
        rest = [left if left is not None else {"type": "string"}] if open_ else []
        fits = [self.check(one, right, f"{path}(key)") for one in (*named, *rest)]
        return all(fits)


def _resolved(schema: Schema, root: Schema) -> tuple[Schema, str]:
    """The schema that a reference leads to, and its name."""
    name = ""
    while isinstance(schema, dict) and "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        beside = {key: part for key, part in schema.items() if key != "$ref" and key not in _SILENT}
        schema = _beside(root.get("$defs", {}).get(name, {}), beside)
    return schema, name


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list)


def _alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """The parts of a union, those of unions inside it too; what stands beside a union is said of each of its parts.

    Those that a tag tells apart need it, although their models may have a default for it.
    """
    referring, schema = schema, _resolved(schema, root)[0]
    if not _is_union(schema):
        return [referring]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    found: list[Schema] = schema["anyOf"] if "anyOf" in schema else schema["oneOf"]
    tag = schema.get("discriminator", {}).get("propertyName")
    beside = {key: part for key, part in schema.items() if key not in {"anyOf", "oneOf", *_SILENT}}
    parts: list[Schema] = []
    for one in found:
        part = one
        if tag is not None:
            part = {**one, "required": [*_resolved(one, root)[0].get("required", ()), tag]}
        if beside:
            part = _beside(part, beside)
        parts += [part] if not _is_union(_resolved(part, root)[0]) else _alternatives(part, root)
    return parts


def _beside(schema: Schema, more: Schema) -> Schema:
    """A schema with what is said of it where it is used: beside a reference, or a union. What clashes is not known."""
    both = {**beyond.of(schema), **beyond.of(more)}
    own = {BEYOND, "required"}  # the latter is that of the schema, with the tag of a union
    clash = [key for key in more if key in schema and key not in own and schema[key] != more[key]]
    clash += [key for key in beyond.of(more) if key in beyond.of(schema) and beyond.of(schema)[key] != both[key]]
    return {**schema, **more, **({BEYOND: both} if both else {}), **({f"x-twice-{clash[0]}": more} if clash else {})}


def _with_rest(schema: Schema) -> Schema:
    """A dict whose keys must match a pattern, as a dict of these keys: pydantic takes no others."""
    pattern = schema.get("patternProperties", {})
    if len(pattern) != 1 or "keys" not in beyond.of(schema) or schema.get("additionalProperties"):
        return schema
    return {**schema, "additionalProperties": next(iter(pattern.values())), "patternProperties": {}}


def spelled(schema: Schema, root: Schema, under_way: tuple[str, ...] = ()) -> Any:
    """The schema with its references written out, each again only where it is not under way; without words."""
    if isinstance(schema, list):
        return [spelled(one, root, under_way) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"]
        if name in under_way:
            return {"$ref": under_way[::-1].index(name)}
        inside, _ = _resolved(schema, root)
        return spelled(inside, root, (*under_way, name))
    return {key: spelled(part, root, under_way) for key, part in schema.items() if key != "$defs"}


def _same_kind(one: Schema, others: list[Schema], old: Schema, new: Schema) -> int | None:
    """The place of the only alternative that looks like this one: what is wrong with it says more than 'gone'."""
    mine = _kind(_resolved(one, old)[0])
    like = [place for place, other in enumerate(others) if _kind(_resolved(other, new)[0]) == mine]
    return like[0] if len(like) == 1 else None


def _kind(schema: Schema) -> object:
    tags = {name: _values(part) for name, part in schema.get("properties", {}).items() if isinstance(part, dict)}
    said = sorted((name, str(values)) for name, values in tags.items() if values is not None and len(values) == 1)
    return schema.get("type"), str(_values(schema)), tuple(said)


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _has(values: list[Any], value: object) -> bool:
    """JSON tells True from 1, Python does not."""
    return any(one == value and isinstance(one, bool) == isinstance(value, bool) for one in values)


def _typed(values: list[Any], kind: str | None) -> bool:
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    if kind is None:
        return True
    wanted = kinds.get(kind)
    return wanted is not None and all(
        isinstance(one, wanted) and (kind == "boolean" or not isinstance(one, bool)) for one in values
    )


def _bounded(old: Schema, new: Schema, key: str, way: int) -> bool:
    """Whether everything that the old side lets through keeps this bound of the new one."""
    bound = new[key]
    values = _values(old)
    if key in _LENGTHS and values is None and old.get("format") != new.get("format"):
        return False  # one counts letters, the other bytes
    if values is not None and key in {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
        strict = key.startswith("exclusive")
        return all(
            isinstance(v, int | float) and ((v - bound) * way > 0 or (v == bound and not strict)) for v in values
        )
    if values is not None and key in {"minLength", "maxLength"}:
        return all(isinstance(v, str) and (len(v) - bound) * way >= 0 for v in values)
    if key == "maxItems" and old.get("uniqueItems") and not new.get("uniqueItems"):
        return False  # a set counts its items when the same ones are gone
    if key in old:
        return bool((old[key] - bound) * way >= 0)
    partner = key.replace("exclusiveM", "m") if key.startswith("exclusive") else f"exclusive{key[0].upper()}{key[1:]}"
    if partner in old and key in {"minimum", "maximum"}:
        next_ = way if old.get("type") == "integer" else 0  # 6 is the least whole number above 5
        return bool((old[partner] + next_ - bound) * way >= 0)
    if partner in old and key.startswith("exclusive"):
        return bool((old[partner] - bound) * way > 0)
    if key == "maxItems":
        return False
    return key == "minItems" and len(old.get("prefixItems", ())) >= bound and old.get("minItems", 0) >= bound


def _is_wider(key: str, old: Schema, new: Schema) -> bool:
    """Whether a text of the older format is one of the newer."""
    if key != "format" or old.get("type") != "string":
        return False
    return new[key] == "password" or (new[key] == "uuid" and str(old.get(key)).startswith("uuid"))


def _divides(key: str, old: Schema, new: Schema) -> bool:
    if key != "multipleOf" or key not in old:
        return False
    both = old[key], new[key]  # of fractions, pydantic's own arithmetic refuses some multiples
    return all(float(one).is_integer() for one in both) and old[key] % new[key] == 0


def _shown(schema: Schema, root: Schema) -> str:
    """A schema in a word or two."""
    found, name = _resolved(schema, root)
    if name:
        return name
    values = _values(found)
    if values is not None:
        return " or ".join(map(repr, values))
    if "anyOf" in found or "oneOf" in found:
        return "a union"
    kind = found.get("type")
    return {"null": "null", "object": "an object", "array": "a list"}.get(kind, str(kind or "anything"))
