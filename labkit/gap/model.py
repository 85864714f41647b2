"""GapModel: a sparse Gaussian-process potential with its variance, saved with all its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from labkit.base import Neighbours, Potential, State, System
from labkit.errors import LabkitError
from labkit.gap.config import GapConfig
from labkit.gap.model_file import read_gap, write_gap
from labkit.gap.rows import Rows
from labkit.regression import Solution


class GapModel(Potential):
    """E = Σ_i e0(z_i) + Σ_m c_m k(·, m), with the variance of that prediction.

    The predictive variance is that of the sparse Gaussian process,
    var = k** - kᵀ K⁻¹ k + kᵀ A⁻¹ k, with K = PᵀP the covariance of the sparse points and A = UᵀU the inverse posterior
    covariance of c: the first two terms measure how far the sparse points reach, the third how well the data fix c.

    terms      Soap and pair terms with their sparse points
    weights    (M,) c
    e0         eV of an isolated atom, by symbol
    config     the settings, with the sigmas it was fitted with
    prior      P (M, M), upper triangular; None: no variance
    factor     U (M, M), upper triangular, or the Solution that can make it
    metadata   log_evidence, hash of the training data, whether stresses were fitted, version

    >>> model = GapModel.load("gap.safetensors")  # doctest: +SKIP
    >>> model.evaluate(state).forces  # doctest: +SKIP
    """

    def __init__(
        self,
        config: GapConfig,
        terms: nn.ModuleList,
        weights: Tensor,
        e0: Mapping[str, float],
        *,
        prior: Tensor | None = None,
        factor: Tensor | Solution | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.exact = ("_lone",)
        self.config, self.terms, self.e0 = config, terms, dict(e0)
        self.cutoff = config.cutoff
        self.metadata = dict(metadata or {})
        self.register_buffer("weights", weights)
        self.register_buffer("prior", prior)
        self._factor = factor
        lone = torch.zeros(len(atomic_numbers), dtype=torch.float64)
        for symbol, value in self.e0.items():
            lone[atomic_numbers[symbol]] = value
        self.register_buffer("_lone", lone.to(weights.device), persistent=False)

    @property
    def has_variance(self) -> bool:
        return self._factor is not None

    def check_variance(self) -> None:
        """Raise LabkitError if the model was saved without its covariance."""
        if not self.has_variance:
            raise LabkitError("this GAP was saved without its covariance; fit it again or save(path, uncertainty=True)")

    @property
    def factor(self) -> Tensor | None:
        """U (M, M), computed on first use."""
        if isinstance(self._factor, Solution):
            self._factor = self._factor.factor
        return self._factor

    @property
    def species(self) -> list[int]:
        """Atomic numbers that the model was trained on."""
        return sorted(atomic_numbers[symbol] for symbol in self.e0)

    @property
    def log_evidence(self) -> float:
        """log p(y | settings), to compare settings on the same training data."""
        return self.metadata["log_evidence"]

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        system.check_species(self.species)
        energies = self.lone_energies(system)
        for term, prepared in zip(self.terms, self._prepare(), strict=True):
            energies = energies + term.atomic_energies(system, positions, cell, neighbours, prepared)
        return energies

    def _prepare(self) -> list[Any]:
        """Each term's weights, prepared once, and again after the weights were moved or replaced."""
        kept = self.__dict__.get("_prepared")
        if kept is None or kept[0] is not self.weights:
            parts = self.weights.split([term.columns for term in self.terms])
            kept = (self.weights, [term.prepare(part) for term, part in zip(self.terms, parts, strict=True)])
            self.__dict__["_prepared"] = kept
        return kept[1]

    def variance(self, state: State) -> tuple[Tensor, Tensor]:
        """Predictive variances of the energies of atoms (n,) and of systems (S,), eV²; in the dtype of the state.

        Differentiable if positions or cell require gradients. Raises LabkitError if the model was saved without
        its covariance.
        """
        self.check_variance()
        dtype = self.weights.dtype
        cast = state.replace(positions=state.positions.to(dtype), cell=state.cell.to(dtype))
        of_atoms, atom_rows, of_systems, rows = self.covariances(cast)
        pairs = ((of_atoms, atom_rows), (of_systems, rows))
        atoms, systems = (self.posterior_variance(*pair).to(state.positions.dtype) for pair in pairs)
        return atoms, systems

    @torch.no_grad()
    def force_variance(self, state: State) -> Tensor:
        """Predictive variances of the components of forces (n, 3), (eV/Å)²; in the dtype of the state, without a graph.

        The same formula with k the derivatives of the total energy's covariances: rows of forces. Raises LabkitError if
        the model was saved without its covariance.
        """
        self.check_variance()
        dtype, system = self.weights.dtype, state.system
        system.check_species(self.species)
        positions, cell, near = state.positions.to(dtype), state.cell.to(dtype), self.neighbours(state)
        rows = Rows.join([term.rows(system, positions, cell, near, False) for term in self.terms]).force
        own = torch.stack([term.force_prior_variance(system, positions, cell, near) for term in self.terms]).sum(0)
        found = self.posterior_variance(own.flatten(), rows.flatten(0, 1))
        return found.view(-1, 3).to(state.positions.dtype)

    def covariances(self, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Prior variance (n,) and covariances with the sparse points (n, M) of atoms; both of systems (S,), (S, M)."""
        system, neighbours = state.system, self.neighbours(state)
        system.check_species(self.species)
        rows, of_atoms, of_systems = [], 0.0, 0.0
        for term in self.terms:
            block, features = term.atomic_rows(system, state.positions, state.cell, neighbours)
            atoms, systems = term.prior_variance(system, features)
            rows.append(block)
            of_atoms, of_systems = of_atoms + atoms, of_systems + systems
        row = torch.cat(rows, 1)
        return of_atoms, row, of_systems, system.sum_over_atoms(row)

    def posterior_variance(self, prior_variance: Tensor, rows: Tensor) -> Tensor:
        """k** - |P⁻ᵀk|² + |U⁻ᵀk|²; values that rounding makes negative become zero."""
        # always in double precision: the first two terms nearly cancel
        prior, factor = (triangle.to(rows.device, torch.float64) for triangle in (self.prior, self.factor))
        k = rows.to(torch.float64).mT
        known = torch.linalg.solve_triangular(prior.mT, k, upper=False).square().sum(0)
        fitted = torch.linalg.solve_triangular(factor.mT, k, upper=False).square().sum(0)
        return ((prior_variance - known).clamp(min=0.0) + fitted).to(rows.dtype)

    def lone_energies(self, system: System) -> Tensor:
        """e0 of each atom, (n,) eV."""
        return self._lone[system.numbers]

    def save(self, path: str | os.PathLike[str], *, uncertainty: bool = True) -> None:
        """Write one safetensors file, completely or not at all; without `uncertainty` it is 16 M² bytes smaller."""
        tensors = dict(self.state_dict())
        prior = tensors.pop("prior", None)
        if uncertainty and self.has_variance:
            tensors |= {"prior": prior, "factor": self.factor}
        write_gap(path, tensors, config=self.config, species=self.species, e0=self.e0, metadata=self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GapModel:
        """Read what `save` wrote; raises LabkitError for a missing, truncated or inconsistent file."""
        terms, tensors, settings = read_gap(path)
        return cls(terms=terms, **tensors, **settings)
