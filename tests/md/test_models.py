"""labkit's neural potentials and GAPs as `external` of a run: what the run computes is what the API computes."""

from __future__ import annotations

from pathlib import Path

import ase.io
import mdtraj
import numpy as np
import pytest
import torch
import yaml

from labkit.base import State, beads
from labkit.cli import main
from labkit.datasets import Dataset, ice
from labkit.engine import VelocityVerlet, maxwell_boltzmann, simulate
from labkit.errors import LabkitError
from labkit.md import RunSettings, prepare
from labkit.neural import NeuralPotential, untrained

FRAMES = ice("train", n=50)
NUMBERS = FRAMES.atoms[0].numbers.tolist()


@pytest.fixture
def model(tmp_path) -> Path:
    untrained(FRAMES, channels=4, cutoff=2.5, n_radial=4).save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def run_file(folder: Path, atoms: object = None, **changes: object) -> Path:
    bare = (FRAMES.atoms[0] if atoms is None else atoms).copy()
    ase.io.write(folder / "start.xyz", bare)
    values = {"structure": "start.xyz", "steps": 6, "timestep": 0.5, "output_period": 2, "temperature": 100, "seed": 5}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**values, "log_dir": str(folder / "log"), **changes}))
    return path


def prepared(path: Path):
    return prepare(RunSettings.read(path), path.parent)


@pytest.mark.parametrize(
    "external",
    [
        {"file": "model.safetensors"},
        {"module": "torchmdnet.calculators", "file": "model.safetensors", "embeddings": NUMBERS},
    ],
    ids=["labkit", "torchmd"],
)
def test_a_run_is_that_of_python(tmp_path, model, external) -> None:
    """Also with the keys of TorchMD's files, of whose module nothing is needed nor run."""
    path = run_file(tmp_path, external=external)
    assert main(["md", str(path)]) == 0
    atoms = ase.io.read(tmp_path / "start.xyz")
    state = maxwell_boltzmann(State.from_atoms(atoms, seed=5), 100)
    end = simulate(state, NeuralPotential.load(model).double(), VelocityVerlet(), 6, 0.5)
    found = mdtraj.load(tmp_path / "log" / "output.dcd", top=mdtraj.Topology.from_openmm(_topology(atoms)))
    np.testing.assert_allclose(10 * found.xyz[-1], end.positions.numpy(), atol=2e-5)
    rows = (tmp_path / "log" / "monitor.csv").read_text().splitlines()
    assert float(rows[-1].split(",")[3]) == pytest.approx(float(end.energy[0]), abs=1e-6)


def _topology(atoms):
    from openmm import app

    topology = app.Topology()
    residue = topology.addResidue("X", topology.addChain())
    for symbol in atoms.get_chemical_symbols():
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    return topology


def test_embeddings_that_do_not_fit(tmp_path, model) -> None:
    wrong = [6, *NUMBERS[1:]]
    for embeddings, message in (
        (wrong, r"embeddings: 6, of atom 0, is unknown to this model of elements \(H, O\)"),
        ([1, *NUMBERS[1:]], "embeddings: atom 0 is H .1., but O in the topology"),
        (NUMBERS[1:], "11 numbers for 12 atoms"),
    ):
        path = run_file(tmp_path, external={"file": "model.safetensors", "embeddings": embeddings})
        with pytest.raises(LabkitError, match=message):
            prepared(path)
    path = run_file(tmp_path, external={"module": "m", "file": "model.safetensors", "speed": 1})
    with pytest.raises(LabkitError, match="'speed' is not for a model of labkit"):
        prepared(path)


def test_elements_unseen_in_training(tmp_path, model, capsys) -> None:
    from ase.build import molecule

    path = run_file(tmp_path, molecule("CH3OH"), external={"file": "model.safetensors"})
    assert main(["md", str(path)]) == 2
    error = capsys.readouterr().err
    assert "atom 0" in error and "'C' is unknown" in error and "H, O" in error


def bead_model(folder: Path) -> NeuralPotential:
    rng = np.random.default_rng(0)
    positions = np.array([[0, 0, 0], [3.8, 0, 0], [3.8, 3.8, 0.0]]) + rng.normal(scale=0.2, size=(8, 3, 3))
    types = {"types": np.array(["4", "13", "4"]), "masses": np.full(3, 12.0)}
    frames = Dataset.from_arrays(positions, np.zeros(3, int), arrays=types, forces=rng.normal(size=(24, 3)))
    potential = untrained(frames, channels=4, cutoff=6.0, n_radial=4)
    potential.save(folder / "beads.safetensors")
    return potential


def test_beads_by_embeddings(tmp_path) -> None:
    """A topology of carbons, whose embeddings say which beads they are: forces are those of these beads."""
    potential = bead_model(tmp_path).double()
    places = [[0, 0, 0], [3.8, 0.2, 0], [3.9, 3.6, 0.1]]
    np.save(tmp_path / "embeddings.npy", np.array([4, 13, 4]))
    carbons = ase.Atoms("C3", positions=places)
    for embeddings in ([4, 13, 4], "embeddings.npy"):
        external = {"module": "torchmdnet.calculators", "file": "beads.safetensors", "embeddings": embeddings}
        found = prepared(run_file(tmp_path, carbons, external=external, replicas=2))
        forces = found.potential.evaluate(found.state).forces
        expected = potential.evaluate(beads(places, ["4", "13", "4"], 12.0)).forces
        torch.testing.assert_close(forces, expected.repeat(2, 1))
    assert main(["md", str(run_file(tmp_path, carbons, external=external))]) == 0
    external["embeddings"] = [4, 5, 4]
    with pytest.raises(LabkitError, match="embeddings: 5, of atom 1, is unknown to this model of beads 13, 4"):
        prepared(run_file(tmp_path, carbons, external=external))
    del external["embeddings"]
    with pytest.raises(LabkitError, match="atom 0.*'C' is unknown"):
        start = prepared(run_file(tmp_path, carbons, external=external))
        start.potential.evaluate(start.state)


def test_resumed_to_the_bit(tmp_path) -> None:
    bead_model(tmp_path)
    external = {"file": "beads.safetensors", "embeddings": [4, 13, 4]}
    carbons = ase.Atoms("C3", positions=[[0, 0, 0], [3.8, 0.2, 0], [3.9, 3.6, 0.1]])
    assert main(["md", str(run_file(tmp_path, carbons, external=external, steps=8, save_period=4))]) == 0
    whole = (tmp_path / "log" / "monitor.csv").read_text()
    half = {"external": external, "save_period": 4, "log_dir": str(tmp_path / "half")}
    assert main(["md", str(run_file(tmp_path, carbons, steps=4, **half))]) == 0
    assert main(["md", str(run_file(tmp_path, carbons, steps=8, **half)), "--resume"]) == 0
    assert (tmp_path / "half" / "monitor.csv").read_text() == whole


def test_files_that_hold_no_model(tmp_path) -> None:
    (tmp_path / "text.safetensors").write_text("no")
    for name, message in (("none.safetensors", "there is no such model"), ("text.safetensors", "not a complete")):
        with pytest.raises(LabkitError, match=message):
            prepared(run_file(tmp_path, external={"file": name}))
