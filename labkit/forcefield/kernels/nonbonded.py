"""Lennard-Jones and electrostatics over a pair list, compiled: energies, forces and virials in one pass."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

PLAIN, REACTION_FIELD, EWALD = 0, 1, 2
PAIRS_PER_THREAD = 20_000  # a thread has a buffer of forces of its own: fewer pairs are not worth it


@njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"})
def _one_chunk(
    low, high, r, cells, index, first, partner, shift, lj, sigma, root, lj_cut2, switch, lj_cut,
    charges, kind, c_cut2, k_rf, c_rf, alpha, forces, energy, virial,
):  # fmt: skip
    for i in range(low, high):
        s = index[i]
        h = cells[s]
        fx = fy = fz = e = 0.0
        xx = xy = xz = yy = yz = zz = 0.0
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
            a, b, c = shift[p, 0], shift[p, 1], shift[p, 2]
            if a != 0 or b != 0 or c != 0:
                x += a * h[0, 0] + b * h[1, 0] + c * h[2, 0]
                y += a * h[0, 1] + b * h[1, 1] + c * h[2, 1]
                z += a * h[0, 2] + b * h[1, 2] + c * h[2, 2]
            r2 = x * x + y * y + z * z
            near_c = charges.size > 0 and r2 < c_cut2
            near_lj = lj and r2 < lj_cut2
            if not (near_c or near_lj):
                continue
            inv2 = 1.0 / r2
            slope = 0.0  # -(1/r) du/dr
            if near_lj:
                eps = 4.0 * root[i] * root[j]
                if eps != 0.0:
                    half = 0.5 * (sigma[i] + sigma[j])
                    s2 = half * half * inv2
                    s6 = s2 * s2 * s2
                    u, du = eps * (s6 * s6 - s6), 6.0 * eps * (2.0 * s6 * s6 - s6) * inv2
                    if switch >= 0.0 and r2 > switch * switch:
                        d = math.sqrt(r2)
                        t = (d - switch) / (lj_cut - switch)
                        w = 1.0 - t * t * t * (10.0 + t * (6.0 * t - 15.0))
                        dw = -30.0 * t * t * (1.0 - t) * (1.0 - t) / (lj_cut - switch)
                        du = du * w - u * dw / d
                        u *= w
                    e += u
                    slope += du
            if near_c:
                qq = charges[i] * charges[j]
                if qq != 0.0:
                    inv = math.sqrt(inv2)
                    if kind == EWALD:
                        d = r2 * inv
                        near = qq * math.erfc(alpha * d) * inv
                        e += near
                        slope += (near + qq * alpha * 1.1283791670955126 * math.exp(-alpha * alpha * r2)) * inv2
                    else:
                        e += qq * (inv + k_rf * r2 - c_rf)
                        slope += qq * (inv * inv2 - 2.0 * k_rf)
            gx, gy, gz = slope * x, slope * y, slope * z
            fx -= gx
            fy -= gy
            fz -= gz
            forces[j, 0] += gx
            forces[j, 1] += gy
            forces[j, 2] += gz
            xx += gx * x
            xy += gx * y
            xz += gx * z
            yy += gy * y
            yz += gy * z
            zz += gz * z
        forces[i, 0] += fx
        forces[i, 1] += fy
        forces[i, 2] += fz
        energy[s] += e
        w = virial[s]
        w[0, 0] += xx
        w[1, 1] += yy
        w[2, 2] += zz
        w[0, 1] += xy
        w[1, 0] += xy
        w[0, 2] += xz
        w[2, 0] += xz
        w[1, 2] += yz
        w[2, 1] += yz


@njit(cache=True, nogil=True, parallel=True)
def _chunks(
    edges, r, cells, index, first, partner, shift, lj, sigma, root, lj_cut2, switch, lj_cut,
    charges, kind, c_cut2, k_rf, c_rf, alpha, forces, energy, virial,
):  # fmt: skip
    for k in prange(len(edges) - 1):
        _one_chunk(
            edges[k], edges[k + 1], r, cells, index, first, partner, shift, lj, sigma, root, lj_cut2, switch, lj_cut,
            charges, kind, c_cut2, k_rf, c_rf, alpha, forces[k], energy[k], virial[k],
        )  # fmt: skip


def nonbonded(threads, r, cells, index, first, *rest):
    """Energy (S,), forces (n, 3) and virial -Σ r f (S, 3, 3), in chunks of equal numbers of pairs.

    The sums have one order for one number of threads, so that results are the same to the bit.
    """
    n, systems = len(r), len(cells)
    threads = max(1, min(threads, first[-1] // PAIRS_PER_THREAD))
    forces, energy, virial = np.zeros((threads, n, 3)), np.zeros((threads, systems)), np.zeros((threads, systems, 3, 3))
    if threads == 1:
        _one_chunk(0, n, r, cells, index, first, *rest, forces[0], energy[0], virial[0])
        return energy[0], forces[0], virial[0]
    edges = np.searchsorted(first, np.linspace(0, first[-1], threads + 1)).astype(np.int64)
    edges[0], edges[-1] = 0, n
    _chunks(edges, r, cells, index, first, *rest, forces, energy, virial)
    return energy.sum(0), forces.sum(0), virial.sum(0)
