"""From a URL to an engine: those that are built in, those of other distributions, and what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stem import ConfigError, Stem
from stem.engines import make_engine
from stem.memory import MemoryEngine
from stem.redis import RedisEngine
from stem.sqlite import SqliteEngine

ANOTHER = """
from stem.memory import MemoryEngine

def make(url, *, namespace):
    made = MemoryEngine(namespace=namespace)
    made.url = url
    return made
"""


@pytest.fixture
def other_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that brings an engine, as pip would install it."""
    (tmp_path / "another_engine.py").write_text(ANOTHER)
    told = tmp_path / "another_engine-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: another-engine\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[stem.engines]\nanother = another_engine:make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "another_engine", raising=False)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryEngine),
        ("sqlite:///jobs.db", SqliteEngine),
        ("redis://localhost", RedisEngine),
        ("valkey://localhost", RedisEngine),
        ("redis+unix:///run/redis.sock", RedisEngine),
        ("unix:///run/redis.sock", RedisEngine),
    ],
)
def test_a_url_names_an_engine(url: str, kind: type) -> None:
    assert type(make_engine(url, "stem")) is kind


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite:///:memory:?durability=full", "sqlite:///%3Amemory%3A"])
def test_a_file_named_memory_is_refused_with_the_url_that_was_meant(url: str) -> None:
    with pytest.raises(ConfigError, match="for an app in memory the URL is memory://"):
        make_engine(url, "stem")


@pytest.mark.usefixtures("other_distribution")
def test_another_distribution_brings_an_engine_by_its_scheme() -> None:
    made = make_engine("another://host/x", "shop")
    assert (made.url, made.namespace) == ("another://host/x", "shop")
    assert Stem("another://host/x").make_engine().url == "another://host/x"


@pytest.mark.usefixtures("other_distribution")
def test_an_unknown_scheme_names_all_that_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"no engine for 'mongo://:\*\*\*@db'; expected one of: sqlite:///.*another://"
    ):
        make_engine("mongo://:secret@db", "stem")
