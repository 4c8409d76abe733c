"""Errors of users' code, as stored and as shown: from the user's own lines on."""

from __future__ import annotations

import traceback

from stem.core.outcome import ErrorRecord, error_record
from stem.core.trace import traceback_text, users_frames


def error_of(fault: BaseException) -> ErrorRecord:
    """An exception as stored, its traceback without stem's frames."""
    return error_record(type(fault).__name__, _text(fault), traceback_text(fault))


def _text(fault: BaseException) -> str:
    """What it says; of a group, what each of its errors says."""
    if isinstance(fault, BaseExceptionGroup):
        return f"{fault.message}: {'; '.join(f'{type(one).__name__}: {_text(one)}' for one in fault.exceptions)}"
    try:
        return str(fault)
    except BaseException as broken:
        return f"<its __str__ raised {type(broken).__name__}>"


def line_of(fault: BaseException) -> str:
    """Where it came out of users' code first, as ', shop.py:3'; '' when it did not."""
    frames = users_frames(traceback.extract_tb(fault.__traceback__))
    return f", {frames[0].filename}:{frames[0].lineno}" if frames else ""
