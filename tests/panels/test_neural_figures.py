"""Pictures of notebook 09."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from labkit.gap.power_law import PowerLaw
from labkit.panels.neural_figures import FORCES, SECONDS, efficiency_figure, learning_plot


def colours(image):
    pixels = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB")).reshape(-1, 3).astype(int)
    blue, orange = (pixels[:, 2] > pixels[:, 0] + 60).sum(), (pixels[:, 0] > pixels[:, 2] + 60).sum()
    return blue, orange


def test_both_models_are_drawn():
    rows = {(name, n): {SECONDS: 1.0 + n / 10, FORCES: 100.0 - n / 2} for name in ("GAP", "network") for n in (12, 50)}
    history = [{"seconds": 0.5 * k, "valid forces": 0.5 / k} for k in (1, 2, 4)]
    blue, orange = colours(efficiency_figure(pd.DataFrame(rows).T, history))
    assert blue > 100 and orange > 300


def test_a_learning_curve_with_its_law():
    errors = {20: 16.0, 56: 12.0, 156: 9.0}
    image = learning_plot(errors, PowerLaw.through(list(errors), list(errors.values())))
    assert colours(image)[1] > 50
