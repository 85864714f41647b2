"""Exercises of notebook 10: what is right, from the definition, and sentences for what is nearly so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labkit.active.calibration import Samples
from labkit.errors import LabkitError
from labkit.exercises.nb10 import broken, factor, needed, unseen
from labkit.panels.uncertainty_figures import ERROR, SIGMA


def samples(errors, sigmas):
    n = len(errors)
    return Samples(np.array(errors), np.array(sigmas), np.arange(n), np.full(n, ""), np.full(n, "H"), "eV/Å", 3)


def test_the_factor():
    found = factor(samples([0.2, 0.4, 0.2], [0.1, 0.1, 0.1]))
    assert found.right(np.sqrt(8.0)) and not found.right(2.0)
    assert "Upside down" in found.mistake(1 / np.sqrt(8)) and "root" in found.mistake(8.0)


def test_where_the_promise_breaks():
    lengths = np.array([0.8, 1.0, 1.1, 1.2, 1.3])
    worst = pd.DataFrame({ERROR: [9.0, 0.1, 0.25, 0.5, 0.9], SIGMA: [0.1, 0.1, 0.2, 0.2, 0.2]})
    found = broken(lengths, worst)
    assert found.right(1.3) and not found.right(1.2)
    assert "number of the frame" in found.mistake(4) and "a third of all" in found.mistake(1.1)
    with pytest.raises(LabkitError, match="nowhere beyond 1 Å"):
        broken(lengths, worst.assign(**{SIGMA: 1.0}))


def test_frames_without_failure():
    found = needed()
    assert found.right(29) and 0.9**29 <= 0.05 < 0.9**28
    assert "share of 95 %" in found.mistake(59) and "one more" in found.mistake(28)


def test_what_sigma_does_not_see():
    own = samples([0.1, 0.1, 0.1], [0.1, 0.1, 0.1])
    found = unseen(own, replace(own, errors=np.array([0.1, 0.5, 0.1])))
    assert found.right(3.0) and "Upside down" in found.mistake(1 / 3) and "means" in found.mistake(7 / 3)
