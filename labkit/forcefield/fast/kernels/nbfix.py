"""Lennard-Jones with parameters for pairs of kinds, over a pair list, compiled."""

from __future__ import annotations

import math

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.pairs import push, vector


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})
def nbfix(r, cells, index, first, partner, shift, kinds, repulsive, attractive, switch, cutoff, energy, forces, virial):
    """Add energies (S,) eV, forces (n, 3) eV/Å and Σ f ⊗ r (S, 3, 3) eV; an infinite switch means none."""
    for i in range(len(r)):
        s, e = index[i], 0.0
        h = cells[s]
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            x, y, z = vector(p, i, j, r, h, shift)
            r2 = x * x + y * y + z * z
            if r2 >= cutoff * cutoff:
                continue
            inv2 = 1.0 / r2
            inv6 = inv2 * inv2 * inv2
            a, b = repulsive[kinds[i], kinds[j]] * inv6, attractive[kinds[i], kinds[j]]
            u, slope = (a - b) * inv6, 6.0 * (2.0 * a - b) * inv6 * inv2  # slope is -(1/r) du/dr
            if r2 > switch * switch:
                d = math.sqrt(r2)
                t = (d - switch) / (cutoff - switch)
                w = 1.0 - t * t * t * (10.0 + t * (6.0 * t - 15.0))
                slope = slope * w + u * 30.0 * t * t * (1.0 - t) * (1.0 - t) / ((cutoff - switch) * d)
                u *= w
            e += u
            push(slope, i, j, x, y, z, forces, virial[s])
        energy[s] += e
