"""How large what comes in may be. Each limit is checked at the edge, where the caller can still do something about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from stem.errors import ConfigError

#: Largest envelope, workflow parameters, step result and event, bytes. SQS 256 KiB, later 1 MiB; larger things belong
#: into a store of their own.
MAX_PAYLOAD: Final = 1 << 20
#: Largest result of a job, bytes.
MAX_RESULT: Final = 1 << 20
#: How deep JSON may be nested: what pydantic's reader takes.
MAX_DEPTH: Final = 200
#: Headers of one call, the longest name and value, and all of them together, bytes.
MAX_HEADERS: Final = 64
MAX_HEADER_NAME: Final = 256
MAX_HEADER_VALUE: Final = 4_096
MAX_HEADERS_SIZE: Final = 16_384
#: All metadata of one call as JSON, bytes.
MAX_META_SIZE: Final = 16_384
#: The note of a progress as JSON, bytes.
MAX_PROGRESS_SIZE: Final = 16_384


def limit_of_bytes(value: int, what: str) -> int:
    """The limit as it was given; ConfigError when it is no number of bytes."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{what} must be a number of bytes, 1 or more, found {value!r}")
    return value


def check_header(name: str, value: str) -> None:
    """ConfigError when one header is too long."""
    for what, text, most in (("name", name, MAX_HEADER_NAME), ("value", value, MAX_HEADER_VALUE)):
        if (size := len(text.encode())) > most:
            raise ConfigError(
                f"the {what} of header {name[:40]!r} takes {size:,} bytes, over the limit of {most:,}; "
                "headers are for short notes, data belongs into the arguments"
            )


def check_beside(headers: Mapping[str, str], meta: Mapping[str, object]) -> None:
    """ConfigError when what travels beside the arguments is too much, whoever has added it."""
    if len(headers) > MAX_HEADERS:
        raise ConfigError(f"a call has {len(headers):,} headers, over the limit of {MAX_HEADERS}")
    for name, value in headers.items():
        check_header(name, value)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in headers.items())
    if size > MAX_HEADERS_SIZE:
        raise ConfigError(f"the headers of a call take {size:,} bytes, over the limit of {MAX_HEADERS_SIZE:,} together")
    if meta and (size := len(msgspec.json.encode(meta))) > MAX_META_SIZE:
        longest = max(meta, key=lambda name: len(msgspec.json.encode(meta[name])))
        raise ConfigError(
            f"the metadata of a call takes {size:,} bytes, over the limit of {MAX_META_SIZE:,} together; "
            f"the largest is {longest[:40]!r}"
        )
