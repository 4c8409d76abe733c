"""From a URL to an engine. Drivers are imported when their scheme is asked for."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, unquote

from stem.errors import ConfigError

if TYPE_CHECKING:
    from stem.contracts.engine import Engine

#: Up to the last @, for a password may hold what should have been written otherwise.
_PASSWORD: Final = re.compile(r"(://[^:/@]*):.*@", re.DOTALL)
#: Secrets behind the question mark.
_SECRETS: Final = re.compile(r"([?&][^=&]*password=)[^&#]*")
KNOWN: Final = (
    "sqlite:///path/to/file.db, redis://host:6379/0 (rediss, redis+sentinel, redis+cluster, redis+unix, valkey, ...), "
    "memory://"
)
#: Where another distribution registers the scheme of its URLs.
ENTRY_POINTS: Final = "stem.engines"


def make_engine(url: str, namespace: str, *, results: str = "") -> Engine:
    """The engine that a URL names, not yet opened; ConfigError when there is none.

    `results` is the URL of another engine for the values of results.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, with `?durability=full` for one fsync a commit; `redis://`,
    `rediss://` and their forms for Sentinel, Cluster and sockets as `stem.redis.address` reads them, with `valkey` for
    `redis` too; `memory://`. Other distributions may bring schemes of their own.
    """
    if results:
        from stem.split import SplitEngine

        return SplitEngine(make_engine(url, namespace), make_engine(results, namespace))
    scheme = url.partition(":")[0].lower()
    if scheme == "memory":
        from stem.memory import MemoryEngine

        return MemoryEngine(namespace=namespace)
    if scheme == "sqlite":
        from stem.sqlite import SqliteEngine

        path, durability = _sqlite(url)
        return SqliteEngine(path, namespace=namespace, durability=durability)
    if scheme.startswith(("redis", "valkey")) or scheme == "unix":
        try:
            from stem.redis import engine_class
        except ModuleNotFoundError as fault:
            if fault.name not in {"redis", "hiredis"}:
                raise
            raise ConfigError("the engine on Redis needs redis-py: pip install 'stem-jobs[redis]'") from None
        return engine_class(url)(url, namespace=namespace)
    return _of_others(url, scheme, namespace)


def _of_others(url: str, scheme: str, namespace: str) -> Engine:
    """The engine of another distribution, which names a callable `(url, *, namespace)` as its entry point."""
    for found in entry_points(group=ENTRY_POINTS, name=scheme):
        made: Engine = found.load()(url, namespace=namespace)
        return made
    others = sorted({f"{one.name}://" for one in entry_points(group=ENTRY_POINTS)})
    known = ", ".join([KNOWN, *others])
    raise ConfigError(f"no engine for {redacted(url)!r}; expected one of: {known}")


def _sqlite(url: str) -> tuple[str, Literal["normal", "full"]]:
    head, _, rest = url.partition(":///")
    path, asked, query = rest.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    durability = options[0][1] if options else "normal"
    wrong_options = bool(asked) and (
        [key for key, _ in options] != ["durability"] or durability not in {"normal", "full"}
    )
    path = unquote(path)
    if path == ":memory:":
        raise ConfigError("sqlite:///:memory: would be a file of that name; for an app in memory the URL is memory://")
    if head.lower() != "sqlite" or not path or not path.isprintable() or "#" in rest or wrong_options:
        raise ConfigError(
            f"a SQLite URL looks like sqlite:///path/to/file.db or sqlite:///file.db?durability=full, found {url!r}"
            + ("; write # and ? of a path as %23 and %3F" if "#" in rest or "?" in query else "")
        )
    return path, "full" if durability == "full" else "normal"


def sqlite_path(url: str) -> str:
    """The file that a SQLite URL names; "" for another engine. ConfigError as `make_engine`."""
    return _sqlite(url)[0] if url.partition(":")[0].lower() == "sqlite" else ""


def redacted(url: str) -> str:
    """The URL without its passwords, for messages."""
    return _SECRETS.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url, count=1))
