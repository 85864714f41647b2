"""Sets like those that people publish, made by code: all labels are right, and an audit has nothing to complain of."""

from collections.abc import Callable
from functools import cache

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc100, fcc111, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from labelled.frames import dynamics, labelled, packed, rattled
from labelled.stillinger_weber import StillingerWeber

from labkit.datasets import Dataset, ice


def crystal_and_melt():
    crystal = bulk("Cu", cubic=True) * 2
    melt = dynamics(bulk("Cu", cubic=True, a=3.8) * 2, EMT(), 3000.0, 30, 10, 4.0, 1)
    return labelled([*rattled(crystal, 50, 0.05), *melt], EMT())


def random_search():
    rng = np.random.default_rng(5)
    starts = [packed("Al8", rng.uniform(4.9, 6.2), 2.0, rng) for _ in range(60)]
    relaxed = []
    for atoms in starts:
        relaxed.append(atoms.copy())
        for _ in range(3):  # some steps downhill, each a frame
            atoms.calc = EMT()
            step = 0.03 * atoms.get_forces()
            atoms.positions += np.clip(step, -0.15, 0.15)
            relaxed.append(atoms.copy())
    return labelled(relaxed, EMT())


def molecules_at_three_temperatures():
    from tblite.ase import TBLite

    calculator = TBLite(method="GFN2-xTB", verbosity=0)
    start = molecule("CH3CH2OH")
    counts = {300.0: 60, 600.0: 20, 1200.0: 20}
    frames = [x for t, n in counts.items() for x in dynamics(start, calculator, t, n, 8, 1.0, int(t))]
    return labelled(frames, calculator)


def surfaces():
    frames = [*rattled(bulk("Cu", cubic=True) * (2, 2, 1), 30, 0.08)]
    for k, make in enumerate((fcc100, fcc111)):
        slab = make("Cu", (2, 2, 4), vacuum=6.0)
        slab.pbc = True
        frames += rattled(slab, 25, 0.08, k + 1)
    return labelled(frames, EMT())


def isolated_atoms():
    frames = []
    for k in range(30):
        frames += rattled(bulk("Cu", cubic=True) * [(2, 2, 2), (2, 2, 1), (2, 1, 1)][k % 3], 1, 0.1, k)
    return labelled([*frames, Atoms("Cu", cell=[12] * 3), Atoms("Cu", cell=[14] * 3, pbc=True)], EMT())


class Morse(Calculator):
    """Pairs of a Morse potential without cutoff: dimers that are pulled far apart."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        vector = self.atoms.positions[None] - self.atoms.positions[:, None]
        r = np.linalg.norm(vector, axis=2) + np.eye(len(self.atoms)) * 1e9
        x = np.exp(-0.6 * (r - 2.7))
        pull = 0.96 * (1 - x) * x
        self.results = {
            "energy": float(0.4 * ((1 - x) ** 2 - 1).sum()),
            "forces": (pull[:, :, None] * vector / r[:, :, None]).sum(1),
        }


def dimers():
    pulled = [Atoms("Li2", [[0, 0, 0], [d, 0, 0]]) for d in np.linspace(2.2, 8.0, 40)]
    trimers = rattled(Atoms("Li3", [[0, 0, 0], [2.8, 0, 0], [1.3, 2.5, 0]]), 30, 0.15)
    return labelled([*pulled, *trimers], Morse())


def open_and_periodic():
    cluster = Icosahedron("Cu", 2)
    return labelled([*rattled(bulk("Cu", cubic=True), 30, 0.08, strain=0.02), *rattled(cluster, 30, 0.1)], EMT())


def silicon():
    crystal = bulk("Si", cubic=True)
    vacancy = crystal * (2, 1, 1)
    del vacancy[3]
    slab = crystal * (1, 1, 2)
    slab.cell[2, 2] += 10.0
    kinds = [*rattled(crystal, 40, 0.1), *rattled(vacancy, 30, 0.12), *rattled(crystal, 40, 0.02, 1, strain=0.03)]
    melt = dynamics(crystal, StillingerWeber(), 3000.0, 25, 8, 2.0, 3)
    return labelled([*kinds, *rattled(slab, 25, 0.1), *melt], StillingerWeber())


def clusters_and_bulk():
    frames = [*rattled(bulk("Au", cubic=True) * (2, 1, 1), 30, 0.08)]
    for shells in (2, 3):
        frames += rattled(Icosahedron("Au", shells), 20, 0.08, shells)
    for n in (3, 4, 5, 6):
        frames += rattled(Icosahedron("Au", 2)[:n], 5, 0.1, n)
    return labelled(frames, EMT())


def alloys():
    frames, rng = [], np.random.default_rng(0)
    for gold in (0, 2, 4, 6, 8):
        start = bulk("Cu", cubic=True, a=3.61 + 0.055 * gold) * (2, 1, 1)
        start.numbers[rng.permutation(8)[:gold]] = 79
        frames += rattled(start, 15, 0.08, gold, strain=0.02)
    return labelled(frames, EMT())


def adsorbates():
    frames = []
    for k, (what, height) in enumerate([("O", 1.2), ("N", 1.1), ("CO", 1.8)]):
        slab = fcc111("Cu", (2, 2, 3), vacuum=6.0)
        add_adsorbate(slab, what if len(what) == 1 else molecule(what), height, "fcc")
        slab.pbc = True
        frames += rattled(slab, 25, 0.04, k)
    return labelled(frames, EMT())


def ice_crystal():
    return ice("train", n=120)


RIGHT: dict[str, Callable[[], Dataset]] = {
    one.__name__: cache(one)
    for one in (crystal_and_melt, random_search, molecules_at_three_temperatures, surfaces, isolated_atoms, dimers,
                open_and_periodic, silicon, clusters_and_bulk, alloys, adsorbates, ice_crystal)
}  # fmt: skip
