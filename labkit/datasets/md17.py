"""rMD17 and MD17: conformations of one molecule in an .npz; kcal/mol are converted to eV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit.datasets.magnitudes import UNITS, all_electrons, unit_of_total
from labkit.errors import LabkitError

#: names of the arrays in rMD17, then in MD17 and sGDML
NAMES = (
    {"numbers": "nuclear_charges", "positions": "coords", "energy": "energies", "forces": "forces"},
    {"numbers": "z", "positions": "R", "energy": "E", "forces": "F"},
)


def is_md17(found: Mapping[str, Any]) -> bool:
    """Whether these are the arrays of such a file."""
    return any(names["numbers"] in found and names["positions"] in found for names in NAMES)


def from_md17(found: Mapping[str, np.ndarray], where: str) -> tuple[dict[str, Any], str]:
    """The arguments of Dataset.from_arrays, and a note on the unit that the labels had.

    The unit of all-electron energies is recognised from their size (numbers in kcal/mol are 23 times those in eV);
    energies of any other size are taken as kcal/mol, as in both data sets. If the file has `e_unit`, that is used.

    Raises LabkitError if coordinates, or both energies and forces, are missing.
    """
    names = next(names for names in NAMES if names["numbers"] in found and names["positions"] in found)
    arrays = {name: np.asarray(found[key]) for name, key in names.items() if key in found}
    if not {"energy", "forces"} & arrays.keys():
        raise LabkitError(f"{where}: has neither {names['energy']} nor {names['forces']}; expected at least one")
    if arrays["positions"].ndim != 3:
        shape = arrays["positions"].shape
        raise LabkitError(f"{where}: {names['positions']} has the shape {shape}; expected (frames, atoms, 3)")
    frames, atoms = arrays["positions"].shape[:2]
    arrays["numbers"] = arrays["numbers"].reshape(-1).astype(int)
    if "energy" in arrays:
        arrays["energy"] = arrays["energy"].reshape(-1)
    unit, why = _unit(found, arrays, atoms)
    for name in {"energy", "forces"} & arrays.keys():
        arrays[name] = arrays[name] * UNITS[unit]
    labels = " and ".join(word for name, word in (("energy", "energies"), ("forces", "forces")) if name in arrays)
    converted = "are eV already" if unit == "eV" else f"were in {unit} and are converted to eV"
    return arrays, f"{labels} {converted} ({why})"


def _unit(found: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], atoms: int) -> tuple[str, str]:
    said = str(found["e_unit"]) if "e_unit" in found and np.ndim(found["e_unit"]) == 0 else ""
    if said in UNITS:
        return said, "as the file says"
    if "energy" in arrays and len(arrays["numbers"]) == atoms:
        limit = all_electrons(arrays["numbers"], np.array([0, atoms]))
        sure = unit_of_total(arrays["energy"], np.broadcast_to(limit, arrays["energy"].shape))
        if sure:
            value = float(np.nanmedian(arrays["energy"]))
            return sure, f"energies are some {value:.6g}; all electrons have about {limit[0]:.0f} eV"
    return "kcal/mol", "as in MD17, whose names of arrays these are; for another unit add an array e_unit to the file"
