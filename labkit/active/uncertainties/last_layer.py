"""LastLayer: how well known frames fix the weights of a network's last layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.active.calibration.marks import frame_marks, refuse
from labkit.active.uncertainties.parts import PerAtom, check_per_atom, networks_of
from labkit.active.uncertainties.rows import members
from labkit.active.uncertainty import Spread
from labkit.base import Evaluation, Potential, State
from labkit.base.frames import batches
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.neural import NeuralPotential


class LastLayer:
    """σ² = α² fᵀ (FᵀF + ς²)⁻¹ f of energies, f the sum of the last-layer features of a system's atoms; no retraining.

    The rows of F are f/N of known frames: the posterior of the last layer's weights for energies per atom with equal
    errors. Per system: σ [eV]. Per atom, depending on `per_atom`: "energies" the same of the atom's own features, eV, a
    score; "forces" α |∂f/∂r (FᵀF + ς²)^-½|, √(σ_x² + σ_y² + σ_z²) of the force on the atom, eV/Å.

    potential   one NeuralPotential, also in a Sum, as with a prior
    known       frames that it was trained on, with energies
    validation  frames that it was not trained on: α² = <ΔE²/σ_0²>, with σ_0 for α = 1; the spread is then calibrated.
                Without them α is the residual error of the known frames, which a network has fitted: too small
    floor       ς² over the mean eigenvalue of FᵀF
    count       random directions of weights that stand for all F in forces; one backward pass each, instead of F with
                None; the spread of a force is then known to about 1/√(6 count), 14 % for 8
    seed        of these directions, the same for all states

    Raises LabkitError for a potential that is not one network, for fewer than two known frames with energies, and for
    a validation frame that is known. `frames` are the marks of the validation frames.
    Source: Bigi, Chong, Ceriotti, Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024).

    >>> import labkit
    >>> from labkit.neural import NeuralConfig, untrained
    >>> frames = labkit.datasets.ice("train", n=50)
    >>> spread = LastLayer(untrained(frames, channels=8), frames[:20], frames[20:])(frames.state([30]))
    >>> spread.calibrated, spread.unit_per_atom
    (True, 'eV/Å')
    """

    def __init__(
        self,
        potential: Potential,
        known: Dataset,
        validation: Dataset | None = None,
        *,
        per_atom: PerAtom = "forces",
        floor: float = 1e-6,
        count: int | None = 8,
        seed: int = 0,
    ) -> None:
        check_per_atom(per_atom, "LastLayer")
        self.frames = () if validation is None else frame_marks(validation)
        if validation is not None:
            refuse(self.frames, frame_marks(known), "validation", "among the known ones")
        networks = networks_of(potential, "LastLayer")
        if len(networks) > 1:
            raise LabkitError(f"LastLayer: the sum has {len(networks)} networks; give one of them")
        if count is not None and count < 1:
            raise LabkitError(f"LastLayer: count is {count}; expected at least 1, or None for all directions")
        self.network, self.per_atom = networks[0], per_atom
        fitted = _FeatureRows.of(self.network, potential, known)
        if len(fitted.errors) < 2:
            raise LabkitError(
                f"LastLayer: {known.name or 'known frames'}: {len(fitted.errors)} frames have an energy; give the ones "
                "that the potential was trained on"
            )
        square = fitted.features.T @ fitted.features
        sizes, directions = torch.linalg.eigh(square)
        sizes = sizes.clamp(min=0.0) + floor * float(sizes.clamp(min=0.0).mean())
        self.root = directions * sizes.rsqrt()  # R (F, F), R Rᵀ = (FᵀF + ς²)⁻¹
        leverage = (fitted.features @ self.root).square().sum(1)
        self.calibrated = validation is not None
        if validation is None:
            freedom = max(1.0, len(leverage) - float(leverage.sum()))
            self.alpha = float((fitted.errors.square().sum() / freedom).sqrt())
        else:
            held = _FeatureRows.of(self.network, potential, validation)
            if not len(held.errors):
                raise LabkitError(f"LastLayer: {validation.name or 'validation frames'}: no frame has an energy")
            size = (held.features @ self.root).square().sum(1)
            self.alpha = float((held.errors.square() / size.clamp(min=1e-300)).mean().sqrt())
        self.directions = self._directions(count, seed)

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The spread at a state; the network is evaluated here."""
        dtype, factor = state.positions.dtype, self.alpha / self.network.scale
        forces, (every, some) = self.per_atom == "forces", (factor * x.T for x in (self.root, self.directions))
        found = members(self.network, some, state, forces=forces, energy_rows=every)
        atoms = found.forces.norm(dim=(0, 2)) if forces else found.per_atom.norm(dim=0)
        systems, unit = found.energy.norm(dim=0), "eV/Å" if forces else "eV"
        return Spread(systems.to(dtype), "eV", atoms.to(dtype), unit, self.calibrated)

    def _directions(self, count: int | None, seed: int) -> Tensor:
        """D (F, K) with <D Dᵀ> = R Rᵀ: R times orthonormal random vectors of length √(F/K)."""
        width = len(self.root)
        if count is None or count >= width:
            return self.root
        chosen = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, count)))[0]
        return self.root @ torch.from_numpy(chosen * (width / count) ** 0.5).to(self.root)


@dataclass(frozen=True, eq=False)
class _FeatureRows:
    """Features (S, F) and errors (S,) eV, both per atom, of frames with energies."""

    features: Tensor
    errors: Tensor

    @classmethod
    def of(cls, network: NeuralPotential, potential: Potential, frames: Dataset) -> _FeatureRows:
        known = np.flatnonzero(np.isfinite(frames.energy))
        features, errors = [], []
        with torch.no_grad():
            for batch in batches(frames.counts[known]):
                which = [int(known[k]) for k in batch]
                state = frames.state(which)
                counts = state.system.counts.to(torch.float64)
                energy = potential.evaluate(state, forces=False).energy.to(torch.float64)
                errors.append((energy - torch.from_numpy(frames.energy[which]).to(energy)) / counts)
                features.append(network.features(state)[1].to(torch.float64) / counts[:, None])
        empty = torch.zeros(0, network.network.last.in_features, dtype=torch.float64)
        return cls(torch.cat([empty, *features]), torch.cat([empty[:, 0], *errors]))
