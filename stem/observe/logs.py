"""Logs for `stem worker --log-format text|json`. The library itself never touches the root logger."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final, Literal

#: Fields that stem's own log calls carry by `extra`.
FIELDS: Final = ("job_id", "task", "attempt", "queue", "worker")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        shown: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        shown |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            shown["error"] = self.formatException(record.exc_info)
        return json.dumps(shown, default=str)


def configure(form: Literal["text", "json"], level: str) -> None:
    """Send the logs of `stem` and the handlers' own to stderr. For the command line only."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("asyncio").setLevel("WARNING")
