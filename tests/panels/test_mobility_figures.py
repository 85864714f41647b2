"""Pictures of notebook 15: each shows what it is given."""

import io

import numpy as np
import torch
from PIL import Image

from labkit.mobility import Oseen, RotnePragerYamakawa, WallRotnePragerYamakawa
from labkit.mobility.examples import AboveWall, cloud, colloids
from labkit.mobility.tweezers import of_pair
from labkit.panels.mobility_figures import falling_figure, heights_figure, learned_figure

KT = 0.0259


def ink(image) -> int:
    """Pixels that are not grey."""
    pixels = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB")).astype(int)
    assert pixels.shape[1] == 1140
    return int((np.ptp(pixels, axis=2) > 40).sum())


def test_learned_curves():
    r = torch.linspace(23.0, 100.0, 30, dtype=torch.float64)
    found, truth = (of_pair(kind(10.0, 5.3), r) for kind in (Oseen, RotnePragerYamakawa))
    alone = learned_figure(r, found, truth, 10.0)
    assert alone.data != learned_figure(r, truth, truth, 10.0).data
    pictures = {learned_figure(r, found, truth, 10.0, bars=bars).data for bars in (None, 0.01 * truth, 0.02 * truth)}
    assert alone.data in pictures and len(pictures) == 3


def test_a_cloud_that_falls():
    before, after = (colloids(cloud(12, 60.0, 24.0, seed)[None]) for seed in (1, 2))
    time = torch.arange(10.0)
    assert ink(falling_figure(time, {"fast": -2 * time, "slow": -time}, before, after)) > 3000


def test_heights_with_both_densities():
    above, wall = AboveWall(KT / 5, 4 * KT, 2.5, 10.0), WallRotnePragerYamakawa(10.0, 5.3)
    z, _ = above.boltzmann(KT, 70.0)
    places = torch.zeros(len(z), 1, 3, dtype=torch.float64)
    places[:, 0, 2] = z
    drawn = above.heights(500, KT, 70.0)
    image = heights_figure({"a": drawn, "b": drawn}, above, KT, wall.matrix(places)[:, 2, 2])
    assert ink(image) > 5000
