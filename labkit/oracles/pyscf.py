"""Hartree-Fock and density functional theory of molecules by PySCF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ase import Atoms

from labkit.errors import Stopped
from labkit.oracles.errors import CalculationFailed, MissingProgram, Unconverged
from labkit.oracles.label import Label
from labkit.oracles.oracle import Oracle, never
from labkit.oracles.structure import multiplicity, total_charge
from labkit.units import BOHR, HARTREE


@dataclass(frozen=True)
class PySCF(Oracle):
    """Molecules in Gaussian basis sets: energy and forces, restricted for singlets and unrestricted for others.

    xc          a functional of PySCF, such as "pbe" or "wb97x-v"; "hf" is Hartree-Fock
    basis       a basis set of PySCF
    conv_tol    Hartree, change of the energy between two SCF cycles
    max_cycle   SCF cycles at most
    grid_level  of the integration grid, 0 to 9; forces include the response of the grid, so that they are the
                derivative of the energy
    auxbasis    auxiliary basis of density fitting, such as "def2-universal-jfit" for a functional without exact
                exchange and "def2-universal-jkfit" for others; None: the integrals themselves

    Charge and spin are those of the frame (see structure_hash). Frames must not be periodic. Stop takes effect between
    two SCF cycles and before the gradient. Raises Unconverged if mf.converged is False after max_cycle.
    Source: Sun et al., J. Chem. Phys. 153, 024109 (2020).

    >>> PySCF("pbe", "def2-svp").name
    'PySCF pbe/def2-svp, grid 3, conv_tol 1e-09, 50 cycles'
    """

    kind: ClassVar[str] = "pyscf"
    xc: str = "pbe"
    basis: str = "def2-svp"
    conv_tol: float = 1e-9
    max_cycle: int = 50
    grid_level: int = 3
    auxbasis: str | None = None

    @property
    def name(self) -> str:
        fitting = "" if self.auxbasis is None else f", density fitting {self.auxbasis}"
        grid = "" if self._hartree_fock else f", grid {self.grid_level}"
        return f"PySCF {self.xc}/{self.basis}{fitting}{grid}, conv_tol {self.conv_tol:g}, {self.max_cycle} cycles"

    @property
    def settings(self) -> dict[str, Any]:
        found = super().settings
        if self.auxbasis is None:  # labels from before density fitting stay valid
            del found["auxbasis"]
        return found

    @property
    def cores(self) -> int:
        return int(_package().lib.num_threads())

    def require(self) -> None:
        _package()

    def compute(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> Label:
        package = _package()
        if atoms.pbc.any():
            raise CalculationFailed(
                f"PySCF: the frame is periodic (pbc {atoms.pbc.tolist()}); expected a molecule, pbc=False, or use "
                "another oracle"
            )

        def check(_: Any = None) -> None:
            if should_stop():
                raise Stopped("PySCF was stopped")

        field = self._mean_field(package, atoms)
        field.callback = check  # called after each cycle
        check()
        energy = field.kernel()
        if not field.converged:
            raise Unconverged(f"PySCF: the SCF did not converge in {self.max_cycle} cycles")
        check()
        gradient = field.nuc_grad_method()
        if not self._hartree_fock:
            gradient.grid_response = True
        forces = -gradient.kernel() * (HARTREE / BOHR)
        return Label({"energy": energy * HARTREE, "forces": forces}, f"PySCF {package.__version__}")

    @property
    def _hartree_fock(self) -> bool:
        return self.xc.lower() == "hf"

    def _mean_field(self, package: Any, atoms: Atoms) -> Any:
        from pyscf import df, dft, scf

        spin = multiplicity(atoms) - 1
        try:
            molecule = package.gto.M(
                atom=list(zip(atoms.symbols, (atoms.positions / BOHR).tolist())),  # Bohr: PySCF has its own constants
                unit="Bohr",
                basis=self.basis,
                charge=total_charge(atoms),
                spin=spin,
                verbose=0,
            )
            if self._hartree_fock:
                field = (scf.UHF if spin else scf.RHF)(molecule)
            else:
                field = (dft.UKS if spin else dft.RKS)(molecule, xc=self.xc)
                field.grids.level = self.grid_level
                dft.libxc.parse_xc(self.xc)  # raises KeyError for an unknown functional
            if self.auxbasis is not None:
                df.make_auxmol(molecule, self.auxbasis)  # raises RuntimeError for an unknown basis set
                field = field.density_fit(auxbasis=self.auxbasis)
        except (KeyError, RuntimeError, ValueError) as error:
            fitted = "" if self.auxbasis is None else f"/{self.auxbasis}"
            raise CalculationFailed(f"PySCF: {self.xc}/{self.basis}{fitted}: {error}") from error
        field.conv_tol, field.max_cycle, field.chkfile = self.conv_tol, self.max_cycle, None
        return field


def _package() -> Any:
    try:
        import pyscf
        import pyscf.dft
        import pyscf.gto
        import pyscf.scf
    except ImportError as error:
        raise MissingProgram("PySCF is not installed: python -m pip install pyscf") from error
    return pyscf
