"""An app: its modules imported behind the fence, and what they declare."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TypeVar

import msgspec

from stem.errors import StemError
from stemgen.cache import Stamp, stamp
from stemgen.collect import Declared, collect
from stemgen.config import Config
from stemgen.errors import AppError, StemgenError
from stemgen.fence import Fence, SideEffectError, is_pythons

T = TypeVar("T")


class Found(msgspec.Struct, frozen=True):
    """What the app declares, and the files that were imported, as they were: its own, and those from elsewhere."""

    declared: Declared
    files: dict[str, Stamp]
    borrowed: dict[str, Stamp]


def discover(config: Config) -> Found:
    """Import what `modules` names and collect what they declare, in this process; AppError says why it cannot be imported."""
    os.environ["STEMGEN"] = "1"
    sys.path[:0] = [str(path) for path in config.paths]
    fence = Fence([str(config.root), *map(str, config.paths)], config.options.allow_side_effects)
    fence.raise_()
    try:
        _initialise(config.options.init)
        modules = [module for name in config.options.modules for module in _modules(name)]
    except SideEffectError as fault:
        raise AppError(
            f"{fault}\nImporting a module must not reach outside of the process: move the line into a function, "
            "or name its module in allow-side-effects of [tool.stemgen]"
        ) from None
    finally:
        fence.lower()
    return Found(collect(modules), fence.loaded, {**_borrowed(fence.loaded), **fence.borrowed})


def _borrowed(own: Mapping[str, Stamp]) -> dict[str, Stamp]:
    """Files of modules that do not lie in the project: models may come from there. Python's own change with its version."""
    files = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())} - set(own)
    outside = [one for one in files if one.endswith(".py") and not is_pythons(one)]
    return {one: stamp(one) for one in outside if os.path.exists(one)}  # noqa: PTH110


def _initialise(init: str) -> None:
    """Call what `init` names before anything else is imported, as a framework's set-up."""
    if init:
        module, _, function = init.partition(":")
        made = _import(module)
        if function:
            _guarded(init, getattr(made, function))


def _modules(name: str) -> list[ModuleType]:
    """The module of this name; of `a.*` the package and all modules below it."""
    if not name.endswith(".*"):
        return [_import(name)]
    package = _import(name[:-2])
    if not hasattr(package, "__path__"):
        raise StemgenError(f"modules of [tool.stemgen] names {name!r}, but {name[:-2]!r} is no package; leave out '.*'")
    below = sorted(one.name for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=_fail))
    # a module `__main__` is a program: to import it is to run it
    return [package, *(_import(one) for one in below if not one.endswith(".__main__"))]


def _fail(name: str) -> None:
    raise AppError(f"{name} cannot be imported: {_traceback()}")


def _import(name: str) -> ModuleType:
    return _guarded(name, lambda: importlib.import_module(name))


def _guarded(name: str, act: Callable[[], T]) -> T:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what an app prints is not our answer
            return act()
    except SystemExit as fault:
        raise AppError(
            f"{name} ends the process while it is imported (exit code {fault.code})\n{_traceback()}"
        ) from None
    except StemError as fault:
        raise AppError(f"{name} cannot be imported: {fault}\n{_traceback()}") from None
    except ModuleNotFoundError as fault:
        if fault.name is not None and (name == fault.name or name.startswith(f"{fault.name}.")):
            raise AppError(
                f"there is no module {fault.name!r}, which [tool.stemgen] names; looked in: {', '.join(sys.path[:3])}"
            ) from None
        raise AppError(f"{name} cannot be imported: {fault}\n{_traceback()}") from None
    except Exception as fault:
        raise AppError(f"{name} cannot be imported: {type(fault).__name__}: {fault}\n{_traceback()}") from None


def _traceback() -> str:
    """The frames of the app alone."""
    lines = traceback.extract_tb(sys.exc_info()[2])
    own = [
        line for line in lines if "importlib" not in line.filename and f"{os.sep}stemgen{os.sep}" not in line.filename
    ]
    return "".join(traceback.format_list(own)).rstrip()
