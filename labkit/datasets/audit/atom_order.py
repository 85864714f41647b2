"""Forces in another order of atoms than the geometry: found by a model that is fitted to each order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from labkit.datasets.audit.alignment import CERTAIN, paired
from labkit.datasets.audit.finding import Finding
from labkit.datasets.audit.force_alignment import ForceModel
from labkit.datasets.audit.frame_labels import Labels
from labkit.datasets.audit.shift_regression import RIDGES, Normal
from labkit.datasets.dataset import Dataset
from labkit.datasets.pairs import find_pairs, portions

DOUBTFUL = 0.03  # share of the forces that is unexplained, above which other orders are tried
MOST_FRAMES, MOST_ATOMS = 100, 200
FEWEST = 20  # frames of as many atoms, from which an order is learned
BETTER = 0.5  # of the unexplained share must remain at most


@dataclass(frozen=True, eq=False)
class AtomOrder:
    """Row `orders[n][i]` of the forces of a frame with n atoms belongs to its atom i.

    before, after  unexplained shares of the forces as they are, and in this order
    z              of the difference
    """

    orders: dict[int, np.ndarray]
    before: float
    after: float
    z: float

    def repaired(self, dataset: Dataset) -> Dataset:
        """The dataset with its forces in the order of its atoms."""
        rows = np.arange(dataset.offsets[-1])
        for start, count in zip(dataset.offsets, dataset.counts.tolist()):
            if count in self.orders:
                rows[start : start + count] = start + self.orders[count]
        return replace(dataset, forces=dataset.forces[rows])

    def finding(self) -> Finding:
        parts = [_words(n, order) for n, order in sorted(self.orders.items())]
        text = f"forces are in another order of atoms than the geometry: {'; '.join(parts[:3])}"
        explained = f"{1 - self.after:.1%} of the forces are explained, as they are {1 - self.before:.1%}"
        sure = f"so {explained}; z = {self.z:.0f}"
        return Finding("problem", "order of atoms", text, "ds = audit(ds).repaired()", sure)


def atom_order(labels: Labels, model: ForceModel) -> AtomOrder | None:
    """The order in which forces fit the geometry much better than as they are; None if there is no such order."""
    alignment = model.alignment
    if alignment is None or alignment.verdict == "shifted" or not alignment.at(0) > DOUBTFUL:
        return None
    some = model.sample[labels.has[model.sample] & (labels.dataset.counts[model.sample] <= MOST_ATOMS)]
    some = some[:: -(-len(some) // MOST_FRAMES)] if len(some) else some
    if len(some) < FEWEST:
        return None
    design = _designs(labels, model, some)
    forces = [labels.forces(int(k)) for k in some]
    orders = {}
    for n in np.unique(labels.dataset.counts[some]).tolist():
        mine = [k for k, x in enumerate(design) if len(x) == n]
        if n > 1 and len(mine) >= FEWEST:
            root = np.sqrt(labels.weight(some[mine], 3 * n))[:, None, None]  # one wild frame counts no more than others
            orders[n] = _learned(
                root[..., None] * np.stack([design[k] for k in mine]), root * np.stack([forces[k] for k in mine])
            )
    changed = {n: order for n, order in orders.items() if (order != np.arange(n)).any()}
    if not changed:
        return None
    tried = [[f, f[changed.get(len(f), np.arange(len(f)))]] for f in forces]
    errors, total = _errors(design, tried, labels, some)
    before, after = errors.sum(0) / total
    known = (errors > 0).all(1)
    z, p = paired(np.log(errors[known, 0]) - np.log(errors[known, 1]))
    if after > BETTER * before or p > CERTAIN:
        return None
    return AtomOrder(changed, float(before), float(after), z)


def _designs(labels: Labels, model: ForceModel, frames: np.ndarray) -> list[np.ndarray]:
    """X (n, 3, p) of each frame."""
    out = []
    for batch in portions(labels.dataset.atoms, frames):
        pairs = find_pairs([labels.dataset.atoms[int(k)] for k in batch])
        rows = model.basis.rows(pairs)[0] / model.scale
        out += [rows[a:b] for a, b in zip(pairs.offsets, pairs.offsets[1:])]
    return out


def _learned(x: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """The order (n,) in which forces (K, n, 3) are explained best by X (K, n, 3, p) of the atoms.

    First each atom has weights of its own for each row of the forces, fitted in half of the frames and judged in the
    other; then all have the same.
    """
    half = np.arange(len(x)) % 2 == 0
    cost = _own_weights(x[half], forces[half], x[~half], forces[~half])
    cost += _own_weights(x[~half], forces[~half], x[half], forces[half])
    order = linear_sum_assignment(cost)[1]
    for _ in range(3):
        cost = np.zeros_like(cost)
        for fitted, judged in ((half, ~half), (~half, half)):
            predicted = x[judged] @ _weights(x[fitted], forces[fitted][:, order])
            cost += ((predicted[:, :, None] - forces[judged][:, None]) ** 2).sum((0, 3))
        order = linear_sum_assignment(cost)[1]
    return order


def _own_weights(x: np.ndarray, forces: np.ndarray, x_judged: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """(n, n) squared errors of the rows j of the forces, explained by the geometry around the atoms i."""
    n, size = x.shape[1], x.shape[3]
    out = np.zeros((n, n))
    for i in range(n):
        own, other = x[:, i].reshape(-1, size), x_judged[:, i].reshape(-1, size)
        gram = own.T @ own
        ridge = RIDGES[-1] * np.trace(gram) / size + 1e-12
        right = own.T @ forces.swapaxes(1, 2).reshape(-1, n)
        off = judged.swapaxes(1, 2).reshape(-1, n) - other @ np.linalg.solve(gram + ridge * np.eye(size), right)
        out[i] = (off**2).sum(0)
    return out


def _weights(x: np.ndarray, forces: np.ndarray) -> np.ndarray:
    flat = x.reshape(-1, x.shape[-1])
    gram = flat.T @ flat
    ridge = RIDGES[0] * np.trace(gram) / len(gram) + 1e-12
    return np.linalg.solve(gram + ridge * np.eye(len(gram)), flat.T @ forces.ravel())


def _errors(
    design: list[np.ndarray], tried: list[list[np.ndarray]], labels: Labels, frames: np.ndarray
) -> tuple[np.ndarray, float]:
    """Squared errors (K, T) of T orders of the forces, each frame predicted from others, and their total square."""
    flat = [x.reshape(-1, x.shape[-1]) for x in design]
    right = [np.stack([x.T @ f.ravel() for f in some], 1) for x, some in zip(flat, tried)]
    square = np.stack([[(f**2).sum() for f in some] for some in tried])
    weight = np.stack([labels.weight(frames[k : k + 1], len(x)) for k, x in enumerate(flat)]) * np.ones(square.shape)
    normal = Normal(np.stack([x.T @ x for x in flat]), np.stack(right), square, weight)
    return normal.errors(), float((weight * square)[:, 0].sum())


def _words(n: int, order: np.ndarray) -> str:
    moved = np.flatnonzero(order != np.arange(n))
    if len(moved) == 2:
        return f"those of atoms {moved[0]} and {moved[1]} are exchanged in frames of {n} atoms"
    shown = ", ".join(f"atom {i} has those of atom {order[i]}" for i in moved[:4])
    return f"in frames of {n} atoms, {shown}" + (" ..." if len(moved) > 4 else "")
