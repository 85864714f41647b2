"""What observers write is read back by other codes; what they compute is compared with counts and known results."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.data import atomic_numbers
from ase.geometry.rdf import get_rdf
from ase.io import read
from ase.neighborlist import neighbor_list

from labkit.base import Evaluation, State, Vocabulary
from labkit.engine import simulate
from labkit.engine.observers import (
    Dcd,
    ExtXyz,
    Hdf5,
    MeanSquareDisplacement,
    RadialDistribution,
    Record,
    Thermodynamics,
    VelocityAutocorrelation,
    Xtc,
)
from labkit.errors import LabkitError
from labkit.units import KINETIC
from tests.engine.toys import Brownian, Ideal, LennardJones, Nothing, Thermal, Verlet, argon, fluid

TRICLINIC = [[1.0, 6.0, 0.5], [-7.0, 1.0, 0.3], [0.5, 1.5, 8.0]]


def test_thermodynamics_is_what_ase_says(tmp_path):
    state, model = fluid(copies=2), LennardJones()
    simulate(state, model, Verlet(), 0, 1.0, observers=[Thermodynamics(tmp_path / "a.csv", 1, pressure=True)])
    table = pd.read_csv(tmp_path / "a.csv")
    for s, atoms in enumerate(state.to_atoms()):
        atoms.calc = model.calculator()
        row = table.iloc[s]
        assert row.potential_eV == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        assert row.kinetic_eV == pytest.approx(atoms.get_kinetic_energy(), abs=1e-10)
        assert row.temperature_K == pytest.approx(2 * atoms.get_kinetic_energy() / (96 * units.kB), rel=1e-8)
        pressure = -atoms.get_stress(include_ideal_gas=True)[:3].mean() / units.GPa
        assert row.pressure_GPa == pytest.approx(pressure, rel=1e-8) and row.volume_A3 == atoms.get_volume()
    with pytest.raises(LabkitError, match="pressure was requested"):
        go = [Thermodynamics(tmp_path / "b.csv", 1, pressure=True)]
        simulate(State.from_atoms(Atoms("Ar")), model, Verlet(), 0, 1.0, observers=go)


def test_extxyz_is_read_by_ase_bit_for_bit(tmp_path):
    writer = ExtXyz(tmp_path / "run.extxyz", every=2)
    mix = State.from_atoms([argon(1), Atoms("H2O", [[0, 0, 0], [4, 0, 0], [0, 4, 0]])])
    end = simulate(mix, LennardJones(), Verlet(), 4, 0.1, observers=[writer])
    frames = read(tmp_path / "run.extxyz", ":")
    assert [(f.info["step"], f.info["system"]) for f in frames] == [(t, s) for t in (0, 2, 4) for s in (0, 1)]
    for frame, atoms in zip(frames[-2:], end.to_atoms(), strict=True):
        assert np.array_equal(frame.positions, atoms.positions) and np.array_equal(frame.numbers, atoms.numbers)
        assert np.array_equal(frame.pbc, atoms.pbc) and np.allclose(frame.cell, atoms.cell, atol=1e-14)
        assert np.array_equal(frame.get_forces(), atoms.get_forces())
        assert frame.get_potential_energy() == atoms.get_potential_energy()


def distances(positions, cell):
    """All interatomic distances by the nearest image, the same in every orientation."""
    d = positions[:, None] - positions[None]
    if cell is not None:
        images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3) @ cell
        return np.linalg.norm(d[:, :, None] + images, axis=-1).min(-1)
    return np.linalg.norm(d, axis=-1)


def turned(copies=1):
    random = np.random.default_rng(3)
    cells = [Atoms("Ar4", random.random((4, 3)) * 5, cell=TRICLINIC, pbc=True) for _ in range(copies)]
    assert np.linalg.det(TRICLINIC) > 0
    for atoms in cells:
        atoms.set_velocities(random.normal(0, 0.01, (4, 3)))
    return State.from_atoms(cells)


@pytest.mark.parametrize("state", [turned(), fluid(1), State.from_atoms(Atoms("Ar2", [[0, 0, 0], [4, 0, 0]]))])
def test_dcd_is_read_by_mdtraj(state, tmp_path):
    formats = pytest.importorskip("mdtraj.formats")
    frames = []
    keep = Record(lambda s: frames.append(s) or s.positions[:1, 0], every=3)
    simulate(state, Nothing(), Verlet(), 9, 2.0, observers=[Dcd(tmp_path / "a.dcd", every=3), keep])
    with formats.DCDTrajectoryFile(str(tmp_path / "a.dcd")) as file:
        positions, lengths, angles = file.read()
    assert len(positions) == 4
    if lengths is None:
        assert not state.system.pbc.any()
        lengths = angles = np.zeros((4, 3))
    for found, l, a, expected in zip(positions, lengths, angles, frames, strict=True):
        (atoms,) = expected.to_atoms()
        cell = Atoms(cell=[*l, *a]).cell.array if atoms.pbc.any() else None
        assert np.allclose(found, atoms.positions, atol=1e-5) or state.cell[0, 0, 1] != 0
        here = distances(atoms.positions, atoms.cell.array if cell is not None else None)
        assert np.allclose(distances(found, cell), here, atol=1e-4)


def test_dcd_frames_are_counted_in_the_header(tmp_path):
    simulate(fluid(1, 2), Nothing(), Verlet(), 9, 2.0, observers=[Dcd(tmp_path / "{system}.dcd", every=3)])
    for s in (0, 1):
        data = (tmp_path / f"{s}.dcd").read_bytes()
        assert np.frombuffer(data, "<i4", 4, 8).tolist() == [4, 0, 3, 12]
        assert len(data) == 276 + 4 * (56 + 3 * (8 + 16))
        assert np.frombuffer(data, "<f4", 1, 44)[0] == pytest.approx(2.0 / 48.88821, rel=1e-6)


def test_formats_of_one_system_say_so(tmp_path):
    with pytest.raises(LabkitError, match=r"holds one system, the batch has 2; put \{system\}"):
        simulate(fluid(1, 2), Nothing(), Verlet(), 1, 1.0, observers=[Dcd(tmp_path / "a.dcd")])
    with pytest.raises(LabkitError, match="no system 2; the batch has 0 to 1"):
        simulate(fluid(1, 2), Nothing(), Verlet(), 1, 1.0, observers=[Dcd(tmp_path / "a.dcd", system=2)])
    mirrored = fluid(1)
    mirrored = mirrored.replace(cell=mirrored.cell.flip(1))
    with pytest.raises(LabkitError, match="left-handed"):
        simulate(mirrored, Nothing(), Verlet(), 1, 1.0, observers=[Dcd(tmp_path / "a.dcd")])


def test_rdf_is_ases_and_a_count_of_images():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 3
    salt.rattle(0.2, seed=4)
    rdf = RadialDistribution(8.0, bins=80, every=1)
    simulate(State.from_atoms([salt, argon(3)]), Nothing(), Verlet(), 0, 1.0, observers=[rdf])
    for a, b in (("Na", "Na"), ("Na", "Cl")):
        expected, r = get_rdf(salt, 8.0, 80, elements=(atomic_numbers[a], atomic_numbers[b]))
        assert np.allclose(rdf.r, r) and np.allclose(rdf.g(a, b)[0][1:], expected[1:], rtol=1e-6)
    assert rdf.g("Na", "Cl").isnan()[1].all()
    shells = 4 / 3 * np.pi * 0.1**3 * (np.arange(1, 81) ** 3 - np.arange(80) ** 3)
    around = float(rdf.g("Ar", 18)[1].numpy() @ shells) * 108 / argon(3).get_volume()
    assert around == pytest.approx(len(neighbor_list("i", argon(3), 8.0)) / 108)
    small = RadialDistribution(8.0, bins=77, every=1)
    simulate(State.from_atoms([argon(1)]), Nothing(), Verlet(), 0, 1.0, observers=[small])
    large = RadialDistribution(8.0, bins=77, every=1)
    simulate(State.from_atoms([argon(1) * 3]), Nothing(), Verlet(), 0, 1.0, observers=[large])
    assert torch.allclose(small.g("Ar", "Ar"), large.g("Ar", "Ar"))  # images beyond half the cell
    with pytest.raises(LabkitError, match="no 'Xe' in the systems"):
        small.g("Xe", "Ar")


def test_rdf_of_beads_goes_by_their_types():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * 2
    salt.rattle(0.2, seed=4)
    atoms = State.from_atoms(salt)
    names = Vocabulary(("CA", "CB"))
    types = (atoms.system.numbers == 17).long()
    system = replace(
        atoms.system, numbers=torch.zeros_like(types), masses=atoms.system.masses, types=types, vocabulary=names
    )
    found = []
    for state in (atoms, atoms.replace(system=system)):
        rdf = RadialDistribution(6.0, bins=60, every=1)
        simulate(state, Nothing(), Verlet(), 0, 1.0, observers=[rdf])
        found.append(rdf)
    assert found[1].species == ["CA", "CB"]
    assert torch.equal(found[0].g("Na", "Cl"), found[1].g("CA", "CB"))
    with pytest.raises(LabkitError, match="no 'Na' in the systems; they have CA, CB"):
        found[1].g("Na", "CA")


@pytest.mark.parametrize("wrapped", [False, True])
def test_msd_of_brownian_motion_is_6_d_t(wrapped):
    class Wrap(Brownian):
        def step(self, state, potential, dt):
            state = super().step(state, potential, dt)
            return state.replace(positions=state.positions % 10.8) if wrapped else state

    atoms = State.from_atoms([argon(2), argon(2, 2)], seed=3)
    msd = MeanSquareDisplacement(window=200.0, every=2, wrapped=wrapped)
    simulate(atoms, Nothing(), Wrap(diffusion=0.01), 2000, 5.0, observers=[msd])
    assert len(msd.lags) == 21 and msd.lags[1] == 10.0 and msd.mean()[0, 0, 0] == 0
    assert torch.allclose(msd.mean()[:, 0, 1:], 0.06 * msd.lags[1:], rtol=0.06)
    found = msd.diffusion()
    assert found.value.shape == (2, 1) and torch.all((found.value - 0.01).abs() < 4 * found.error)
    assert torch.all(found.error < 0.0006)


@pytest.mark.parametrize("seed", range(6))
def test_msd_of_wrapped_positions_in_skewed_cells(seed):
    """An integrator that wraps atoms into a skewed, left-handed or partly periodic cell, whatever its description."""
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(4, 6, 3)) + 0.7 * random.normal(size=(3, 3))
    cell[1] += random.integers(-3, 4) * cell[0]
    cell[2] += random.integers(-3, 4) * cell[1]
    cell *= random.choice([-1, 1], 3)[:, None]
    pbc = [True, True, bool(seed % 2)]
    atoms = Atoms("Ar6", random.uniform(0, 1, (6, 3)) @ cell, cell=cell, pbc=pbc)

    class Wrap(Brownian):
        def step(self, state, potential, dt):
            state = super().step(state, potential, dt)
            (frame,) = state.to_atoms()
            frame.wrap()
            return state.replace(positions=torch.from_numpy(frame.positions))

    found = []
    for kind, wrapped in ((Brownian, False), (Wrap, True)):
        msd = MeanSquareDisplacement(window=200.0, every=2, wrapped=wrapped)
        simulate(State.from_atoms(atoms, seed=3), Nothing(), kind(diffusion=0.002), 200, 5.0, observers=[msd])
        found.append(msd.mean())
    assert torch.allclose(found[0], found[1], rtol=1e-9)


def test_msd_against_a_sum_over_all_pairs_of_frames():
    frames = []
    keep = Record(lambda s: frames.append(s.positions) or s.positions[:1, 0], every=2)
    msd = MeanSquareDisplacement(window=40.0, every=2)
    mean = VelocityAutocorrelation(window=40.0, every=2)
    simulate(fluid(1), LennardJones(), Thermal(), 1000, 2.0, observers=[msd, keep, mean])
    path = torch.stack(frames)
    for lag in (1, 5, 10):
        expected = (path[lag:] - path[:-lag]).square().sum(2).mean()
        assert msd.mean()[0, 0, lag] == pytest.approx(float(expected), rel=1e-10)
    assert len(msd.blocks()) in range(8, 17)


def test_vacf_of_a_spring_is_a_cosine_and_its_spectrum_a_line():
    class Spring(Ideal):
        def evaluate(self, state, **wanted):
            energy = state.system.sum_over_atoms(state.positions.square().sum(1))
            return Evaluation(energy, -2.0 * state.positions)

    atoms = Atoms("ArHe", [[0, 0, 0], [0.2, 0, 0]], velocities=[[0.02, 0, 0], [0, 0.03, 0]])
    vacf = VelocityAutocorrelation(window=1000.0, every=4)
    simulate(State.from_atoms(atoms), Spring(), Verlet(), 8000, 1.0, observers=[vacf])
    omega = [(2.0 / (KINETIC * m)) ** 0.5 for m in (4.002602, 39.948)]
    assert vacf.species == [2, 18]
    for k in (0, 1):
        mean = vacf.mean()[0, k]
        assert torch.allclose(mean / mean[0], torch.cos(omega[k] * vacf.lags), atol=0.05)
        wavenumbers, power = vacf.spectrum()
        top = float(wavenumbers[power[0, k].argmax()])
        assert top == pytest.approx(omega[k] / (2 * np.pi) * 1e15 / 2.99792458e10, abs=float(wavenumbers[1]))


def test_windows_and_functions_that_do_not_fit(tmp_path):
    with pytest.raises(LabkitError, match="holds no two samples 100 fs apart"):
        simulate(fluid(1), Nothing(), Verlet(), 1, 10.0, observers=[MeanSquareDisplacement(50.0, every=10)])
    with pytest.raises(LabkitError, match=r"returned shape \(1, 3, 3\); expected"):
        simulate(fluid(1), Nothing(), Verlet(), 1, 1.0, observers=[Record(lambda s: s.cell, every=1)])
    with pytest.raises(LabkitError, match="has seen no frame"):
        RadialDistribution(3.0).g(1, 1)
    written = Record(lambda s: s.cell[:, 0, :2], 1, tmp_path / "a.csv", names=["a", "b"])
    simulate(fluid(1, 2), Nothing(), Verlet(), 2, 1.0, observers=[written])
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["step", "time_ps", "system", "a", "b"] and len(table) == 6


@pytest.mark.parametrize("state", [turned(), fluid(2), State.from_atoms(Atoms("Ar2", [[0, 0, 0], [4, 0, 0]]))])
@pytest.mark.parametrize("kind, precision", [(Xtc, 0.006), (Hdf5, 1e-5)])
def test_xtc_and_hdf5_are_read_by_mdtraj(state, kind, precision, tmp_path):
    formats = pytest.importorskip("mdtraj.formats")
    path = tmp_path / ("a.xtc" if kind is Xtc else "a.h5")
    if kind is Hdf5:
        pytest.importorskip("h5py")
        pytest.importorskip("tables")
    frames = []
    keep = Record(lambda s: frames.append(s) or s.positions[:1, 0], every=3)
    simulate(state, Nothing(), Verlet(), 9, 2.0, observers=[kind(path, every=3), keep])
    if kind is Xtc:
        positions, time, step, box = formats.XTCTrajectoryFile(str(path)).read()
        assert step.tolist() == [0, 3, 6, 9] and np.allclose(time, [0, 0.006, 0.012, 0.018])
        cells = [None] * 4 if box is None else list(10 * box)
    else:
        with formats.HDF5TrajectoryFile(str(path)) as file:
            found, topology = file.read(), file.topology
        positions, time = found.coordinates, found.time
        assert topology.n_atoms == state.system.n_atoms
        assert [a.element.number for a in topology.atoms] == state.system.numbers.tolist()
        kinetic = [s.to_atoms()[0].get_kinetic_energy() * units.mol / units.kJ for s in frames]
        assert np.allclose(found.kineticEnergy, kinetic, rtol=1e-5)
        cells = [None] * 4
        if found.cell_lengths is not None:
            pairs = zip(10 * found.cell_lengths, found.cell_angles, strict=True)
            cells = [Atoms(cell=[*a, *b]).cell.array for a, b in pairs]
    for xyz, cell, expected in zip(10 * positions, cells, frames, strict=True):
        (atoms,) = expected.to_atoms()
        periodic = atoms.pbc.any()
        here = distances(atoms.positions, atoms.cell.array if periodic else None)
        assert np.allclose(distances(xyz, cell if periodic else None), here, atol=2 * precision)


def test_hdf5_of_many_chunks_goes_on_byte_by_byte(tmp_path):
    pytest.importorskip("h5py")

    def go(folder, steps, every=25):
        folder.mkdir(exist_ok=True)
        watch = [Hdf5(folder / "{system}.h5", every=1)]
        more = dict(observers=watch, checkpoint=folder / "c", checkpoint_every=every)
        return simulate(fluid(4, 2), Nothing(), Verlet(), steps, 1.0, **more)

    go(tmp_path / "whole", 75)
    go(tmp_path / "whole", 200)
    go(tmp_path / "cut", 75)
    for s in (0, 1):  # frames that came after the checkpoint, and damage in the tables as by a kill in between
        path = tmp_path / "cut" / f"{s}.h5"
        path.write_bytes(b"\0" * 96 + path.read_bytes()[96:] + b"torn" * 1000)
    go(tmp_path / "cut", 200)
    for s in (0, 1):
        assert (tmp_path / "whole" / f"{s}.h5").read_bytes() == (tmp_path / "cut" / f"{s}.h5").read_bytes()
    assert (tmp_path / "cut" / "c").stat().st_size < 200_000


@pytest.mark.parametrize("kind, library", [(Xtc, "mdtraj"), (Hdf5, "h5py")])
def test_a_missing_library_is_named_before_the_run(kind, library, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setitem(sys.modules, f"{library}.formats", None)
    with pytest.raises(LabkitError, match=f"needs {library}, which is not installed; run"):
        simulate(fluid(1), Nothing(), Verlet(), 1, 1.0, observers=[kind(tmp_path / "a")])
