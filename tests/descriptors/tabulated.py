"""What the tests of descriptors share: frames, and featomic with labkit's radial basis tabulated into it."""

from __future__ import annotations

from functools import cache

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule

from labkit.descriptors import RadialBasis

SETTINGS = dict(n_max=5, l_max=4, cutoff=4.0, atom_sigma=0.4)


def frames() -> list[Atoms]:
    """Two open or crystalline systems and one whose cell is smaller than the cutoff, of H and O."""
    rng = np.random.default_rng(0)
    salt = bulk("NaCl", "rocksalt", a=5.4)
    salt.numbers[:] = [1, 8]
    out = [molecule("H2O2"), salt * (2, 1, 1), molecule("H2O")]
    for atoms in out:
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    out[2].set_cell([[3.1, 0, 0], [0.4, 3.3, 0], [-0.7, 0.2, 3.6]])
    out[2].pbc = True
    return out


@cache
def featomic_settings(*, n_max: int, l_max: int, cutoff: float, atom_sigma: float) -> dict:
    """Settings of featomic's calculators that make them expand in labkit's R_nl."""
    import featomic
    from featomic.splines import SoapSpliner

    basis = RadialBasis(n_max, l_max, cutoff, atom_sigma)

    class Tabulated(featomic.basis.RadialBasis):
        """R_nl handed over; featomic smears, integrates, expands and contracts by itself."""

        def __init__(self, l: int) -> None:
            super().__init__(max_radial=n_max - 1, radius=cutoff)
            self.l = l

        @property
        def integration_radius(self) -> float:
            return cutoff + 6 * atom_sigma

        def compute_primitive(self, positions: np.ndarray, n: int, *, derivative: bool) -> np.ndarray:
            at = np.atleast_1d(positions)
            if derivative:
                return (basis.function(self.l, at + 1e-5)[n] - basis.function(self.l, at - 1e-5)[n]) / 2e-5
            return basis.function(self.l, at)[n].reshape(np.shape(positions))

    spliner = SoapSpliner(
        cutoff=featomic.cutoff.Cutoff(radius=cutoff, smoothing=featomic.cutoff.ShiftedCosine(width=0.5)),
        density=featomic.density.Gaussian(width=atom_sigma),
        basis=featomic.basis.Explicit(by_angular={l: Tabulated(l) for l in range(l_max + 1)}),
        n_spline_points=160,
    )
    return spliner.get_hypers()
