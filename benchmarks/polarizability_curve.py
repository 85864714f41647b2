"""Learning curves of the polarizability of ice: labkit, and independently featomic with kernels in numpy.

The first 12, 25, 50, ... training frames of data/ice that have a polarizability, judged by the validation frames. Both
choose 200 features of n_max = 8, l_max = 6 in the same way; the regularization of each λ is that with the smallest
error of training trajectories left out, by labkit, for both and at every size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _bench import compare, installed, parser, report
from polarizability import SETTINGS, Peer

from labkit.datasets import Dataset, ice
from labkit.polarizability import TensorDesign, errors, learning_curve, noise_map, with_label

FEATURES = 200


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--curve", type=Path, help="write a figure of the curves here")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    if not installed("featomic", "featomic", "metatensor"):
        report([], arguments)
        return
    train, valid = (with_label(ice(name), "polarizability") for name in ("train", "valid"))
    features = 10 if arguments.small else FEATURES
    if arguments.small:
        train, valid = train[:12], valid[:4]
    ours, noise = with_labkit(train, valid, features)
    theirs = with_peer(train, valid, noise, list(ours.index), features)
    print("regularization", noise)
    print(ours[["xx", "xy", "yx", 0, 2]].round(4), f"RMSE in Å^3 of {len(valid)} validation frames", sep="\n")
    assert (ours["xy"] == ours["yx"]).all()
    rows = [
        compare(f"RMSE of {name}, {size} frames", "Å^3", [ours.loc[size, key]], [theirs.loc[size, key]], "featomic")
        for size in ours.index
        for name, key in {"the trace's part": 0, "the anisotropy": 2}.items()
    ]
    report(rows, arguments)
    if arguments.curve:
        draw(ours, theirs, np.asarray(valid.polarizability), arguments.curve)


def with_labkit(train: Dataset, valid: Dataset, features: int) -> tuple[pd.DataFrame, dict[int, float]]:
    design = TensorDesign.build(train + valid, n_features=features, **SETTINGS)
    learn, unseen = range(len(train)), range(len(train), len(train) + len(valid))
    trajectories = [(k in learn, info["trajectory"]) for k, info in enumerate((train + valid).info)]
    noise = noise_map(design, train=learn, groups=trajectories).idxmin().to_dict()
    return learning_curve(design, noise, train=learn, test=unseen), noise


def with_peer(train: Dataset, valid: Dataset, noise: dict[int, float], sizes: list[int], features: int) -> pd.DataFrame:
    labels, found = np.asarray(valid.polarizability), {}
    for size in sizes:
        peer = Peer(train[:size], features)
        peer.fit(noise)
        found[size] = errors(labels, peer.predict(valid.atoms))
    return pd.DataFrame(found).T


def draw(ours: pd.DataFrame, theirs: pd.DataFrame, labels: np.ndarray, path: Path) -> None:
    """Left: the components; right: the parts by both codes; dashed: without learning."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2)
    for name, style in {"xx": "o-", "xy": "s-", "yx": "x"}.items():
        left.loglog(ours.index, ours[name], style, label=name, markersize=8 if name == "yx" else 5)
    left.axhline(labels[:, 0, 0].std(), color="tab:blue", ls="--", lw=0.8)
    left.axhline(labels[:, 0, 1].std(), color="tab:orange", ls="--", lw=0.8, label="spread of the labels")
    for part, colour in {0: "tab:green", 2: "tab:red"}.items():
        right.loglog(ours.index, ours[part], "o-", color=colour, label=f"λ = {part}, labkit")
        right.loglog(theirs.index, theirs[part], "o", color=colour, mfc="none", ms=10, label="featomic and numpy")
    for axes in (left, right):
        axes.set(xlabel="training frames", ylabel="validation RMSE [Å³]")
        axes.set_xticks(ours.index, [str(size) for size in ours.index])
        axes.minorticks_off()
        axes.legend(frameon=False, loc="lower left")
    drawn.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
