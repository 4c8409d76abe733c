"""A virtual environment for each peer, made on first use from the peer's own lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
CACHE: Final = ROOT / ".bench-peers"
#: Seconds for one step of an installation.
PATIENCE: Final = 600


def locked(name: str) -> bool:
    """Whether a system has an environment of its own; the others run in that of stem."""
    return _wanted(name).exists()


def interpreter(name: str) -> Path:
    """The Python that runs a system. RuntimeError says why there is none."""
    if not locked(name):
        return Path(sys.executable)
    return make(name, HERE / name / "requirements.lock")


def make(name: str, lock: Path) -> Path:
    """The Python of an environment in which all of a lock is installed, made when there is none. RuntimeError as above."""
    folder = CACHE / name
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    mark = hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == mark:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(exist_ok=True)
    uv = shutil.which("uv")
    print(f"-- {name}: an environment by {'uv' if uv else 'venv and pip'}", file=sys.stderr)
    if uv:
        _run(uv, "venv", "-q", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r", str(lock))
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
        _run(*pip, "--require-hashes", "-r", str(lock))
    stamp.write_text(mark)
    return python


def lock_all(names: list[str]) -> None:
    """Compile the locks anew (needs uv)."""
    for name in filter(locked, names):
        compile_lock(_wanted(name))


def compile_lock(wanted: Path) -> None:
    """Compile the lock that lies beside this requirements.in (needs uv)."""
    uv = shutil.which("uv")
    if uv is None:
        raise RuntimeError("--lock needs uv on PATH: python3 -m pip install uv")
    plain = ("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate")
    options = ("-q", "--upgrade", "--universal", "--generate-hashes", *plain, "--python-version", "3.11")
    lock = wanted.with_suffix(".lock")
    _run(uv, "pip", "compile", *options, str(wanted), "-o", str(lock))
    if "://" in lock.read_text():
        raise RuntimeError(f"{lock} names a host")


def _wanted(name: str) -> Path:
    return HERE / name / "requirements.in"


def _run(*command: str) -> None:
    certificates = {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")}
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, env={**os.environ, **certificates}
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} took longer than {PATIENCE} seconds") from None
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
