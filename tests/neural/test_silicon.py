"""A known potential is learned: Stillinger-Weber silicon, its forces, elastic constants, and energy conserved."""

import copy
from importlib.resources import files

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS

from labkit.base import State
from labkit.datasets import Dataset
from labkit.engine import VelocityVerlet, kinetic_energy, maxwell_boltzmann, simulate
from labkit.engine.observers import Record
from labkit.lammps import lammps
from labkit.neural import NeuralPotential, train, untrained
from labkit.units import GPA, KB
from tests.labelled.stillinger_weber import StillingerWeber

LATTICE = 5.431


def crystal(seed: int, strain: float = 0.02, rattle: float = 0.08) -> Atoms:
    random = np.random.default_rng(seed)
    atoms = bulk("Si", "diamond", a=LATTICE, cubic=True)
    e = random.uniform(-strain, strain, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.5 * (e + e.T)), scale_atoms=True)
    atoms.positions += random.uniform(0, rattle) * random.normal(size=atoms.positions.shape)
    return atoms


def labelled(seeds) -> Dataset:
    made = []
    for seed in seeds:
        atoms = crystal(seed)
        atoms.calc = StillingerWeber()
        atoms.get_stress()
        made.append(atoms)
    return Dataset.from_atoms(made, name="silicon")


def elastic_constants(calculator, h: float = 2e-3) -> dict[str, float]:
    """GPa, from stresses of strained cells whose atoms are relaxed."""

    def stress(e: np.ndarray) -> np.ndarray:
        atoms = bulk("Si", "diamond", a=LATTICE, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + e), scale_atoms=True)
        atoms.positions[::2] += 1e-4  # atoms must move where the strain makes them
        atoms.calc = calculator
        BFGS(atoms, logfile=None).run(fmax=1e-4, steps=200)
        return atoms.get_stress(voigt=False) / GPA

    along, shear = np.zeros((3, 3)), np.zeros((3, 3))
    along[0, 0] = 1.0
    shear[0, 1] = shear[1, 0] = 0.5
    first, second = ((stress(h * e) - stress(-h * e)) / (2 * h) for e in (along, shear))
    return {"C11": first[0, 0], "C12": 0.5 * (first[1, 1] + first[2, 2]), "C44": second[0, 1]}


def test_the_reference_is_that_of_lammps() -> None:
    """Energy, forces and stress of a strained, rattled cell; and the elastic constants of the literature."""
    atoms = crystal(3) * (2, 2, 2)
    atoms.positions = atoms.positions - atoms.positions.min(0) + 0.01
    atoms.set_cell(np.tril(_lower(atoms)), scale_atoms=True)
    atoms.wrap()
    atoms.calc = StillingerWeber()
    lmp, cell = lammps(), atoms.cell.array
    table = files("lammps") / "share/lammps/potentials/Si.sw"
    box = f"0 {cell[0, 0]} 0 {cell[1, 1]} 0 {cell[2, 2]} {cell[1, 0]} {cell[2, 0]} {cell[2, 1]}"
    for line in (
        "units metal",
        "atom_modify map array sort 0 0",
        "box tilt large",
        f"region box prism {box}",
        "create_box 1 box",
        *(f"create_atoms 1 single {x:.15f} {y:.15f} {z:.15f}" for x, y, z in atoms.positions),
        "mass 1 28.0855",
        "pair_style sw",
        f"pair_coeff * * {table} Si",
        "thermo_modify norm no",
        "run 0",
    ):
        lmp.command(line)
    assert lmp.get_natoms() == len(atoms)
    assert atoms.get_potential_energy() == pytest.approx(lmp.get_thermo("pe"), abs=1e-5)
    order = np.argsort(lmp.numpy.extract_atom("id")[: len(atoms)])
    np.testing.assert_allclose(atoms.get_forces(), lmp.numpy.extract_atom("f")[: len(atoms)][order], atol=1e-5)
    bar = 1e-4 * GPA
    assert -atoms.get_stress()[0] == pytest.approx(lmp.get_thermo("pxx") * bar, abs=1e-6)
    lmp.close()
    found = elastic_constants(StillingerWeber())  # Balamane, Halicioglu, Tiller, Phys. Rev. B 46, 2250 (1992)
    assert found == pytest.approx({"C11": 151.4, "C12": 76.4, "C44": 56.4}, rel=0.01)


def _lower(atoms: Atoms) -> np.ndarray:
    """The cell turned so that it is lower triangular, as LAMMPS needs it."""
    q, r = np.linalg.qr(atoms.cell.array.T)
    lower = r.T * np.sign(np.diag(r))
    return lower


@pytest.fixture(scope="module")
def silicon() -> tuple[NeuralPotential, Dataset]:
    frames, valid = labelled(range(300)), labelled(range(1000, 1050))
    potential = untrained(frames, channels=32, cutoff=4.0, n_radial=12)
    train(potential, frames, valid, steps=5000, batch=8, rate=5e-3)
    return potential.double(), valid


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_energies_forces_and_elastic_constants(silicon) -> None:
    potential, valid = silicon
    found = potential.evaluate(valid.state(), stress=True)
    forces = float(np.sqrt(np.mean((found.forces.numpy() - valid.forces) ** 2)))
    energies = float(np.sqrt(np.mean((found.energy.numpy() - valid.energy) ** 2))) / 8
    print(
        f"forces {1000 * forces:.1f} of {1000 * valid.forces.std():.0f} meV/Å, energies {1000 * energies:.2f} meV/atom"
    )
    assert forces < 0.03 * valid.forces.std() and energies < 0.002
    known, ours = elastic_constants(StillingerWeber()), elastic_constants(potential.calculator())
    print(known, ours)
    assert ours == pytest.approx(known, rel=0.03)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_energy_is_conserved(silicon) -> None:
    """64 atoms at some 300 K, 2 ps of 1 fs, in single precision as it is used: below 1 kT/ns per degree of freedom."""
    potential = copy.deepcopy(silicon[0]).float()
    state = State.from_atoms(bulk("Si", "diamond", a=LATTICE, cubic=True) * (2, 2, 2), seed=1)
    state = maxwell_boltzmann(state, 600.0)  # half of it becomes potential energy
    record = Record(lambda now: now.energy + kinetic_energy(now), 5)
    end = simulate(state, potential, VelocityVerlet(), 2000, 1.0, observers=[record])
    kelvin = float(2 * kinetic_energy(end) / (KB * (3 * 64 - 3)))
    assert 150 < kelvin < 450
    total = record.values.flatten().numpy() / (KB * 300 * (3 * 64 - 3))
    blocks = total[:400].reshape(10, 40).mean(1)
    (slope, _), covariance = np.polyfit((np.arange(10) + 0.5) * 200e-6, blocks, 1, cov=True)
    error = covariance[0, 0] ** 0.5
    print(f"drift {slope:.3f} ± {error:.3f} kT/ns/dof at {kelvin:.0f} K")
    assert abs(slope) < 1 + 4 * error and error < 0.5


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_learning_curve_is_a_straight_line() -> None:
    """Errors of forces over the number of frames, in log-log: within 15 % of a line that falls."""
    frames, valid = labelled(range(160)), labelled(range(1000, 1030))
    sizes, errors = [10, 20, 40, 80, 160], []
    for size in sizes:
        potential = untrained(frames, channels=16, cutoff=4.0, n_radial=12)
        history = train(potential, frames[:size], valid, steps=1200, batch=8, rate=5e-3).history
        errors.append(min(row["valid forces"] for row in history))
    x, y = np.log(sizes), np.log(errors)
    slope, start = np.polyfit(x, y, 1)
    print("learning curve", dict(zip(sizes, np.round(errors, 4).tolist(), strict=True)), f"slope {slope:.2f}")
    assert slope < -0.3 and np.abs(y - start - slope * x).max() < 0.15
