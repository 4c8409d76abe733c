"""Opening the file: whose it is, its settings, its schema; and what SQLite's errors mean to a caller."""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

from stem.errors import EngineRefusedError, EngineUnavailableError, StemError

Durability: TypeAlias = Literal["normal", "full"]

#: Marks the file as ours, in its header: "stem" in ASCII.
APPLICATION_ID: Final = 0x7374656D
#: RETURNING came with it.
OLDEST_SQLITE: Final = (3, 35, 0)
#: Fixed the race in which a checkpoint of one connection and a reset of the log by another could lose a commit.
SOUND_RESET: Final = (3, 51, 3)
#: Size of the log after which it is copied back, bytes. SQLite's own 4 MB cost 6 us a job here: pages are written
#: again and again, and the disk has to be waited for at each time.
CHECKPOINT: Final = 16_000_000
#: Size up to which the log is kept when it was copied back, bytes: to flush one that grows costs nearly twice.
KEPT: Final = 2 * CHECKPOINT
#: How long a checkpoint waits for readers and for writers in other processes, ms.
_CHECKPOINT_WAIT: Final = 1_000
#: Between two tries at a lock that SQLite does not wait for by itself, seconds.
_TRY_EVERY: Final = 0.01
_READ_ONLY: Final = "{} is read-only; give this user write access to the file and its folder"


def prepare(path: Path, *, durability: Durability, busy_ms: int) -> sqlite3.Connection:
    """A connection that may write, to a file that is ours and has our schema; made if it is not there."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise EngineRefusedError(
            f"stem needs SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer, found {sqlite3.sqlite_version}; "
            "use a newer Python build"
        )
    with translated(path, busy_ms):
        _make_folder(path.parent)
        _make_private(path)
        conn = _connect(path, busy_ms)
        try:
            _check_owner(conn, path)
            if not os.access(path, os.W_OK):  # SQLite would open it all the same, to be read
                raise EngineRefusedError(_READ_ONLY.format(path))
            _configure(conn, durability, busy_ms)
            _migrate(conn, path)
        except BaseException:
            conn.close()
            raise
    return conn


def reading(path: Path, *, busy_ms: int) -> sqlite3.Connection:
    """A connection that cannot write, to a file that `prepare` has seen."""
    with translated(path, busy_ms):
        conn = _connect(path, busy_ms)
        conn.execute("PRAGMA query_only = ON")
    return conn


def namespace_number(conn: sqlite3.Connection, name: str) -> int:
    """The number by which rows name this namespace."""
    found = conn.execute("SELECT ns FROM namespace WHERE name = ?", (name,)).fetchone()
    if found is None:
        conn.execute("INSERT OR IGNORE INTO namespace (name) VALUES (?)", (name,))
        found = conn.execute("SELECT ns FROM namespace WHERE name = ?", (name,)).fetchone()
    return int(found[0])


def checkpoint(conn: sqlite3.Connection, ask_ms: int, *, cut: bool) -> bool:
    """Copy the log back into the file, so that it is written anew from its beginning; `cut` makes it empty first.

    False when a reader or another writer was in the way. RESTART and TRUNCATE hold the write lock while they work.
    SQLite's own checkpoint after a commit does not, and in versions before 3.51.3 it could lose a commit when another
    connection began the log anew at that moment. `ask_ms`: how long this connection waits for locks otherwise.
    """
    conn.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT}")
    try:
        (busy, *_) = conn.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if cut else 'RESTART'})").fetchone()
    except sqlite3.OperationalError as fault:
        if not is_busy(fault):
            raise
        return False
    finally:
        conn.execute(f"PRAGMA busy_timeout = {ask_ms}")
    return not busy


def log_size(path: Path) -> int:
    """Bytes in the write-ahead log beside the file."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def identity(path: Path) -> tuple[int, int]:
    """Which file is at `path` now; it changes when the file is deleted or replaced."""
    there = path.stat()
    return there.st_dev, there.st_ino


# ---------------------------------------------------------------- steps of opening


def _connect(path: Path, busy_ms: int) -> sqlite3.Connection:
    conn = sqlite3.connect(
        path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    conn.execute("PRAGMA foreign_keys = OFF")
    conn.execute("PRAGMA temp_store = MEMORY")
    return conn


def _make_folder(folder: Path) -> None:
    """The folder of a new file, and those above it that are not there: for this user alone."""
    for one in reversed([folder, *folder.parents]):
        one.mkdir(mode=0o700, exist_ok=True)


def _make_private(path: Path) -> None:
    """A new file is its user's alone, for jobs carry what their arguments hold; SQLite gives the log the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def open_to_others(path: Path) -> str:
    """How others than its user may use a file, as 'mode 0644'; "" when they may not."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"mode {mode:04o}" if mode & 0o077 else ""


def _check_owner(conn: sqlite3.Connection, path: Path) -> int:
    """The schema version of our file, 0 of an empty one; refuses any other file before anything is written to it."""
    query = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version"""  # one statement: another process may be making the schema
    mark, version, tables = conn.execute(query).fetchone()
    if mark != APPLICATION_ID and (mark or version or tables):
        raise EngineRefusedError(
            f"{path} is another program's file ({tables} tables and indexes, application id {mark}); "
            "give stem a path of its own"
        )
    newest = len(_migrations())
    if version > newest:
        raise EngineRefusedError(
            f"{path} was written by a newer stem: its schema is version {version}, this stem knows up to {newest}; "
            "update stem"
        )
    return int(version)


def _configure(conn: sqlite3.Connection, durability: Durability, busy_ms: int) -> None:
    (mode,) = conn.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":  # saying it again would wait for whoever writes
        _patiently(conn, "PRAGMA journal_mode = WAL", busy_ms)
    conn.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
    conn.execute("PRAGMA wal_autocheckpoint = 0")  # see `checkpoint`


def _patiently(conn: sqlite3.Connection, statement: str, busy_ms: int) -> None:
    """Changing the journal mode does not wait for locks by itself."""
    give_up = time.monotonic() + busy_ms / 1000
    while True:
        try:
            conn.execute(statement)
        except sqlite3.OperationalError as fault:
            if not is_busy(fault) or time.monotonic() > give_up:
                raise
            time.sleep(_TRY_EVERY)
        else:
            return


def _migrate(conn: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date; of several processes one does it and the others find it done."""
    migrations = _migrations()
    if _check_owner(conn, path) == len(migrations):
        return
    conn.execute("BEGIN IMMEDIATE")
    try:
        for script in migrations[_check_owner(conn, path) :]:
            for statement in _statements(script):
                conn.execute(statement)
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {len(migrations)}")
        conn.execute("COMMIT")
    except BaseException:
        roll_back(conn)
        raise


def _migrations() -> list[str]:
    folder = importlib.resources.files("stem.sqlite") / "migrations"
    scripts = sorted((one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name)
    return [one.read_text(encoding="utf-8") for one in scripts]


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would end the transaction they must share."""
    pending = ""
    for line in script.splitlines(keepends=True):
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def roll_back(conn: sqlite3.Connection) -> None:
    """Undo the open transaction, if SQLite has not done so by itself."""
    if conn.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            conn.execute("ROLLBACK")


# ---------------------------------------------------------------- errors


@contextlib.contextmanager
def translated(path: Path, busy_ms: int) -> Iterator[None]:
    """Errors of SQLite and of the file system, as what a caller can do about them."""
    try:
        yield
    except (sqlite3.Error, OSError) as fault:
        raise meaning(fault, path, busy_ms) from fault


def meaning(fault: sqlite3.Error | OSError, path: Path, busy_ms: int) -> StemError:
    """The error to raise for this one: a sentence with the file and the next step."""
    code = _code(fault)
    if isinstance(fault, FileNotFoundError):
        return EngineUnavailableError(f"{path} is gone: it was deleted or moved while in use; put it back")
    if isinstance(fault, PermissionError) or code == sqlite3.SQLITE_PERM:
        return EngineRefusedError(f"no permission to use {path} or its folder; give this user read and write access")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return EngineUnavailableError(
            f"{path} was locked by another connection for more than {busy_ms:,} ms; end what holds it (a shell with an "
            "open transaction, a backup, a ctx.transaction that takes long) and try again"
        )
    if code == sqlite3.SQLITE_READONLY:
        return EngineRefusedError(_READ_ONLY.format(path))
    if code == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(fault, path)
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return EngineRefusedError(f"{path} is not a sound SQLite database ({fault}); restore it, or use another path")
    if code == sqlite3.SQLITE_FULL:
        return EngineUnavailableError(f"the disk that holds {path} is full; make room and try again")
    return EngineUnavailableError(f"{path} cannot be used: {fault}")


def _cannot_open(fault: Exception, path: Path) -> StemError:
    if path.is_dir():
        return EngineRefusedError(f"{path} is a folder; name a file in it")
    here = path if path.exists() else path.parent
    if not os.access(here, os.R_OK | os.W_OK):
        return EngineRefusedError(f"no permission to use {path} or its folder; give this user read and write access")
    return EngineUnavailableError(f"{path} cannot be opened: {fault}")


def is_busy(fault: Exception) -> bool:
    """Whether another connection has the lock."""
    return _code(fault) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


#: Faults that lie in the file or the machine, and not in a statement.
_STORES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def is_the_stores(fault: BaseException) -> bool:
    """Whether a fault inside a transaction is the store's, so that the same may work later."""
    return isinstance(fault, sqlite3.Error) and _code(fault) in _STORES


def _code(fault: Exception) -> int | None:
    """SQLite's primary result code; the upper bytes only say more about it."""
    code = getattr(fault, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
