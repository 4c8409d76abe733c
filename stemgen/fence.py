"""Importing the app: never from stale bytecode, and without a step outside of the process."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from importlib import machinery
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from stemgen.cache import Stamp, stamp

#: Where Python's own modules lie; and the folders of what is installed, of which the first may lie in there.
_STANDARD: Final = sysconfig.get_path("stdlib") + os.sep
_PACKAGES: Final = frozenset({"site-packages", "dist-packages"})
#: What reaches outside: audit events of CPython, https://docs.python.org/3/library/audit_events.html.
_REFUSED: Final = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.bind",
        "subprocess.Popen",
        "os.system",
        "os.posix_spawn",
        "os.exec",
        "os.fork",
    }
)


class SideEffectError(BaseException):
    """Not an Exception: an app that swallows those must not hide it."""


class FreshLoader(machinery.SourceFileLoader):
    """Compiles the source, whatever bytecode lies about: an edit of equal length within one second leaves a `.pyc`
    that Python takes for fresh. What was read is noted as it was then: it may be edited while stemgen runs.
    """

    def __init__(self, fullname: str, path: str, loaded: dict[str, Stamp]) -> None:
        super().__init__(fullname, path)
        self._loaded = loaded

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        self._loaded[path] = stamp(path)
        return self.source_to_code(self.get_data(path), path)


def is_pythons(file: str) -> bool:
    """Whether this file is of Python itself, which changes with its version."""
    return file.startswith(_STANDARD) and _PACKAGES.isdisjoint(Path(file).parts)


def is_installed(file: str) -> bool:
    """Whether this file is of Python itself or of an installed distribution."""
    return file.startswith(_STANDARD) or not _PACKAGES.isdisjoint(Path(file).parts)


class Fence:
    """Loads modules below `roots`, and others that are not installed, from their source, and refuses side effects while it is up."""

    def __init__(self, roots: Sequence[str], allowed: Sequence[str]) -> None:
        self._roots = tuple(os.path.realpath(root) + os.sep for root in roots)
        self._allowed = tuple(allowed)
        self._up = False
        #: Files of the project that were imported, as they were then.
        self.loaded: dict[str, Stamp] = {}
        #: The same of files that lie elsewhere and are not installed: another checkout on the path.
        self.borrowed: dict[str, Stamp] = {}

    def raise_(self) -> None:
        """From now on; hooks cannot be taken away, so a process has one fence."""
        sys.meta_path.insert(0, self)
        sys.addaudithook(self._hook)
        self._up = True

    def lower(self) -> None:
        """The app has been imported."""
        self._up = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> machinery.ModuleSpec | None:
        """A finder of sys.meta_path: modules that are edited, by their source; what is installed is left to Python."""
        spec = machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py") or is_installed(spec.origin):
            return None
        spec.loader = FreshLoader(name, spec.origin, self.loaded if self._is_ours(spec.origin) else self.borrowed)
        return spec

    def _is_ours(self, file: str) -> bool:
        real = os.path.realpath(file)
        return real.startswith(self._roots) and not is_installed(real)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._up or event not in _REFUSED:
            return
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
        while frame is not None and not self._is_ours(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None and self._is_allowed(frame):
            return
        place = "somewhere" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
        raise SideEffectError(f"{place}: {event} {args!r:.120} while stemgen imports the app")

    def _is_allowed(self, frame: FrameType) -> bool:
        names = {str(frame.f_globals.get("__name__"))}
        while frame.f_back is not None:
            frame = frame.f_back
            names.add(str(frame.f_globals.get("__name__")))
        return any(name == one or name.startswith(f"{one}.") for name in names for one in self._allowed)
