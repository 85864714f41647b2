"""AMBER's coordinates and restarts, as text or NetCDF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labkit.base.box import box_of_lengths
from labkit.errors import LabkitError


def read_inpcrd(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions (n, 3) and the box (3, 3) in Å, or None where there is none; velocities are left out.

    Text is a title, the number of atoms, and rows of six numbers: positions, then velocities or none, then lengths and
    angles of a box or none. Raises LabkitError, naming the file, for anything else.
    """
    data = Path(path).read_bytes()
    if data[:3] == b"CDF":
        return _netcdf(path)
    lines = data.decode("utf-8", errors="replace").splitlines()
    try:
        n_atoms = int(lines[1].split()[0])
        numbers = [float(line[k : k + 12]) for line in lines[2:] for k in range(0, len(line.rstrip()), 12)]
    except (IndexError, ValueError) as error:
        raise LabkitError(f"{path}: {error}; expected a title, the number of atoms and rows of numbers") from error
    rest = len(numbers) - 3 * n_atoms
    if n_atoms < 1 or rest not in (0, 6, 3 * n_atoms, 3 * n_atoms + 6):
        raise LabkitError(
            f"{path}: {len(numbers)} numbers for {n_atoms} atoms; expected 3 or 6 for each, and 6 more of a box"
        )
    positions = np.array(numbers[: 3 * n_atoms]).reshape(-1, 3)
    boxed = rest == 3 * n_atoms + 6 or (rest == 6 and (n_atoms != 2 or _are_lengths_and_angles(numbers[-6:])))
    return positions, box_of_lengths(numbers[-6:-3], numbers[-3:], str(path)) if boxed else None


def _are_lengths_and_angles(numbers: list[float]) -> bool:
    """Of two atoms the last six numbers may be velocities, in AMBER's units below 60."""
    return min(numbers) >= 0 and (max(numbers[3:]) >= 60 or not any(numbers))


def _netcdf(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    from scipy.io import netcdf_file

    try:
        with netcdf_file(str(path), "r", mmap=False) as file:
            known = {
                name: np.array(value[:], dtype=np.float64) for name, value in file.variables.items() if value.shape
            }
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise LabkitError(f"{path}: begins as a NetCDF file, but cannot be read: {error}") from error
    if "coordinates" not in known:
        raise LabkitError(f"{path}: a NetCDF file without coordinates; it has {', '.join(known) or 'no variables'}")
    positions = known["coordinates"].reshape(-1, *known["coordinates"].shape[-2:])[0]
    if not {"cell_lengths", "cell_angles"} <= set(known):
        return positions, None
    lengths, angles = (known[name].reshape(-1, 3)[0] for name in ("cell_lengths", "cell_angles"))
    return positions, box_of_lengths(lengths, angles, str(path))
