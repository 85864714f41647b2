"""Bonds, 1-4 pairs, angles and torsions, compiled: forces by their closed forms, added to what is there.

`virial` is Σ f ⊗ (r - r_ref), as in the kernel of pairs. Each atom's sum has one order, on one thread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

COSINE, RYCKAERT_BELLEMANS, HARMONIC = 0, 1, 2


@njit(cache=True, nogil=True)
def bonds(atoms, k, r0, r, index, energy, forces, virial):
    x = np.empty(3)
    for m in range(len(atoms)):
        i, j = atoms[m]
        s = index[i]
        for a in range(3):
            x[a] = r[j, a] - r[i, a]
        d = math.sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2])
        stretch = d - r0[m]
        energy[s] += 0.5 * k[m] * stretch * stretch
        pull = -k[m] * stretch / d
        for a in range(3):
            forces[j, a] += pull * x[a]
            forces[i, a] -= pull * x[a]
            for b in range(3):
                virial[s, a, b] += pull * x[a] * x[b]


@njit(cache=True, nogil=True)
def pairs14(atoms, charge, sigma, epsilon, r, index, energy, forces, virial):
    """`charge`: k_e q_i q_j."""
    x = np.empty(3)
    for m in range(len(atoms)):
        i, j = atoms[m]
        s = index[i]
        for a in range(3):
            x[a] = r[j, a] - r[i, a]
        inverse2 = 1.0 / (x[0] * x[0] + x[1] * x[1] + x[2] * x[2])
        s6 = (sigma[m] * sigma[m] * inverse2) ** 3
        near = charge[m] * math.sqrt(inverse2)
        energy[s] += 4.0 * epsilon[m] * (s6 * s6 - s6) + near
        push = (24.0 * epsilon[m] * (2.0 * s6 * s6 - s6) + near) * inverse2
        for a in range(3):
            forces[j, a] += push * x[a]
            forces[i, a] -= push * x[a]
            for b in range(3):
                virial[s, a, b] += push * x[a] * x[b]


@njit(cache=True, nogil=True)
def angles(atoms, k, theta0, r, index, energy, forces, virial):
    x, y = np.empty(3), np.empty(3)
    for m in range(len(atoms)):
        i, j, l = atoms[m]
        s = index[i]
        xx = yy = xy = 0.0
        for a in range(3):
            x[a], y[a] = r[i, a] - r[j, a], r[l, a] - r[j, a]
            xx += x[a] * x[a]
            yy += y[a] * y[a]
            xy += x[a] * y[a]
        across = math.sqrt(max(xx * yy - xy * xy, 1e-30 * xx * yy))  # |x × y|; a straight angle has no direction
        bend = math.atan2(across, xy) - theta0[m]
        energy[s] += 0.5 * k[m] * bend * bend
        slope = k[m] * bend / across
        for a in range(3):
            # -dθ/dx = (y - x (x·y)/x²)/|x × y|
            f, g = slope * (y[a] - x[a] * xy / xx), slope * (x[a] - y[a] * xy / yy)
            forces[i, a] += f
            forces[l, a] += g
            forces[j, a] -= f + g
            for b in range(3):
                virial[s, a, b] += f * x[b] + g * y[b]


@njit(cache=True, nogil=True)
def torsions(kind, atoms, series, p, q, c, r, index, energy, forces, virial):
    """SERIES: Σ_n series[m, n, 0] cos nφ + series[m, n, 1] sin nφ, else None. COSINE: p = n, q = γ, c[:, 0] = k;
    RYCKAERT_BELLEMANS: c; HARMONIC: p = k, q = φ0.

    Derivatives of φ after Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996), without a singularity but at r = 0.
    """
    f, g, h, u, v = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for m in range(len(atoms)):
        i, j, k, l = atoms[m]
        s = index[i]
        for a in range(3):
            f[a], g[a], h[a] = r[i, a] - r[j, a], r[j, a] - r[k, a], r[l, a] - r[k, a]
        uu = vv = gg = fg = hg = uv = fv = 0.0
        for a in range(3):
            b, d = (a + 1) % 3, (a + 2) % 3
            u[a], v[a] = f[b] * g[d] - f[d] * g[b], h[b] * g[d] - h[d] * g[b]
        for a in range(3):
            uu += u[a] * u[a]
            vv += v[a] * v[a]
            uv += u[a] * v[a]
            gg += g[a] * g[a]
            fg += f[a] * g[a]
            hg += h[a] * g[a]
            fv += f[a] * v[a]
        length = math.sqrt(gg)
        across = -length * fv
        phi = math.atan2(across, uv) if series is None else 0.0
        if series is not None:
            # cos nφ + i sin nφ = (cos φ + i sin φ)^n: functions of the C library would take most of the time
            scale = 1.0 / math.sqrt(uv * uv + across * across)
            x, y, cosine, sine = uv * scale, across * scale, 1.0, 0.0
            e = slope = 0.0
            for o in range(series.shape[1]):
                e += cosine * series[m, o, 0] + sine * series[m, o, 1]
                slope += o * (cosine * series[m, o, 1] - sine * series[m, o, 0])
                cosine, sine = cosine * x - sine * y, sine * x + cosine * y
        elif kind == COSINE:
            angle = p[m] * phi - q[m]
            e, slope = c[m, 0] * (1 + math.cos(angle)), -c[m, 0] * p[m] * math.sin(angle)
        elif kind == RYCKAERT_BELLEMANS:
            x, e, dx = -math.cos(phi), 0.0, 0.0
            for o in range(5, -1, -1):
                dx = dx * x + e
                e = e * x + c[m, o]
            slope = dx * math.sin(phi)
        else:
            off = phi - q[m]
            off -= 2 * math.pi * np.round(off / (2 * math.pi))
            e, slope = 0.5 * p[m] * off * off, p[m] * off
        energy[s] += e
        one, other, along = slope / uu, slope / vv, 1.0 / length
        first, last = one * fg * along, other * hg * along
        one, other = one * length, -other * length
        for a in range(3):
            fi, fl = one * u[a], other * v[a]
            t = first * u[a] - last * v[a]  # what is shared by j and k
            fj = -fi - t
            fk = -fl + t
            forces[i, a] += fi
            forces[j, a] += fj
            forces[k, a] += fk
            forces[l, a] += fl
            for b in range(3):
                virial[s, a, b] += fi * f[b] - fk * g[b] + fl * (h[b] - g[b])
