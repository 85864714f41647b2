"""Picture and tables of notebook 10."""

import io

import numpy as np
import pytest
from PIL import Image

from labkit.active.calibration import Samples
from labkit.panels.uncertainty_figures import ERROR, RATIO, SIGMA, kinds_figure, sizes_table, worst_atoms_table


def samples(errors, sigmas, atoms=2):
    n = len(errors)
    frame = np.arange(n) // atoms
    return Samples(np.array(errors), np.array(sigmas), frame, np.full(n, ""), np.full(n, "H"), "eV/Å", 3)


A, B = samples([0.1, 0.2, 0.4, 0.1], [0.1, 0.1, 0.2, 0.3]), samples([0.3, 0.4, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1])


def test_tables():
    worst = worst_atoms_table({"GAP: a": A})
    assert worst["GAP: a", ERROR].tolist() == [0.2, 0.4] and worst["GAP: a", SIGMA].tolist() == [0.1, 0.3]
    sizes = sizes_table({"GAP: a": {"molten": B}}).loc[("GAP: a", "molten")]
    assert sizes[ERROR] == pytest.approx(np.sqrt(0.75 / 4)) and sizes[RATIO] == pytest.approx(sizes[ERROR] / 0.1)


def test_each_kind_is_drawn_and_each_model_has_one_true_error():
    scan = {"GAP: a": A, "GAP: b": samples(A.errors, A.sigmas / 2), "network: c": B}
    sets = {kind: {"validation": A, "molten": B} for kind in scan}
    image = kinds_figure(np.array([1.0, 1.1]), scan, sets)
    for name in ("true error, GAP", "true error, network", "GAP: b"):
        assert name in image.alt
    assert image.alt.count("true error, GAP") == 1
    pixels = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB")).reshape(-1, 3).astype(int)
    assert (pixels[:, 0] > pixels[:, 2] + 60).sum() > 50
