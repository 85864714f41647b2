"""An oracle of each kind with frames it can label, and the same oracle so that its SCF cannot converge."""

from dataclasses import dataclass

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, SCFError, all_changes
from ase.calculators.emt import EMT

from labkit.datasets import ice
from labkit.oracles import CalculatorOracle, Espresso, LammpsClassical, MissingProgram, Oracle, PySCF, TBLite


class NeverConverges(Calculator):
    """Raises what ASE's calculators raise."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        raise SCFError("SCF did not converge")


@dataclass(frozen=True)
class Case:
    """An oracle, one frame, and the oracle that does not converge (None: it has no SCF); tolerances.

    forces, stress, rotation  eV/Å, eV/Å^3, eV
    step                      of finite differences, Å, and strain
    fine                      the oracle for the stress: of few plane waves the number, which a strain changes, counts
    """

    id: str
    oracle: Oracle
    atoms: Atoms
    unconverged: Oracle | None
    forces: float = 1e-5
    stress: float = 1e-6
    rotation: float = 1e-6
    step: float = 2e-3
    fine: Oracle | None = None

    def frames(self, n):
        """`n` different frames."""
        found = []
        for seed in range(n):
            atoms = self.atoms.copy()
            atoms.rattle(0.02, seed=seed)
            found.append(atoms)
        return found


def rattled(atoms, amplitude=0.05, **info):
    atoms.rattle(amplitude, seed=7)
    atoms.info.update(info)
    return atoms


H2 = Atoms("H2", [[0, 0, 0], [0.1, 0.05, 0.74]], cell=[[3, 0, 0], [0.3, 3, 0], [0, 0.2, 3.2]], pbc=True)
HYDROGEN = {"H": "H_HSCV_PBE-1.0.UPF"}
PW = dict(k_points=(1, 1, 1), shift=(0, 0, 0), pseudopotentials=HYDROGEN)

CASES = [
    Case(
        "EMT", CalculatorOracle("EMT", EMT), rattled(bulk("Cu", cubic=True)), CalculatorOracle("none", NeverConverges)
    ),
    Case(
        "SW",
        LammpsClassical(("pair_style sw", "pair_coeff * * Si.sw Si"), "Si"),
        rattled(bulk("Si", cubic=True), 0.1),
        None,
        forces=1e-4,
    ),
    Case(
        "LJ-cluster",
        LammpsClassical(("pair_style lj/cut 20.0", "pair_coeff * * 0.01 3.4"), ("Ar", "Ne")),
        rattled(Atoms("ArNeAr", [[0, 0, 0], [3.6, 0, 0], [1.5, 3.3, 0.4]])),
        None,
    ),
    Case("GFN2", TBLite(accuracy=0.01), rattled(molecule("H2O")), TBLite(max_iterations=2)),
    Case(
        "GFN1-ion",
        TBLite("GFN1-xTB", 0.01),
        rattled(Atoms("OH", [[0, 0, 0], [0, 0, 0.97]]), charge=-1),
        TBLite("GFN1-xTB", max_iterations=2),
    ),
    Case("GFN1-ice", TBLite("GFN1-xTB", 0.01), ice("minimum").atoms[0], TBLite(max_iterations=2), stress=1e-5),
    Case("HF", PySCF("hf", "sto-3g", 1e-11), rattled(molecule("H2O")), PySCF("hf", "sto-3g", max_cycle=1)),
    Case("radical", PySCF("hf", "sto-3g", 1e-11), rattled(molecule("OH")), PySCF("hf", "sto-3g", max_cycle=1)),
    Case(
        "PBE",
        PySCF("pbe", "sto-3g", 1e-11),
        rattled(molecule("H2O")),
        PySCF("pbe", "sto-3g", max_cycle=1),
        rotation=2e-3,
    ),
    Case(
        "PBE-fitted",
        PySCF("pbe", "def2-svp", 1e-11, auxbasis="def2-universal-jfit"),
        rattled(molecule("H2O")),
        PySCF("pbe", "def2-svp", max_cycle=1, auxbasis="def2-universal-jfit"),
        rotation=2e-3,
    ),
    Case(
        "cation-fitted",
        PySCF("pbe0", "sto-3g", 1e-11, auxbasis="def2-universal-jkfit"),
        rattled(molecule("H2O"), charge=1),
        PySCF("pbe0", "sto-3g", max_cycle=1, auxbasis="def2-universal-jkfit"),
        rotation=2e-3,
    ),
    Case(
        "pw.x",
        Espresso(ecutwfc=30, conv_thr=1e-11, **PW),
        H2,
        Espresso(ecutwfc=30, electron_maxstep=2, **PW),
        forces=2e-4,
        stress=4e-4,
        rotation=1e-4,
        step=1e-2,
        fine=Espresso(ecutwfc=120, conv_thr=1e-11, **PW),
    ),
]


def missing(oracle):
    try:
        oracle.require()
    except MissingProgram as error:
        return str(error)
    return ""


def each_case():
    return [
        pytest.param(
            case, id=case.id, marks=pytest.mark.skipif(bool(missing(case.oracle)), reason=missing(case.oracle))
        )
        for case in CASES
    ]
