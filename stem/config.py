"""Settings from stem.toml and the environment: stem.toml < STEM_*."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from stem.errors import ConfigError, hint, nearest

FILE: Final = "stem.toml"
DEFAULT_URL: Final = "sqlite:///.stem/stem.db"
DEFAULT_NAMESPACE: Final = "stem"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said outside of code. Empty means: not said."""

    app: str = ""
    url: str = ""
    namespace: str = ""
    results: str = ""


def load(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of stem.toml in `folder` (here), overridden by STEM_APP, STEM_URL, STEM_NAMESPACE and STEM_RESULTS."""
    env = os.environ if environment is None else environment
    said = _file((folder or Path.cwd()) / FILE)
    for name in Settings.__struct_fields__:
        value = env.get(f"STEM_{name.upper()}")
        if value:
            said[name] = value
    return Settings(**said)


def _file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            read = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ConfigError(f"{path} cannot be read: {fault}") from None
    problems = [_problem(path, name, value) for name, value in read.items() if _wrong(name, value)]
    if problems:
        raise ConfigError(problems)
    return read


def _wrong(name: str, value: object) -> bool:
    return name not in Settings.__struct_fields__ or not isinstance(value, str)


def _problem(path: Path, name: str, value: object) -> str:
    known = Settings.__struct_fields__
    if name in known:
        return f"{path}: {name} must be text, found {value!r}"
    return f"{path}: unknown setting {name!r}; {hint(nearest(name, known), known)}"
