"""Random documents of a JSON schema, as pydantic writes them."""

from __future__ import annotations

import base64
import random
import string
from typing import Any, Final

#: Enough for every pattern in the cases; patterns are not solved in general.
PATTERNS: Final = {"^[a-c]+$": "abc", "^[a-z]+$": string.ascii_lowercase}


class Documents:
    """Draws documents that fit a schema; deeper ones are smaller, so that recursion ends."""

    def __init__(self, schema: dict[str, Any], chance: random.Random) -> None:
        self._root, self._chance = schema, chance

    def draw(self) -> Any:
        return self._draw(self._root, 0)

    def _draw(self, schema: Any, depth: int) -> Any:
        if schema is True or schema == {}:
            return self._chance.choice([None, True, 1, 1.5, "text", [1], {"a": 1}])
        if "$ref" in schema:
            return self._draw(self._root["$defs"][schema["$ref"].rpartition("/")[2]], depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            if depth > 3:
                options = [one for one in options if one.get("type") == "null"] or options
            chosen = self._chance.choice(options)
            made = self._draw(chosen, depth)
            tag = schema.get("discriminator", {}).get("propertyName")
            if tag is not None and isinstance(made, dict):  # needed, although the model has a default
                made[tag] = self._root["$defs"][chosen["$ref"].rpartition("/")[2]]["properties"][tag]["const"]
            return made
        return getattr(self, f"_{schema.get('type', 'string')}")(schema, depth)

    def _null(self, schema: Any, depth: int) -> None:
        return None

    def _boolean(self, schema: Any, depth: int) -> bool:
        return self._chance.random() < 0.5

    def _integer(self, schema: Any, depth: int) -> int:
        low, high = _bounds(schema, -50, 50)
        step = schema.get("multipleOf", 1)
        return int(self._chance.choice([n for n in range(int(low), int(high) + 1) if n % step == 0]))

    def _number(self, schema: Any, depth: int) -> float:
        low, high = _bounds(schema, -50, 50)
        return self._chance.choice([low, high, self._chance.uniform(low, high)])

    def _string(self, schema: Any, depth: int) -> str:
        made = FORMATS.get(schema.get("format", ""))
        if made is not None:
            return made
        letters = PATTERNS.get(schema.get("pattern", ""), string.ascii_letters + "0123 é☃")
        least = max(schema.get("minLength", 0), 1 if "pattern" in schema else 0)
        most = schema.get("maxLength", least + 6)
        text = "".join(
            self._chance.choices(letters, k=self._chance.choice([least, most, self._chance.randint(least, most)]))
        )
        return base64.b64encode(text.encode()).decode() if schema.get("format") == "base64" else text

    def _array(self, schema: Any, depth: int) -> list[Any]:
        fixed = [self._draw(one, depth + 1) for one in schema.get("prefixItems", [])]
        if "prefixItems" in schema and schema.get("maxItems") == len(fixed):
            return fixed
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", least + (3 if depth < 3 else 0))
        return [self._draw(schema.get("items", True), depth + 1) for _ in range(self._chance.randint(least, most))]

    def _object(self, schema: Any, depth: int) -> dict[str, Any]:
        made = {}
        for name, part in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self._chance.random() < (0.6 if depth < 3 else 0.1):
                made[name] = self._draw(part, depth + 1)
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict) or rest is True:
            for number in range(self._chance.randint(0, 2)):
                made[f"key{number}"] = self._draw(rest, depth + 1)
        return made


FORMATS: Final = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "uuid": "12345678-1234-5678-1234-567812345678",
    "duration": "PT5M",
    "uri": "https://example.org/",
}


def _bounds(schema: Any, low: float, high: float) -> tuple[float, float]:
    small = 1 if schema.get("type") == "integer" else 1e-6
    low = schema.get("minimum", schema.get("exclusiveMinimum", low - small) + small)
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(high, low) + small) - small)
    return low, high
