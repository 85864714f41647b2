"""Claims: which process computes which frame, so that none is computed twice at the same time."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from ase import Atoms

from labkit.oracles.errors import StoreError
from labkit.oracles.label import Label
from labkit.oracles.owner import has_ended, owner
from labkit.oracles.rows import label_key, write_calculation, write_label

if TYPE_CHECKING:
    from labkit.oracles.database import Database
    from labkit.oracles.oracle import Oracle


CHEAP = 0.05  # s: a calculation that took less is not worth waiting for the disk


class Claims:
    """Claims on the frames that one call is computing. A thread renews them; they end with the `with` block.

    The claim of a process that has died on this machine is taken over at once. Any other claim is taken over when it
    has not been renewed for `expiry` seconds by the clock of the waiting process: clocks of machines may differ.
    """

    def __init__(self, database: Database, expiry: float) -> None:
        self.database, self.expiry, self.token = database, expiry, uuid.uuid4().hex
        self._seen: dict[str, tuple[tuple[str, float], float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="label claims", daemon=True)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM claims WHERE token = ?", (self.token,))

    def take(self, structure: str, oracle: Oracle) -> bool:
        """Claim a frame; False if another process has it, or has stored its label in the meantime."""
        key, now = label_key(structure, oracle.hash), time.time()
        with self.database.transaction() as connection:
            if connection.execute("SELECT 1 FROM labels WHERE key = ?", (key,)).fetchone():
                return False
            query = "SELECT token, beat, owner, started, host, cores FROM claims WHERE key = ?"
            other = connection.execute(query, (key,)).fetchone()
            if other is not None:
                token, beat, process, started, host, cores = other
                if not (has_ended(process) or self._silent(key, (token, beat))):
                    return False
                write_calculation(connection, structure, oracle.hash, "lost", beat - started, cores, started, host)
            values: tuple[Any, ...] = (key, self.token, owner(), now, now, socket.gethostname(), oracle.cores)
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return True

    def finish(
        self,
        structure: str,
        oracle: Oracle,
        atoms: Atoms,
        outcome: str,
        seconds: float,
        label: Label | None,
        message: str,
    ) -> None:
        """Store the label, if there is one, record the calculation and release the claim, in one transaction."""
        started, host = time.time() - seconds, socket.gethostname()
        program = label.program if label else ""
        with self.database.transaction(on_disk=seconds > CHEAP) as connection:
            if label is not None:
                write_label(connection, structure, atoms, oracle, label)
            write_calculation(
                connection, structure, oracle.hash, outcome, seconds, oracle.cores, started, host, program, message
            )
            key = label_key(structure, oracle.hash)
            connection.execute("DELETE FROM claims WHERE key = ? AND token = ?", (key, self.token))

    def _silent(self, key: str, state: tuple[str, float]) -> bool:
        """True if a claim has been in the same state, as seen from here, for longer than `expiry`."""
        seen, since = self._seen.get(key, (None, 0.0))
        if seen != state:
            self._seen[key] = state, time.monotonic()
            return False
        return time.monotonic() - since > self.expiry

    def _renew(self) -> None:
        while not self._ended.wait(self.expiry / 6):
            try:
                with self.database.transaction() as connection:
                    connection.execute("UPDATE claims SET beat = ? WHERE token = ?", (time.time(), self.token))
            except StoreError:  # the next try may succeed; storing the label reports what is wrong
                continue
