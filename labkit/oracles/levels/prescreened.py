"""Prescreened: a cheap level of theory looks at each frame before an expensive one is paid for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError
from labkit.oracles.errors import CalculationFailed
from labkit.oracles.label import Label
from labkit.oracles.levels.parts import label_of
from labkit.oracles.oracle import Oracle, never
from labkit.oracles.store import LabelStore
from labkit.oracles.wrapped import Wrapped


class Prescreened(Wrapped):
    """The labels of an oracle, for frames that a cheaper one can compute and does not find torn apart.

    oracle      whose labels these are, under its own key
    cheap       computed first; a frame whose SCF does not converge, or that fails, is not sent on
    most_force  eV/Å: nor is one with a larger force on an atom, by the cheap level; None: no bound

    With a store the cheap label is kept, for `Difference`. The seconds of both are booked.

    >>> from ase.build import molecule
    >>> from labkit.oracles import TBLite
    >>> oracle, crushed = Prescreened(TBLite("GFN2-xTB"), TBLite("GFN1-xTB"), most_force=30.0), molecule("H2O")
    >>> crushed.positions *= 0.5
    >>> oracle.compute(crushed)
    Traceback (most recent call last):
    labkit.oracles.errors.CalculationFailed: not sent to tblite GFN2-xTB, accuracy 1, 300 K, 250 iterations: ...
    """

    def __init__(
        self, oracle: Oracle, cheap: Oracle, *, most_force: float | None = None, store: LabelStore | None = None
    ) -> None:
        super().__init__(oracle)
        if most_force is not None and not most_force > 0:
            raise LabkitError(f"Prescreened: most_force is {most_force}; expected a positive number of eV/Å, or None")
        self.cheap, self.most_force, self.store = cheap, most_force, store

    def require(self) -> None:
        self.oracle.require()
        self.cheap.require()

    def with_store(self, store: LabelStore) -> Prescreened:
        return Prescreened(self.oracle.with_store(store), self.cheap, most_force=self.most_force, store=store)

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        first, seconds = label_of(self.cheap, atoms, self.store, should_stop)
        if self.most_force is not None and first.forces is not None and len(first.forces):
            sizes = np.linalg.norm(first.forces, axis=1)
            worst = int(sizes.argmax())
            if sizes[worst] > self.most_force:
                error = CalculationFailed(
                    f"not sent to {self.oracle.name}: {self.cheap.name} finds {sizes[worst]:.3g} eV/Å on atom {worst} "
                    f"({atoms.symbols[worst]}), above {self.most_force:g} eV/Å"
                )
                error.seconds = seconds  # type: ignore[attr-defined]
                raise error
        try:
            label, more = self.oracle.timed(atoms, should_stop)
        except Exception as error:
            if hasattr(error, "seconds"):
                error.seconds += seconds
            raise
        return label, seconds + more
