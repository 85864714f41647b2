"""What particle-mesh Ewald adds to near pairs, without autograd: reciprocal sum, self term, background, exclusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labkit.base import State
from labkit.base.lattice import lattices_of
from labkit.errors import LabkitError
from labkit.forcefield.fast.arrays import array_of
from labkit.units import COULOMB

if TYPE_CHECKING:
    from labkit.forcefield.terms.pme import Pme


MOST_POINTS = 2**27  # of a mesh, 1 GB


@dataclass(frozen=True, eq=False)
class Mesh:
    """All that does not depend on positions: volume Å³, waves 2π cell⁻¹ transposed, kernel (nx, ny, nz//2 + 1)."""

    cell: np.ndarray
    settings: tuple[float, float, int]  # alpha, mesh_spacing, nodes
    shape: tuple[int, int, int]
    inverse: np.ndarray
    waves: np.ndarray
    volume: float
    kernel: np.ndarray

    @classmethod
    def of(cls, cell: np.ndarray, alpha: float, spacing: float, order: int) -> Mesh:
        from labkit.forcefield.fast.kernels.mesh import influence
        from labkit.forcefield.terms.splines import factors
        from labkit.forcefield.terms.torch_mesh import mesh_shape

        shape = nx, ny, nz = mesh_shape(cell, spacing)
        inverse, volume = np.linalg.inv(cell), abs(float(np.linalg.det(cell)))
        waves, kernel = np.ascontiguousarray(2 * np.pi * inverse.T), np.empty((nx, ny, nz // 2 + 1))
        influence(waves, alpha, volume, *(factors(order, n) for n in shape), kernel)
        return cls(cell.copy(), (alpha, spacing, order), shape, inverse, waves, volume, kernel)


class CompiledMesh:
    """All of a Pme term except its near pairs, one system of a batch after another, on one thread.

    A system's mesh, of its reduced cell, is kept until that or the settings of the term change.
    """

    def __init__(self, term: Pme) -> None:
        self.term, self.terms = term, (term,)
        self._meshes: list[Mesh | None] = []

    def begin(self, state: State) -> None:
        from labkit.forcefield.terms.splines import pieces

        system = state.system
        self.term.check(system)
        self.term.check_periodic(system)
        if len(self._meshes) != system.n_systems:
            self._meshes = [None] * system.n_systems
        self._offsets, self._index, n = list(system.offsets), system.index.numpy(), system.n_atoms
        self._pbc = system.pbc.numpy()
        self._charges = array_of(self.term.charges) * COULOMB**0.5
        self._exclusions, self._table = array_of(self.term.exclusions), pieces(self.term.nodes)
        self._first, shares = np.empty((n, 3), np.int64), np.empty((2, n, 3, self.term.nodes))
        self._shares, self._slopes = shares

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        from labkit.forcefield.fast.kernels.mesh import excluded

        if not np.isfinite(cells).all():
            energy += np.nan
            return
        lattices = lattices_of(cells, self._pbc)
        settings, boxes = (self.term.alpha, self.term.mesh_spacing, self.term.nodes), lattices.numbers @ cells
        for s in range(len(cells)):
            mesh = self._meshes[s]
            if mesh is None or mesh.settings != settings or not np.array_equal(mesh.cell, boxes[s]):
                check_mesh(boxes, self.term.mesh_spacing)
                mesh = self._meshes[s] = Mesh.of(boxes[s], *settings)
            part = slice(self._offsets[s], self._offsets[s + 1])
            energy[s] += self._system(mesh, positions[part], part, forces[part], virial[s])
        excluded(
            self._exclusions, positions, lattices.arrays(), self._index, self._charges, self.term.alpha,
            energy, forces, virial,
        )  # fmt: skip

    def _system(self, mesh: Mesh, positions: np.ndarray, part: slice, forces: np.ndarray, virial: np.ndarray) -> float:
        """Energy in eV of one system, in its cell."""
        from scipy.fft import irfftn, rfftn  # its results do not depend on memory alignment

        from labkit.forcefield.fast.kernels.mesh import convolve, gather, place, spread

        charges, first, shares, slopes = (
            values[part] for values in (self._charges, self._first, self._shares, self._slopes)
        )
        if not place(positions, mesh.inverse, mesh.shape, self._table, first, shares, slopes):
            return np.nan
        values = np.zeros(mesh.shape)
        spread(charges, first, shares, values)
        spectrum = rfftn(values, workers=1)
        energy = convolve(spectrum, mesh.kernel, mesh.waves, self.term.alpha, mesh.shape[2], virial)
        values = irfftn(spectrum, s=mesh.shape, norm="forward", overwrite_x=True, workers=1)
        gather(charges, first, shares, slopes, mesh.inverse, values, forces)
        background = 0.5 * np.pi * charges.sum() ** 2 / (mesh.volume * self.term.alpha**2)
        virial -= background * np.eye(3)
        return energy - self.term.alpha / np.pi**0.5 * (charges**2).sum() - background


def check_mesh(boxes: np.ndarray, spacing: float) -> None:
    """Raise LabkitError, naming the frame, for a cell (S, 3, 3) Å that needs more points than there is memory for."""
    lengths = np.linalg.norm(boxes, axis=2)
    points = (lengths / spacing).prod(1)
    s = int(points.argmax())
    if points[s] > MOST_POINTS:
        sides = ", ".join(f"{length:.3g}" for length in lengths[s])
        raise LabkitError(
            f"frame {s}: Pme: a cell of {sides} Å needs a mesh of {points[s]:.2g} points, {spacing:.3g} Å apart; "
            f"expected at most {MOST_POINTS:.2g}: check the cell, or give a larger mesh_spacing or tolerance"
        )
