"""Logs for `stem worker --log-format text|json`. The library itself never touches the root logger."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final, Literal

from stem.core.duration import words
from stem.core.settle import Signal
from stem.values import plain

#: Fields that stem's own log calls carry by `extra`.
FIELDS: Final = ("job_id", "task", "attempt", "queue", "worker")


jobs = logging.getLogger("stem.jobs")


def log_failure(signal: Signal) -> None:
    """A failed attempt, or a job that nobody here knows, in one line; what was given up with its traceback."""
    error = signal.error
    assert error is not None
    extra = {"job_id": signal.job_id, "task": signal.task, "attempt": signal.attempt, "queue": signal.queue}
    what = f"{error.type}: {error.message}".partition("\n")[0]
    if signal.name == "job_snoozed":
        text = "%s waits for a worker that knows it (job %s): %s"
        jobs.warning(text, signal.task, signal.job_id, what, extra=extra)
        return
    if signal.retry_in_ms is not None:
        text = "%s failed in attempt %d and runs again in %s (job %s): %s"
        jobs.warning(text, signal.task, signal.attempt, words(signal.retry_in_ms), signal.job_id, what, extra=extra)
        return
    text = "%s was given up %s, as %s (job %s): %s%s"
    trace = f"\n{error.traceback.rstrip()}" if error.traceback else ""
    when = f"after attempt {signal.attempt}" if signal.attempt else "before its first attempt"
    jobs.error(text, signal.task, when, signal.reason, signal.job_id, what, trace, extra=extra)


class TextFormatter(logging.Formatter):
    """Lines for people, without what would steer their terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


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
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("asyncio").setLevel("WARNING")
