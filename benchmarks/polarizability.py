"""Polarizability of ice: labkit against featomic's equivariant power spectrum with dense kernels in numpy.

Both select equally many features, in the same way, from n_max = 8, l_max = 6, cutoff 4 Å, and use exact regression with
zeta = 2. Frames without a polarizability are left out, so fewer than requested may be used.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "1"  # of numpy and featomic; torch's: see main

import numpy as np
import torch
from _bench import Row, alternate, compare, installed, parser, report
from ase import Atoms

from labkit.datasets import Dataset, ice
from labkit.descriptors import clebsch_gordan, select_features
from labkit.polarizability import TARGETS, Settings, TensorDesign, with_label
from labkit.polarizability.descriptor import TensorDescriptor

SETTINGS = dict(n_max=8, l_max=6, cutoff=4.0, atom_sigma=0.3, zeta=2.0)
NOISE = {0: 1e-6, 2: 1e-4}
PEER = "featomic and numpy"


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=150, help="training frames, at most")
    options.add_argument("--along", type=int, default=1000, help="frames of the trajectory")
    options.add_argument("--features", type=int, default=200, help="kept of each lambda")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    if not installed("featomic", "featomic", "metatensor"):
        report([], arguments)
        return
    runs = 7 if arguments.full else 5
    if arguments.small:
        runs, arguments.frames, arguments.along, arguments.features = 1, 8, 4, 10
    train = with_label(ice("train"), "polarizability")
    train = train[: min(arguments.frames, len(train))]
    valid = with_label(ice("valid"), "polarizability")[: 4 if arguments.small else None]
    source = ice("train").atoms
    trajectory = [source[k % len(source)] for k in range(arguments.along)]
    n = f"{len(train)} frames, n8 l6, 1 thread"
    ours, theirs = partial(labkit_design, train, arguments.features), partial(Peer, train, arguments.features)
    ours().solve(NOISE).predict(valid)  # one-time costs are not timed
    rows = [compare(f"descriptors, {n}", "s", *alternate(*descriptors(train), runs), "featomic", 1)]
    fits = alternate(lambda: ours().solve(NOISE), theirs, runs)
    rows.append(compare(f"descriptors, kernels and a fit, {arguments.features} features, {n}", "s", *fits, PEER, 1))
    design, peer = ours(), theirs()
    model = design.solve(NOISE)
    new, refit = alternate(lambda: design.solve(NOISE), lambda: peer.fit(NOISE), runs)
    rows.append(compare(f"another regularization, {n}", "ms", *([1e3 * t for t in x] for x in (new, refit)), "numpy"))
    moves = alternate(lambda: model.predict(trajectory, spread=False), lambda: peer.predict(trajectory), runs)
    rows.append(compare(f"prediction of {len(trajectory)} frames, {n}", "s", *moves, PEER, 1))
    rows += accuracy(model.predict(valid).values, peer.predict(valid.atoms), valid)
    if Path("/proc/self/status").exists() and not arguments.small:
        memory = [peak(work, len(train), arguments.features) for work in (labkit_design, Peer)]
        rows.append(compare(f"largest memory of a process that fits, {n}", "GB", *([x] for x in memory), PEER))
    report(rows, arguments)


def labkit_design(train: Dataset, features: int) -> TensorDesign:
    return TensorDesign.build(train, n_features=features, **SETTINGS)


def descriptors(train: Dataset):
    """All features of λ = 0 and 2, which both codes support."""
    ours = TensorDescriptor(Settings(TARGETS["polarizability"], (1, 8), **SETTINGS))
    theirs = featomic_spectrum()
    wanted = selected()
    return (
        lambda: ours.environments(train.atoms),
        lambda: theirs.compute(train.atoms, selected_keys=wanted, neighbors_to_properties=True),
    )


def featomic_spectrum():
    import featomic
    from featomic.clebsch_gordan import EquivariantPowerSpectrum

    return EquivariantPowerSpectrum(
        featomic.SphericalExpansion(
            cutoff={"radius": SETTINGS["cutoff"], "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
            density={"type": "Gaussian", "width": SETTINGS["atom_sigma"]},
            basis={
                "type": "TensorProduct",
                "max_angular": SETTINGS["l_max"],
                "radial": {"type": "Gto", "max_radial": SETTINGS["n_max"] - 1},
            },
        )
    )


def selected():
    import metatensor

    return metatensor.Labels(["o3_lambda", "o3_sigma"], np.array([[0, 1], [2, 1]]))


class Peer:
    """Exact regression with featomic's features and kernels of numpy, one species at a time."""

    def __init__(self, train: Dataset, features: int) -> None:
        self.spectrum, self.keys, self.chosen = featomic_spectrum(), selected(), {}
        self.train, few = train, max(1, len(train) // 14)
        sample = self.features(train.atoms[::few])
        for degree in (0, 2):
            parts = np.concatenate([sample[z][1][degree] for z in sample])
            order = np.random.default_rng(0).permutation(len(parts))[:128]
            self.chosen[degree] = select_features(torch.as_tensor(parts[order]), features, "cur").numpy()
        self.known = self.features(train.atoms)
        self.kernels = self.kernel(self.known, len(train))
        self.fit(NOISE)

    def features(self, frames: Sequence[Atoms]) -> dict[int, tuple[np.ndarray, dict[int, np.ndarray]]]:
        """By species: the frame of each atom, and {λ: (atoms, 2λ+1, F)} over the length of λ = 0; batch by batch."""
        parts: dict[int, list] = {1: [], 8: []}
        for start in range(0, len(frames), 30):
            found = self.spectrum.compute(
                list(frames[start : start + 30]), selected_keys=self.keys, neighbors_to_properties=True
            )
            for z, kept in parts.items():
                blocks = {d: found.block({"o3_lambda": d, "center_type": z}) for d in (0, 2)}
                values = {d: np.asarray(b.values) for d, b in blocks.items()}
                values = {d: v[:, :, self.chosen[d]] if d in self.chosen else v for d, v in values.items()}
                length = np.linalg.norm(values[0], axis=(1, 2))[:, None, None]
                kept.append(
                    (start + np.asarray(blocks[0].samples["system"]), {d: v / length for d, v in values.items()})
                )
        return {
            z: (
                np.concatenate([frame for frame, _ in kept]),
                {d: np.concatenate([values[d] for _, values in kept]) for d in (0, 2)},
            )
            for z, kept in parts.items()
        }

    def kernel(self, here: dict, frames: int) -> dict[int, np.ndarray]:
        """{λ: (frames (2λ+1), training frames (2λ+1))}."""
        out = {}
        for degree in (0, 2):
            m = 2 * degree + 1
            total = np.zeros((frames, m, len(self.train), m))
            for z, (frame, values) in here.items():
                columns, known = self.known[z]
                starts = np.flatnonzero(np.diff(columns, prepend=-1))
                q = known[degree].reshape(-1, known[degree].shape[2]).T
                for k in np.unique(frame):
                    p, p0 = values[degree][frame == k], values[0][frame == k, 0]
                    block = (p.reshape(-1, p.shape[2]) @ q).reshape(len(p), m, -1, m)
                    block *= (p0 @ known[0][:, 0].T)[:, None, :, None] ** (SETTINGS["zeta"] - 1)
                    total[k] += np.add.reduceat(block.sum(0), starts, axis=1)
            out[degree] = total.reshape(frames * m, -1)
        return out

    def fit(self, noise: dict[int, float]) -> None:
        self.weights, self.mean = {}, {}
        for degree, kernel in self.kernels.items():
            y = np.einsum("sab,abm->sm", self.train.polarizability, turn(degree))
            self.mean[degree] = y.mean(0) if degree == 0 else 0.0
            jitter = noise[degree] * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
            self.weights[degree] = np.linalg.solve(kernel + jitter, (y - self.mean[degree]).ravel())

    def predict(self, frames: Sequence[Atoms]) -> np.ndarray:
        kernels = self.kernel(self.features(frames), len(frames))
        parts = {d: (k @ self.weights[d]).reshape(len(frames), -1) + self.mean[d] for d, k in kernels.items()}
        return sum(np.einsum("sm,abm->sab", part, turn(degree)) for degree, part in parts.items())


def turn(degree: int) -> np.ndarray:
    """(3, 3, 2λ+1), axes x, y, z."""
    return clebsch_gordan(1, 1, degree)[[2, 0, 1]][:, [2, 0, 1]]


def accuracy(ours: np.ndarray, theirs: np.ndarray, valid: Dataset) -> list[Row]:
    """Validation errors, to show that nothing is fast because it is wrong."""
    errors = [[float(np.sqrt(np.mean((found - valid.polarizability) ** 2)))] for found in (ours, theirs)]
    return [compare("RMSE of polarizability, validation", "Å^3", *errors, PEER, goal=1 / 1.1)]


def peak(work, frames: int, features: int) -> float:
    """Peak memory [GB] of a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work.__name__, frames, features))


def _measure(name: str, frames: int, features: int) -> float:
    torch.set_num_threads(1)
    made = {"labkit_design": labkit_design, "Peer": Peer}[name](
        with_label(ice("train"), "polarizability")[:frames], features
    )
    if isinstance(made, TensorDesign):
        made.solve(NOISE)
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent had taken
    return int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1)) / 1e6


if __name__ == "__main__":
    main()
