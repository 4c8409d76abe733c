"""One run: import the app, decide, and compare with what lies there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stemgen import faithful
from stemgen.build import build
from stemgen.cache import Stamp, stamp
from stemgen.config import Config
from stemgen.discover import discover
from stemgen.emit import emit
from stemgen.files import Change, changes
from stemgen.lock import Lock, make_lock


class Run(msgspec.Struct, frozen=True):
    """What a run found: what has to change, the lock, the files it read, the app's and others, and those it stands for."""

    changes: list[Change]
    lock: Lock
    inputs: dict[str, Stamp]
    borrowed: dict[str, Stamp]
    outputs: list[Path]


def run(config: Config, file: Path) -> Run:
    """Import the app in this process, which should do nothing else; AppError, StemgenError."""
    inputs = {str(file): stamp(str(file))}
    found = discover(config)
    lock = make_lock(found.declared)
    package = build(found.declared, lock, config.options)
    wanted = emit(package, config.package, lock)
    faithful.check(package.copies, wanted, config.package)
    return Run(
        changes(config.output, wanted),
        lock,
        inputs | found.files,
        found.borrowed,
        [config.output / path for path in wanted],
    )
