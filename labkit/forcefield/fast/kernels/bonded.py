"""Bonds, 1-4 pairs, angles and torsions, compiled: forces in closed form, added to the given arrays.

`virial` is Σ f ⊗ (r - r_ref), as in the pair kernel. Each atom's sum has a fixed order, on one thread.

If a term has no energy or no force at a geometry, both become NaN and the caller names the atoms (degenerate.py).
Division follows numpy, as in all kernels that divide: Python's raises an error that names no atoms.
"""

from __future__ import annotations

import math

import numpy as np

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.limits import SAME2, straight2
from labkit.forcefield.fast.kernels.pairs import push

COSINE, RYCKAERT_BELLEMANS, HARMONIC = 0, 1, 2
STRAIGHT2 = straight2(np.finfo(np.float64).eps)


@njit(cache=True, nogil=True, error_model="numpy")
def bonds(atoms, k, r0, r, index, energy, forces, virial):
    for m in range(len(atoms)):
        i, j = atoms[m]
        s = index[i]
        x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
        d = math.sqrt(x * x + y * y + z * z)
        if not d > 0.0:
            if k[m] * r0[m] == 0.0:  # no force
                continue
            d = np.nan
        stretch = d - r0[m]
        energy[s] += 0.5 * k[m] * stretch * stretch
        slope = -k[m] * stretch / d
        push(slope, i, j, x, y, z, forces, virial[s])


@njit(cache=True, nogil=True, error_model="numpy")
def pairs14(atoms, charge, sigma, epsilon, r, index, energy, forces, virial):
    """`charge`: k_e q_i q_j."""
    for m in range(len(atoms)):
        i, j = atoms[m]
        s = index[i]
        x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
        square = x * x + y * y + z * z
        if not square > SAME2:
            if charge[m] == 0.0 and sigma[m] * epsilon[m] == 0.0:
                continue
            square = np.nan
        inverse2 = 1.0 / square
        s6 = (sigma[m] * sigma[m] * inverse2) ** 3
        near = charge[m] * math.sqrt(inverse2)
        energy[s] += 4.0 * epsilon[m] * (s6 * s6 - s6) + near
        slope = (24.0 * epsilon[m] * (2.0 * s6 * s6 - s6) + near) * inverse2
        push(slope, i, j, x, y, z, forces, virial[s])


@njit(cache=True, nogil=True, error_model="numpy")
def contacts(atoms, repulsive, attractive, r, index, energy, forces, virial):
    """A/r^12 - C/r^6."""
    for m in range(len(atoms)):
        i, j = atoms[m]
        s = index[i]
        x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
        square = x * x + y * y + z * z
        if not square > SAME2:
            if repulsive[m] == 0.0 and attractive[m] == 0.0:
                continue
            square = np.nan
        inverse2 = 1.0 / square
        inverse6 = inverse2 * inverse2 * inverse2
        energy[s] += (repulsive[m] * inverse6 - attractive[m]) * inverse6
        slope = (12.0 * repulsive[m] * inverse6 - 6.0 * attractive[m]) * inverse6 * inverse2
        push(slope, i, j, x, y, z, forces, virial[s])


@njit(cache=True, nogil=True, error_model="numpy")
def angles(atoms, k, theta0, r, index, energy, forces, virial):
    """dθ/dx = x × (x × y)/(x² |x × y|), x and y from the middle atom: precise also where the angle is nearly straight.

    The force of a straight angle has no direction; it is set to zero, the mean over all directions.
    """
    x, y, n = np.empty(3), np.empty(3), np.empty(3)
    for m in range(len(atoms)):
        i, j, l = atoms[m]
        s = index[i]
        xx = yy = xy = nn = 0.0
        for a in range(3):
            x[a], y[a] = r[i, a] - r[j, a], r[l, a] - r[j, a]
            xx += x[a] * x[a]
            yy += y[a] * y[a]
            xy += x[a] * y[a]
        for a in range(3):
            b, d = (a + 1) % 3, (a + 2) % 3
            n[a] = x[b] * y[d] - x[d] * y[b]
            nn += n[a] * n[a]
        across = math.sqrt(nn)
        bend = math.atan2(across, xy) - theta0[m]
        slope = k[m] * bend / (across * xx * yy)
        if not nn > STRAIGHT2 * xx * yy:
            slope = 0.0
            if not (xx * yy > 0.0 or k[m] == 0.0):
                bend = slope = np.nan
        energy[s] += 0.5 * k[m] * bend * bend
        one, other = -slope * yy, slope * xx
        for a in range(3):
            b, d = (a + 1) % 3, (a + 2) % 3
            f, g = one * (x[b] * n[d] - x[d] * n[b]), other * (y[b] * n[d] - y[d] * n[b])
            forces[i, a] += f
            forces[l, a] += g
            forces[j, a] -= f + g
            for b in range(3):
                virial[s, a, b] += f * x[b] + g * y[b]


@njit(cache=True, nogil=True, error_model="numpy")
def torsions(kind, atoms, series, p, q, c, r, index, energy, forces, virial):
    """SERIES: Σ_n series[m, n, 0] cos nφ + series[m, n, 1] sin nφ, else None. COSINE: p = n, q = γ, c[:, 0] = k;
    RYCKAERT_BELLEMANS: c; HARMONIC: p = k, q = φ0.

    Derivatives of φ after Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996), singular only where three atoms
    lie in a line: φ is undefined there, and a row whose energy does not depend on φ has that energy and no force.
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
        if not (uu > STRAIGHT2 * fg * fg and vv > STRAIGHT2 * hg * hg):
            if _is_constant(kind, series, p, c, m):
                energy[s] += _constant_energy(kind, series, p, q, c, m)
                continue
            gg = np.nan
        length = math.sqrt(gg)
        across = -length * fv
        inverse = 1.0 / (uv * uv + across * across)  # 1/|u|²|v|²
        phi = math.atan2(across, uv) if series is None else 0.0
        if series is not None:
            # cos nφ + i sin nφ = (cos φ + i sin φ)^n: functions of the C library would take most of the time
            scale = math.sqrt(inverse)
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
        one, other, along = slope * vv * inverse, slope * uu * inverse, 1.0 / length
        first, last = one * fg * along, other * hg * along
        one, other = one * length, -other * length
        for a in range(3):
            fi, fl = one * u[a], other * v[a]
            t = first * u[a] - last * v[a]  # shared by j and k
            fj = -fi - t
            fk = -fl + t
            forces[i, a] += fi
            forces[j, a] += fj
            forces[k, a] += fk
            forces[l, a] += fl
            for b in range(3):
                virial[s, a, b] += fi * f[b] - fk * g[b] + fl * (h[b] - g[b])


@njit(cache=True, nogil=True)
def _is_constant(kind, series, p, c, m):
    """Whether the energy of a row does not depend on φ."""
    same = True
    if series is not None:
        for o in range(1, series.shape[1]):
            same = same and series[m, o, 0] == 0.0 and series[m, o, 1] == 0.0
    elif kind == COSINE:
        same = c[m, 0] == 0.0 or p[m] == 0.0
    elif kind == RYCKAERT_BELLEMANS:
        for o in range(1, 6):
            same = same and c[m, o] == 0.0
    else:
        same = p[m] == 0.0
    return same


@njit(cache=True, nogil=True)
def _constant_energy(kind, series, p, q, c, m):
    """The energy of a row that does not depend on φ."""
    if series is not None:
        return series[m, 0, 0]
    if kind == COSINE:
        return c[m, 0] * (1.0 + math.cos(q[m]))
    return c[m, 0] if kind == RYCKAERT_BELLEMANS else 0.0
