"""LAMMPS's classical potentials: against LAMMPS's own run, ASE and published numbers; what is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from oracles.cases import missing

from labkit.errors import LabkitError
from labkit.oracles import CalculationFailed, LammpsClassical, make_oracle

SILICON = LammpsClassical(("pair_style sw", "pair_coeff * * Si.sw Si"), ("Si",))
pytestmark = pytest.mark.skipif(bool(missing(SILICON)), reason=missing(SILICON))


def test_cohesion_of_silicon_is_the_published_one():
    """Stillinger and Weber, Phys. Rev. B 31, 5262 (1985): 4.3366 eV/atom at 5.431 Å, without stress."""
    label = SILICON.compute(bulk("Si", a=5.430950))
    assert label.energy / 2 == pytest.approx(-4.33660, abs=1e-5)
    assert np.abs(label.stress).max() < 1e-4 and np.abs(label.forces).max() < 1e-10


def test_it_is_what_lammps_itself_computes(tmp_path):
    """Its own input file with its own lattice, one atom displaced; pressure by its own conversion to bar."""
    from labkit.oracles.lammps import lammps
    from labkit.oracles.lammps.classical import _potentials

    with lammps(
        "units metal\natom_style atomic\natom_modify map array\nlattice diamond 5.5\nregion b block 0 2 0 2 0 2\n"
        "create_box 1 b\ncreate_atoms 1 box\nmass 1 28.06\npair_style sw\n"
        f"pair_coeff * * {_potentials()[0] / 'Si.sw'} Si\n"
        "displace_atoms all random 0.1 0.1 0.1 7\nrun 0 post no"
    ) as lmp:
        positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
        energy, pressure = lmp.get_thermo("pe"), lmp.get_thermo("press")
    label = SILICON.compute(Atoms(f"Si{len(positions)}", positions, cell=3 * [11.0], pbc=True))
    assert label.energy == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(label.forces, forces, atol=1e-9)
    assert -np.trace(label.stress) / 3 * 1.6021765e6 == pytest.approx(pressure, rel=1e-9)


@pytest.mark.parametrize("periodic", [False, True])
def test_lennard_jones_is_that_of_ase(periodic):
    oracle = LammpsClassical(("pair_style lj/cut 8.0", "pair_coeff 1 1 0.0104 3.4"), "Ar")
    atoms = bulk("Ar", a=5.3, cubic=True).repeat(2)
    atoms.pbc = periodic
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0.1, 0], [0, 1, 0.05], [0.02, 0, 1]]), scale_atoms=True)
    atoms.rattle(0.1, seed=3)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=False)
    label = oracle.compute(atoms)
    np.testing.assert_allclose(label.forces, atoms.get_forces(), atol=1e-10)
    if periodic:
        np.testing.assert_allclose(label.stress, atoms.get_stress(voigt=False), atol=1e-8)
    else:
        assert label.stress is None


def test_charges_are_those_of_the_elements():
    oracle = LammpsClassical(("pair_style coul/cut 20", "pair_coeff * *"), ("Na", "Cl"), {"Na": 1.0, "Cl": -1.0})
    label = oracle.compute(Atoms("NaCl", [[0, 0, 0], [0, 0, 2.5]]))
    assert label.energy == pytest.approx(-14.3996 / 2.5, abs=1e-3)


def test_the_hash_covers_the_content_of_files_and_not_their_place(tmp_path, monkeypatch):
    from labkit.oracles.lammps.classical import _potentials

    text = (_potentials()[0] / "Si.sw").read_text()
    (tmp_path / "Si.sw").write_text(text)
    moved = LammpsClassical(("pair_style sw", f"pair_coeff * * {tmp_path / 'Si.sw'} Si"), "Si")
    assert moved.hash == SILICON.hash
    (tmp_path / "Si.sw").write_text(text + "\n# changed")
    assert LammpsClassical(moved.commands, "Si").hash != SILICON.hash
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Si").write_text("not a potential")  # an element's name is no file
    assert "Si" not in make_oracle("lammps", commands=SILICON.commands, species=("Si",)).settings["sha256"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: LammpsClassical(("pair_stile sw",), "Si"),
            "does not define .*did you mean 'pair_style'",
        ),
        (lambda: LammpsClassical(("shell rm x",), "Si"), "'shell rm x' does not define an interaction"),
        (lambda: LammpsClassical((), ("Sj",)), "no element 'Sj'"),
        (lambda: SILICON.compute(Atoms("SiGe", [[0, 0, 0], [0, 0, 2]])), "the frame has Ge, which species"),
        (lambda: SILICON.compute(Atoms("Si", cell=[3, 3, 3], pbc=[1, 1, 0])), "in some directions only"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(LabkitError, match=words):
        make()


def test_commands_that_lammps_refuses_are_failed_calculations():
    with pytest.raises(CalculationFailed, match="lammps: ERROR.*"):
        LammpsClassical(("pair_style swx",), "Si").compute(bulk("Si"))
    with pytest.raises(CalculationFailed, match="lammps: ERROR.*"):
        LammpsClassical(("pair_style sw", "pair_coeff * * missing.sw Si"), "Si").compute(bulk("Si"))
