"""Find the notebooks that labkit ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import labkit
from labkit.errors import LabkitError


def notebooks_folder() -> Path:
    """Return the folder of notebooks: `notebooks/` in the working folder, else the one next to the installed labkit.

    Raises LabkitError if there is neither.
    """
    for folder in (Path.cwd(), Path(labkit.__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir():
            return (folder / "notebooks").resolve()
    raise LabkitError("no folder 'notebooks' here; change to the folder of labkit's repository and try again")


def find_notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks with these names (`00`, `00_start_here`, a path), or all if none is named."""
    return [_find(name) for name in names] if names else sorted(notebooks_folder().glob("*.ipynb"))


def _find(name: str) -> Path:
    if Path(name).is_file():
        return Path(name).resolve()
    folder = notebooks_folder()
    known = sorted(folder.glob("*.ipynb"))
    matches = [path for path in known if path.stem == Path(name).stem]
    matches = matches or [path for path in known if path.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    listing = ", ".join(path.stem for path in matches or known) or "none"
    what = "more than one notebook matches" if matches else "no notebook matches"
    raise LabkitError(f"{folder}: {what} {name!r}; expected one of: {listing}")
