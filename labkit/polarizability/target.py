"""The property to learn: the tensor's rank and symmetry, whether it is of cells or atoms, its spherical parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.descriptors import clebsch_gordan
from labkit.errors import LabkitError, suggest

_SPHERICAL = [1, 2, 0]  # y, z, x: the components of l = 1


@dataclass(frozen=True)
class Target:
    """A property to learn; `of` states how it is made up of contributions of atoms.

    name      key of the label: an attribute of Dataset, or in info (cells) or arrays (atoms) of the frames
    rank      0 scalar, 1 vector, 2 tensor
    symmetric for rank 2: only λ = 0 and 2; otherwise also λ = 1, the antisymmetric part, a pseudovector
    of        'cell' (extensive: the sum over atoms), 'mean' (intensive: their mean), 'atom' (each atom's own), or
              'neutral' (each atom's own, minus their mean, so that a frame's sum is zero)
    unit      for axis labels and files

    >>> Target("polarizability", rank=2).parts
    {0: 1, 2: 1}
    """

    name: str
    rank: int = 0
    symmetric: bool = True
    of: str = "cell"
    unit: str = ""

    def __post_init__(self) -> None:
        if self.rank not in (0, 1, 2):
            raise LabkitError(f"target {self.name!r}: rank is {self.rank!r}, expected 0, 1 or 2")
        if self.of not in ("cell", "mean", "atom", "neutral"):
            raise LabkitError(f"target {self.name!r}: of is {self.of!r}, expected 'cell', 'mean', 'atom' or 'neutral'")

    @property
    def per_atom(self) -> bool:
        return self.of in ("atom", "neutral")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one value."""
        return (3,) * self.rank

    @property
    def parts(self) -> dict[int, int]:
        """λ of the spherical parts, and their parity (1: tensor, -1: pseudotensor)."""
        if self.rank < 2:
            return {self.rank: 1}
        return {0: 1, 2: 1} if self.symmetric else {0: 1, 1: -1, 2: 1}

    def to_spherical(self, values: Tensor) -> dict[int, Tensor]:
        """Values (n, 3, 3) as {λ: (n, 2λ+1)}; lengths are kept."""
        if self.rank == 0:
            return {0: values[:, None]}
        if self.rank == 1:
            return {1: values[:, _SPHERICAL]}
        return {degree: values.flatten(1) @ self._columns(degree, values).mT for degree in self.parts}

    def to_cartesian(self, parts: dict[int, Tensor]) -> Tensor:
        """The inverse of `to_spherical`."""
        if self.rank == 0:
            return parts[0][:, 0]
        if self.rank == 1:
            return parts[1][:, [2, 0, 1]]
        return sum(part @ self._columns(degree, part) for degree, part in parts.items()).unflatten(1, (3, 3))

    def variances(self, covariances: dict[int, Tensor]) -> Tensor:
        """Variances (n, 3, 3) of the Cartesian components from covariances {λ: (n, 2λ+1, 2λ+1)}."""
        if self.rank == 0:
            return covariances[0][:, 0, 0]
        if self.rank == 1:
            return torch.diagonal(covariances[1], dim1=1, dim2=2)[:, [2, 0, 1]]
        total = 0.0
        for degree, covariance in covariances.items():
            columns = self._columns(degree, covariance)
            total = total + torch.einsum("ma,nmk,ka->na", columns, covariance, columns)
        return total.unflatten(1, (3, 3))

    def _columns(self, degree: int, like: Tensor) -> Tensor:
        """(2λ+1, 9): what each spherical component is in xx, xy, xz, yx, ..."""
        order = [_SPHERICAL.index(axis) for axis in range(3)]
        table = torch.tensor(clebsch_gordan(1, 1, degree)[order][:, order])
        return table.flatten(0, 1).mT.to(like)


TARGETS = {
    target.name: target
    for target in (
        Target("energy", 0, unit="eV"),
        Target("dipole", 1, unit="e Å"),
        Target("polarizability", 2, unit="Å^3"),
        Target("born_charges", 2, symmetric=False, of="neutral", unit="e"),
    )
}


def as_target(target: str | Target) -> Target:
    """One of TARGETS by name, or the given Target."""
    if isinstance(target, Target):
        return target
    if target not in TARGETS:
        raise LabkitError(
            f"unknown target {target!r}; expected one of {', '.join(TARGETS)}, or a Target(name, rank=...)"
            f"{suggest(str(target), TARGETS)}"
        )
    return TARGETS[target]
