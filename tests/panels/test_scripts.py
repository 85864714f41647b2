"""What "Show code" shows before a run is a whole script: it runs with nothing but what its comments ask for.

That a script says what a run of the panel has found is tested with each panel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk

import labkit
from labkit import panels
from labkit.base import Potential
from labkit.engine import fire
from labkit.forcefield.examples import chain
from labkit.forcefield.examples.brine import brine
from labkit.gap import Design, GapConfig, Soap, gap_committee
from labkit.mobility import RotnePragerYamakawa
from labkit.neural import NeuralConfig, Training, untrained
from labkit.panels.kit.view import Panel
from labkit.polarizability import TensorDesign, with_label
from labkit.units import MILLIPASCAL_SECOND

SMALL = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)
TINY = {"n_max": 2, "l_max": 2, "n_features": 10}
Made = tuple[Any, dict[str, Any], set[str]]


class Springs(Potential):
    """Every atom on a spring of 5 eV/Å² at its place."""

    cutoff = 0.0

    def __init__(self, atoms):
        super().__init__()
        self.places = torch.as_tensor(atoms.positions)

    def energy(self, system, positions, cell, neighbours):
        shifts = positions - self.places.repeat(system.n_systems, 1)
        return system.sum_over_atoms(2.5 * shifts.square().sum(1))


def ice():
    return labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid", n=10)


def tensors(count: int):
    return (with_label(labkit.datasets.ice(name), "polarizability")[:count] for name in ("train", "valid"))


def data(_: Path) -> Made:
    panel = panels.DataPanel(ice()[0])
    panel.model.shift = 1
    return panel, {}, {"report.json"}


def train(_: Path) -> Made:
    return panels.TrainPanel(*ice(), SMALL), {}, {"gap.safetensors"}


def neural(_: Path) -> Made:
    small = NeuralConfig(channels=8, cutoff=3.0, n_radial=6)
    return panels.NeuralPanel(*ice(), small, Training(steps=4)), {}, {"neural.safetensors"}


def overfit(_: Path) -> Made:
    panel = panels.OverfitPanel(*ice(), SMALL)
    panel.model.frames, panel.model.noise = 10, 1.0
    return panel, {}, set()


def learning(_: Path) -> Made:
    return panels.LearningCurvePanel(*ice(), SMALL, sizes=[4, 8]), {}, {"learning_curve.csv"}


def polarizability(_: Path) -> Made:
    return panels.PolarizabilityPanel(*tensors(12), **TINY), {}, {"polarizability.safetensors"}


def tensor_search(_: Path) -> Made:
    frames = next(tensors(9))
    panel = panels.TensorSearchPanel(frames, **TINY)
    panel.model.cutoff, panel.model.atom_sigma, panel.model.zeta = "3", "0.3 0.5", "1"
    return panel, {}, set()


def tensor_search_of_atoms(folder: Path) -> Made:
    """Frames of ASE, which tell no trajectory."""
    panel, _, files = tensor_search(folder)
    labelled = panel.model.frames
    frames = [atoms.copy() for atoms in labelled.atoms]
    for atoms, tensor in zip(frames, labelled.polarizability, strict=True):
        atoms.info["polarizability"] = tensor
    panel.model.frames = frames
    return panel, {"frames": frames}, files


def dynamics(folder: Path) -> Made:
    atoms = bulk("Cu", cubic=True)
    ase.io.write(folder / "start.extxyz", atoms)
    panel = panels.DynamicsPanel(Springs(atoms), atoms)
    panel.model.ensemble, panel.model.steps = "NVT, CSVR", 20
    return panel, {"potential": Springs(atoms)}, {"run.csv", "run.extxyz"}


def dynamics_of_gap(folder: Path) -> Made:
    """A GAP has a file of its own."""
    frames = ice()[0][:10]
    gap = Design.build(frames, SMALL).solve()
    gap.save(folder / "potential.safetensors")
    ase.io.write(folder / "start.extxyz", frames.atoms[0])
    panel = panels.DynamicsPanel(gap, frames.atoms[0])
    panel.model.steps = 10
    return panel, {}, {"run.csv", "run.extxyz"}


def dynamics_of_network(folder: Path) -> Made:
    """So has a neural potential."""
    frames = ice()[0][:4]
    potential = untrained(frames, channels=8, cutoff=3.0)
    potential.save(folder / "potential.safetensors")
    ase.io.write(folder / "start.extxyz", frames.atoms[0])
    panel = panels.DynamicsPanel(potential, frames.atoms[0])
    panel.model.steps = 10
    return panel, {}, {"run.csv", "run.extxyz"}


def spectra(folder: Path) -> Made:
    frames = labkit.datasets.ice("train", n=50)
    atoms, labelled = frames.atoms[0], with_label(frames, "born_charges")[:10]
    models = {}
    for name in ("polarizability", "born_charges"):
        models[name] = TensorDesign.build(labelled, name, **TINY, n_sparse=12).committee(1e-3, members=4)
        models[name].save(folder / f"{name}.safetensors")
    short = {"replicas": 2, "picoseconds": 0.06, "equilibration": 0.005, "resolution": 800.0, "hydrogen": "D"}
    panel = panels.SpectraPanel(Springs(atoms), [atoms], *models.values(), **short)
    ase.io.write(folder / "start.extxyz", panel.model.plan().starts)
    names = ("infrared", "raman_isotropic", "raman_anisotropic", "density_of_states")
    return panel, {"potential": Springs(atoms)}, {f"{name}.csv" for name in names}


def timestep(_: Path) -> Made:
    panel = panels.TimestepPanel(*chain())
    panel.model.smallest, panel.model.largest, panel.model.count, panel.model.time = 0.5, 1.0, 2, 10.0
    return panel, {}, set()


def recover(_: Path) -> Made:
    state, forcefield = brine(8)
    panel = panels.RecoverPanel(fire(state, forcefield, fmax=2.0, steps=10), forcefield)
    panel.model.steps, panel.model.iterations = 2, 2
    return panel, {}, set()


def mobility(_: Path) -> Made:
    panel = panels.MobilityPanel(RotnePragerYamakawa(10.0, 0.85 * MILLIPASCAL_SECOND), 10.0)
    panel.model.releases, panel.model.way, panel.model.lag = 500, "active: pushed", 160
    return panel, {}, {"mobility.safetensors"}


def uncertainty(folder: Path) -> Made:
    train, valid = ice()[0][:8], labkit.datasets.ice("valid")[::10]
    gap = Design.build(train, SMALL).solve()
    gap.save(folder / "potential.safetensors")
    train.write(folder / "train.extxyz")
    panel = panels.UncertaintyPanel({"GAP": gap}, train, valid)
    panel.model.rescaling = "isotonic"
    return panel, {}, set()


def uncertainty_of_committee(folder: Path) -> Made:
    """Each member has a file."""
    train, valid = ice()[0], labkit.datasets.ice("valid")[::10]
    members = gap_committee(train[:8], SMALL, members=3)
    for k, member in enumerate(members.potentials):
        member.save(folder / f"member_{k}.safetensors")
    panel = panels.UncertaintyPanel({"GAPs": members}, train, valid, labkit.datasets.ice("disordered")[::40])
    panel.model.rescaling, panel.model.factor, panel.model.on = "by hand", 3.0, "test frames"
    return panel, {}, set()


MAKERS: dict[Callable[[Path], Made], str] = {
    data: "DataPanel",
    train: "TrainPanel",
    neural: "NeuralPanel",
    overfit: "OverfitPanel",
    learning: "LearningCurvePanel",
    polarizability: "PolarizabilityPanel",
    tensor_search: "TensorSearchPanel",
    tensor_search_of_atoms: "TensorSearchPanel",
    dynamics: "DynamicsPanel",
    dynamics_of_gap: "DynamicsPanel",
    dynamics_of_network: "DynamicsPanel",
    spectra: "SpectraPanel",
    timestep: "TimestepPanel",
    recover: "RecoverPanel",
    mobility: "MobilityPanel",
    uncertainty: "UncertaintyPanel",
    uncertainty_of_committee: "UncertaintyPanel",
}


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_script_runs(make, tmp_path, monkeypatch, capsys) -> None:
    panel, own, files = make(tmp_path)
    assert type(panel).__name__ == MAKERS[make]
    told = {line.split("  # ")[0] for line in panel.model.code().splitlines() if "# your own" in line}
    assert set(own) == told
    before = set(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__", **own}
    exec(panel.model.code(), space)
    assert {path.name for path in set(tmp_path.iterdir()) - before} == files
    assert files or capsys.readouterr().out
    numbers = [float(word) for path in tmp_path.glob("*.csv") for word in last_row(path)]
    assert np.isfinite(numbers).all()
    panel.close()


def last_row(path: Path) -> list[str]:
    """The words of the last line of a table that are numbers."""
    return [word for word in path.read_text().splitlines()[-1].split(",") if word.strip("-").replace(".", "").isdigit()]


def test_all_scripts_are_run() -> None:
    """Of every panel that has one."""
    shown = {name: getattr(panels, name) for name in panels.__all__}
    kinds = {name for name, kind in shown.items() if isinstance(kind, type) and issubclass(kind, Panel)} - {"Panel"}
    assert set(MAKERS.values()) == kinds
