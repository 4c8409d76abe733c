"""`[tool.stemgen]` of pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec

from stemgen.errors import StemgenError
from stemgen.project import EXAMPLE, tools


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A breaking change that is meant: by rule, task and place, and why."""

    reason: str
    rule: str = ""
    task: str = ""
    path: str = ""


class Breaking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[tool.stemgen.breaking]`."""

    allow: tuple[Allowed, ...] = ()


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """The table as it is written."""

    modules: tuple[str, ...]
    output: str
    path: tuple[str, ...] = ()
    models: Literal["copy", "import"] = "copy"
    shared_models: tuple[str, ...] = ()
    init: str = ""
    allow_side_effects: tuple[str, ...] = ()
    chain_fields: bool = True
    breaking: Breaking = Breaking()


class Config(msgspec.Struct, frozen=True):
    """The options, and where they were found."""

    root: Path
    options: Options

    @property
    def output(self) -> Path:
        """The folder of the package."""
        return self.root / self.options.output

    @property
    def package(self) -> str:
        """The name of the package."""
        return self.output.name

    @property
    def lock(self) -> Path:
        """The manifest beside the stubs."""
        return self.output / "stem.lock.json"

    @property
    def paths(self) -> list[Path]:
        """What is put on sys.path: `path`, or `src` if there is one, and the project."""
        said = self.options.path or (("src", ".") if (self.root / "src").is_dir() else (".",))
        return [self.root / one for one in said]


def read(file: Path) -> Config:
    """The options in this file; StemgenError names the one that is wrong."""
    table = tools(file).get("stemgen")
    if table is None:
        raise StemgenError(f"{file} has no [tool.stemgen]; write one:\n{EXAMPLE}")
    try:
        options = msgspec.convert(table, Options)
    except msgspec.ValidationError as fault:
        raise StemgenError(f"[tool.stemgen] in {file}: {_plain(str(fault))}") from None
    config = Config(file.parent, options)
    _check(config)
    return config


def _plain(text: str) -> str:
    known = ", ".join(field.encode_name for field in msgspec.structs.fields(Options))
    return f"{text}; known options: {known}" if "unknown field" in text else text


def _check(config: Config) -> None:
    options = config.options
    if not options.modules:
        raise StemgenError("modules of [tool.stemgen] names no module; say where the tasks are declared")
    if not config.package.isidentifier():
        raise StemgenError(f"output of [tool.stemgen] must end in the name of a package, found {options.output!r}")
    if not config.output.resolve().is_relative_to(config.root.resolve()) or config.output == config.root:
        raise StemgenError(f"output of [tool.stemgen] must lie inside of {config.root}, found {options.output!r}")
    if config.package in sys.stdlib_module_names or config.package in {
        one.partition(".")[0] for one in options.modules
    }:
        raise StemgenError(f"output of [tool.stemgen] would hide the module {config.package!r}; choose another name")
    if options.init and not all(part.isidentifier() for part in options.init.replace(":", ".").split(".")):
        raise StemgenError(f"init of [tool.stemgen] must look like 'shop.boot:setup', found {options.init!r}")
    for one in options.breaking.allow:
        if not one.reason.strip():
            raise StemgenError("an entry of [tool.stemgen.breaking] allow has no reason; say why the change is meant")
