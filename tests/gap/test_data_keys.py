"""What gap_fit takes from its training file and keys besides labels does the same in labkit's own fit.

Each case is a file and settings that both read. The kernel is that of pairs, which is the same in both, with so many
sparse points that it does not matter where they lie.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io.extxyz import write_extxyz

import labkit
from labkit.base import State
from labkit.gap import Design, GapConfig, quip

COMMAND = shutil.which("gap_fit") or shutil.which("gap_fit", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(COMMAND is None, reason="gap_fit is not installed: pip install quippy-ase")

TEXT = """at_file=train.xyz gp_file=gap.xml sparse_separate_file=F e0=0.2
gap={distance_2b cutoff=4.2 cutoff_transition_width=1.0 theta_uniform=0.7 delta=0.3 covariance_type=gaussian n_sparse=30
sparse_method=uniform} default_sigma={0.01 0.3 0.2 0}"""


def copper(k: int) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * (0.97 + 0.01 * k), scale_atoms=True)
    atoms.rattle(0.08, seed=k)
    other = atoms.copy()
    other.calc = EMT()
    atoms.info = {"energy": other.get_potential_energy(), "config_type": "ab"[k % 2], "group": ["even", "odd"][k % 2]}
    atoms.info["virial"] = -other.get_stress(voigt=False) * atoms.get_volume()
    atoms.arrays["force"] = other.get_forces()
    return atoms


def by_hand(atoms: Atoms, k: int, case: str) -> None:
    """What each case adds to a frame; masked and uncertain forces are wrong, so that fitting them shows."""
    rng = np.random.default_rng(k)
    wrong = np.arange(4) == k % 4
    if case in ("mask", "renamed mask", "prefix"):
        atoms.arrays["force"][wrong] = 5.0
        atoms.arrays["skip" if case == "renamed mask" else "force_mask"] = wrong
    if case in ("force_atom_sigma", "sigma name"):
        atoms.arrays["force"][wrong] += 5.0
        atoms.arrays["force_atom_err" if case == "sigma name" else "force_atom_sigma"] = np.where(wrong, 50.0, 0.1)
    if case == "force_component_sigma":
        bad = rng.random((4, 3)) < 0.3
        atoms.arrays["force"][bad] += 5.0
        atoms.arrays["force_component_sigma"] = np.where(bad, 50.0, 0.1)
        atoms.arrays["force_atom_sigma"] = np.full(4, 7.0)  # which the components' come before
    if case == "sigmas of frames":
        atoms.info |= {"energy_sigma": 0.001 * (k + 1), "force_sigma": 0.05 * (k + 1), "virial_sigma": 0.5 / (k + 1)}
    if case == "skewed virial":
        atoms.info["virial"][0, 1] += 3.0
    if case == "stress":
        atoms.info["stress"] = -atoms.info.pop("virial") / atoms.get_volume()


CASES = {
    "plain": "",
    "mask": "",
    "renamed mask": "force_mask_parameter_name=skip",
    "force_atom_sigma": "",
    "force_component_sigma": "",
    "sigmas of frames": "",
    "skewed virial": "",
    "sigma name": "sigma_parameter_name=err",
    "sigmas as they are": "sigma_per_atom=F",
    "sigmas by kind": "config_type_sigma={a:0.001:0.03:0.02:0:b:0.1:2:1:0}",
    "sigmas by default kind": "config_type_sigma={a:0.001:0.03:0.02:0:default:0.1:2:1:0}",
    "kinds by another name": "config_type_parameter_name=group "
    "config_type_sigma={even:0.001:0.03:0.02:0:odd:0.1:2:1:0}",
    "prefix": "parameter_name_prefix=REF_ config_type_sigma={a:0.001:0.03:0.02:0:b:0.1:2:1:0}",
    "no virials": "virial_parameter_name=none stress_parameter_name=none",
    "stress": "virial_parameter_name=none",
    "no energies": "energy_parameter_name=none",
    "no forces": "force_parameter_name=none",
    "offset": "e0_offset=0.7",
}
ATOL = 1e-4, 5e-4  # eV, eV/Å
SAME = ("plain", "stress", "skewed virial")  # nothing beside labels, which are read alike


def written(case: str, folder: Path) -> None:
    with open(folder / "train.xyz", "w") as file:
        for k in range(6):
            atoms = copper(k)
            by_hand(atoms, k, case)
            if case == "prefix":
                atoms.info["virial"] = atoms.info["virial"].ravel()  # ASE writes other tables as JSON
                atoms.info = {f"REF_{key}": value for key, value in atoms.info.items()}
                for name in ("force", "force_mask"):
                    atoms.arrays[f"REF_{name}"] = atoms.arrays.pop(name)
            columns = ["symbols", "positions", *(set(atoms.arrays) - {"numbers", "positions"})]
            write_extxyz(file, [atoms], columns=columns, write_results=False)
    (folder / "gap.cfg").write_text(f"{TEXT} {CASES[case]}\n")


def probes() -> list[Atoms]:
    found = [copper(20 + k) for k in range(3)]
    for atoms in found:
        atoms.set_cell([3.6] * 3, scale_atoms=True)
        atoms.info, atoms.arrays = {}, {k: atoms.arrays[k] for k in ("numbers", "positions")}
    return found


@cache
def of_gap_fit(case: str) -> tuple[np.ndarray, np.ndarray]:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        written(case, folder)
        done = subprocess.run([COMMAND, "config_file=gap.cfg"], capture_output=True, text=True, cwd=folder, timeout=100)
        assert done.returncode == 0, done.stdout[-2000:]
        result = quip.load(folder / "gap.xml").evaluate(State.from_atoms(probes()))
    return result.energy.numpy(), result.forces.numpy()


def loaded(case: str, folder: Path) -> tuple[labkit.Dataset, GapConfig]:
    written(case, folder)
    config = GapConfig.read(folder / "gap.cfg")
    prefix, stress = ("REF_" if case == "prefix" else ""), ("stress" if case == "stress" else "virial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keys = (f"{prefix}{name}" for name in ("energy", "force", stress))
        return labkit.load(folder / "train.xyz", *keys), config


@pytest.mark.parametrize("case", CASES)
def test_the_own_fit_does_what_gap_fit_does(case, tmp_path):
    energy, forces = of_gap_fit(case)
    data, config = loaded(case, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = Design.build(data, config)
    found = design.solve().evaluate(State.from_atoms(probes()))
    np.testing.assert_allclose(found.energy.numpy(), energy, atol=ATOL[0])
    np.testing.assert_allclose(found.forces.numpy(), forces, atol=ATOL[1])
    if case not in SAME:  # and without the keys and columns it is another fit
        bare = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in data.atoms]
        labels = {"energy": data.energy, "forces": data.forces, "stress": data.stress}
        for atoms, k in zip(bare, range(len(bare))):
            span = slice(data.offsets[k], data.offsets[k + 1])
            atoms.info = {"energy": labels["energy"][k], "stress": labels["stress"][k]}
            atoms.arrays["forces"] = labels["forces"][span]
        plain = Design.build(labkit.Dataset.from_atoms(bare), GapConfig.parse(TEXT)).solve()
        other = plain.evaluate(State.from_atoms(probes()))
        off = abs(other.energy.numpy() - energy).max() / ATOL[0], abs(other.forces.numpy() - forces).max() / ATOL[1]
        assert max(off) > 50


@pytest.mark.parametrize("case", ["mask", "force_component_sigma", "sigma name", "kinds by another name", "stress"])
def test_gap_fit_started_by_labkit_gets_all_of_it(case, tmp_path):
    data, config = loaded(case, tmp_path)
    result = quip.fit(data, config, tmp_path / "out").evaluate(State.from_atoms(probes()))
    energy, forces = of_gap_fit(case)
    np.testing.assert_allclose(result.energy.numpy(), energy, atol=ATOL[0])
    np.testing.assert_allclose(result.forces.numpy(), forces, atol=ATOL[1])
