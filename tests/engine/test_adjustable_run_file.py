"""A run that was written goes on as the one that was not interrupted."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from ase.build import bulk

from labkit.base import Progress, State
from labkit.engine import Csvr, Langevin, VelocityVerlet, maxwell_boltzmann
from labkit.engine.adjustable_run import AdjustableRun, RunSetting, run_in_blocks
from labkit.engine.adjustable_run_file import read_run, write_run
from labkit.errors import LabkitError
from labkit.forcefield.examples import chain

INTEGRATORS = {
    "nve": VelocityVerlet(),
    "langevin": Langevin(300.0, 0.05),
    "csvr": Csvr(300.0, 50.0),
}


@pytest.fixture(scope="module")
def start():
    state, forcefield = chain()
    return maxwell_boltzmann(state, 300.0), forcefield


def go(run, potential, setting, steps):
    return list(run_in_blocks(run, potential, lambda: setting, steps, progress=Progress()))[-1]


@pytest.mark.parametrize("name", INTEGRATORS)
def test_it_goes_on_bit_for_bit(name, start, tmp_path):
    state, potential = start
    setting = RunSetting(INTEGRATORS[name], 1.0, None if name == "nve" else 300.0)
    run = go(AdjustableRun(state, every=(1, 5)), potential, setting, 30)
    write_run(run, tmp_path / "run", started=["x", 300.0, 1])
    read, about = read_run(tmp_path / "run")
    assert about == {"started": ["x", 300.0, 1]} and read.legs == run.legs and read.time == run.time
    assert read.rows == run.rows and len(read.trajectory) == len(run.trajectory) > 3
    for one, other in zip(run.trajectory, read.trajectory, strict=True):
        assert (one.positions == other.positions).all() and (one.get_forces() == other.get_forces()).all()
    ends = [go(each, potential, setting, 30) for each in (run, read)]
    assert torch.equal(ends[0].state.positions, ends[1].state.positions)
    assert ends[0].rows == ends[1].rows and ends[0].legs == ends[1].legs


class Found(NamedTuple):
    spread: float
    ratio: float


def test_spreads_come_back(start, tmp_path):
    state, potential = start
    progress, setting = Progress(), RunSetting(VelocityVerlet(), 1.0, None)
    gauge = {"gauge": lambda state: Found(float(state.positions.sum()), float("nan")), "gauge_every": 5}
    run = list(run_in_blocks(AdjustableRun(state), potential, lambda: setting, 20, progress=progress, **gauge))[-1]
    write_run(run, tmp_path / "run")
    read, _ = read_run(tmp_path / "run", Found)
    assert len(read.spreads) == len(run.spreads) > 3
    for (step, elapsed, found), (again, at, one) in zip(run.spreads, read.spreads, strict=True):
        assert (step, elapsed, found.spread) == (again, at, one.spread) and np.isnan(one.ratio)


def test_what_was_added_meanwhile_is_left_out(start, tmp_path):
    state, potential = start
    setting = RunSetting(VelocityVerlet(), 1.0, None)
    run = go(AdjustableRun(state, every=(1, 5)), potential, setting, 10)
    go(run, potential, setting, 10)  # which extends the lists of `run`
    assert run.rows[-1][0] == 20
    write_run(run, tmp_path / "run")
    assert read_run(tmp_path / "run")[0].rows[-1][0] == 10 == read_run(tmp_path / "run")[0].frames[-1].loop_step


def test_other_files_are_refused(start, tmp_path):
    start[0].save(tmp_path / "state")
    with pytest.raises(LabkitError, match="not a run of labkit"):
        read_run(tmp_path / "state")
    write_run(AdjustableRun(State.from_atoms(bulk("Cu")), every=(1, 1)), tmp_path / "run")
    whole = (tmp_path / "run").read_bytes()
    (tmp_path / "run").write_bytes(whole[:-9])
    with pytest.raises(LabkitError, match="truncated"):
        read_run(tmp_path / "run")
