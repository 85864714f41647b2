"""QuipPotential: a model from gap_fit, evaluated by QUIP, as a labkit Potential and an ASE calculator."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase
import numpy as np
import torch
from torch import Tensor

from labkit.base import Evaluation, Potential, State, System
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from quippy.potential import Potential as QuippyCalculator

#: QUIP changes the working folder of the whole process while it loads, and does not change it back if that fails.
_one_at_a_time = threading.Lock()

INSTALL = 'pip install "labkit[gap]"'


class QuipPotential(Potential):
    """A GAP evaluated by QUIP: energy, forces, stress and energies of atoms; `create_graph` is not possible.

    path      the XML file of the model
    made_by   what `labkit.gap.quip.fit` wrote beside it: settings, hash of the data, versions, units; or {}

    Raises LabkitError for a missing, truncated or changed file: QUIP itself would end Python.

    >>> potential = QuipPotential("gap.xml")  # doctest: +SKIP
    >>> atoms.calc = potential.calculator()  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._quippy = self.calculator()
        self.cutoff = float(self._quippy._quip_potential.cutoff())
        self.made_by = notes_of(self.path)

    def calculator(self) -> QuippyCalculator:
        """A new instance of QUIP's ASE calculator for this model."""
        try:
            from quippy.potential import Potential as Quippy
        except ImportError as error:
            raise LabkitError(f"QUIP's Python package is not installed; run: {INSTALL}") from error
        check_model(self.path)  # QUIP ends Python if a file is missing
        try:
            with _one_at_a_time, contextlib.chdir("."):
                return Quippy(param_filename=str(self.path.resolve()))
        except FileNotFoundError as error:
            raise LabkitError(
                "the working folder was deleted, and QUIP needs one; change to a folder that exists"
            ) from error
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise LabkitError(f"{self.path}: QUIP cannot use this model: {reason}") from error

    def neighbours(self, state: State) -> None:
        """None: QUIP finds neighbours itself."""

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Any) -> Tensor:
        return _Quip.apply(self, system, positions, cell)

    def evaluate(self, state: State, *, per_atom: bool = False, **options: Any) -> Evaluation:
        if options.get("create_graph"):
            raise LabkitError("QUIP has no second derivatives; call evaluate without create_graph")
        result = super().evaluate(state, **options)
        if not per_atom:
            return result
        found = [self._calculate(atoms, ["energies"])["energies"] for atoms in state.to_atoms()]
        return replace(result, per_atom=torch.as_tensor(np.concatenate(found)).to(state.positions))

    def _calculate(self, atoms: ase.Atoms, properties: list[str]) -> dict[str, np.ndarray]:
        self._quippy.reset()
        self._quippy.calculate(atoms, properties)
        return self._quippy.results


class _Quip(torch.autograd.Function):
    """E(r, cell) with QUIP's forces and virial as its derivatives.

    With W = dE/dstrain and g = dE/dr, the derivative dE/dC at fixed positions is G = C^-T (W - r^T g), because
    a strain moves positions and cell alike: W = r^T g + C^T G.
    """

    @staticmethod
    def forward(ctx: Any, potential: QuipPotential, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        needs = ctx.needs_input_grad
        properties = ["energy"] + ["forces"] * any(needs[2:]) + ["stress"] * needs[3]
        energies, slopes, pulls = [], [], []
        state = State(system, positions.detach(), cell.detach(), torch.zeros_like(positions))
        for atoms in state.to_atoms():
            results = potential._calculate(atoms, properties)
            energies.append(results["energy"])
            if any(needs[2:]):
                slopes.append(-results["forces"])
            if needs[3]:
                xx, yy, zz, yz, xz, xy = results["stress"] * atoms.get_volume()
                strain = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
                pulls.append(np.linalg.solve(atoms.cell.array.T, strain - atoms.positions.T @ slopes[-1]))
        ctx.index = system.index
        ctx.slopes = torch.as_tensor(np.concatenate(slopes)).to(positions) if slopes else None
        ctx.pulls = torch.as_tensor(np.stack(pulls)).to(cell) if pulls else None
        return torch.tensor(energies, dtype=torch.float64).to(positions)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        slopes = None if ctx.slopes is None else above[ctx.index, None] * ctx.slopes
        pulls = None if ctx.pulls is None else above[:, None, None] * ctx.pulls
        return None, None, slopes, pulls


def load(path: str | os.PathLike[str]) -> QuipPotential:
    """Load a model that gap_fit wrote, with labkit or without."""
    return QuipPotential(path)


def beside(path: Path, suffix: str) -> Path:
    """A file beside a model: gap.xml.json, gap.xml.log."""
    return path.with_name(path.name + suffix)


def notes_of(path: Path) -> dict[str, Any]:
    """What `labkit.gap.quip.fit` wrote beside a model, or {}. Raises LabkitError if it is damaged."""
    notes = beside(path, ".json")
    if not notes.is_file():
        return {}
    try:
        return dict(json.loads(notes.read_text(encoding="utf-8")).items())
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise LabkitError(
            f"{notes}: is damaged ({error}); restore it, or delete it: the model works without"
        ) from error


def sparse_files(path: Path) -> dict[Path, str]:
    """The files of sparse points that a model's XML names, and their MD5 sums. Raises LabkitError for a bad XML."""
    try:
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException
    except ImportError as error:
        raise LabkitError(f"defusedxml is not installed; run: {INSTALL}") from error
    try:
        root = ElementTree.parse(path, forbid_dtd=True).getroot()
    except FileNotFoundError as error:
        raise LabkitError(f"{path}: no such file; expected the XML that gap_fit writes") from error
    except (ElementTree.ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise LabkitError(f"{path}: not a complete XML file ({error}); fit the model again or restore it") from error
    except OSError as error:
        raise LabkitError(f"{path}: could not be read ({error.strerror})") from error
    if root.find(".//GAP_params") is None:
        raise LabkitError(f"{path}: holds no GAP_params; expected the XML that gap_fit writes")
    found = (c for c in root.iter("gpCoordinates") if c.get("sparseX_filename"))
    return {path.parent / c.get("sparseX_filename"): c.get("sparseX_md5sum", "") for c in found}


def check_model(path: Path) -> None:
    """Raise LabkitError unless all of a model's files exist and are complete."""
    for file, expected in sparse_files(path).items():
        if not os.path.isfile(file):  # unlike file.is_file(), no error for a name that no file can have
            raise LabkitError(f"{file}: missing; {path.name} needs it in the same folder, copy it there too")
        if expected and hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() != expected:
            raise LabkitError(f"{file}: truncated or changed since gap_fit wrote it; fit the model again or restore it")
