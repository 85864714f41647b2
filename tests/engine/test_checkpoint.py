"""Checkpoints: the same bits within one process, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from labkit.base import Observer, State
from labkit.engine import simulate
from labkit.engine.fingerprint import describe, differences, fingerprint
from labkit.engine.observers import ExtXyz, Thermodynamics
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, HarmonicBonds
from labkit.forcefield import LennardJones as LennardJonesTerm
from tests.engine.observers_of_all_kinds import every_observer
from tests.engine.toys import Brownian, Ideal, LennardJones, Thermal, Verlet, fluid


class Power(Exception):
    """The lights go out."""


class Fails(Observer):
    every = 1

    def __init__(self, at):
        self.at = at

    def __call__(self, state, evaluation):
        if state.loop_step == self.at:
            raise Power


@pytest.mark.parametrize("at", [0, 3, 20, 37, 59])
def test_an_exception_and_a_resumed_run_give_the_same_bits(at, tmp_path):
    def go(folder, fail):
        folder.mkdir(exist_ok=True)
        observers = [*every_observer(folder), Fails(fail)]
        arguments = dict(observers=observers, checkpoint=folder / "c", checkpoint_every=20)
        return simulate(fluid(), LennardJones(), Thermal(), 60, 5.0, **arguments), observers

    whole, seen = go(tmp_path / "whole", -1)
    with pytest.raises(Power):
        go(tmp_path / "cut", at)
    end, again = go(tmp_path / "cut", -1)
    assert end.loop_step == 60 and end.positions.equal(whole.positions) and end.velocities.equal(whole.velocities)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "cut" / path.name).read_bytes(), path.name
    assert again[4].values.equal(seen[4].values) and again[4].steps.tolist() == [0, 11, 22, 33, 44, 55]
    for one, other in zip(seen[5:8], again[5:8], strict=True):
        assert all(other.numbers()[name].equal(value) for name, value in one.numbers().items())


def test_one_number_that_stands_for_many_has_a_fingerprint(tmp_path):
    """As the parameters of a force field of one bond."""
    bond = ForceField({"bonds": HarmonicBonds([[0, 1]], k=10.0, r0=0.74)}, 2)
    simulate(State.from_atoms(molecule("H2")), bond, Verlet(), 2, 0.5, checkpoint=tmp_path / "c")
    assert (tmp_path / "c").exists()


def test_a_force_field_with_another_cutoff_is_another_one():
    argon = State.from_atoms(bulk("Ar", cubic=True))

    def mark(cutoff, **more):
        terms = {"lj": LennardJonesTerm([3.4] * 4, [0.01] * 4, cutoff=cutoff, **more)}
        return fingerprint(argon, ForceField(terms, 4), Verlet(), 1.0)

    assert not differences(mark(8.0), mark(8.0))
    assert "settings of the potential.terms.lj.reach 8.0, this run has 6.0" in differences(mark(8.0), mark(6.0))
    assert differences(mark(8.0), mark(8.0, switch=7.0)) == [
        "settings of the potential.terms.lj.switch None, this run has 7.0"
    ]


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "c"
    simulate(fluid(), LennardJones(), Thermal(), 10, 5.0, checkpoint=path)
    return path


def test_another_run_is_refused_in_words(made, monkeypatch):
    def refused(match, state=None, potential=None, integrator=None, dt=5.0, **more):
        before = made.read_bytes()
        with pytest.raises(LabkitError, match=match):
            simulate(
                state or fluid(), potential or LennardJones(), integrator or Thermal(), 20, dt, checkpoint=made, **more
            )
        assert made.read_bytes() == before

    refused(r"of another run: atoms \[32\], this run has \[256\]; system \w+, this run has \w+\. Use", fluid(4))
    heavy = fluid()
    refused("another run: system", heavy.replace(system=replace(heavy.system, masses=heavy.system.masses * 2)))
    refused("seed 5, this run has 6", fluid(seed=6))
    refused("potential .*LennardJones, this run has .*Ideal", potential=Ideal())
    wider = LennardJones()
    wider.cutoff = 6.5
    refused("settings of the potential.itself.cutoff 6.0, this run has 6.5", potential=wider)
    refused("potential .*, this run has .*Sum", potential=LennardJones() + Ideal())
    refused("integrator.temperature 90.0, this run has 100.0", integrator=Thermal(temperature=100.0))
    refused("integrator.class .*Thermal, this run has .*Brownian", integrator=Brownian())
    refused(r"timestep \[fs\] 5.0, this run has 4.0", dt=4.0)
    refused("observers", observers=[Thermodynamics(made.parent / "log.csv")])
    monkeypatch.setattr("labkit.__version__", "9.9")
    refused("labkit .*, this run has 9.9.*resume=False")


def test_damage_other_formats_and_the_end(made):
    go = lambda steps=10, **more: simulate(fluid(), LennardJones(), Thermal(), steps, 5.0, checkpoint=made, **more)  # noqa: E731
    with pytest.raises(LabkitError, match="at step 10, beyond step 5 where this run ends"):
        go(5)
    assert go(15).loop_step == 15 and go(5, resume=False).loop_step == 5 and go(6).loop_step == 6
    made.write_bytes(made.read_bytes()[:200])
    with pytest.raises(LabkitError, match="not a readable checkpoint"):
        go()
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, made)
    with pytest.raises(LabkitError, match="format is None, expected 'labkit run 3'"):
        go()


def test_a_trajectory_that_was_lost_is_named(tmp_path):
    def go(steps):
        observers = [ExtXyz(tmp_path / "run.extxyz", every=1)]
        return simulate(fluid(), Ideal(), Verlet(), steps, 1.0, observers=observers, checkpoint=tmp_path / "c")

    go(5)
    (tmp_path / "run.extxyz").write_text("short")
    with pytest.raises(LabkitError, match="holds 5 bytes, the checkpoint was made with .*restore the file"):
        go(9)
    (tmp_path / "run.extxyz").unlink()
    with pytest.raises(LabkitError, match="is missing"):
        go(9)


def test_what_a_killed_writer_left_is_removed(made):
    rest = made.parent / f".{made.name}.x1y2.tmp"
    rest.write_text("half")
    simulate(fluid(), LennardJones(), Thermal(), 12, 5.0, checkpoint=made)
    assert not rest.exists()


def test_descriptions_are_plain_and_comparable():
    assert describe(Thermal()) == describe(Thermal()) and describe(torch.arange(100)) != describe(torch.ones(100))
    assert differences(describe(Thermal()), describe(Thermal(friction=0.5))) == ["friction 0.01, this run has 0.5"]
    assert describe(torch.nn.Linear(2, 2)) != describe(torch.nn.Linear(2, 2))


def test_flipped_bits_and_the_old_format_are_refused(tmp_path):
    path = tmp_path / "c"
    simulate(fluid(), LennardJones(), Thermal(), 5, 1.0, checkpoint=path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(whole) // 2, len(whole), 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(place) % 8
        path.write_bytes(damaged)
        with pytest.raises(LabkitError, match="is damaged|not a readable checkpoint"):
            simulate(fluid(), LennardJones(), Thermal(), 10, 1.0, checkpoint=path)
    path.write_bytes(whole.replace(b"labkit run 3", b"labkit run 1"))
    with pytest.raises(LabkitError, match="format is 'labkit run 1', expected 'labkit run 3'"):
        simulate(fluid(), LennardJones(), Thermal(), 10, 1.0, checkpoint=path)
