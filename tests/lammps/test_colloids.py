"""Brownian dynamics of a learned mobility inside LAMMPS: the trajectory of the engine, noise included."""

import pytest
import torch

from labkit.engine import simulate
from labkit.forcefield import Repulsion
from labkit.lammps import Host, lammps
from labkit.mobility import Brownian, PairModel
from labkit.mobility.examples import Pull, cloud, lammps_commands
from labkit.units import KB, PICONEWTON

KT = 300 * KB


@pytest.mark.parametrize(("kelvin", "evaluations"), [(0.0, 1), (300.0, 1), (300.0, 2)])
def test_the_same_trajectory_there_and_here(kelvin, evaluations):
    places, dt = cloud(8, 40.0, 23.0), 20e3
    model = PairModel(own=1e-3, scale=20.0, seed=1)
    forces = Pull(torch.tensor([0.0, 0.0, -10 * PICONEWTON])) + Repulsion([24.0] * 8, [KT] * 8)
    scheme = {1: "euler", 2: "midpoint"}[evaluations]
    walk = Brownian(model, kelvin, scheme=scheme, drift=evaluations == 2)
    with lammps(lammps_commands(places, dt)) as lmp, Host(lmp) as host:
        assert host.dt == pytest.approx(dt) and torch.equal(host.state().positions, places)
        start = host.state().replace(seed=3)
        host.potential(forces, virial=False)
        host.integrator(walk, seed=3, evaluations=evaluations)
        host.run(50)
        there = host.state().positions
    here = simulate(start, forces, walk, 50, dt).positions
    assert float((here - start.positions).abs().max()) > 5.0
    assert float((there - here).abs().max()) < 1e-8
