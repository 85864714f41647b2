"""`labkit md`: the keys of TorchMD's run files, the files they name, stopping and going on."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

import ase
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from md import files
from openmm import app, unit

import labkit.md
from labkit.cli import main
from labkit.config import config
from labkit.errors import LabkitError
from labkit.forcefield import from_torchmd_yaml, import_openmm
from labkit.md import RunSettings, prepare
from labkit.md.atoms import read_box, read_coordinates, read_topology
from labkit.units import KCAL_PER_MOL

KEYS = ["timestep", "temperature", "langevin_temperature", "langevin_gamma", "device", "topology", "coordinates"]
KEYS += ["structure", "forcefield", "forceterms", "cutoff", "switch_dist", "rfa", "exclusions", "replicas"]
KEYS += ["extended_system", "minimize", "external", "precision", "seed", "steps", "output", "output_period"]
KEYS += ["save_period", "log_dir", "npz_file"]
REPOSITORY = Path(labkit.md.__file__).resolve().parents[2]


def test_all_keys_and_no_others(tmp_path):
    assert [f.name for f in fields(RunSettings)] == KEYS
    values = dict(
        timestep="1e0", temperature=310, langevin_temperature=300, langevin_gamma=0.5, device="cpu", replicas=2
    )
    values |= dict(topology="a.psf", coordinates="a.coor", structure="a.pdb", forcefield="a.yaml", forceterms="LJ")
    values |= dict(
        cutoff=9, switch_dist=7.5, rfa=True, exclusions=["bonds", "angles"], extended_system="a.xsc", steps=10
    )
    values |= dict(
        minimize=100, precision="single", seed=4, output="out", output_period=5, save_period=50, log_dir="log"
    )
    values |= dict(npz_file="atoms.npz", external={"module": "mine", "embeddings": [1, 2], "file": "model.ckpt"})
    assert set(values) == set(KEYS)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    found = RunSettings.read(path)
    assert found.forceterms == ("lj",) and found.timestep == 1.0 and found.external.embeddings == (1, 2)


WRONG = [
    ({"time_step": 1}, "unknown key 'time_step'; did you mean 'timestep'"),
    ({"langevin-gamma": 1}, "did you mean 'langevin_gamma'"),
    ({"timestep": "fast"}, "timestep is 'fast', expected a time in fs above 0"),
    ({"timestep": -1}, "timestep is -1, expected"),
    ({"steps": 10.5}, "steps is 10.5, expected a whole number"),
    ({"rfa": "yes please"}, "rfa is 'yes please', expected true or false"),
    ({"precision": "half"}, "precision is 'half', expected single or double"),
    ({"external": {"modul": "x"}}, "external: unknown key 'modul'; did you mean 'module'"),
    ({"external": "x"}, "external is 'x', expected module"),
    ({"switch_dist": 9.0}, "switch_dist is 9.0, not below the cutoff"),
    ({"cutoff": None}, "rfa needs a cutoff"),
    ({"structure": None}, "neither topology nor structure"),
    ({"forcefield": None}, "neither forcefield nor external"),
    ({"structure": "none.pdb"}, "none.pdb: there is no such file"),
    ({"structure": "water.mol2"}, "unknown kind of file '.mol2'; known: .psf"),
    ({"coordinates": "water.yaml"}, "coordinates: .*unknown kind of file"),
    ({"device": "gpu"}, "device is 'gpu', expected a torch device"),
    ({"forceterms": ["bond"]}, "unknown term 'bond'; did you mean 'bonds'"),
    ({"external": {"module": "no_such_module"}}, "module 'no_such_module' cannot be imported"),
    ({"external": {"file": "none.safetensors"}}, "none.safetensors: there is no such model"),
]


@pytest.mark.parametrize("changes, message", WRONG, ids=[m[:25] for _, m in WRONG])
def test_what_is_wrong_is_named(changes, message, tmp_path):
    path = files.water_box(tmp_path, **changes)
    with pytest.raises(LabkitError, match=message):
        prepare(RunSettings.read(path), tmp_path)


def test_water_box_is_the_force_field_of_its_file(tmp_path):
    prepared = prepare(RunSettings.read(files.water_box(tmp_path, replicas=2)), tmp_path)
    state = prepared.state
    bonds = [(3 * m, 3 * m + end) for m in range(30) for end in (1, 2)]
    exact = from_torchmd_yaml(
        tmp_path / "water.yaml", ["O", "H1", "H2"] * 30, bonds, cutoff=4.5, switch=4.0, reaction_field=True,
        terms=files.BOX["forceterms"], periodic=True,
    ).repeat(2)  # fmt: skip
    torch.testing.assert_close(prepared.potential.evaluate(state).forces, exact.evaluate(state).forces)
    assert state.system.n_systems == 2 and bool(state.system.pbc.all())
    assert prepared.integrator.friction == pytest.approx(1e-3)
    assert state.system.masses[:3].tolist() == [15.9994, 1.008, 1.008]


def test_psf_coor_and_xsc_are_the_pdb(tmp_path):
    path = files.water_box(tmp_path)
    one = prepare(RunSettings.read(path), tmp_path)
    files.psf(tmp_path / "water.psf", 30)
    files.coor(tmp_path / "water.coor", one.state.positions.numpy())
    files.xsc(tmp_path / "water.xsc", one.state.cell[0].numpy())
    parts = dict(structure=None, topology="water.psf", coordinates="water.coor", extended_system="water.xsc")
    other = prepare(RunSettings.read(files.water_box(tmp_path, **parts)), tmp_path)
    torch.testing.assert_close(other.state.cell, one.state.cell)
    assert read_topology(tmp_path / "water.psf").charges[:3] == [-0.834, 0.417, 0.417]
    (a, b) = (p.potential.evaluate(p.state).forces for p in (one, other))
    torch.testing.assert_close(a, b)


def test_types_and_bonds_of_the_files_are_those_of_the_system(tmp_path):
    system = prepare(RunSettings.read(files.water_box(tmp_path, replicas=2)), tmp_path).state.system
    assert system.vocabulary.names == ("O", "H1", "H2") and system.n_systems == 2
    assert [system.type_name(k) for k in (0, 1, 2, 90, 179)] == ["O", "H1", "H2", "O", "H2"]
    assert len(system.bonds) == 120 and system.bonds[0].tolist() == [0, 1] and system.bonds[60].tolist() == [90, 91]
    assert torch.equal(system.index[system.bonds[:, 0]], system.index[system.bonds[:, 1]])


def test_amber_against_openmm(tmp_path):
    files.prmtop(tmp_path / "hooh.prmtop")
    where = np.array([[0.1, 0.9, 0.2], [0, 0, 0], [1.4, 0.1, 0], [1.6, 0.5, 0.8]])
    (tmp_path / "hooh.xyz").write_text("4\n\n" + "".join(f"{e} {x} {y} {z}\n" for e, (x, y, z) in zip("HOOH", where)))
    values = dict(topology="hooh.prmtop", coordinates="hooh.xyz", forcefield="hooh.prmtop")
    prepared = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    system = app.AmberPrmtopFile(str(tmp_path / "hooh.prmtop")).createSystem()
    import openmm

    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(0.1 * where)
    exact = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)
    found = prepared.potential.evaluate(prepared.state).energy / KCAL_PER_MOL
    assert float(found) == pytest.approx(exact, rel=1e-6) and abs(exact) > 1
    topology = read_topology(tmp_path / "hooh.prmtop")
    assert topology.types == ["HO", "OH", "OH", "HO"] and topology.charges[0] == pytest.approx(0.4)
    assert topology.dihedrals == [(0, 1, 2, 3)] and topology.bonds == [(0, 1), (2, 3), (1, 2)]
    some = prepare(RunSettings.from_dict({**values, "forceterms": ["bonds", "angles"]}, "run"), tmp_path)
    assert list(some.potential.terms) == ["bonds", "angles"]
    with pytest.raises(LabkitError, match="has no such term"):
        prepare(RunSettings.from_dict({**values, "forceterms": ["repulsion"]}, "run"), tmp_path)
    phi = ase.Atoms("HOOH", where).get_dihedral(0, 1, 2, 3) / 57.29577951308232
    part = prepare(RunSettings.from_dict({**values, "forceterms": ["dihedrals"]}, "run"), tmp_path)
    expected = 1.4 * (1 + np.cos(2 * phi - np.pi)) + 0.7 * (1 + np.cos(phi))  # of tests/md/files.py
    assert float(part.potential.evaluate(part.state).energy) / KCAL_PER_MOL == pytest.approx(expected, rel=1e-5)
    with pytest.raises(LabkitError, match="forceterms: there is no term impropers; there are bonds, angles, torsions"):
        prepare(RunSettings.from_dict({**values, "forceterms": ["impropers"]}, "run"), tmp_path)
    assert len(import_openmm(system).masses) == 4


MODULE = '''
import torch

class External:
    """Wells around the origin, kcal/mol."""

    def __init__(self, file, embeddings, device):
        assert embeddings.shape == (2, 90) and file.endswith("wells.txt")

    def calculate(self, pos, box):
        assert pos.shape == (2, 90, 3) and box.shape == (2, 3, 3)
        return pos.square().sum((1, 2)), -2 * pos
'''


def test_external_module_beside_the_file(tmp_path):
    (tmp_path / "wells_of_a_test.py").write_text(MODULE)
    external = {"module": "wells_of_a_test", "embeddings": [1] * 90, "file": "wells.txt"}
    path = files.water_box(tmp_path, external=external, replicas=2)
    prepared = prepare(RunSettings.read(path), tmp_path, trust=True)
    alone = prepare(RunSettings.read(files.water_box(tmp_path, replicas=2)), tmp_path)
    difference = prepared.potential.evaluate(prepared.state).forces - alone.potential.evaluate(alone.state).forces
    torch.testing.assert_close(difference, -2 * KCAL_PER_MOL * alone.state.positions, atol=1e-8, rtol=1e-8)


def test_external_model_of_labkit(tmp_path):
    import ase.io

    import labkit
    from labkit.gap import Design, GapConfig, Soap

    frames = labkit.datasets.ice("train", n=3)
    config = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=5), sigma_virial=None)
    model = Design.build(frames, config).solve()
    model.save(tmp_path / "ice.safetensors")
    atoms = frames.atoms[0]
    ase.io.write(tmp_path / "ice.xyz", atoms, format="extxyz")
    values = dict(structure="ice.xyz", external={"file": "ice.safetensors"})
    prepared = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    found = prepared.potential.evaluate(prepared.state)
    assert float(found.energy) == pytest.approx(float(model.evaluate(prepared.state).energy))
    assert bool(prepared.state.system.pbc.all())


def test_runs_with_all_it_writes(tmp_path, capsys):
    import mdtraj

    path = files.water_box(tmp_path, minimize=5, output="water.xtc", replicas=2, precision="single", steps=20)
    assert main(["md", str(path)]) == 0
    log = tmp_path / "log"
    with mdtraj.formats.XTCTrajectoryFile(str(log / "water-1.xtc")) as file:
        positions, time_ps, step, _ = file.read()
    assert positions.shape == (3, 90, 3) and step.tolist() == [0, 10, 20] and time_ps[-1] == pytest.approx(0.01)
    table = pd.read_csv(log / "monitor.csv")
    assert table["step"].tolist() == [0, 0, 10, 10, 20, 20] and (table["temperature_K"] > 0).all()
    captured = capsys.readouterr()
    assert "20 steps, 0.01 ps" in captured.out and "100%  20/20" in captured.err
    assert main(["md", str(path)]) == 2
    assert "an earlier run is here" in capsys.readouterr().err
    assert main(["md", str(path), "--resume"]) == 0
    assert main(["md", str(path), "--overwrite"]) == 0
    assert main(["md", str(files.water_box(tmp_path, log_dir=str(tmp_path / "new"))), "--resume"]) == 2
    assert "there is no checkpoint" in capsys.readouterr().err


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def wait_for(path: Path, text: str) -> None:
    end = time.monotonic() + 100
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < end, f"{path} never held {text!r}"
        time.sleep(0.02)


def test_killed_run_goes_on(tmp_path):
    """kill -9 and --resume: every byte is that of a run that was left alone."""
    how = dict(steps=300, output_period=5, save_period=50, minimize=3)
    path = files.water_box(tmp_path, name="killed.yaml", log_dir=str(tmp_path / "killed"), **how)
    where = os.pathsep.join([str(REPOSITORY), *sys.path])
    threads = str(config().threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "LABKIT_THREADS": threads, "PYTHONPATH": where}
    with subprocess.Popen([sys.executable, "-m", "labkit", "md", str(path)], env=environment) as process:
        wait_for(tmp_path / "killed" / "monitor.csv", "\n65,")
        process.kill()
    assert "\n300," not in (tmp_path / "killed" / "monitor.csv").read_text()
    assert main(["md", str(path), "--resume"]) == 0
    assert main(["md", str(files.water_box(tmp_path, log_dir=str(tmp_path / "whole"), **how))]) == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path, capsys):
    path = files.water_box(tmp_path, steps=1_000_000)
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        wait_for(tmp_path / "log" / "monitor.csv", "\n10,")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    assert main(["md", str(path)]) == 130
    thread.join()
    assert f"resume with: labkit md {path} --resume" in capsys.readouterr().out
    assert sorted(results(tmp_path / "log")) == ["monitor.csv", "output.checkpoint", "output.dcd"]
    assert signal.getsignal(signal.SIGINT) is before


def test_reading_coordinates_and_boxes(tmp_path):
    where = np.random.default_rng(0).normal(size=(5, 3))
    files.coor(tmp_path / "a.coor", where)
    np.testing.assert_array_equal(read_coordinates(tmp_path / "a.coor").positions, where)
    (tmp_path / "b.coor").write_bytes(b"12345678")
    with pytest.raises(LabkitError, match="8 bytes are not binary coordinates"):
        read_coordinates(tmp_path / "b.coor")
    lines = ["title", "    2", "".join(f"{x:12.7f}" for x in (1, 2, 3, 4, 5, 6)), f"{20:12.7f}" * 3 + f"{90:12.7f}" * 3]
    (tmp_path / "a.inpcrd").write_text("\n".join(lines) + "\n")
    found = read_coordinates(tmp_path / "a.inpcrd")
    positions, box = found.positions, found.box
    np.testing.assert_allclose(positions, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(box, 20 * np.eye(3), atol=1e-9)
    files.xsc(tmp_path / "open.xsc", np.zeros((3, 3)))
    assert read_box(tmp_path / "open.xsc") is None
    (tmp_path / "empty.xsc").write_text("# nothing\n")
    with pytest.raises(LabkitError, match=r"empty.xsc: cannot be read as .xsc"):
        read_box(tmp_path / "empty.xsc")
