"""Difference: what a better level of theory adds to a cheaper one, for delta-learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ase import Atoms

from labkit.errors import LabkitError
from labkit.oracles.label import Label
from labkit.oracles.levels.parts import label_of
from labkit.oracles.oracle import Oracle, never
from labkit.oracles.settings import NOT_HASHED

if TYPE_CHECKING:
    from labkit.oracles.store import LabelStore

ADDITIVE = ("energy", "forces", "stress", "dipole")


@dataclass(frozen=True)
class Difference(Oracle):
    """Labels E = E_high - E_low, F and stress likewise. A model of them is added to the cheaper level in dynamics.

    high, low  the two oracles; with a store, the labels of each are kept there under their own keys, too, and are used
               by other runs

    A frame that one of the levels cannot label has no label. The cheaper level is called in every step of dynamics, as
    in AsePotential(low) + model: a ledger of calls has to count that. Source: Ramakrishnan et al., J. Chem. Theory
    Comput. 11, 2087 (2015).

    >>> from ase.build import molecule
    >>> from labkit.oracles import TBLite
    >>> both = Difference(TBLite("GFN2-xTB"), TBLite("GFN1-xTB"))
    >>> round(both.compute(molecule("H2O")).energy, 3)
    19.0
    """

    kind: ClassVar[str] = "difference"
    high: Oracle
    low: Oracle
    store: LabelStore | None = field(default=None, metadata=NOT_HASHED, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.high.hash == self.low.hash:
            raise LabkitError(f"Difference: both levels are {self.high.name}; give a better and a cheaper one")

    @property
    def name(self) -> str:
        return f"{self.high.name} minus {self.low.name}"

    @property
    def settings(self) -> dict[str, Any]:
        return {
            level: {"kind": oracle.kind, "settings": oracle.settings}
            for level, oracle in (("high", self.high), ("low", self.low))
        }

    @property
    def cores(self) -> int:
        return max(self.high.cores, self.low.cores)

    def require(self) -> None:
        self.high.require()
        self.low.require()

    def with_store(self, store: LabelStore) -> Difference:
        return dataclasses.replace(self, store=store)

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        return self.timed(atoms, should_stop)[0]

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        low, one = label_of(self.low, atoms, self.store, should_stop)  # the cheaper first: its failure costs less
        high, other = label_of(self.high, atoms, self.store, should_stop)
        shared = [name for name in ADDITIVE if name in high.values and name in low.values]
        values = {name: high.values[name] - low.values[name] for name in shared}
        return Label(values, f"{high.program} minus {low.program}"), one + other
