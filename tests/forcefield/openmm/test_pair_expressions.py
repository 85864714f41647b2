"""A/r^12 - C/r^6 in any spelling and with any mixing, beside OpenMM's Reference platform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402

from labkit.base import Potential  # noqa: E402
from labkit.forcefield import (  # noqa: E402
    GeometricLennardJones,
    LennardJones,
    Nbfix,
    from_openmm,
    load,
    state_from_openmm,
    to_openmm,
)

GEOMETRIC = "sigma=sqrt(sigma1*sigma2); epsilon=sqrt(epsilon1*epsilon2)"
MEANS = "sigma=0.5*(sigma1+sigma2); epsilon=sqrt(epsilon1*epsilon2)"
TABLES = "acoef(type1, type2)/r^12 - bcoef(type1, type2)*r^(-6)"
SPELLINGS = {  # expression, parameters of a particle, the term it is
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6); {GEOMETRIC}": ("sigma epsilon", GeometricLennardJones),  # OPLS of LigParGen
    f"4*epsilon*(x*x-x); x=(sigma/r)^6; {GEOMETRIC};": ("epsilon sigma", GeometricLennardJones),
    f"epsilon*((rmin/r)^12-2*(rmin/r)^6); rmin=2^(1/6)*sigma; {GEOMETRIC}": ("sigma epsilon", GeometricLennardJones),
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6); {MEANS}": ("sigma epsilon", LennardJones),
    "c12/r^12-c6/r^6; c12=sqrt(c121*c122); c6=sqrt(c61*c62)": ("c6 c12", GeometricLennardJones),  # GROMOS
    "scale*(sqrt(c121*c122)/r^12-sqrt(c61*c62)/r^6)": ("c6 c12", GeometricLennardJones),
    "c12_1*0 + (s1*s2)^6/r^12; s1=1*sigma1; s2=1*sigma2; c12_1=sigma1": ("sigma", GeometricLennardJones),  # Gō: repels
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6); sigma=(sigma1^6/2+sigma2^6/2)^(1/6); {GEOMETRIC.split('; ')[1]}": (
        "sigma epsilon", Nbfix,
    ),
    TABLES: ("type", Nbfix),
}  # fmt: skip
NOT = [
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6)-0.01/r^4; {GEOMETRIC}",  # 12-6-4
    f"4*epsilon*((sigma/r)^9-(sigma/r)^6); {GEOMETRIC}",
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6)*step(1-r); {GEOMETRIC}",
    f"epsilon*exp(-r/sigma); {GEOMETRIC}",
    f"4*epsilon*((sigma/r)^12-(sigma/r)^6)+0.1; {GEOMETRIC}",
]


def system_of(expression, names, seed, periodic=False):
    rng = np.random.default_rng(seed)
    force = openmm.CustomNonbondedForce(expression)
    for name in names.split():
        force.addPerParticleParameter(name)
    if "scale" in expression:
        force.addGlobalParameter("scale", 0.5)
    if "acoef" in expression:
        for name, size in (("acoef", 3e-6), ("bcoef", 2e-3)):
            table = rng.uniform(0.5, 1, (3, 3))
            values = (size * (table + table.T)).flatten().tolist()
            force.addTabulatedFunction(name, openmm.Discrete2DFunction(3, 3, values))
    kinds = {
        "sigma": rng.uniform(0.25, 0.4, 3), "epsilon": rng.uniform(0.1, 1.0, 3), "type": np.arange(3),
        "c6": rng.uniform(1e-3, 5e-3, 3), "c12": rng.uniform(1e-6, 5e-6, 3),
    }  # fmt: skip
    system, topology, _ = systems.atoms("CNOCNOCN", np.zeros((8, 3)))
    grid = 0.35 * np.stack(np.meshgrid(*[np.arange(2)] * 3), -1).reshape(-1, 3)
    for k in range(8):
        force.addParticle([float(kinds[name][k % 3]) for name in names.split()])
    force.addExclusion(0, 1)
    if periodic:
        force.setNonbondedMethod(force.CutoffPeriodic)
        force.setCutoffDistance(0.9)
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(0.7)
        force.setUseLongRangeCorrection(True)
        system.setDefaultPeriodicBoxVectors(*(2.0 * np.eye(3)))
    system.addForce(force)
    return system, topology, grid + rng.uniform(-0.05, 0.05, (8, 3)) + 0.2


def check(system, topology, positions):
    taken = from_openmm(system)
    energy, forces = energies_and_forces(system, positions)
    state = state_from_openmm(topology, positions, system)
    for found in (taken.evaluate(state), Potential.evaluate(taken, state)):
        assert float(found.energy) == pytest.approx(energy, rel=1e-6, abs=1e-9)
        np.testing.assert_allclose(found.forces.numpy(), forces, rtol=1e-5, atol=1e-6 * np.abs(forces).max())
    return taken


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), periodic=st.booleans())
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_spelling(spelling, seed, periodic):
    names, kind = SPELLINGS[spelling]
    taken = check(*system_of(spelling, names, seed, periodic))
    (term,) = taken.terms.values()
    assert type(term) is kind


@pytest.mark.parametrize("spelling", NOT)
def test_what_it_is_not(spelling):
    with pytest.raises(LabkitError, match=r"force 0: .* has no term in labkit: it is not A/r\^12 - C/r\^6; write it"):
        from_openmm(system_of(spelling, "sigma epsilon", 0)[0])


BONDS = {  # expression and parameters of a pair
    "-C/r^6+A/r^12": "C A",
    "A/r^12-C/r^6": "A C",
    "A*r^(-12) - C*r^(-6) + 138.935457644*q/r": "A C q",
    "4*eps*((s/r)^12-(s/r)^6)*0.5 + q*138.935457644/r; s=A^(1/12); eps=C": "A C q",
}


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("spelling", BONDS)
def test_single_pairs(spelling, seed):
    rng = np.random.default_rng(seed)
    system, topology, positions = system_of(SPELLINGS_FIRST, "sigma epsilon", seed)
    force = openmm.CustomBondForce(spelling)
    for name in BONDS[spelling].split():
        force.addPerBondParameter(name)
    for i, j in ((0, 2), (1, 5), (3, 4), (2, 6), (0, 7)):
        values = {"A": rng.uniform(1e-6, 5e-6), "C": rng.uniform(1e-3, 5e-3), "q": rng.uniform(-0.1, 0.1)}
        kind = rng.integers(4)  # pairs that only repel, only attract, or have no charge
        if kind < 3:
            values["ACq"[kind]] *= 0.0 if "eps" not in spelling or kind else 1.0
        force.addBond(i, j, [values[name] for name in BONDS[spelling].split()])
    system.addForce(force)
    taken = check(system, topology, positions)
    back = to_openmm(taken, [12.0] * 8)
    again = energies_and_forces(back, positions)[0]
    assert again == pytest.approx(energies_and_forces(system, positions)[0], rel=1e-6, abs=1e-9)


SPELLINGS_FIRST = next(iter(SPELLINGS))
GO = """[ defaults ]
1 1 no
[ atomtypes ]
CA 0 1.0 0.0 A 0.0 5.9605e-10
[ moleculetype ]
Go 3
[ atoms ]
{atoms}
[ pairs ]
1 5 1 4.0e-3 6.0e-6
1 6 1 0.0 2.0e-9
2 6 1 8.0e-3 9.0e-6
[ bonds ]
{bonds}
[ system ]
chain
[ molecules ]
Go 1
"""


def test_go_model_of_gromacs(tmp_path):
    """Beads that repel, contacts that attract, and one that only repels."""
    atoms = "\n".join(f"{k} CA {k} ALA CA {k} 0.0 1.0" for k in range(1, 7))
    bonds = "\n".join(f"{k} {k + 1} 1 0.38 20000.0" for k in range(1, 6))
    (tmp_path / "go.top").write_text(GO.format(atoms=atoms, bonds=bonds))
    angle = np.arange(6) * 1.745
    places = np.stack([0.23 * np.cos(angle), 0.23 * np.sin(angle), 0.15 * np.arange(6)], 1) + 1.0
    rows = [f"{k + 1:5d}ALA     CA{k + 1:5d}" + "".join(f"{x:8.3f}" for x in places[k]) for k in range(6)]
    (tmp_path / "go.gro").write_text("\n".join(["chain", "6", *rows, "0 0 0"]) + "\n")
    state, taken = load(tmp_path / "go.top", tmp_path / "go.gro", masses=[12.0] * 6)
    assert {"contacts", "pairs14", "lennard_jones"} <= set(taken.forcefield.terms)
    from openmm import app

    system = app.GromacsTopFile(str(tmp_path / "go.top")).createSystem()
    energy, forces = energies_and_forces(system, np.round(places, 3))
    found = taken.forcefield.evaluate(state)
    assert float(found.energy) == pytest.approx(energy, rel=1e-6)
    np.testing.assert_allclose(found.forces.numpy(), forces, rtol=1e-6, atol=1e-8)
