"""Variances: the squared errors that a model expects of its predictions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Variances:
    """Variances of the labels about the predictions.

    energy  (S,) eV², of the energy of a system
    forces  (n,) (eV/Å)², of each component of the force on an atom
    energy_of_model, forces_of_model  the part that more data would remove; None if the model does not separate it
    """

    energy: Tensor
    forces: Tensor
    energy_of_model: Tensor | None = None
    forces_of_model: Tensor | None = None

    def times(self, factor: Tensor) -> Variances:
        """The variances in another unit."""
        return Variances(
            *(
                None if x is None else x * factor
                for x in (self.energy, self.forces, self.energy_of_model, self.forces_of_model)
            )
        )
