"""All labels in one SQLite file, under hash(structure, oracle's settings)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from labkit.oracles.calculation import Calculation
from labkit.oracles.claims import Claims
from labkit.oracles.database import Database
from labkit.oracles.label import Label
from labkit.oracles.rows import label_key, read_label, read_structure, write_label
from labkit.oracles.structure import structure_hash

if TYPE_CHECKING:
    from labkit.oracles.oracle import Oracle

BATCH = 200  # frames that are read at a time


class LabelStoreWarning(UserWarning):
    """A stored label was damaged and has been removed."""


class LabelStore:
    """Labels of all oracles, safe with several processes and after kill -9; a label is stored before it is used.

    path    a SQLite file, created if it does not exist; on a local disk if several processes use it
    expiry  s without a sign of life after which a frame is taken over from a process on another machine

    Every label is stored with a sha256; a damaged one is removed with a warning, and computed again when needed.

    >>> from ase.build import molecule
    >>> from labkit.oracles import LabelStore, TBLite
    >>> with LabelStore("/tmp/labkit-doctest.sqlite") as store:
    ...     (water,) = TBLite().label([molecule("H2O")], store)
    ...     found = store.get(molecule("H2O"), TBLite())
    >>> found.energy == water.get_potential_energy()
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, expiry: float = 30.0) -> None:
        self.path, self.expiry = Path(path), expiry
        self._database = Database(path)

    def get(self, structure: Atoms | str, oracle: Oracle) -> Label | None:
        """The label of a frame (Atoms or hash), or None."""
        found = structure if isinstance(structure, str) else structure_hash(structure)
        key = label_key(found, oracle.hash)
        rows = self._database.read("SELECT data, sha256, program FROM labels WHERE key = ?", (key,))
        if not rows:
            return None
        label = read_label(key, *rows[0])
        if label is None:
            self._remove(key, rows[0][0], "its bytes are not those that were stored")
        return label

    def put(self, atoms: Atoms, oracle: Oracle, label: Label) -> None:
        """Store a label that was computed elsewhere with exactly these settings; an existing one is kept."""
        label.attach(atoms)
        with self._database.transaction(on_disk=True) as connection:
            write_label(connection, structure_hash(atoms), atoms, oracle, label)

    def frames(self, oracle: Oracle | str | None = None) -> Iterator[Atoms]:
        """Labelled copies of the stored structures, in the order of their labels; for one oracle, or for all.

        An oracle may be given by its hash. info["oracle"] is its name. Other data of a frame, such
        as a trajectory's number, is not stored.
        """
        query = (
            "SELECT l.rowid, l.key, l.structure, l.data, l.sha256, l.program, s.data, o.name FROM labels l "
            "LEFT JOIN structures s ON s.hash = l.structure LEFT JOIN oracles o ON o.hash = l.oracle "
            "WHERE l.rowid > ? AND (? IS NULL OR l.oracle = ?) ORDER BY l.rowid LIMIT ?"
        )
        last, oracle_hash = 0, _hash(oracle)
        while rows := self._database.read(query, (last, oracle_hash, oracle_hash, BATCH)):
            last = rows[-1][0]
            for _, key, structure, data, sha256, program, structure_data, name in rows:
                label, atoms = read_label(key, data, sha256, program), read_structure(structure, structure_data or b"")
                if label is None or atoms is None:
                    self._remove(
                        key, data, f"the bytes of its {'structure' if label else 'label'} are not those stored"
                    )
                    continue
                frame = label.attach(atoms)
                frame.info["oracle"] = name
                yield frame

    def calculations(self, oracle: Oracle | str | None = None, *, after: int = 0) -> list[Calculation]:
        """All calculations started for this store, with their cost, in the order in which they ended.

        With `after` only those that ended when `last_calculation` had this number already.
        """
        oracle_hash = _hash(oracle)
        query = "SELECT * FROM calculations WHERE (? IS NULL OR oracle = ?) AND rowid > ? ORDER BY rowid"
        return [Calculation(*row) for row in self._database.read(query, (oracle_hash, oracle_hash, after))]

    def last_calculation(self) -> int:
        """The number of the last calculation; those that follow have larger ones."""
        return self._database.read("SELECT coalesce(max(rowid), 0) FROM calculations")[0][0]

    def oracles(self) -> dict[str, tuple[str, str, int]]:
        """By hash: kind and name of each oracle that has labels here, and the number of labels."""
        query = (
            "SELECT o.hash, o.kind, o.name, count(*) FROM labels l JOIN oracles o ON o.hash = l.oracle "
            "GROUP BY o.hash ORDER BY min(l.rowid)"
        )
        return {found: (kind, name, count) for found, kind, name, count in self._database.read(query)}

    def claims(self) -> Claims:
        """A context in which frames can be claimed, so that no other process computes them too."""
        return Claims(self._database, self.expiry)

    def __len__(self) -> int:
        return self._database.read("SELECT count(*) FROM labels")[0][0]

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it is opened again if the store is used again."""
        self._database.close()

    def _remove(self, key: str, data: bytes, why: str) -> None:
        with self._database.transaction() as connection:  # unless another process has computed it again by now
            connection.execute("DELETE FROM labels WHERE key = ? AND data = ?", (key, data))
        warnings.warn(f"{self.path}: a damaged label was removed ({why})", LabelStoreWarning, stacklevel=3)


def _hash(oracle: Oracle | str | None) -> str | None:
    return oracle if oracle is None or isinstance(oracle, str) else oracle.hash
