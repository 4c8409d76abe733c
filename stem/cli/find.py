"""Locating the app: -A, STEM_APP or stem.toml; and the database when no app is needed."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stem.cli.output import note
from stem.config import DEFAULT_NAMESPACE, DEFAULT_URL, load
from stem.errors import AppNotFoundError, ConfigError, EngineUnavailableError, StemError, hint, nearest

if TYPE_CHECKING:
    from stem.app import Stem
    from stem.cli.root import Said


def app_with_tasks(said: Said, *, memory: bool = False) -> Stem:
    """The app that was named, with its tasks loaded; AppNotFoundError when none was named or it cannot be imported.

    With `memory` an app on memory:// is fine, because nothing outside of this process has to reach it.
    """
    target = said.app or load().app
    if not target:
        raise AppNotFoundError(
            'no app is named: add -A module:app, set STEM_APP, or write app = "module:app" into stem.toml'
        )
    app = _overridden(_imported(target, said), said, memory=memory)
    with _importing(f"the tasks of {target}", said):
        app.load()
    return app


def app_without_tasks(said: Said) -> Stem:
    """The app that was named, or else one on the URL that was named; for looking, which needs no tasks."""
    target = said.app or load().app
    if target:
        return _there(_overridden(_imported(target, said), said, memory=False))
    from stem.app import Stem

    settings = load()
    url, namespace = said.url or settings.url, said.namespace or settings.namespace
    return _there(_overridden(Stem(url or DEFAULT_URL, namespace=namespace or DEFAULT_NAMESPACE), said, memory=False))


def _overridden(app: Stem, said: Said, *, memory: bool) -> Stem:
    from stem.engines import redacted

    said.own_url = app.url
    if app.url.startswith("memory:") and not memory:
        raise ConfigError(
            "an app on memory:// lives inside one process, where the command line cannot reach it; "
            "give it a URL such as sqlite:///.stem/stem.db"
        )
    wanted = load().url
    if wanted and not said.url and wanted != app.url:
        where = "STEM_URL" if os.environ.get("STEM_URL") else "the url in stem.toml"
        note(
            f"{where} is not used: the app is on {redacted(app.url)}; Stem.from_env() takes it, and --url overrides both"
        )
    if said.url:
        if said.url.startswith("memory:") and not memory:
            raise ConfigError("memory:// lives inside one process, where the command line cannot reach it")
        app.url = said.url
    if said.namespace:
        app.namespace = said.namespace
    return app


def _there(app: Stem) -> Stem:
    """The app, when there is something to look at: looking makes no database, for the name is most often a slip."""
    path = missing_file(app)
    if path:
        raise EngineUnavailableError(
            f"there is no database at {path} yet: `stem worker` or `stem enqueue` makes it; --url names another"
        )
    return app


def missing_file(app: Stem) -> str:
    """The path of a file that an open would have to make; "" when it is there, or the app keeps no file."""
    from stem.engines import sqlite_path

    path = sqlite_path(app.url)
    return path if path and not Path(path).exists() else ""


# ---------------------------------------------------------------- importing the app


def _imported(target: str, said: Said) -> Stem:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    name, colon, attribute = target.partition(":")
    if _as_module(name) or not all(part.isidentifier() for part in name.split(".")) or (colon and not attribute):
        raise AppNotFoundError(f"an app is named as module:app, as in shop.app:app, found {target!r}{_as_module(name)}")
    with _importing(name, said):
        module = _module(name)
    return _named(module, attribute) if attribute else _only(module)


def _as_module(path: str) -> str:
    """The cure for `-A shop/app.py`."""
    if not path.endswith(".py") or not Path(path).is_file():
        return ""
    dotted = path.removesuffix(".py").replace("\\", "/").removeprefix("./").replace("/", ".")
    return f"; did you mean {dotted!r}?"


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        missing = fault.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise
        parent, _, last = missing.rpartition(".")
        known = _modules_in(parent)
        close = nearest(last, known)
        there = f"{parent}." if parent else ""
        tail = f"did you mean {there + close!r}?" if close else hint(None, [there + one for one in known])
        raise AppNotFoundError(f"there is no module {missing!r} {_where(parent)}; {tail}") from fault


def _where(parent: str) -> str:
    return f"in {parent}" if parent else f"in {Path.cwd()} or among the installed packages"


def _modules_in(parent: str) -> list[str]:
    """The modules beside the one that is missing: in its package, or here."""
    try:
        path = [str(Path.cwd())] if not parent else list(importlib.import_module(parent).__path__)
    except (ImportError, AttributeError):
        return []
    return sorted(found.name for found in pkgutil.iter_modules(path) if not found.name.startswith("_"))


def _named(module: ModuleType, attribute: str) -> Stem:
    from stem.app import Stem

    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            apps = _apps(module)
            known = sorted(apps) or [word for word in vars(module) if not word.startswith("_")]
            what = "apps there" if apps else "no Stem there; names"
            close = nearest(part, known)
            asked = f"did you mean {close!r}? " if close else ""
            raise AppNotFoundError(
                f"module {module.__name__!r} has no name {attribute!r}; {asked}({what}: {', '.join(known[:5]) or 'none'})"
            )
        value = getattr(value, part)
    if not isinstance(value, Stem):
        apps = _apps(module)
        tail = f"; did you mean {module.__name__}:{next(iter(apps))}?" if apps else ""
        raise AppNotFoundError(
            f"{module.__name__}:{attribute} is of type {type(value).__name__}, expected a Stem, as in `app = Stem(...)`{tail}"
        )
    return value


def _only(module: ModuleType) -> Stem:
    apps = _apps(module)
    distinct = {id(app) for app in apps.values()}
    if "app" in apps:
        return apps["app"]
    if len(distinct) == 1:
        return next(iter(apps.values()))
    name = module.__name__
    if apps:
        raise AppNotFoundError(
            f"module {name!r} has {len(distinct)} apps; say which: " + " or ".join(f"-A {name}:{one}" for one in apps)
        )
    inside = _modules_in(name) if hasattr(module, "__path__") else []
    tail = f"; did you mean {name}.{'app' if 'app' in inside else inside[0]}?" if inside else ""
    raise AppNotFoundError(f"module {name!r} has no Stem; expected one, as in `app = Stem(...)`{tail}")


def _apps(module: ModuleType) -> dict[str, Stem]:
    from stem.app import Stem

    return {name: value for name, value in vars(module).items() if isinstance(value, Stem)}


@contextlib.contextmanager
def _importing(what: str, said: Said) -> Iterator[None]:
    """Errors of the user's own modules as one sentence with their place; what they print stays out of --json."""
    quiet = contextlib.redirect_stdout(sys.stderr) if said.json else contextlib.nullcontext()
    try:
        with quiet:
            yield
    except StemError:
        raise
    except (Exception, SystemExit) as fault:
        text = " ".join(str(fault).split())
        raise AppNotFoundError(f"{what} cannot be imported: {type(fault).__name__}: {text}{_place(fault)}") from fault


def _place(fault: BaseException) -> str:
    """The last line of the user's code on the way, as ' (shop/app.py, line 3)'."""
    if isinstance(fault, SyntaxError):
        return ""  # its message names the file and line
    found = ""
    step = fault.__traceback__
    while step is not None:
        path = step.tb_frame.f_code.co_filename
        if not path.startswith("<") and os.path.abspath(path).startswith(os.getcwd()):  # noqa: PTH100, PTH109
            found = f" ({os.path.relpath(path)}, line {step.tb_lineno})"
        step = step.tb_next
    return found
