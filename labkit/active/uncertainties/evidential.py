"""EvidentialSpread: the errors that a network expects, and the part of them that more data would remove."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from labkit.active.uncertainties.predicted import PredictedSpread
from labkit.base import Potential
from labkit.errors import LabkitError
from labkit.neural import Variances
from labkit.neural.heads import Evidential


class EvidentialSpread(PredictedSpread):
    """Standard deviations predicted by a network with head='evidential'; see `PredictedSpread`.

    part   "all": √(β/(α - 1) (1 + 1/ν)), the error; "model": √(β/(ν (α - 1))), what more data would remove

    Raises LabkitError for other potentials. It is seldom the best choice (Tan et al., npj Comput. Mater. 9, 225, 2023):
    use a distance beside it. Source: Amini, Schwarting, Soleimany, Rus, NeurIPS 33 (2020), arXiv:1910.02600.

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> from labkit.neural import NeuralConfig, NeuralPotential
    >>> config = NeuralConfig(channels=8, head="evidential")
    >>> potential = NeuralPotential(config, ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> state = State.from_atoms(molecule("H2O"))
    >>> whole, model = (EvidentialSpread(potential, part=part)(state) for part in ("all", "model"))
    >>> bool((model.per_atom < whole.per_atom).all())
    True
    """

    head, name = Evidential, "evidential"

    def __init__(self, potential: Potential, *, part: Literal["all", "model"] = "all") -> None:
        if part not in ("all", "model"):
            raise LabkitError(f"EvidentialSpread: part is {part!r}; expected 'all' or 'model'")
        super().__init__(potential)
        self.part = part

    def wanted(self, variances: Variances) -> tuple[Tensor, Tensor]:
        if self.part == "model":
            return variances.energy_of_model, variances.forces_of_model
        return variances.energy, variances.forces
