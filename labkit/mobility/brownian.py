"""Brownian dynamics with hydrodynamic interactions, as an integrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State
from labkit.engine.held import refuse_held
from labkit.engine.motion import evaluated, per_system
from labkit.engine.noise import DRIFT, THERMOSTAT, normal
from labkit.errors import LabkitError, suggest
from labkit.mobility.divergence import divergence, random_divergence
from labkit.mobility.lanczos import certain, lanczos
from labkit.mobility.mobility import Mobility, groups
from labkit.mobility.positive import root
from labkit.units import KB

_CHOICES = {
    "scheme": ("midpoint", "euler"),
    "divergence": ("autograd", "random"),
    "noise": ("cholesky", "lanczos"),
}

#: steps between those in which Lanczos' method continues until it would have found that M is not positive
CHECK_EVERY = 100


@dataclass(frozen=True, eq=False)
class Brownian(Integrator):
    """dX = (M F + k_B T ∇·M) dt + g, <g gᵀ> = 2 k_B T M dt: no momenta; velocities are zero.

    mobility     M(X) [Å²/(eV fs)]
    temperature  K, a number or (S,)
    scheme       "midpoint": a random force u of covariance 2 k_B T M⁻¹/dt is kept while the particles move half a step
                 with M (F + u) and then the whole step with M and F at the midpoint. The change of M in between, times
                 u, is on average the drift k_B T ∇·M dt, counted once (Fixman, J. Chem. Phys. 69, 1527, 1978); two
                 evaluations of the forces. "euler": Euler and Maruyama's, with the drift added; one evaluation
    divergence   of "euler": "autograd" (exact, 3n derivatives: small systems) or "random" (random finite differences
                 over `delta` Å, two products: any size)
    noise        "cholesky" of the matrix (memory n²), or "lanczos": products alone, in chunks, to `tolerance`,
                 relative (memory n), which checks in the first and every 100th step whether M is positive, missing
                 it with a probability of 1e-3 (`lanczos.certain`), and in the others only if the noise is affected
    drift        False leaves k_B T ∇·M out. That is wrong if M depends on the position, and right for Oseen,
                 Rotne-Prager-Yamakawa and its periodic sum, whose divergence is zero: "euler" is then faster

    The noise is a function of (seed, step) alone. Raises LabkitError for invalid parameters, held atoms, a
    mobility for other systems, and one that is not finite or not positive semi-definite.

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> fluid = RotnePragerYamakawa(radius=10.0, viscosity=5.5)
    >>> walk = Brownian(fluid, temperature=300.0)
    """

    mobility: Mobility
    temperature: float | Tensor
    scheme: str = "midpoint"
    divergence: str = "autograd"
    noise: str = "cholesky"
    drift: bool = True
    delta: float = 1e-3
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not isinstance(self.mobility, Mobility):
            raise LabkitError(f"Brownian: mobility is {self.mobility!r}; expected a Mobility, e.g. RotnePragerYamakawa")
        for name, choices in _CHOICES.items():
            if (found := getattr(self, name)) not in choices:
                close = suggest(str(found), choices)
                raise LabkitError(f"Brownian: {name} is {found!r}; expected one of {choices}{close}")
        if not isinstance(self.drift, bool):
            raise LabkitError(f"Brownian: drift is {self.drift!r}; expected True or False")
        if not _numbers(self.temperature, lambda t: t >= 0):
            raise LabkitError(f"Brownian: temperature is {self.temperature!r}; expected 0 K or more")
        if not _numbers(self.delta, lambda d: d > 0):
            raise LabkitError(f"Brownian: delta is {self.delta!r}; expected a small positive number of Å, such as 1e-3")
        if not _numbers(self.tolerance, lambda e: (e > 0) & (e < 1)):
            raise LabkitError(f"Brownian: tolerance is {self.tolerance!r}; expected one between 0 and 1, such as 1e-3")

    @property
    def evaluations(self) -> int:
        """Number of force evaluations in a step."""
        return 2 if self.scheme == "midpoint" else 1

    def init(self, state: State, potential: Potential) -> State:
        self.mobility.check(state.system, state.positions)
        refuse_held(
            state.system,
            "Brownian",
            "a mobility has no masses and would move them: use strong restraints, or Langevin",
        )
        return evaluated(state.replace(velocities=torch.zeros_like(state.velocities)), potential)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        self.mobility.check(state.system, state.positions)
        thermal = KB * per_system(self.temperature, state, "temperature")[:, None, None]
        random = normal(state, THERMOSTAT)
        move = self._midpoint if self.scheme == "midpoint" else self._euler
        moved = move(state, potential, dt, thermal, random)
        return evaluated(state.replace(positions=moved, step=state.step + 1), potential)

    def _euler(self, state: State, potential: Potential, dt: float, thermal: Tensor, random: Tensor) -> Tensor:
        directions = normal(state, DRIFT) if self.drift and self.divergence == "random" else random
        moved = state.positions
        for group in groups(state.system):
            x, f, w, e = (group.dense(t) for t in (state.positions, state.forces, random, directions))
            cell, kt = state.cell[group.systems], thermal[group.systems]
            product, noise, _ = self._roots(x, w, cell, state.step[group.systems.cpu()], both=False)
            velocity = product(f)
            if self.drift and self.divergence == "random":
                velocity = velocity + kt * random_divergence(self.mobility, x, e, self.delta, cell)
            elif self.drift:
                velocity = velocity + kt * divergence(self.mobility, x, cell)
            moved = group.put(moved, x + dt * velocity + (2 * kt * dt).sqrt() * noise)
        return moved

    def _midpoint(self, state: State, potential: Potential, dt: float, thermal: Tensor, random: Tensor) -> Tensor:
        half, kicks, whole = state.positions, torch.zeros_like(random), torch.zeros_like(random)
        for group in groups(state.system):
            x, f, w = (group.dense(t) for t in (state.positions, state.forces, random))
            cell, width = state.cell[group.systems], (2 * thermal[group.systems] / dt).sqrt()
            product, noise, force = self._roots(x, w, cell, state.step[group.systems.cpu()], both=self.drift)
            half = group.put(half, x + 0.5 * dt * (product(f) + width * noise))
            whole = group.put(whole, width * noise)
            kicks = group.put(kicks, width * force)
        between = ((state.step + 0.5) * dt).to(state.positions)
        middle = evaluated(state.replace(positions=half, aux={**state.aux, "time": between}), potential)
        self.mobility.check(state.system, half)
        moved = state.positions
        for group in groups(state.system):
            x, f, u, g = (group.dense(t) for t in (half, middle.forces, kicks, whole))
            # without the drift the noise is that of the start: M there times u
            push, rest = (f + u, 0.0) if self.drift else (f, g)
            velocity = self.mobility.product(x, push, state.cell[group.systems]) + rest
            moved = group.put(moved, group.dense(state.positions) + dt * velocity)
        return moved

    def _roots(
        self, x: Tensor, w: Tensor, cell: Tensor, step: Tensor, *, both: bool
    ) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
        """M as a function of forces; B w with B Bᵀ = M; and, if `both`, B⁻ᵀ w, otherwise zero."""
        none = torch.zeros_like(w)
        if self.noise == "cholesky":
            matrix = self.mobility.matrix(x, cell)
            b = root(matrix, x)
            force = b.force(w.flatten(1)).view_as(w) if both else none
            return lambda f: (matrix @ f.flatten(1)[..., None]).view_as(f), b.times(w.flatten(1)).view_as(w), force

        def product(f: Tensor) -> Tensor:
            return self.mobility.product(x, f.view_as(x), cell).view_as(f)

        powers = (0.5, -0.5) if both else (0.5,)
        least = torch.where(step % CHECK_EVERY == 0, certain(w[0].numel()), 0)
        found, _ = lanczos(product, w.flatten(1), x, self.tolerance, powers, least)
        return product, found[0].view_as(w), found[1].view_as(w) if both else none


def _numbers(value: object, fits: Callable[[Tensor], Tensor]) -> bool:
    """Whether a number, or all of a tensor, is finite and fits."""
    if isinstance(value, bool) or not isinstance(value, Real | Tensor):
        return False
    numbers = torch.as_tensor(value)
    return bool((torch.isfinite(numbers) & fits(numbers)).all())
