"""Ingredients of an uncertainty: results of several last layers, and the variances that a potential predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from labkit.base import Evaluation, Neighbours, State
from labkit.errors import LabkitError
from labkit.neural.heads import Dropout, Variances
from labkit.neural.networks.graph_free import evaluate_rows
from labkit.neural.potential import NeuralPotential


def evaluate_members(
    potential: NeuralPotential,
    state: State,
    rows: Tensor | None = None,
    *,
    forces: bool = True,
    stress: bool = False,
    neighbours: Neighbours | None = None,
) -> Evaluation:
    """The mean over K last layers on one network and, in `members`, the energy (K, S), per_atom (K, n), ... of each.

    rows  (K, F) weights of the last layers, instead of the outputs of a shallow ensemble: those of `dropout_rows`, or
          draws from a distribution of weights

    The network is evaluated once; backward passes for forces are done together, see `fewer_rows`. With
    forces=False and stress=False it costs less than one evaluation with forces.

    >>> from ase.build import molecule
    >>> from labkit.neural import NeuralConfig
    >>> potential = NeuralPotential(NeuralConfig(channels=8, outputs=4), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> found = evaluate_members(potential, State.from_atoms(molecule("H2O")))
    >>> tuple(found.energy.shape), tuple(found.members.energy.shape), tuple(found.members.forces.shape)
    ((1,), (4, 1), (4, 3, 3))
    """
    if rows is not None and (rows.dim() != 2 or rows.shape[1] != potential.network.last.in_features):
        raise LabkitError(
            f"rows have the shape {tuple(rows.shape)}; expected (K, {potential.network.last.in_features}), the weights "
            "of K last layers"
        )
    if stress:
        state.check_volume()
    near = replace(potential.neighbours(state) if neighbours is None else neighbours, dtype=potential.dtype)
    if rows is None:
        rows = potential.network.head.energies(potential.network.last.weight.detach().T).T
    rows = rows.to(potential.dtype)
    found = evaluate_rows(potential, state, near, rows, forces=forces, stress=stress, per_atom=True)
    means = {name: getattr(found, name) for name in ("energy", "forces", "stress", "per_atom")}
    return Evaluation(**{name: None if x is None else x.mean(0) for name, x in means.items()}, members=found)


def dropout_rows(potential: NeuralPotential, count: int = 8, seed: int = 0) -> Tensor:
    """Weights (K, F) of the last layer with features left out at random, for `evaluate_members`.

    Row k depends only on seed and k. Raises LabkitError for a potential that was not trained with dropout.
    """
    head, last = potential.network.head, potential.network.last
    if not isinstance(head, Dropout):
        raise LabkitError(
            f"dropout_rows: the head is {potential.config.head!r}; train a potential with head='dropout', so that the "
            "spread over features left out means something"
        )
    factors = torch.cat([head.kept((1, last.in_features), seed, k) for k in range(count)])
    return last.weight.detach() * factors.to(last.weight)


def fewer_rows(rows: Tensor, count: int = 3, seed: int = 0) -> Tensor:
    """Weights (count, F) of last layers with the mean of the given (K, F) and, averaged over seeds, their covariance.

    Forces take a backward pass for each row: three cost 1.1 to 1.6 times one evaluation of a TensorNet (12 and 96
    atoms), eight 1.6 to 3.1 times. The price is a less precise spread: that of a force, √(σ_x² + σ_y² + σ_z²), is known
    to 1/√(6 (count - 1)), 29 % for three.
    With D the deviations from the mean, the new rows are mean + H Qᵀ D: Q and H have count - 1 orthonormal columns,
    which are orthogonal to (1, ..., 1) and, in Q, random.

    >>> rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    >>> some = torch.stack([fewer_rows(rows, 3, seed) for seed in range(2000)])
    >>> bool(torch.allclose(some.mean(1), rows.mean(0).expand(2000, 5), atol=1e-5))
    True
    >>> bool(torch.allclose(some.var(1).mean(0), rows.var(0), rtol=0.1))
    True
    """
    given = len(rows)
    if not 2 <= count <= given:
        raise LabkitError(f"fewer_rows: {count} of {given} rows; expected 2 to {given}")
    random = np.random.default_rng(seed).normal(size=(given, count - 1))
    chosen = np.linalg.qr(np.concatenate([np.ones((given, 1)), random], 1))[0][:, 1:]
    spread = np.linalg.qr(np.concatenate([np.ones((count, 1)), np.eye(count)[:, 1:]], 1))[0][:, 1:]
    mean = rows.mean(0, keepdim=True)
    return mean + torch.from_numpy(spread @ chosen.T).to(rows) @ (rows - mean)


def predicted_variances(potential: NeuralPotential, state: State, neighbours: Neighbours | None = None) -> Variances:
    """The squared errors that a head 'mean-variance' or 'evidential' expects of energies, eV², and forces, (eV/Å)².

    Raises LabkitError for other heads.

    >>> from ase.build import molecule
    >>> from labkit.neural import NeuralConfig
    >>> config = NeuralConfig(channels=8, head="mean-variance")
    >>> potential = NeuralPotential(config, ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> found = predicted_variances(potential, State.from_atoms(molecule("H2O")))
    >>> tuple(found.energy.shape), tuple(found.forces.shape)
    ((1,), (3,))
    """
    with torch.no_grad():
        outputs = potential.features(state, neighbours)[0] @ potential.network.last.weight.T
        found = potential.network.head.variances(outputs, state.system.index, state.system.counts)
    if found is None:
        raise LabkitError(
            f"predicted_variances: the head is {potential.config.head!r}, which predicts none; train a potential with "
            "head='mean-variance' or head='evidential'"
        )
    return found.times(potential.scale.square())
