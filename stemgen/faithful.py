"""Whether copies read the same documents as the models that they are copies of: their schemas are compared whole."""

# pyright: basic

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from stem.core.full_schema import BEYOND
from stem.core.schema import read_schema
from stemgen.alike import are_alike
from stemgen.breaking.subset import spelled
from stemgen.copying import FOLDER, Copies
from stemgen.typing_source import uncopied

#: What a copy is not meant to have: defaults that only the worker can make, and validators, which run in the worker.
_LEFT_OUT: Final = frozenset({"default", "functions", "after", "post_init"})


def check(copies: Copies, files: Mapping[str, str], name: str) -> None:
    """Import the copies as they are written; StemgenError for the first that reads other documents than its model.

    `name` is that of the package, under which they import each other; one that the app has imported stays as it is.
    """
    if not copies.modules:
        return
    with tempfile.TemporaryDirectory(prefix="stemgen-") as folder, _alone(name, folder):
        package = Path(folder) / name
        (package / FOLDER).mkdir(parents=True)
        (package / "__init__.py").touch()
        for path, text in files.items():
            if path.startswith(f"{FOLDER}/"):
                (package / path).write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        for key, module in copies.modules.items():
            made = _imported(f"{name}.{FOLDER}.{key}", sorted(one.name for one in module.models.values()))
            for model in module.models.values():
                _compare(model.origin, getattr(made, model.name))


@contextlib.contextmanager
def _alone(name: str, folder: str) -> Iterator[None]:
    """Only what lies in this folder is imported as the package of this name."""

    def taken() -> dict[str, ModuleType]:
        names = [one for one in sys.modules if one.partition(".")[0] == name]
        return {one: sys.modules.pop(one) for one in names}

    before = taken()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        taken()
        sys.modules.update(before)


def _imported(name: str, models: list[str]) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as fault:
        raise uncopied(", ".join(models), f"one of these models ({type(fault).__name__}: {fault})") from None


def _compare(origin: type[Any], copied: type[Any]) -> None:
    if are_alike(origin, copied):
        return  # nearly all, in a fortieth of the time
    where = f"{origin.__module__}.{origin.__qualname__}"
    try:
        wanted, made = _whole(origin), _whole(copied)
    except ValueError:
        return  # it has no schema: whoever declares a task of it is told so
    found = _difference(wanted, made, "")
    if found is not None:
        path, there, here = found
        raise uncopied(
            f"{where}{path}", f"what the worker reads ({_shown(there)}; of a copy it would be {_shown(here)})"
        )


def _whole(cls: type[Any]) -> Any:
    schema = read_schema(cls)
    return _plain(spelled(schema, schema))


def _plain(schema: Any, *, names: bool = False) -> Any:
    """The schema without what a copy is not meant to have; `names`: the keys are names of the user's own."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: _plain(part, names=key == "properties") for key, part in schema.items() if names or key not in _LEFT_OUT
    }
    if not names and made.get(BEYOND) == {}:
        del made[BEYOND]
    return made


def _difference(there: Any, here: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first place where two schemas differ, and what stands in it."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            if there.get(key) != here.get(key):
                shown = path if key in {"properties", BEYOND} else f"{path}.{key}"
                return _difference(there.get(key), here.get(key), shown)
    return None if there == here else (path, there, here)


def _shown(part: Any) -> str:
    text = "nothing" if part is None else str(part)
    return text if len(text) < 60 else f"{text[:57]}..."
