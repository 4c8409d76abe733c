"""URLs of databases in parts. Python's own splitter refuses lists of hosts with an IPv6 address among them."""

from __future__ import annotations

import re
from typing import NamedTuple


class Url(NamedTuple):
    """`scheme://hosts/path?query#fragment` as written, the scheme in small letters; hosts with their login."""

    scheme: str
    hosts: str
    path: str
    query: str
    fragment: str


def split_url(url: str) -> Url:
    """The parts of any text; what is not there is empty."""
    rest, _, fragment = url.partition("#")
    rest, _, query = rest.partition("?")
    found = re.match(r"(?:([A-Za-z][\w+.-]*):)?(?://([^/]*))?", rest)
    assert found is not None
    return Url((found[1] or "").lower(), found[2] or "", rest[found.end() :], query, fragment)
