"""Planted faults are what they say, and nothing else is touched."""

import numpy as np
import pytest

from labkit.datasets import ice
from labkit.datasets.faults import mystery, with_noise, with_shifted_forces
from labkit.errors import LabkitError


@pytest.fixture(scope="module")
def frames():
    return ice("train")


def test_noise_has_its_size_and_is_the_same_each_time(frames) -> None:
    noisy = with_noise(frames, energy=0.003, forces=0.05)
    assert np.std((noisy.energy - frames.energy) / frames.counts) == pytest.approx(0.003, rel=0.1)
    assert np.std(noisy.forces - frames.forces) == pytest.approx(0.05, rel=0.02)
    assert noisy.hash == with_noise(frames, energy=0.003, forces=0.05).hash != with_noise(frames, 0.003, 0.05, 1).hash
    assert np.array_equal(noisy.stress, frames.stress)
    with pytest.raises(LabkitError, match="numbers from 0"):
        with_noise(frames, energy=-1)


@pytest.mark.parametrize("shift", [1, 7, -3, 400])
def test_shift_gives_each_frame_those_of_another(frames, shift: int) -> None:
    shifted = with_shifted_forces(frames, shift)
    for k in (0, 5, 399):
        assert np.array_equal(shifted[k].forces, frames[(k + shift) % 400].forces)
    assert np.array_equal(shifted.energy, frames.energy)


def test_mystery_is_a_shift_that_depends_on_the_frames(frames) -> None:
    strange = mystery(frames)
    first = [k for k in range(400) if np.array_equal(frames[k].forces, strange[0].forces)]
    assert 2 <= first[0] < 20 and mystery(frames).hash == strange.hash
    assert len({mystery(frames, number).hash for number in range(8)}) > 3
    with pytest.raises(LabkitError, match="too few"):
        mystery(frames[:10])
