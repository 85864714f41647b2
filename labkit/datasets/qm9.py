"""QM9 from the installed package qm9pack: 130,831 molecules of H, C, N, O and F at their minima, with energies."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from itertools import islice
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from labkit.datasets.dataset import Dataset
from labkit.datasets.source import remember
from labkit.errors import LabkitError, suggest
from labkit.units import HARTREE

PARTS = ("qm9_part1.csv", "qm9_part2.csv", "qm9_part3.csv")
#: TorchMD-Net's name of each energy, and the column of the file
ENERGIES = {
    "energy_U0": "InternalEnergy_0K_au",
    "energy_U": "InternalEnergy_298K_au",
    "energy_H": "Enthalphy_298K_au",
    "energy_G": "GibbsFreeEnergy_298K_au",
}


def qm9(label: str = "energy_U0", n: int | None = None, folder: Path | None = None) -> Dataset:
    """Molecules of QM9 at their minima, B3LYP/6-31G(2df,p): positions in Å, energies in eV (Hartree in the file).

    label   energy_U0 (0 K, with zero-point energy), energy_U, energy_H or energy_G (298 K)
    n       number of molecules, from the start of the file, where the smallest are; None for all
    folder  of the files, if not that of the package

    Raises LabkitError if the package qm9pack is not installed, saying how to install it, or a file is not as expected.

    Source: Ramakrishnan et al., Sci. Data 1, 140022 (2014).
    """
    if label not in ENERGIES:
        raise LabkitError(f"QM9: label is {label!r}, expected one of {', '.join(ENERGIES)}{suggest(label, ENERGIES)}")
    numbers: list[int] = []
    positions, offsets, energies, index = [], [0], [], []
    for where, row in islice(_rows(folder or package_folder(), ENERGIES[label]), n):
        try:
            symbols = [x.strip(" '\"") for x in row["Elements"].strip("[] ").split(",")]
            numbers += [atomic_numbers[symbol] for symbol in symbols]
            flat = row["XYZ_Ang"].replace("[", "").replace("]", "").split(",")
            positions.append(np.array(flat, float).reshape(len(symbols), 3))
            energies.append(float(row[ENERGIES[label]]) * HARTREE)
            index.append(int(row["Index"]))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise LabkitError(f"{where}: not a molecule of QM9 ({type(error).__name__}: {error})") from error
        offsets.append(len(numbers))
    if not positions:
        raise LabkitError("QM9: no molecules; give n of at least 1")
    name = f"QM9 {label}"
    frames = Dataset.from_arrays(
        np.concatenate(positions), numbers, offsets=offsets, energy=np.array(energies),
        info={"index": np.array(index)}, name=name,
    )  # fmt: skip
    limit = "" if n is None else f", n={n}"
    return frames if folder else remember(frames, f'labkit.datasets.qm9.qm9("{label}"{limit})')


def package_folder() -> Path:
    """The folder of the files of the installed package; none of its code is run."""
    spec = PathFinder.find_spec("qm9pack", sys.path)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "data" / PARTS[0]).is_file():
            return Path(place) / "data"
    raise LabkitError(
        "QM9 is not installed; install the package that holds it (104 MB; labkit needs it for nothing else): "
        "python -m pip install --no-deps qm9pack"
    )


def _rows(folder: Path, column: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of the files, and the place of each."""
    csv.field_size_limit(1 << 20)
    for path in (folder / part for part in PARTS):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file)
                missing = {"Index", "Elements", "XYZ_Ang", column} - set(rows.fieldnames or ())
                if missing:
                    raise LabkitError(f"{path}: has no column {min(missing)}; expected the files of qm9pack 1.0.3")
                for k, row in enumerate(rows):
                    yield f"{path}: molecule {k}", row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise LabkitError(f"{path}: cannot be read ({error}); install qm9pack again") from error
