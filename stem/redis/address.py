"""A Redis URL as values: where the server is, how to reach it, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

from stem.core.url import split_url
from stem.errors import ConfigError

Mode: TypeAlias = Literal["standalone", "sentinel", "cluster"]
Durability: TypeAlias = Literal["async", "wait"]
#: What lies in one slot of a cluster.
Partition: TypeAlias = Literal["namespace", "queue"]
Host: TypeAlias = tuple[str, int]

_MODES: Final[dict[str, Mode]] = {"": "standalone", "+sentinel": "sentinel", "+cluster": "cluster"}
#: The forms of each product's scheme, and whether it asks for TLS. A Valkey is reached as a Redis is.
_SCHEMES: Final[dict[str, tuple[Mode, bool]]] = {
    f"{product}{tls}{form}": (mode, bool(tls))
    for product in ("redis", "valkey")
    for tls in ("", "s")
    for form, mode in _MODES.items()
}
#: A socket in the file system.
_UNIX: Final = ("redis+unix", "valkey+unix", "unix")
SCHEMES: Final = (*_SCHEMES, *_UNIX)
_PORT: Final[dict[Mode, int]] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
#: What may stand behind the question mark.
_OPTIONS: Final = (
    "durability",
    "replicas",
    "wait_ms",
    "partition",
    "timeout_ms",
    "patience_ms",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "tls_verify",
    "sentinel_username",
    "sentinel_password",
    "db",
)
_FORMS: Final = (
    "redis://[user:password@]host[:port][/db], rediss:// for TLS, redis+cluster://host:port,host:port, "
    "redis+sentinel://host:port,host:port/service[/db], redis+unix:///path/to/socket[?db=1]; valkey for redis is the same"
)


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM: the authority that signed the server, and this client's own certificate where the server asks."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """All that a URL says. Times are ms."""

    mode: Mode
    hosts: tuple[Host, ...] = ()
    unix: str = ""
    service: str = ""
    db: int = 0
    username: str = ""
    password: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    tls: Tls | None = None
    durability: Durability = "async"
    replicas: int = 1
    wait_ms: int = 500
    partition: Partition = "namespace"
    timeout_ms: int = 5_000
    patience_ms: int = 2_000

    def __repr__(self) -> str:
        """Without passwords."""
        return f"<Redis {self.mode} at {self.unix or ', '.join(map(shown, self.hosts))}>"


def shown(host: Host) -> str:
    """A host and its port, an IPv6 address in brackets."""
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def parse(url: str) -> Address:
    """The address in a URL; ConfigError in words, without its password, for anything else."""
    parts = split_url(url)
    scheme = parts.scheme
    if any("@" in part for part in (parts.path, parts.query, parts.fragment)):
        raise ConfigError("a Redis URL has its @ too late; write /, ? and # of a password as %2F, %3F and %23")
    if scheme in _UNIX:
        return _unix(url)
    if scheme not in _SCHEMES:
        raise ConfigError(f"no Redis URL: {scheme or 'no scheme'!r}; expected {_FORMS}")
    mode, tls = _SCHEMES[scheme]
    login, _, hosts = parts.hosts.rpartition("@")
    username, _, password = login.partition(":")
    said = _options(parts.query)
    if "db" in said:
        raise ConfigError(
            "db of a Redis URL is for redis+unix://; elsewhere its number stands in the path: redis://host/1"
        )
    service, db = _path(mode, parts.path)
    _check_together(mode, said)
    if parts.fragment:
        raise ConfigError("a Redis URL has no part behind '#'")
    return Address(
        mode=mode,
        hosts=_hosts(mode, hosts),
        service=service,
        db=db,
        username=unquote(username),
        password=unquote(password),
        sentinel_username=said.get("sentinel_username", ""),
        sentinel_password=said.get("sentinel_password", ""),
        tls=_tls(said, asked=tls),
        durability=_durability(said.get("durability", "async")),
        replicas=_number(said, "replicas", 1, least=1),
        wait_ms=_number(said, "wait_ms", 500, least=1),
        partition=_partition(said.get("partition", "namespace")),
        timeout_ms=_number(said, "timeout_ms", 5_000, least=100),
        patience_ms=_number(said, "patience_ms", 2_000, least=0),
    )


def _unix(url: str) -> Address:
    """A server behind a socket: nothing but its path, a login and a few options make sense."""
    parts = split_url(url)
    login, _, host = parts.hosts.rpartition("@")
    username, _, password = login.partition(":")
    said = _options(parts.query)
    wrong = sorted(set(said) - {"db", "durability", "replicas", "wait_ms", "timeout_ms", "patience_ms"})
    if host or len(parts.path) < 2 or parts.fragment:
        raise ConfigError(
            "a Redis URL with a socket names its path: redis+unix:///run/redis.sock, with ?db=1 for a database"
        )
    if wrong:
        raise ConfigError(f"{wrong[0]} makes no sense for a socket: {scheme_of(url)}:// takes db, durability and times")
    _check_together("standalone", said)
    return Address(
        mode="standalone",
        unix=unquote(parts.path),
        db=_number(said, "db", 0, least=0),
        username=unquote(username),
        password=unquote(password),
        durability=_durability(said.get("durability", "async")),
        replicas=_number(said, "replicas", 1, least=1),
        wait_ms=_number(said, "wait_ms", 500, least=1),
        timeout_ms=_number(said, "timeout_ms", 5_000, least=100),
        patience_ms=_number(said, "patience_ms", 2_000, least=0),
    )


def scheme_of(url: str) -> str:
    """The part before the colon, in small letters."""
    return url.partition(":")[0].lower()


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    said = dict(pairs)
    if len(said) != len(pairs):
        raise ConfigError("an option stands twice in a Redis URL")
    unknown = sorted(set(said) - set(_OPTIONS))
    if unknown:
        raise ConfigError(f"unknown option {unknown[0]!r} in a Redis URL; known: {', '.join(_OPTIONS)}")
    return said


def _check_together(mode: Mode, said: Mapping[str, str]) -> None:
    """Options that would do nothing."""
    if said.get("durability") != "wait" and ("replicas" in said or "wait_ms" in said):
        raise ConfigError("replicas and wait_ms of a Redis URL are for durability=wait")
    if mode != "cluster" and "partition" in said:
        raise ConfigError(
            "partition of a Redis URL says how queues spread over a cluster: use it with redis+cluster://"
        )
    if mode != "sentinel" and ("sentinel_username" in said or "sentinel_password" in said):
        raise ConfigError("sentinel_username and sentinel_password are for redis+sentinel:// URLs")
    if ("tls_cert" in said) != ("tls_key" in said):
        raise ConfigError("tls_cert and tls_key of a Redis URL go together: a certificate, and its key")


def _hosts(mode: Mode, text: str) -> tuple[Host, ...]:
    found = tuple(_host(one, _PORT[mode]) for one in text.split(",") if one)
    if mode == "standalone" and len(found) > 1:
        raise ConfigError("redis:// names one server; several are meant with redis+cluster:// or redis+sentinel://")
    return found or (("localhost", _PORT[mode]),)


def _host(text: str, port: int) -> Host:
    name, colon, number = _split(text)
    if not colon:
        return name, port
    if not number.isdecimal() or not 0 < int(number) < 65_536:
        raise ConfigError(f"a port is a number from 1 to 65535, found {number!r} in a Redis URL")
    return name, int(number)


def _split(text: str) -> tuple[str, str, str]:
    """Host, colon and port; an IPv6 address stands in brackets."""
    if not text.startswith("["):
        return text.partition(":")
    name, _, rest = text[1:].partition("]")
    return name, rest[:1], rest[1:]


def _path(mode: Mode, path: str) -> tuple[str, int]:
    """Service and number of the database."""
    words = [unquote(word) for word in path.split("/") if word]
    service = words.pop(0) if mode == "sentinel" and words else ""
    if mode == "sentinel" and not service:
        raise ConfigError("a Sentinel URL names the service: redis+sentinel://host:26379/mymaster")
    if len(words) > 1 or (words and not words[0].isdecimal()):
        raise ConfigError(f"the path of a Redis URL is the number of a database, found {path!r}")
    db = int(words[0]) if words else 0
    if db and mode == "cluster":
        raise ConfigError("a Redis Cluster has only database 0; use Stem(namespace=) to keep apps apart")
    return service, db


def _tls(said: Mapping[str, str], *, asked: bool) -> Tls | None:
    words = {name: said[f"tls_{name}"] for name in ("ca", "cert", "key", "verify") if f"tls_{name}" in said}
    if not asked:
        if words:
            raise ConfigError("tls_ options are for rediss:// URLs")
        return None
    for name in ("ca", "cert", "key"):
        if name in words and not Path(words[name]).is_file():
            raise ConfigError(f"tls_{name} of a Redis URL names no file: {words[name]!r}")
    verify = words.pop("verify", "full")
    if verify not in {"full", "none"}:
        raise ConfigError(f"tls_verify must be 'full' or 'none', found {verify!r}")
    return Tls(**words, verify=verify == "full")


def _durability(text: str) -> Durability:
    if text == "wait":
        return "wait"
    if text == "async":
        return "async"
    raise ConfigError(f"durability of a Redis URL must be 'async' or 'wait', found {text!r}")


def _partition(text: str) -> Partition:
    if text == "queue":
        return "queue"
    if text == "namespace":
        return "namespace"
    raise ConfigError(f"partition of a Redis URL must be 'namespace' or 'queue', found {text!r}")


def _number(said: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = said.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text) <= 600_000:
        raise ConfigError(f"{name} in a Redis URL must be a number from {least} to 600000, found {text!r}")
    return int(text)
