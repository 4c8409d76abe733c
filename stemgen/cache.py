"""Whether anything has changed since the last run, found without importing the app, pydantic or jinja2."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

NAME: Final = ".stemgen_cache.json"
#: What every command says then.
FRESH: Final = "the stubs are up to date"
#: Their versions decide what is written.
WRITERS: Final = ("stem_jobs-", "pydantic-", "pydantic_core-")
#: Size, ns of the last change, sha256.
Stamp: TypeAlias = tuple[int, int, str]


def is_fresh(root: Path) -> bool:
    """Whether all inputs and outputs of the last run are as they were. False when in doubt."""
    try:
        known = json.loads((root / NAME).read_bytes())
        return bool(
            known["root"] == str(root.resolve())  # a copied project is another one
            and known["tools"] == _tools()
            and all(_folder(path) == names for path, names in known["folders"].items())
            and all(_same(path, *said) for path, said in known["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def store(root: Path, inputs: Mapping[str, Stamp], outputs: Iterable[Path], borrowed: Mapping[str, Stamp]) -> None:
    """Remember the inputs as they were read, the outputs as they are, and what lies in their folders.

    `borrowed`: what the app imports from elsewhere.
    """
    written = {str(path): stamp(str(path)) for path in outputs}
    folders = sorted({str(Path(path).parent) for path in (*inputs, *written)})
    known = {
        "root": str(root.resolve()),
        "tools": _tools(),
        "files": {**borrowed, **inputs, **written},
        "folders": {path: _folder(path) for path in folders},
    }
    (root / NAME).write_text(json.dumps(known))


def forget(root: Path) -> None:
    """The next run looks at everything."""
    (root / NAME).unlink(missing_ok=True)


def _tools() -> list[str]:
    return [sys.version, *_installed(), _own()]


def _installed() -> list[str]:
    """Names and versions as their folders spell them: `importlib.metadata` takes longer than all the rest."""
    names: list[str] = []
    for folder in dict.fromkeys(sys.path):
        with contextlib.suppress(OSError):
            names += (name for name in sorted(os.listdir(folder or ".")) if name.startswith(WRITERS))  # noqa: PTH208
    return names


def _own() -> str:
    """Stands for stemgen's own code, which changes without a version while it is developed."""
    here = Path(__file__).parent
    return str(max(path.stat().st_mtime_ns for path in (*here.rglob("*.py"), *here.rglob("*.j2"))))


def _folder(path: str) -> list[str]:
    """Files of Python and tables, and folders: a new one may be a package that `modules` means."""
    with os.scandir(path) as found:
        names = [f"{one.name}/{_is_package(one.path)}" if one.is_dir() else one.name for one in found]
    ends = (".py", ".toml", "stem.lock.json", "/0", "/1")
    return sorted(name for name in names if name.endswith(ends) and not name.startswith((".", "__pycache__")))


def _is_package(folder: str) -> int:
    return int(os.path.exists(os.path.join(folder, "__init__.py")))  # noqa: PTH110, PTH118 - for every folder of a project


def stamp(path: str) -> Stamp:
    """Size, time of the last change and digest of a file."""
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns, _hash(path)


def _same(path: str, size: int, at: int, digest: str) -> bool:
    found = os.stat(path)  # noqa: PTH116 - as for folders: a `Path` for each file would cost more than the question
    return found.st_size == size and (found.st_mtime_ns == at or _hash(path) == digest)


def _hash(path: str) -> str:
    import hashlib  # loads OpenSSL, which nothing needs while all times are as they were

    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
