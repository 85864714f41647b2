"""GpVariance: the standard deviation that a sparse Gaussian process predicts for its own energies and forces."""

from __future__ import annotations

from torch import Tensor

from labkit.active.uncertainties.parts import PerAtom, check_per_atom, followed, parts_of
from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Evaluation, Potential, State
from labkit.errors import LabkitError
from labkit.gap import GapModel
from labkit.gap.soap_term import SoapTerm


class GpVariance:
    """σ = √(k** - kᵀ K⁻¹ k + kᵀ A⁻¹ k) of the energies, the variance of GapModel; not calibrated (see `calibrate`).

    Per system: that of the energy, eV. Per atom, depending on `per_atom`:

    "energies"  that of the atom's energy, eV, a score that ranks environments, not an error, since energies of atoms
                have no labels
    "forces"    √(σ_x² + σ_y² + σ_z²) of the force on the atom, eV/Å, from derivatives of the same covariances; it
                cannot be differentiated, and costs up to a hundred times as much (96 atoms of ice, cutoff 5 Å,
                n_max = l_max = 6: 4 s on one core)

    potential   a GapModel, or a Sum with one or more, whose errors are treated as independent

    It depends on the structure alone, so an evaluation is not needed.

    Raises LabkitError for a potential without a GAP,
    and for a GAP that was saved without its covariance.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> frames = labkit.datasets.ice("train", n=50)[:4]
    >>> model = Design.build(frames, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))).solve()
    >>> spread = GpVariance(model)(State.from_atoms(frames.atoms))
    >>> tuple(spread.per_system.shape), tuple(spread.per_atom.shape), spread.unit_per_atom, spread.calibrated
    ((4,), (48,), 'eV', False)
    """

    def __init__(self, potential: Potential, *, per_atom: PerAtom = "energies") -> None:
        check_per_atom(per_atom, "GpVariance")
        self.models, self.per_atom = parts_of(potential, GapModel), per_atom
        if not self.models:
            raise LabkitError(
                f"GpVariance: {type(potential).__name__} is not a Gaussian process; give a GapModel, or a sum with one"
            )
        for model in self.models:
            model.check_variance()

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The spread at a state."""
        if self.per_atom == "forces" and followed(state):
            raise LabkitError("GpVariance: spreads of forces cannot be differentiated; use per_atom='energies'")
        spreads = []
        for model in self.models:
            atoms, systems = model.variance(state)
            if self.per_atom == "energies":
                spreads.append(Spread(systems.sqrt(), "eV", atoms.sqrt(), "eV"))
            else:
                spreads.append(Spread(systems.sqrt(), "eV", model.force_variance(state).sum(1).sqrt(), "eV/Å"))
        return in_quadrature(spreads)

    def at_sparse_points(self) -> dict[int, Tensor]:
        """σ [eV] of atoms in the environments of the sparse points, {atomic number: (M_z,)}.

        There k** = kᵀ K⁻¹ k, and only √(kᵀ A⁻¹ k) is left. Empty unless there is one GAP with one SOAP term: only then
        is a sparse point the whole of an environment.
        """
        terms = [term for model in self.models for term in model.terms]
        if len(terms) != 1 or not isinstance(terms[0], SoapTerm):
            return {}
        model = self.models[0]
        covariance = model.prior.mT @ model.prior
        spread = model.posterior_variance(covariance.diagonal(), covariance).sqrt()
        return {z: spread[columns] for z, columns in terms[0].slices().items()}
