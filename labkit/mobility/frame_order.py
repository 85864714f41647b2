"""Whether the frames and particles of a trajectory are in order, judged from how far particles usually move."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from labkit.errors import LabkitError

JUMP = 9.0  # usual displacements of a coordinate, beyond which a step is no diffusion
APART = 6.0  # squares of usual steps of all particles, beyond which two frames do not follow each other
CERTAIN = 8.0  # standard deviations by which what is unusual is no accident
FEWEST = 8  # frames from which something is usual
SAMPLED = 20  # pairs of frames in which particles are assigned to each other


def check_finite(x: np.ndarray) -> None:
    """Raise LabkitError for the first coordinate that is not finite, of (T, S, n, 3)."""
    lost = np.argwhere(~np.isfinite(x))
    if len(lost):
        k, s, i, _ = lost[0]
        raise LabkitError(f"the trajectory: frame {k}{of_system(x, s)}, particle {i}: {x[k, s, i]} is not finite")


def check_repeated(x: np.ndarray) -> None:
    """Raise LabkitError for frames that are equal to the last digit: thermal motion never repeats itself."""
    still = np.argwhere((x[1:] == x[:-1]).all((2, 3)))
    if len(still):
        k, s = still[0]
        raise LabkitError(
            f"the trajectory: frames {k} and {k + 1}{of_system(x, s)} are equal, as where a program wrote a frame "
            "twice; remove one of them"
        )
    seen: dict[bytes, int] = {}
    for k, frame in enumerate(x):
        first = seen.setdefault(frame.tobytes(), k)
        if first != k:
            raise LabkitError(
                f"the trajectory: frame {k} is frame {first} again, as where a run was continued from before its end; "
                f"remove the frames from {k} on that stand twice"
            )


def usual_step(steps: np.ndarray) -> np.ndarray:
    """Standard deviation of a coordinate's step for each particle (..., n), from the median of |Δ|²."""
    return np.sqrt(np.median((steps**2).sum(-1), axis=0) / 2.366)  # the median of χ² of 3 numbers


def check_order(x: np.ndarray, unwrapped: bool) -> None:
    """Raise LabkitError for frames or particles in another order, and particles that jump."""
    if len(x) < FEWEST:
        return
    steps = np.diff(x, axis=0)
    usual = usual_step(steps)
    _check_shuffled(x, steps)
    jumps = np.linalg.norm(steps, axis=-1) > JUMP * np.maximum(usual, 1e-300)
    if jumps.any():
        _explain(x, steps, usual, jumps, unwrapped)
    typical = float((usual**2).mean())
    apart = (steps**2).mean((1, 2, 3)) / typical
    bound = APART + CERTAIN * (2 / steps[0].size) ** 0.5
    if (apart > bound).any():
        k = int(apart.argmax())
        raise LabkitError(
            f"the trajectory: particles move {apart[k] ** 0.5:.2g} times as far between frames {k} and {k + 1} as they "
            "usually do; are frames missing or in another order, were two runs joined, or are positions wrapped into a "
            "cell (then give cell=...)?"
        )
    _check_swapped(x / np.maximum(usual, 1e-300)[..., None])


def _check_shuffled(x: np.ndarray, steps: np.ndarray) -> None:
    """Particles in another order in every frame: they do not get further, and others are nearer to where they were."""
    if x.shape[2] < 2:
        return
    once, twice = (steps**2).sum(-1).mean(), ((x[2:] - x[:-2]) ** 2).sum(-1).mean()
    if twice > 1.2 * once:
        return
    kept, best = 0.0, 0.0
    for k in np.unique(np.linspace(0, len(steps) - 1, SAMPLED).astype(int)):
        for s in range(min(x.shape[1], SAMPLED)):
            cost = ((x[k, s, :, None] - x[k + 1, s]) ** 2).sum(-1)
            rows, columns = linear_sum_assignment(cost)
            kept, best = kept + np.trace(cost), best + cost[rows, columns].sum()
    if best < 0.25 * kept:
        raise LabkitError(
            "the trajectory: particles do not get further in two frames than in one, and most frames hold another "
            "particle nearer to where each was: is their order another one in each frame? Sort them by their numbers, "
            "or save frames more often"
        )


def _explain(x: np.ndarray, steps: np.ndarray, usual: np.ndarray, jumps: np.ndarray, unwrapped: bool) -> None:
    k, s = (int(n) for n in np.argwhere(jumps.any(2))[0])
    who = np.flatnonzero(jumps[k, s])
    first = int(who[0])
    between = f"between frames {k} and {k + 1}{of_system(x, s)}"
    if len(who) > 1:
        cost = np.linalg.norm(x[k, s, who, None] - x[k + 1, s, who], axis=-1)
        rows, columns = linear_sum_assignment(cost)
        if (cost[rows, columns] < JUMP * usual[s, who]).all():
            pair = f"{first} and {int(who[columns[0]])}"
            raise LabkitError(
                f"the trajectory: particles {pair} change places {between}: the order of particles is not the same in "
                "all frames; sort them by their numbers"
            )
    size, step = usual[s, first], np.round(steps[k, s, first], 3).tolist()
    hint = (
        "is it the right cell, or are frames missing?"
        if unwrapped
        else "if positions are wrapped into a cell, give cell=... to unwrap them; else frames are missing or wrong"
    )
    raise LabkitError(
        f"the trajectory: particle {first} moves by {step} Å {between}, and usually by {size:.3g} Å in each direction; "
        f"{hint}"
    )


def _check_swapped(x: np.ndarray) -> None:
    """Frames k and k + 1 that make a shorter way in exchanged order, far more so than other pairs; in usual steps."""
    squares = [((x[lag:] - x[:-lag]) ** 2).sum((1, 2, 3)) for lag in (1, 2)]
    as_is, exchanged = squares[0][:-2] + squares[0][2:], squares[1][:-1] + squares[1][1:]
    gain = as_is - exchanged
    middle = np.median(gain)
    spread = 1.4826 * np.median(np.abs(gain - middle))
    bound = CERTAIN + 30.0 / x[0].size ** 0.5  # of few coordinates large gains are more frequent
    wrong = np.flatnonzero((gain > 0) & (gain - middle > bound * spread))
    if len(wrong):
        k = int(wrong[gain[wrong].argmax()]) + 1
        raise LabkitError(
            f"the trajectory: frames {k} and {k + 1} seem to be exchanged: in the other order all particles go a "
            "shorter way; sort the frames by their times"
        )


def of_system(x: np.ndarray, s: int) -> str:
    return f" of system {s}" if x.shape[1] > 1 else ""
