"""The SQLite file of labels: opened by several processes and threads, one transaction at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.oracles.errors import StoreError

APPLICATION, VERSION = 0x6C61626B, 1  # "labk" in SQLite's header, and the version of the tables
WAIT = 60.0  # s for which another process may hold the file
TABLES = """
CREATE TABLE structures (hash TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE oracles (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE labels (
    key TEXT PRIMARY KEY, structure TEXT NOT NULL, oracle TEXT NOT NULL, data BLOB NOT NULL, sha256 TEXT NOT NULL,
    program TEXT NOT NULL);
CREATE INDEX labels_of_an_oracle ON labels (oracle);
CREATE TABLE calculations (
    structure TEXT NOT NULL, oracle TEXT NOT NULL, outcome TEXT NOT NULL, seconds REAL NOT NULL, cores INTEGER NOT NULL,
    started REAL NOT NULL, host TEXT NOT NULL, program TEXT NOT NULL, message TEXT NOT NULL);
CREATE TABLE claims (
    key TEXT PRIMARY KEY, token TEXT NOT NULL, owner TEXT NOT NULL, started REAL NOT NULL, beat REAL NOT NULL,
    host TEXT NOT NULL, cores INTEGER NOT NULL);
"""


class Database:
    """A connection to the file, opened again in a forked process; threads use it one at a time."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path}: there is no folder {self.path.parent}; create it, or choose another path")
        self._pid, self._lock, self._connection = -1, threading.RLock(), None
        with self._exclusive():
            pass

    @contextmanager
    def transaction(self, *, on_disk: bool = False) -> Iterator[sqlite3.Connection]:
        """All or nothing, even if the process is killed; with `on_disk`, even if the power fails. Others wait."""
        with self._exclusive() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if on_disk else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._exclusive() as connection:
            return connection.execute(query, values).fetchall()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _exclusive(self) -> Iterator[sqlite3.Connection]:
        if self._pid != os.getpid():  # SQLite's connections and held locks must not be carried across a fork
            self._pid, self._lock, self._connection = os.getpid(), threading.RLock(), None
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _open(self.path)
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(_explain(self.path, error)) from error
            except UnicodeDecodeError as error:  # SQLite's own message about a damaged table holds part of it
                raise StoreError(_explain(self.path, sqlite3.DatabaseError("malformed"))) from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    connection.text_factory = lambda raw: raw.decode(errors="replace")  # damaged text is found by its sha256
    try:
        _check(path, connection)
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # no other process was first
            for statement in TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse files that are not a label store, before anything is changed."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty and application == version == 0:
        return
    if application != APPLICATION:
        raise StoreError(f"{path}: is another program's SQLite file, not a store of labels; choose another path")
    if version != VERSION:
        raise StoreError(
            f"{path}: is a store of labels of version {version}, and this labkit reads version {VERSION}; use the "
            "labkit that wrote it, or another file"
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Use a write-ahead log: readers do not wait, and a killed writer leaves the file as before or after a label.

    SQLite does not wait for others while it changes this, so it is retried. Some network folders do not allow it;
    the older journal is as safe.
    """
    deadline = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _explain(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return (
            f"{path}: is damaged ({text}); move it away and compute its frames again, or recover what is left of it "
            "with the sqlite3 program's .recover"
        )
    return (
        f"{path}: could not be read or written ({text}); expected a writable file on a disk with free space. What was "
        "stored before is intact"
    )
