"""What the README says to type works."""

import importlib
import re
import subprocess
import sys
import textwrap
import warnings

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import labkit
from labkit.base import Committee, State
from labkit.cli import COMMANDS
from labkit.datasets import DatasetWarning
from labkit.engine import maxwell_boltzmann, simulate
from labkit.engine.observers import Record
from labkit.gap import Design, GapConfig, Soap
from labkit.mobility import Brownian, RotnePragerYamakawa
from labkit.mobility.examples import Pull, colloids
from labkit.polarizability import with_label
from labkit.units import MILLIPASCAL_SECOND


@pytest.fixture
def readme(repository):
    return (repository / "README.md").read_text()


def test_commands_exist(readme, repository):
    """Each `make TARGET` and `labkit COMMAND` is one that there is."""
    makefile = (repository / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    code = "\n".join(re.findall(r"^    .*$|`[^`\n]+`", readme, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", code))
    assert {"lab", "test", "run", "bench"} <= named <= targets
    assert set(re.findall(r"(?:^|`| )labkit ([a-z]+)\b", code, re.MULTILINE)) <= {*COMMANDS, "version"}


def test_files_exist(readme, repository):
    named = re.findall(r"`((?:notebooks|data|tests|benchmarks|docs|binder)/[\w./]*)`", readme)
    assert "benchmarks/results/" in named
    for name in named:
        assert (repository / name).exists(), name
    notebooks = re.findall(r"^\| `(\d\d_\w+)` \|", readme, re.MULTILINE)
    assert sorted(notebooks) == sorted(path.stem for path in (repository / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
def test_script_runs(readme, tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "meV/Å" in done.stdout and (tmp_path / "ice.safetensors").stat().st_size > 0


def frames_with_tensors(folder):
    """mine.xyz: frames of ice with energies, forces, polarizabilities and Born charges."""
    ds = with_label(labkit.datasets.ice("train", n=50), "born_charges")[:6]
    frames = []
    for k, atoms in enumerate(ds.atoms):
        atoms.calc = SinglePointCalculator(atoms, energy=ds.energy[k], forces=ds[k].forces, stress=ds.stress[k])
        atoms.info["polarizability"] = ds.polarizability[k]
        atoms.arrays["born_charges"] = ds[k].born_charges.reshape(-1, 9)
        frames.append(atoms)
    ase.io.write(folder / "mine.xyz", frames, format="extxyz")
    return {}


def molecules(_):
    pytest.importorskip("tblite")
    return {"frames": [molecule("H2O"), molecule("NH3")]}


def water(folder):
    """water.pdb: as few waters as a cutoff of 10 Å, OpenMM's, lets be."""
    openmm = pytest.importorskip("openmm")
    from openmm import app, unit

    made = app.Modeller(app.Topology(), [] * unit.nanometer)
    box = openmm.Vec3(2.01, 2.01, 2.01) * unit.nanometer
    made.addSolvent(app.ForceField("amber14/tip3p.xml"), boxSize=box, neutralize=False)
    with open(folder / "water.pdb", "w") as file:
        app.PDBFile.writeFile(made.topology, made.positions, file)
    return {}


def gap_and_replicas(_):
    train = labkit.datasets.ice("train", n=50)[:10]
    config = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)
    state = State.from_atoms([train.atoms[0]] * 2, seed=1)
    design = Design.build(train, config)
    model = design.solve()
    own = {"gap": model, "model": model, "design": design, "valid": labkit.datasets.ice("valid")[:6]}
    return own | {"state": maxwell_boltzmann(state, 100.0)}


def candidates(_):
    """Frames to choose from, others that have labels, and a committee."""
    ds = labkit.datasets.ice("train", n=50)
    config = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)
    design = Design.build(ds[:10], config)
    committee = Committee([design.solve(sigma_force=sigma) for sigma in (0.02, 0.2)])
    return {"frames": ds[10:20], "known": ds[:10], "committee": committee}


def colloids_in_water(_):
    """Pairs of colloids at some distances, and how they moved."""
    places = torch.zeros(8, 2, 3, dtype=torch.float64)
    places[:, 1, 0] = torch.linspace(25.0, 60.0, 8)
    state, free = colloids(places), Pull(torch.zeros(3))
    record = Record(lambda state: state.positions.reshape(8, 6), every=1)
    fluid = RotnePragerYamakawa(10.0, 0.85 * MILLIPASCAL_SECOND)
    simulate(state, free, Brownian(fluid, 300.0), 8, 20e3, observers=[record])
    return {"positions": record.values.reshape(9, 8, 2, 3), "state": state, "forces": free}


#: what each indented example has of the reader's own, by its first words, and the files that it writes
OWN = {
    "ds = labkit.load": ([frames_with_tensors], set()),
    "store = LabelStore": ([molecules], {"labels.sqlite", "labels.sqlite-wal", "labels.sqlite-shm"}),
    "state, imported = load": ([water], {"run.csv", "run.xtc", "run.checkpoint"}),
    "committee = Committee": ([gap_and_replicas], set()),
    "pool = Pool": ([candidates], set()),
    "frames = with_label": ([frames_with_tensors, gap_and_replicas], {"infrared.csv"}),
    "watched = Passive": ([colloids_in_water], {"fluid.safetensors"}),
}


def examples(readme):
    """Blocks of Python that are indented; commands and the tree of folders are not Python."""
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^|\n\n)((?:    .*\n)+)", readme)]
    found = [block for block in blocks if re.match(r"[\w, ]+ = ", block)]
    assert all(re.match("make|python|labkit|conda", block) for block in blocks if block not in [*found, blocks[-1]])
    return found


def names_told(block):
    """The public names of the modules that its comments name, which a reader imports."""
    modules = re.findall(r"\b(?:labkit|openmm)\.[a-z_.]*[a-z_]", " ".join(re.findall(r"#(.*)", block)))
    space = {"labkit": labkit, "torch": torch}
    for name in modules:
        if name == "openmm.app":
            space["app"] = importlib.import_module(name)
        else:
            module = importlib.import_module(name)
            space |= {public: getattr(module, public) for public in module.__all__}
    return space


def run_examples(readme, folder, monkeypatch, shorter=lambda block: block):
    monkeypatch.chdir(folder)
    blocks = examples(readme)
    assert len(blocks) == len(OWN)
    for block, (begins, (own, files)) in zip(blocks, OWN.items(), strict=True):
        assert block.startswith(begins)
        space = names_told(block)
        for make in own:
            space |= make(folder)
        before = set(folder.iterdir())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DatasetWarning)
            exec(shorter(block), space)
        assert {path.name for path in set(folder.iterdir()) - before} == files, block
    found = space["found"]  # of the last one
    assert torch.isfinite(found.value).all() and (found.error > 0).all()
    assert np.isfinite(pd.read_csv(folder / "infrared.csv", comment="#").to_numpy(float)).all()


def test_examples_run_shortened(readme, tmp_path, monkeypatch, capsys):
    """With few steps, and a spectrum as coarse as they allow; the numbers of the text take minutes."""
    shorter = {"steps=200,": "steps=10,", "steps=10_000": "steps=20", "steps=20_000": "steps=80"}
    shorter |= {"resolution=20.0": "resolution=900.0", "steps=1000": "steps=5"}
    shorter |= {"train(model, watched)": "train(model, watched, steps=1)"}

    def shortened(block):
        for old in list(shorter):
            if old in block:
                block = block.replace(old, shorter.pop(old))
        return block

    run_examples(readme, tmp_path, monkeypatch, shortened)
    assert not shorter and "0 problems" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_examples_run(readme, tmp_path, monkeypatch):
    """As they stand."""
    run_examples(readme, tmp_path, monkeypatch)
