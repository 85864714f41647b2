"""Fixed distances: SHAKE for positions and RATTLE for velocities, solved by Newton's method, all clusters at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.config import compiler
from labkit.engine.clusters import ConstraintClusters, Groups, find_clusters
from labkit.errors import LabkitError

TOLERANCE = 1e-10  # of |r|²/d² - 1, in float64
ITERATIONS = 25
BLIND_ITERATIONS = 5  # on a GPU, where a test of convergence would wait for the GPU; convergence is quadratic
CHECK_EVERY = 100  # steps, on a GPU


@dataclass(frozen=True, eq=False)
class Constraints:
    """Fixed distances between atoms: |r_b - r_a| = d.

    New positions x' = x + M^-1 Jᵀ(x_old) λ with λ such that all |r|² = d² (SHAKE; Newton's iteration with the full
    matrix), velocities v' = v + M^-1 Jᵀ(x) μ with μ such that all r·v = 0 (RATTLE, linear). Clusters are the connected
    components: a rigid water, a carbon with its hydrogens. Distances ignore periodic images: unwrap molecules first.
    An atom of infinite mass (`labkit.engine.hold`) stays where it is, and only its partner is moved. Two such atoms
    keep their distance anyway: their constraint is neither counted nor solved for.

    atoms     (m, 2) indices into the flat batch
    distances (m,)   Å

    Andersen, J. Comput. Phys. 52, 24 (1983). Raises LabkitError for a distance that is not positive, a pair given
    twice, an atom bound to itself or a cluster of more than 16.

    >>> water = Constraints(torch.tensor([[0, 1], [0, 2], [1, 2]]), torch.tensor([0.9572, 0.9572, 1.5139]))
    >>> len(water.repeat(100, n_atoms=3))
    300
    """

    atoms: Tensor
    distances: Tensor

    def __post_init__(self) -> None:
        if self.atoms.ndim != 2 or self.atoms.shape[1] != 2 or self.distances.shape != self.atoms.shape[:1]:
            raise LabkitError(
                f"constraints have atoms {tuple(self.atoms.shape)} and distances {tuple(self.distances.shape)}; "
                "expected (m, 2) and (m,)"
            )

    def __len__(self) -> int:
        return len(self.atoms)

    def repeat(self, k: int, n_atoms: int) -> Constraints:
        """The constraints of k replicas of a system of n_atoms, one after the other."""
        shift = n_atoms * torch.arange(k, device=self.atoms.device)
        return Constraints((self.atoms + shift[:, None, None]).reshape(-1, 2), self.distances.repeat(k))

    @staticmethod
    def batch(parts: Sequence[Constraints | None], counts: Sequence[int]) -> Constraints:
        """The constraints of different systems with `counts` atoms each; None if a system has none."""
        starts = np.cumsum([0, *counts])
        found = [(part, int(start)) for part, start in zip(parts, starts, strict=False) if part is not None]
        if not found:
            raise LabkitError(f"none of {len(parts)} systems has constraints; pass constraints=None instead")
        return Constraints(
            torch.cat([part.atoms + start for part, start in found]), torch.cat([part.distances for part, _ in found])
        )

    def to(self, device: torch.device | str) -> Constraints:
        return Constraints(self.atoms.to(device), self.distances.to(device))

    def count(self, system: System) -> Tensor:
        """Number of constraints of each system, (S,), without those of two held atoms, which remove no motion."""
        moving = self.moving(system.masses)
        if not len(moving):
            return system.masses.new_zeros(system.n_systems)
        one = torch.ones(len(moving), dtype=system.masses.dtype, device=system.masses.device)
        index = system.index.index_select(0, moving._on(system.masses.device)[0].atoms[:, 0])
        return one.new_zeros(system.n_systems).index_add(0, index, one)

    def moving(self, masses: Tensor) -> Constraints:
        """Those with at least one free atom: this object, unless it constrains two atoms of infinite mass."""
        if not len(self):
            return self
        kept = self._split
        if kept.get("masses") is not masses:
            still = torch.isposinf(masses.detach()).to(self.atoms.device)[self.atoms].all(1)
            if "still" not in kept or not torch.equal(kept["still"], still):
                kept["still"] = still
                kept["moving"] = Constraints(self.atoms[~still], self.distances[~still]) if bool(still.any()) else self
            kept["masses"] = masses  # the same tensor is not checked again, as that would wait for a GPU
        return kept["moving"]

    def check(self, system: System, positions: Tensor | None = None) -> None:
        """Raise LabkitError for atoms that the batch does not have, or that belong to two systems.

        With held atoms also if two of them are not at their distance in `positions` (n, 3), since nothing will move
        them there, or if there are more constraints than the free atoms between held ones can satisfy.
        """
        atoms, index = self.atoms.cpu(), system.index.cpu()
        if not len(atoms):
            return
        if int(atoms.min()) < 0 or int(atoms.max()) >= system.n_atoms:
            raise LabkitError(
                f"constraints refer to atom {int(atoms.max())}, but the batch has {system.n_atoms} (0 to "
                f"{system.n_atoms - 1}); for replicas use constraints.repeat(k, n_atoms)"
            )
        apart = torch.nonzero(index[atoms[:, 0]] != index[atoms[:, 1]])
        if len(apart):
            a, b = atoms[int(apart[0])].tolist()
            raise LabkitError(f"a constraint binds atoms {a} and {b} of different systems; expected two of one system")
        if system.any_held:
            self._check_held(system, positions)

    def _check_held(self, system: System, positions: Tensor | None) -> None:
        held, atoms, wanted = system.held.cpu(), self.atoms.cpu(), self.distances.detach().cpu()
        if positions is not None:
            ends = positions.detach().cpu()[atoms]
            found = (ends[:, 1] - ends[:, 0]).norm(dim=1)
            off = ((found / wanted.to(found)) ** 2 - 1).abs() > 10 * _tolerance(positions)
            wrong = torch.nonzero(held[atoms].all(1) & off).flatten().tolist()
            if wrong:
                a, b = atoms[wrong[0]].tolist()
                raise LabkitError(
                    f"atoms {a} and {b} are both held, {float(found[wrong[0]]):.6f} Å apart, but are constrained to "
                    f"{float(wanted[wrong[0]]):.6f} Å; leave that constraint out, or hold them after a run or a "
                    "minimisation with these constraints has brought them there"
                )
        moving = self.moving(system.masses)
        if not len(moving):
            return
        group = moving.groups(system).cpu()
        room = torch.bincount(group, 3.0 * ~held)
        needed = torch.bincount(group[moving.atoms.cpu()[:, 0]], minlength=len(room))
        over = torch.nonzero(needed > room).flatten().tolist()
        if over:
            atom, free = int((group == over[0]).nonzero()[0]), int(room[over[0]]) // 3
            raise LabkitError(
                f"atom {atom} is in a cluster of {int(needed[over[0]])} constraints with {free} free atoms, the others "
                f"held; expected at most {3 * free}, three for each free atom: leave some out, or hold fewer atoms"
            )

    def groups(self, system: System) -> Tensor:
        """For each atom (n,) the number of its cluster; an atom without constraints is its own cluster."""
        if not len(self):
            return torch.arange(system.n_atoms, device=system.masses.device)
        return self._on(system.masses.device)[2](system.n_atoms)

    def positions(self, reference: Tensor, moved: Tensor, masses: Tensor, step: int = 0) -> Tensor:
        """`moved` (n, 3) brought onto the constraints along the bonds of `reference` (n, 3), with masses (n,) u.

        Raises LabkitError, naming the step and the atoms, if that does not converge: on the CPU at once, on a GPU
        at every 100th step.
        """
        own = self.moving(masses)
        if not len(own):
            return moved
        own, c, _ = own._on(moved.device)
        target = own.distances.to(moved).index_select(0, c.which.flatten()).view(c.which.shape).square()
        if _compiled(reference, moved, masses, target):
            from labkit.engine import kernels

            tolerance, positions, error = _tolerance(moved), moved.detach().clone(), torch.zeros_like(target)
            arrays = (*_arrays(c, masses), *_numpy(target, reference, moved))
            kernels.shake(*arrays, tolerance, ITERATIONS, *_numpy(positions, error))
            if not _converged(error):
                own._fail(c, error, reference, step)
            return positions
        weight, coupling = _coupling(c, masses)
        new = _bonds(c, moved)
        old = new if reference is moved else _bonds(c, reference)  # at the start any direction will do
        parts = (new, old, coupling, target)
        with torch.no_grad():
            lam, error = _solve(c, *(part.detach() for part in parts))
        if (moved.device.type == "cpu" or step % CHECK_EVERY == 0) and not _converged(error):
            own._fail(c, error, reference, step)
        if torch.is_grad_enabled() and any(part.requires_grad for part in parts):
            # one more iteration, at the solution, has the solution's own derivative (implicit function theorem)
            lam = _newton(c, lam, *parts)
        return _pushed(c, moved, weight, lam, old)

    def velocities(self, positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
        """Velocities (n, 3) without their components along the constraints, projected in the metric of the masses."""
        own = self.moving(masses)
        if not len(own):
            return velocities
        _, c, _ = own._on(positions.device)
        if _compiled(positions, velocities, masses):
            from labkit.engine import kernels

            found = velocities.detach().clone()
            kernels.rattle(*_arrays(c, masses), *_numpy(positions, velocities, found))
            return found
        weight, coupling = _coupling(c, masses)
        bonds = _bonds(c, positions)
        along = torch.where(c.real, (bonds * _bonds(c, velocities)).sum(-1), 0.0)
        matrix = coupling * (bonds @ bonds.mT) + c.padding.to(bonds)
        return _pushed(c, velocities, weight, -torch.linalg.solve_ex(matrix, along, check_errors=False)[0], bonds)

    def on_arrays(self, masses: Tensor) -> CompiledConstraints:
        """These constraints for many steps on the CPU; at least one must be able to move (see `moving`)."""
        return CompiledConstraints(self.moving(masses), masses)

    def _fail(self, c: ConstraintClusters, error: Tensor, reference: Tensor, step: int) -> None:
        worst = int(torch.nan_to_num(error.abs(), nan=torch.inf, posinf=torch.inf).argmax())
        a, b = int(c.first.flatten()[worst]), int(c.second.flatten()[worst])
        before = float((reference[b] - reference[a]).detach().norm())
        wanted = float(self.distances[c.which.flatten()[worst]])
        raise LabkitError(
            f"step {step}: the constraint between atoms {a} and {b} ({wanted:.4f} Å, {before:.4f} Å before the step) "
            "cannot be satisfied; reduce the timestep, minimise first, and check that molecules are not wrapped"
        )

    def _on(self, device: torch.device) -> tuple[Constraints, ConstraintClusters, Groups]:
        """These constraints and their clusters on a device; kept."""
        kept = self._kept
        if device not in kept:
            own = self if self.atoms.device == device else self.to(device)
            kept[device] = (own, *find_clusters(self.atoms, self.distances, device))
        return kept[device]

    @cached_property
    def _kept(self) -> dict[torch.device, tuple[Constraints, ConstraintClusters, Groups]]:
        return {}

    @cached_property
    def _split(self) -> dict[str, Any]:
        """The result of `moving` for the last masses."""
        return {}


class CompiledConstraints:
    """Drifts and projections of arrays in place, as in `Constraints.positions` and `.velocities`."""

    def __init__(self, constraints: Constraints, masses: Tensor) -> None:
        own, self._clusters, _ = constraints._on(torch.device("cpu"))
        target = own.distances.to(masses).index_select(0, self._clusters.which.flatten()).square()
        self._own, self._arrays = own, _arrays(self._clusters, masses)
        self._target = target.view(self._clusters.which.shape).numpy()
        self._error, self._tolerance = np.zeros_like(self._target), _tolerance(target)
        self._scratch = np.empty((2, len(masses), 3))

    def drift(self, r: np.ndarray, v: np.ndarray, dt: float, step: int) -> None:
        """r += dt v and back onto the constraints, which changes v too."""
        from labkit.engine import kernels

        before, error = r.copy(), self._error
        kernels.drift_on(*self._arrays, self._target, r, v, dt, self._tolerance, ITERATIONS, error, *self._scratch)
        if not np.abs(self._error).max(initial=0.0) <= self._tolerance:
            self._own._fail(self._clusters, torch.from_numpy(self._error), torch.from_numpy(before), step)

    def project(self, r: np.ndarray, v: np.ndarray) -> None:
        """Remove from v its components along the constraints."""
        from labkit.engine import kernels

        kernels.rattle(*self._arrays, r, v, v)


def _solve(c: ConstraintClusters, new: Tensor, old: Tensor, coupling: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """λ (C, k) and the remaining relative errors of the squared distances (C, k)."""
    lam, exact = torch.zeros_like(target), new.device.type == "cpu"
    error = _excess(c, new, target) / target
    for _ in range(ITERATIONS if exact else BLIND_ITERATIONS):
        if exact and _converged(error):
            break
        lam = _newton(c, lam, new, old, coupling, target)
        error = _excess(c, new + (coupling * lam[:, None]) @ old, target) / target
    return lam, error


def _newton(c: ConstraintClusters, lam: Tensor, new: Tensor, old: Tensor, coupling: Tensor, target: Tensor) -> Tensor:
    now = new + (coupling * lam[:, None]) @ old
    matrix = 2 * coupling * (now @ old.mT) + c.padding.to(now)
    return lam - torch.linalg.solve_ex(matrix, _excess(c, now, target), check_errors=False)[0]


def _excess(c: ConstraintClusters, bonds: Tensor, target: Tensor) -> Tensor:
    return torch.where(c.real, bonds.square().sum(-1) - target, 0.0)


def _converged(error: Tensor) -> bool:
    return bool(error.abs().max() <= _tolerance(error))


def _tolerance(like: Tensor) -> float:
    return TOLERANCE if like.dtype == torch.float64 else 2e-6


def _compiled(*tensors: Tensor) -> bool:
    followed = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return tensors[0].device.type == "cpu" and not followed and compiler()


def _numpy(*tensors: Tensor) -> list[np.ndarray]:
    return [t.detach().contiguous().numpy() for t in tensors]


def _arrays(c: ConstraintClusters, masses: Tensor) -> list[np.ndarray]:
    return _numpy(c.first, c.second, c.sizes, masses.reciprocal())


def _bonds(c: ConstraintClusters, values: Tensor) -> Tensor:
    """Differences second - first, (C, k, 3)."""
    ends = (values.index_select(0, end.flatten()).view(*end.shape, 3) for end in (c.second, c.first))
    return next(ends) - next(ends)


def _coupling(c: ConstraintClusters, masses: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """1/m of both ends, (C, k) each, and how much bond i changes with the multiplier of bond j, (C, k, k)."""
    inverse = masses.reciprocal()
    first, second = (inverse.index_select(0, end.flatten()).view(end.shape) for end in (c.first, c.second))
    return (first, second), second[:, :, None] * c.at_second.to(masses) - first[:, :, None] * c.at_first.to(masses)


def _pushed(c: ConstraintClusters, values: Tensor, weight: tuple[Tensor, Tensor], lam: Tensor, bonds: Tensor) -> Tensor:
    """values + M^-1 Jᵀ λ."""
    push = (torch.where(c.real, lam, 0.0)[:, :, None] * bonds).view(-1, 3)
    atoms = torch.cat([c.second.flatten(), c.first.flatten()])
    pushes = torch.cat([push * weight[1].view(-1, 1), -push * weight[0].view(-1, 1)])
    return values.index_add(0, atoms, pushes)
