"""Faults planted in right sets, and whether a report names them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from labelled.frames import dynamics, labelled, rattled
from labelled.right_sets import ice_crystal
from labelled.stillinger_weber import StillingerWeber

from labkit.datasets import Dataset
from labkit.datasets.audit import Report
from labkit.units import BOHR, GPA, HARTREE, KCAL_PER_MOL


def metal() -> Dataset:
    """Crystals of copper of three temperatures, and a melt."""
    start = bulk("Cu", cubic=True) * (2, 1, 1)
    melt = dynamics(start, EMT(), 2500.0, 15, 10, 4.0, 2)
    return labelled([x for k, size in enumerate((0.05, 0.1, 0.15)) for x in rattled(start, 20, size, k)] + melt, EMT())


def silicon() -> Dataset:
    crystal, calculator = bulk("Si", cubic=True), StillingerWeber()
    hot = dynamics(crystal, calculator, 800.0, 40, 10, 2.0, 4)
    return labelled([*hot, *rattled(crystal, 40, 0.1)], calculator)


def ethanol() -> Dataset:
    from tblite.ase import TBLite

    calculator = TBLite(method="GFN2-xTB", verbosity=0)
    return labelled(dynamics(molecule("CH3CH2OH"), calculator, 500.0, 90, 8, 1.0, 7), calculator)


def alloy() -> Dataset:
    start = bulk("Cu", cubic=True, a=3.8) * (2, 1, 1)
    start.numbers[[1, 2, 6, 7]] = 79
    mixed = start.copy()
    mixed.numbers[[0, 1]] = 79, 29
    return labelled([*rattled(start, 45, 0.1), *rattled(mixed, 45, 0.1, 1)], EMT())


CHEMISTRIES: dict[str, Callable[[], Dataset]] = {
    one.__name__: cache(one) for one in (metal, silicon, ice_crystal, ethanol, alloy)
}


def scaled(energy: float, forces: float) -> Callable[[Dataset], Dataset]:
    """Labels in other units: divided by these."""
    return lambda ds: replace(ds, energy=ds.energy / energy, forces=ds.forces / forces)


def per_atom(ds: Dataset) -> Dataset:
    return replace(ds, energy=ds.energy / ds.counts)


def shuffled(ds: Dataset) -> Dataset:
    """All labels of a frame at another one."""
    other = np.random.default_rng(1).permutation(len(ds))
    return replace(ds[other], atoms=ds.atoms)


def reordered(ds: Dataset) -> Dataset:
    """Forces in another order of atoms, the same in all frames."""
    n = int(ds.counts[0])
    order = np.random.default_rng(2).permutation(n)
    return replace(ds, forces=ds.forces.reshape(len(ds), n, 3)[:, order].reshape(-1, 3))


def exchanged(ds: Dataset) -> Dataset:
    """The forces of two atoms exchanged in all frames."""
    n = int(ds.counts[0])
    order = np.arange(n)
    order[[1, n - 1]] = order[[n - 1, 1]]
    return replace(ds, forces=ds.forces.reshape(len(ds), n, 3)[:, order].reshape(-1, 3))


def says(topic: str, *words: str) -> Callable[[Report], bool]:
    """Whether the one problem of a report has this topic, and one of the words (or all of them, joined by &)."""

    def named(report: Report) -> bool:
        found = report.problems
        texts = [f.text for f in found if f.topic == topic]
        right = any(all(part in text for part in word.split("&")) for word in words or ("",) for text in texts)
        return right and {f.topic for f in found} == {topic}

    return named


PLANTED: dict[str, tuple[Callable[[Dataset], Dataset], Callable[[Report], bool]]] = {
    "energies and forces in kcal/mol": (scaled(KCAL_PER_MOL, KCAL_PER_MOL), says("units", "kcal/mol")),
    "energies in kcal/mol": (scaled(KCAL_PER_MOL, 1), says("units", "energies in kcal/mol")),
    "sign of the forces": (scaled(1, -1), says("sign", "the forces")),
    "order of atoms": (reordered, says("order of atoms")),
    "energies and forces in Hartree": (scaled(HARTREE, HARTREE / BOHR), says("units", "Hartree/bohr")),
    "energies in Hartree": (scaled(HARTREE, 1), says("units", "energies in Hartree")),
    "energies per atom": (per_atom, says("units", "energies per atom")),
    "forces in eV/bohr": (scaled(1, 1 / BOHR), says("units", "forces in eV/bohr")),
    "labels shuffled": (shuffled, says("forces alignment", "do not fit at any shift")),
    "forces of two atoms exchanged": (exchanged, says("order of atoms", "exchanged")),
}  # fmt: skip


def rewritten(factor: float, *, order: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> Callable[[Dataset], Dataset]:
    """Stresses times a factor, their six numbers in an order that a reader takes for Voigt's."""

    def spoil(ds: Dataset) -> Dataset:
        six = np.array([[s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]] for s in ds.stress])[:, order]
        a, b, c, d, e, f = factor * six.T
        return replace(ds, stress=np.array([[a, f, e], [f, b, d], [e, d, c]]).transpose(2, 0, 1))

    return spoil


def as_virials(sign: int) -> Callable[[Dataset], Dataset]:
    """Stresses times the volume, as they are if a virial is taken for one."""
    return lambda ds: replace(ds, stress=sign * ds.stress * np.array([a.cell.volume for a in ds.atoms])[:, None, None])


STRESSES: dict[str, tuple[Callable[[Dataset], Dataset], Callable[[Report], bool]]] = {
    "GPa": (rewritten(1 / GPA), says("stress", "GPa")),
    "kbar": (rewritten(10 / GPA), says("stress", "in kbar")),
    "kbar of a pressure": (rewritten(-10 / GPA), says("stress", "in kbar, with the opposite sign")),
    "sign": (rewritten(-1), says("stress", "written with the opposite sign")),
    "virial": (as_virials(1), says("stress", "eV (a virial")),
    "virial of the other sign": (as_virials(-1), says("stress", "a virial&opposite sign")),
    "order of VASP": (rewritten(1, order=(0, 1, 2, 5, 3, 4)), says("stress", "as in VASP")),
    "order of LAMMPS": (rewritten(1, order=(0, 1, 2, 5, 4, 3)), says("stress", "as in LAMMPS")),
    "rows of a triangle": (rewritten(1, order=(0, 5, 4, 1, 3, 2)), says("stress", "upper triangle")),
    "kbar in the order of VASP": (rewritten(-10 / GPA, order=(0, 1, 2, 5, 3, 4)), says("stress", "in kbar&as in VASP")),
}
