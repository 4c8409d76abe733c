"""Whether two classes have the same core schema: the quick answer before their JSON schemas are made and compared."""

# pyright: basic

from __future__ import annotations

import enum
from types import FunctionType, MethodType
from typing import Any, Final

from stem.core.schema import WORDS

#: Names of classes, which hold the module and the address of each: they stand in pairs, like the classes.
_NAMES: Final = frozenset({"ref", "schema_ref"})
#: Where pydantic keeps what `Field(description=...)` and its like say.
_UPDATES: Final = "pydantic_js_updates"
#: Of equal type and value they are the same.
_PLAIN: Final = (str, int, float, bool, bytes, type(None))


def are_alike(there: type[Any], here: type[Any]) -> bool:
    """Whether both classes read the same documents, as their core schemas say; False when in doubt."""
    core, other = (one.__dict__.get("__pydantic_core_schema__") for one in (there, here))
    return core is not None and _alike(core, other, {})


def _alike(there: Any, here: Any, pairs: dict[Any, Any]) -> bool:
    """`pairs`: for each class, and name of a class, what stands for it on the other side."""
    if there is here:
        return True
    if isinstance(there, enum.Enum) and isinstance(here, enum.Enum):
        return there.name == here.name and _alike(there.value, here.value, pairs)
    if isinstance(there, type) and isinstance(here, type):
        return there.__name__ == here.__name__ and pairs.setdefault(there, here) is here
    if type(there) is not type(here):
        return False
    if isinstance(there, dict):
        return there.keys() == here.keys() and all(_part(key, part, here[key], pairs) for key, part in there.items())
    if isinstance(there, list | tuple):
        return len(there) == len(here) and all(_alike(*two, pairs) for two in zip(there, here, strict=True))
    if isinstance(there, MethodType):
        return there.__func__ is here.__func__ and _alike(there.__self__, here.__self__, pairs)
    if isinstance(there, FunctionType) and there.__module__.startswith("pydantic."):
        return there.__code__ is here.__code__ and _alike(_closed_over(there), _closed_over(here), pairs)
    return isinstance(there, _PLAIN) and there == here


def _closed_over(function: FunctionType) -> list[Any]:
    """What a function of pydantic's own was made with: it makes one for each enum."""
    return [
        function.__defaults__,
        function.__kwdefaults__,
        *(cell.cell_contents for cell in function.__closure__ or ()),
    ]


def _part(key: str, there: Any, here: Any, pairs: dict[Any, Any]) -> bool:
    if key in _NAMES and isinstance(there, str):
        return bool(pairs.setdefault((key, there), here) == here)
    if key == "metadata":
        return _alike(_without_words(there), _without_words(here), pairs)
    return _alike(there, here, pairs)


def _without_words(metadata: Any) -> Any:
    """Metadata of a schema without words for readers, which copies have elsewhere."""
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_UPDATES), dict):
        return metadata
    left = {key: part for key, part in metadata[_UPDATES].items() if key not in WORDS}
    return {**metadata, _UPDATES: left} if left else {key: part for key, part in metadata.items() if key != _UPDATES}
