"""Errors of users' code, as stored and as shown: from the user's own lines on."""

from __future__ import annotations

import traceback
from typing import Any

from stem.core.outcome import ErrorRecord, error_record


def error_of(fault: BaseException) -> ErrorRecord:
    """An exception as stored, its traceback from the user's code on."""
    lines = "".join(traceback.format_exception(type(fault), fault, users_own(fault.__traceback__)))
    return error_record(type(fault).__name__, _text(fault), lines)


def _text(fault: BaseException) -> str:
    """What it says; of a group, what each of its errors says."""
    if isinstance(fault, BaseExceptionGroup):
        return f"{fault.message}: {'; '.join(f'{type(one).__name__}: {_text(one)}' for one in fault.exceptions)}"
    try:
        return str(fault)
    except BaseException as broken:
        return f"<its __str__ raised {type(broken).__name__}>"


def users_own(trace: Any) -> Any:
    below = step = trace
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").startswith(
            ("stem.durable", "stem.worker", "stem.sqlite", "stem.core")
        ):
            below = step.tb_next
        else:
            break
        step = step.tb_next
    return below or trace


def line_of(fault: BaseException) -> str:
    frames = traceback.extract_tb(users_own(fault.__traceback__))
    return f", {frames[0].filename}:{frames[0].lineno}" if frames else ""
