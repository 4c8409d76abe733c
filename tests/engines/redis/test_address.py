"""What a Redis URL may say, and which servers are fit."""

from __future__ import annotations

import pytest

from stem.engines import redacted
from stem.errors import ConfigError, EngineRefusedError
from stem.redis.address import Address, Tls, parse
from stem.redis.engine import _check, _facts
from stem.redis.names import plain, prefix, safe


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", Address(mode="standalone", hosts=(("localhost", 6379),))),
        ("redis://db", Address(mode="standalone", hosts=(("db", 6379),))),
        ("redis://[::1]:7000/3", Address(mode="standalone", hosts=(("::1", 7000),), db=3)),
        (
            "redis://us%40er:p%2Fw%3A%23@db:1/0",
            Address(mode="standalone", hosts=(("db", 1),), username="us@er", password="p/w:#"),
        ),
        ("redis://:secret@db", Address(mode="standalone", hosts=(("db", 6379),), password="secret")),
        ("rediss://db", Address(mode="standalone", hosts=(("db", 6379),), tls=Tls())),
        (
            f"rediss://db?tls_ca={__file__}&tls_cert={__file__}&tls_key={__file__}&tls_verify=none",
            Address(mode="standalone", hosts=(("db", 6379),), tls=Tls(__file__, __file__, __file__, verify=False)),
        ),
        (
            "redis+sentinel://a,b:5/main/2?sentinel_password=x",
            Address(mode="sentinel", hosts=(("a", 26379), ("b", 5)), service="main", db=2, sentinel_password="x"),
        ),
        ("rediss+cluster://a:1,b:2", Address(mode="cluster", hosts=(("a", 1), ("b", 2)), tls=Tls())),
        ("valkey://db", Address(mode="standalone", hosts=(("db", 6379),))),
        ("valkeys://db:1/2", Address(mode="standalone", hosts=(("db", 1),), db=2, tls=Tls())),
        ("valkey+sentinel://a/main", Address(mode="sentinel", hosts=(("a", 26379),), service="main")),
        ("valkeys+cluster://a", Address(mode="cluster", hosts=(("a", 6379),), tls=Tls())),
        ("redis+unix:///run/redis.sock", Address(mode="standalone", unix="/run/redis.sock")),
        (
            "redis+unix://me:pa%2Fss@/run/my%20redis.sock?db=3&timeout_ms=900",
            Address(
                mode="standalone", unix="/run/my redis.sock", username="me", password="pa/ss", db=3, timeout_ms=900
            ),
        ),
        ("unix:///a", Address(mode="standalone", unix="/a")),
        ("valkey+unix:///a", Address(mode="standalone", unix="/a")),
        ("redis+cluster://a?partition=queue", Address(mode="cluster", hosts=(("a", 6379),), partition="queue")),
        (
            "redis://db?durability=wait&replicas=2&wait_ms=50&timeout_ms=900&patience_ms=0",
            Address(
                mode="standalone",
                hosts=(("db", 6379),),
                durability="wait",
                replicas=2,
                wait_ms=50,
                timeout_ms=900,
                patience_ms=0,
            ),
        ),
    ],
)
def test_a_url_says_where_and_how(url: str, expected: Address) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+unix://host/run/redis.sock", r"redis\+unix:///run/redis.sock"),
        ("redis+unix://", "names its path"),
        ("redis+unix:///a?partition=queue", "partition makes no sense for a socket"),
        ("redis+unix:///a?replicas=2", "are for durability=wait"),
        ("redis://db?db=3", "its number stands in the path: redis://host/1"),
        ("redis://db:port", "a port is a number from 1 to 65535, found 'port'"),
        ("redis://db:0", "a port is a number"),
        ("redis://a,b", r"several are meant with redis\+cluster"),
        ("redis://db/zero", "number of a database, found '/zero'"),
        ("redis://db/0/1", "number of a database"),
        ("redis+cluster://db/1", "has only database 0"),
        ("redis+sentinel://db", "names the service"),
        ("redis://db?durable=1", "unknown option 'durable'"),
        ("redis://db?durability=always", "'async' or 'wait', found 'always'"),
        ("rediss://db?tls_ca=/no/such.pem", "tls_ca of a Redis URL names no file: '/no/such.pem'"),
        (f"rediss://db?tls_cert={__file__}", "tls_cert and tls_key of a Redis URL go together"),
        ("redis://db?replicas=2", "are for durability=wait"),
        ("redis://db?sentinel_password=hunter", "are for redis[+]sentinel://"),
        ("redis://db?partition=queue", "how queues spread over a cluster: use it with redis[+]cluster://"),
        ("redis+cluster://db?partition=job", "'namespace' or 'queue', found 'job'"),
        ("redis://db?wait_ms=1&wait_ms=2", "stands twice"),
        ("redis://db?durability=wait&replicas=0", "replicas in a Redis URL must be a number from 1"),
        ("redis://db?timeout_ms=soon", "found 'soon'"),
        ("redis://db?tls_ca=/x", "for rediss:// URLs"),
        ("rediss://db?tls_verify=maybe", "'full' or 'none'"),
        ("redis://:hunter#2@db", "write /, [?] and # of a password"),
        ("redis://:hunter/2@db", "write /, [?] and # of a password"),
        ("redis://me:hunter?2@db", "write /, [?] and # of a password"),
        ("redis://db#0", "no part behind '#'"),
        ("redisx://db", "no Redis URL"),
    ],
)
def test_a_wrong_url_is_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        parse(url)
    assert "hunter" not in str(refused.value)


def test_an_address_shows_no_secret() -> None:
    made = parse("redis+sentinel://me:hunter@a,[::1]:5/main?sentinel_password=hunter")
    assert repr(made) == "<Redis sentinel at a:26379, [::1]:5>"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:hunter@db/0", "redis://me:***@db/0"),
        ("redis://:hunter@db", "redis://:***@db"),
        (
            "redis+sentinel://me:hunter@a,[::1]:5/main?sentinel_password=hunter",
            "redis+sentinel://me:***@a,[::1]:5/main?sentinel_password=***",
        ),
        ("redis://me:hunter@[::1", "redis://me:***@[::1"),
        ("redis://me:hunter@2/x@db", "redis://me:***@db"),
        ("redis://me:hunter#2@db", "redis://me:***@db"),
        ("redis://a:1,b:2/0", "redis://a:1,b:2/0"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("no url", "no url"),
    ],
)
def test_a_url_is_shown_without_its_password_whatever_it_is(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize("name", ["q", "a:b", "{q}", "a|b", "100%", "%7B", "\x00\n", "héllo 世界", "}{"])
def test_a_name_in_a_key_can_be_read_back_and_ends_no_tag(name: str) -> None:
    assert plain(safe(name)) == name
    assert not set(safe(name)) & set("{}|\x00\n")


def test_every_key_of_a_namespace_begins_with_its_tag() -> None:
    assert prefix("stem") == "{stem}:"
    assert prefix("}{") == "{%7D%7B}:"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("redis_version:2.8.19", "redis 6.2 or newer, found 2.8.19"),
        ("redis_version:5.0.14", "redis 6.2 or newer, found 5.0.14"),
        ("redis_version:6.1.240", "redis 6.2 or newer, found 6.1.240"),
        ("redis_version:7.2.4\r\nvalkey_version:7.1.9", "valkey 7.2 or newer, found 7.1.9"),
        ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:6.2.0", "valkey 7.2 or newer, found 6.2.0"),
        ("# Server", "redis 6.2 or newer, found 0"),
    ],
)
def test_an_old_server_is_refused(said: str, found: str) -> None:
    with pytest.raises(EngineRefusedError, match=f"^stem needs {found}$"):
        _check(_facts(f"{said}\r\nredis_mode:standalone\r\nmaxmemory_policy:noeviction\r\n".encode()))


@pytest.mark.parametrize(
    "said",
    [
        *("redis_version:6.2.0", "redis_version:6.2.14", "redis_version:6.10.0", "redis_version:10.0.1"),
        *("redis_version:7.2.4\r\nvalkey_version:7.2.0", "redis_version:7.2.4\r\nvalkey_version:10.1.0"),
        "redis_version:255.255.255",
    ],
)
def test_a_server_that_is_young_enough_is_taken(said: str, caplog: pytest.LogCaptureFixture) -> None:
    _check(_facts(f"# Server\r\n{said}\r\nmaxmemory_policy:noeviction\r\n".encode()))
    assert caplog.messages == []


def test_a_sentinel_in_place_of_a_server_is_refused_with_the_right_url() -> None:
    with pytest.raises(EngineRefusedError, match=r"use redis\+sentinel://host:26379/service$"):
        _check(_facts(b"redis_version:7.2.4\r\nredis_mode:sentinel\r\n"))


def test_a_server_that_does_not_tell_what_it_evicts_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    _check(_facts(b"redis_version:7.2.4\r\n"))
    assert caplog.messages == ["the server does not tell its maxmemory-policy; make sure that it is noeviction"]
