"""What is no label: unconverged fields, numbers that are not finite, frames that an oracle cannot do."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import CalculationFailed as ASEFailed
from ase.calculators.calculator import Calculator, SCFError, all_changes
from ase.calculators.lj import LennardJones

from labkit.datasets import Dataset
from labkit.oracles import CalculationFailed, CalculatorOracle, Label, MissingProgram, PySCF, TBLite, Unconverged
from labkit.oracles.convergence import require_converged
from labkit.oracles.response import parse_response
from labkit.units import BOHR, HARTREE

OUTPUTS = Path(__file__).with_name("outputs")  # of pw.x 6.7, H2 in a cell of 4 Å, 20 Ry


def output(name):
    return (OUTPUTS / name).read_text()


def test_a_converged_run_of_pw():
    require_converged(output("converged.pwo"))


def test_an_unconverged_run_of_pw():
    """electron_maxstep = 3; pw.x ends with exit code 2, and says JOB DONE."""
    assert "JOB DONE" in output("unconverged.pwo")
    with pytest.raises(Unconverged, match="did not converge in 3 iterations"):
        require_converged(output("unconverged.pwo"))


def test_pw_says_converged_where_it_is_not():
    """scf_must_converge = .false.: exit code 0, "convergence has been achieved", energy, forces and stress follow."""
    text = output("said_to_be_converged.pwo")
    assert "convergence has been achieved in   3 iterations" in text and "total   stress" in text
    with pytest.raises(Unconverged, match=r"ended at an accuracy of \S+ Ry, above conv_thr 1.0E-09 Ry"):
        require_converged(text)


def test_an_unconverged_response():
    """niter_ph = 2; ph.x ends with exit code 1 and says nothing about convergence."""
    with pytest.raises(Unconverged, match="response to the electric field did not converge"):
        parse_response(output("unconverged.pho"), 2)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.8])
def test_a_run_of_pw_that_was_cut_off(share):
    text = output("converged.pwo")
    with pytest.raises(CalculationFailed, match="ended before its SCF had converged"):
        require_converged(text[: int(share * text.index("convergence has been achieved"))])


class Says(Calculator):
    implemented_properties = ("energy", "forces")
    converged = True

    def __init__(self, energy=1.0, forces=0.0, converged=True):
        super().__init__()
        self.energy, self.force, self.converged = energy, forces, converged

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": self.energy, "forces": np.full((len(atoms), 3), self.force)}


def test_a_calculator_that_knows_it_did_not_converge():
    """As ASE's Vasp, which returns numbers all the same."""
    assert CalculatorOracle("says", Says).compute(molecule("H2")).energy == 1.0
    with pytest.raises(Unconverged, match="the calculator reports that its SCF did not converge"):
        CalculatorOracle("says", lambda: Says(converged=False)).compute(molecule("H2"))


class KohnShamConvergenceError(Exception):
    """As GPAW's, which is none of ASE's errors."""


@pytest.mark.parametrize(
    "raised, expected",
    [
        (KohnShamConvergenceError("did not converge"), Unconverged),
        (SCFError("did not converge"), Unconverged),
        (ASEFailed("exit 1"), CalculationFailed),
        (ZeroDivisionError("a bug"), ZeroDivisionError),
    ],
)
def test_errors_of_calculators(monkeypatch, raised, expected):
    def calculate(self, *_):
        raise raised

    monkeypatch.setattr(Says, "calculate", calculate)
    with pytest.raises(expected, match=str(raised)):
        CalculatorOracle("says", Says).compute(molecule("H2"))


@pytest.mark.parametrize("bad", [dict(energy=np.nan), dict(forces=np.inf), dict(forces=np.nan)])
def test_numbers_that_are_not_finite(bad):
    with pytest.raises(CalculationFailed, match=f"returned {next(iter(bad))} that is not finite"):
        CalculatorOracle("says", lambda: Says(**bad)).compute(molecule("H2"))


def test_shapes_and_names_of_labels():
    with pytest.raises(CalculationFailed, match="returned no energy, only forces"):
        Label({"forces": np.zeros((2, 3))})
    with pytest.raises(CalculationFailed, match="stress has the shape"):
        Label({"energy": 1.0, "stress": np.zeros(6)})
    with pytest.raises(CalculationFailed, match="'force' is not a label; expected one of energy"):
        Label({"energy": 1.0, "force": np.zeros((2, 3))})
    with pytest.raises(CalculationFailed, match="forces of 2 atoms for a frame of 3"):
        Label({"energy": 1.0, "forces": np.zeros((2, 3))}).attach(molecule("H2O"))


def test_labels_make_a_dataset():
    frames = list(CalculatorOracle("LJ", LennardJones).label([molecule("H2"), molecule("N2")]))
    dataset = Dataset.from_atoms(frames)
    assert dataset.forces.shape == (4, 3) and np.isfinite(dataset.energy).all()
    assert dataset.info[0] == {"oracle": "LJ"}


def test_frames_that_are_periodic_in_part():
    slab = molecule("H2O", cell=[5, 5, 9], pbc=[True, True, False])
    with pytest.raises(CalculationFailed, match="periodic in some directions only"):
        TBLite().compute(slab)


def test_what_is_missing_is_named_with_its_command(monkeypatch):
    for name, oracle in (("tblite", TBLite()), ("pyscf", PySCF())):
        for module in [name, *(m for m in sys.modules if m.startswith(f"{name}."))]:
            monkeypatch.setitem(sys.modules, module, None)
        for call in (oracle.require, lambda oracle=oracle: oracle.compute(molecule("H2"))):
            with pytest.raises(MissingProgram, match=f"is not installed: python -m pip install {name}"):
                call()


def test_pyscf_is_for_molecules_and_names_what_it_does_not_know():
    pytest.importorskip("pyscf")
    with pytest.raises(CalculationFailed, match="periodic .* expected a molecule"):
        PySCF().compute(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], cell=[5, 5, 5], pbc=True))
    with pytest.raises(CalculationFailed, match=r"PySCF: nonsense/def2-svp: .*not found"):
        PySCF("nonsense").compute(molecule("H2"))
    with pytest.raises(CalculationFailed, match="PySCF: pbe/def2-svp/nonsense: Unknown basis"):
        PySCF(auxbasis="nonsense").compute(molecule("H2"))


def test_pyscf_stops_between_two_cycles():
    pytest.importorskip("pyscf")
    from labkit.errors import Stopped

    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Stopped):
        PySCF("hf", "sto-3g").compute(molecule("H2O"), stop)
    assert len(asked) == 4


def test_pyscf_has_the_energy_of_the_textbook():
    """H2 at 1.4 Bohr in STO-3G, -1.1167 Hartree: Szabo and Ostlund, Modern Quantum Chemistry, table 3.11."""
    pytest.importorskip("pyscf")
    hydrogen = Atoms("H2", [[0, 0, 0], [0, 0, 1.4 * BOHR]])
    assert PySCF("hf", "sto-3g").compute(hydrogen).energy / HARTREE == pytest.approx(-1.1167, abs=1e-4)


def test_density_fitting_changes_the_energy_a_little():
    """By less than 1 meV/atom, and not by nothing, so that it was used."""
    pytest.importorskip("pyscf")
    exact, fitted = (
        PySCF("pbe", "def2-svp", auxbasis=auxbasis).compute(molecule("H2O")).energy
        for auxbasis in (None, "def2-universal-jfit")
    )
    assert 1e-6 < abs(fitted - exact) < 3e-3
