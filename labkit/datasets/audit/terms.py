"""Functions of a linear model of the energy: of pairs, of the density at an atom, and of its angular moments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from labkit.datasets.pairs import CUTOFF, Pairs

RADIAL = 12  # functions of a pair of elements
DECAYS = (0.4, 0.8)  # Å, of the two densities
POWERS = (0.5, 2.0)  # of the densities, as in embedded-atom models of metals
SPLIT = 3  # elements up to which angular functions are separate for each element of the neighbours


class ModelTerm(NamedTuple):
    """Some functions Φ = Σ_i φ_i with their derivatives by the ordered pairs on which they depend.

    pairs     (q,) which of the pairs
    atomic    (n, k) φ_i of each atom
    gradient  (q, 3, k) ∂Φ/∂r_ij with r_ij = R_j - R_i
    odd       whether the gradient of each pair is minus that of the same pair the other way around
    """

    pairs: np.ndarray
    atomic: np.ndarray
    gradient: np.ndarray
    odd: bool


def pair_terms(pairs: Pairs, kind: np.ndarray, starts: np.ndarray) -> Iterator[ModelTerm]:
    """Σ_pairs g_k(r) f_c(r) of each kind of pair: RADIAL Gaussians from its shortest distance to the cutoff.

    Their centres and widths grow geometrically.
    """
    for t, start in enumerate(starts):
        mine = np.flatnonzero(kind == t)
        value, slope = _radial(pairs.distance[mine], start)
        gradient = 0.5 * pairs.unit[mine, :, None] * slope[:, None, :]  # every pair is listed twice
        yield ModelTerm(mine, 0.5 * (sums(pairs.i[mine], len(pairs.numbers)) @ value), gradient, True)


def density_terms(pairs: Pairs, place: np.ndarray, species: int) -> Iterator[ModelTerm]:
    """Σ_i ρ_i^q of the atoms i of each element, with ρ_i = Σ_j exp((1 Å - r)/d) f_c(r)."""
    own, at = np.eye(species)[place], sums(pairs.i, len(pairs.numbers))
    for decayed, slope in _decaying(pairs.distance):
        density = np.maximum(at @ decayed, 1e-9)
        for power in POWERS:
            change = own * (power * density ** (power - 1))[:, None]
            gradient = pairs.unit[:, :, None] * (change[pairs.i] * slope[:, None])[:, None, :]
            yield ModelTerm(np.arange(len(pairs.i)), own * density[:, None] ** power, gradient, False)


def angular_terms(pairs: Pairs, place: np.ndarray, species: int) -> Iterator[ModelTerm]:
    """Σ_i |Σ_j g(r) u|² and Σ_i (‖Σ_j g(r) u uᵀ‖² - (Σ_j g(r))²/3), with u = r/r: functions of angles j-i-k.

    The atoms i are those of each element; so are the neighbours j, if there are up to SPLIT elements. As in modified
    embedded-atom models: Baskes, Phys. Rev. B 46, 2727 (1992).
    """
    own = np.eye(species)[place]
    for b in range(species) if species <= SPLIT else [None]:
        mine = np.arange(len(pairs.i)) if b is None else np.flatnonzero(place[pairs.j] == b)
        i, u = pairs.i[mine], pairs.unit[mine]
        at, r = sums(i, len(pairs.numbers)), np.maximum(pairs.distance[mine], 1e-9)[:, None]
        for g, slope in _decaying(pairs.distance[mine]):
            g, slope = g[:, None], slope[:, None]
            first = at @ (g * u)
            along = (first[i] * u).sum(1, keepdims=True)
            gradient = 2 * (slope * along * u + g / r * (first[i] - along * u))
            yield ModelTerm(mine, own * (first**2).sum(1)[:, None], gradient[:, :, None] * own[i][:, None, :], False)
            second = (at @ (g * (u[:, :, None] * u[:, None, :]).reshape(-1, 9))).reshape(-1, 3, 3)
            trace = np.trace(second, axis1=1, axis2=2)
            turned = np.einsum("pcd,pd->pc", second[i], u)
            along = (turned * u).sum(1, keepdims=True)
            gradient = 2 * slope * (along - trace[i, None] / 3) * u + 4 * g / r * (turned - along * u)
            value = (second**2).sum((1, 2)) - trace**2 / 3
            yield ModelTerm(mine, own * value[:, None], gradient[:, :, None] * own[i][:, None, :], False)


def angular_size(species: int) -> int:
    """The number of angular functions."""
    return 2 * len(DECAYS) * species * (species if species <= SPLIT else 1)


def sums(to: np.ndarray, rows: int) -> csr_matrix:
    """(rows, q) the matrix that adds the values of q pairs to the rows `to`."""
    return csr_matrix((np.ones(len(to)), (to, np.arange(len(to)))), shape=(rows, len(to)))


def _decaying(r: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """exp((1 Å - r)/d) f_c(r) and its slope, for each d."""
    smooth, bend = _cutoff(r)
    for decay in DECAYS:
        decayed = np.exp((1.0 - r) / decay)
        yield decayed * smooth, decayed * (bend - smooth / decay)


def _cutoff(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half a cosine from 1 at r = 0 to 0 at the cutoff, and its slope."""
    x = np.pi * np.minimum(r, CUTOFF) / CUTOFF
    return 0.5 * (1 + np.cos(x)), -0.5 * np.pi / CUTOFF * np.sin(x)


def _radial(r: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
    """Functions (P, RADIAL) and their slopes."""
    centres = np.geomspace(start, CUTOFF, RADIAL + 1)[:-1]
    widths = centres * (centres[1] / centres[0] - 1)
    x = (r[:, None] - centres) / widths
    smooth, bend = (part[:, None] for part in _cutoff(r))
    bell = np.exp(-0.5 * x**2)
    return bell * smooth, bell * (bend - smooth * x / widths)
