"""What is expected in notebook 06, from spectra whose lines are known."""

import numpy as np
import pytest
from ase import Atoms

from labkit.errors import LabkitError
from labkit.exercises.catalogue import find
from labkit.exercises.judge import judge
from labkit.spectra import Spectrum


def lines(*places, name="spectrum"):
    axis = np.arange(0.0, 4170.0, 10.0)
    shape = sum(height * np.exp(-(((axis - place) / 60) ** 2)) for place, height in places)
    return Spectrum(name, "cm", axis, shape[None], None, 100.0)


def said(number, answer, **data):
    exercise = find(number)
    return judge(exercise, exercise.target(**data), answer)


def test_the_highest_peak_of_the_stretch():
    infrared = lines((200, 1.0), (900, 4.0), (2800, 1.0), (3123, 3.0))
    assert said("06.1", 3120, infrared=infrared)[0] and not said("06.1", 2800, infrared=infrared)[0]
    assert "wavelength" in said("06.1", 1e7 / 3123, infrared=infrared)[1]
    with pytest.raises(LabkitError, match="no maximum above 2500"):
        said("06.1", 3120, infrared=lines((200, 1.0)))


def test_heavy_over_light():
    light, heavy = lines((600, 2.0), (1600, 1.0), (3100, 1.0)), lines((450, 2.0), (1170, 1.0), (2260, 1.0))
    assert said("06.3", 0.73, light=light, heavy=heavy)[0]
    assert "Upside down" in said("06.3", 3100 / 2260, light=light, heavy=heavy)[1]
    assert "square root" in said("06.3", 0.5, light=light, heavy=heavy)[1]
    with pytest.raises(LabkitError, match="with D and with H"):
        said("06.3", 0.73, light=light, heavy=light)


def test_a_jump_and_the_sealed_ones():
    cell = Atoms("H", cell=[4.5, 4.5, 7.3224], pbc=True)
    assert said("06.5", 7.32, start=cell)[0] and "along x" in said("06.5", 4.5, start=cell)[1]
    for number, right, wrong in (("06.2", "bend", "stretch"), ("06.4", 4.766, 3.336), ("06.6", "potential", "time")):
        assert said(number, right)[0] and not said(number, wrong)[0] and said(number, wrong)[1]
