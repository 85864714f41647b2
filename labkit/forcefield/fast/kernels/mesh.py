"""Smooth particle-mesh Ewald, compiled: charges to the mesh and forces from it, and the excluded pairs.

In a direction with n mesh points an atom has the coordinate u = n (r · cell⁻¹). Sums have a fixed order.
"""

from __future__ import annotations

import math

import numpy as np

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.nearest import shorten
from labkit.forcefield.fast.kernels.vector_math import EXACT, FAST, exp_minus


@njit(cache=True, nogil=True, error_model="numpy")
def place(positions, inverse, shape, table, first, shares, slopes):
    """Write each atom's first mesh point (n, 3), and the shares (n, 3, order) of its points and their derivatives d/du.

    table (order, order): shares as polynomials. Returns False if a position is not finite.
    """
    order = len(table)
    half, middle = (order - 1) // 2, 0.5 * (1 - order % 2)
    for i in range(len(positions)):
        for d in range(3):
            n = shape[d]
            u = n * (
                positions[i, 0] * inverse[0, d] + positions[i, 1] * inverse[1, d] + positions[i, 2] * inverse[2, d]
            )
            if not abs(u) < np.inf:
                return False
            nearest = np.floor(u) if middle else np.rint(u)
            x = u - nearest - middle
            # modulo of floats: exact and not negative; an integer could not hold every finite position
            first[i, d] = (int(nearest % n) - half) % n
            for a in range(order):
                share = table[a, order - 1]
                slope = 0.0
                for power in range(order - 2, -1, -1):
                    slope = slope * x + share
                    share = share * x + table[a, power]
                shares[i, d, a], slopes[i, d, a] = share, slope
    return True


@njit(cache=True, nogil=True, inline="always")
def _points(first, n, at):
    """Write the mesh points from `first` on, periodically."""
    for a in range(len(at)):
        at[a] = first
        first = first + 1 if first + 1 < n else 0


@njit(cache=True, nogil=True, fastmath=EXACT)
def spread(charges, first, shares, mesh):
    """Add charges to the mesh."""
    nx, ny, nz = mesh.shape
    order = shares.shape[2]
    at = np.empty((3, order), np.int64)
    for i in range(len(charges)):
        for d in range(3):
            _points(first[i, d], mesh.shape[d], at[d])
        for a in range(order):
            for b in range(order):
                share = charges[i] * shares[i, 0, a] * shares[i, 1, b]
                row = mesh[at[0, a], at[1, b]]
                for c in range(order):
                    row[at[2, c]] += share * shares[i, 2, c]


@njit(cache=True, nogil=True, fastmath=EXACT)
def gather(charges, first, shares, slopes, inverse, mesh, forces):
    """Add the forces -q Σ potential · ∇share of a mesh of the potential."""
    order = shares.shape[2]
    at = np.empty((3, order), np.int64)
    for i in range(len(charges)):
        for d in range(3):
            _points(first[i, d], mesh.shape[d], at[d])
        fx = fy = fz = 0.0
        for a in range(order):
            for b in range(order):
                row = mesh[at[0, a], at[1, b]]
                mean = slope = 0.0
                for c in range(order):
                    value = row[at[2, c]]
                    mean += value * shares[i, 2, c]
                    slope += value * slopes[i, 2, c]
                fx += slopes[i, 0, a] * shares[i, 1, b] * mean
                fy += shares[i, 0, a] * slopes[i, 1, b] * mean
                fz += shares[i, 0, a] * shares[i, 1, b] * slope
        fx, fy, fz = fx * mesh.shape[0], fy * mesh.shape[1], fz * mesh.shape[2]
        for k in range(3):
            forces[i, k] -= charges[i] * (fx * inverse[k, 0] + fy * inverse[k, 1] + fz * inverse[k, 2])


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def influence(waves, alpha, volume, bx, by, bz, found):
    """4π/V exp(-k²/4α²)/k² b² for half the waves (nx, ny, nz//2 + 1), zero for k = 0; waves: 2π cell⁻¹, transposed."""
    nx, ny, half = found.shape
    for i in range(nx):
        p = i if 2 * i < nx else i - nx
        for j in range(ny):
            q = j if 2 * j < ny else j - ny
            scale = 4.0 * math.pi / volume * bx[i] * by[j]
            x = p * waves[0, 0] + q * waves[1, 0]
            y = p * waves[0, 1] + q * waves[1, 1]
            z = p * waves[0, 2] + q * waves[1, 2]
            for l in range(half):
                kx, ky, kz = x + l * waves[2, 0], y + l * waves[2, 1], z + l * waves[2, 2]
                k2 = kx * kx + ky * ky + kz * kz
                found[i, j, l] = scale * bz[l] * exp_minus(k2 / (4.0 * alpha * alpha)) / k2
    found[0, 0, 0] = 0.0


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def convolve(spectrum, kernel, waves, alpha, nz, virial):
    """Multiply the spectrum by the kernel A, return E = ½ Σ_k A |ρ_k|² and add its virial, of a strain of the cell.

    dE/dstrain = Σ_k A |ρ_k|² (k ⊗ k (1/k² + 1/4α²) - ½ 1): from the waves, and from the volume.
    """
    nx, ny, half = kernel.shape
    inverse = 0.25 / (alpha * alpha)
    energy, base = 0.0, np.empty(3)
    for i in range(nx):
        p = i if 2 * i < nx else i - nx
        for j in range(ny):
            q = j if 2 * j < ny else j - ny
            for k in range(3):
                base[k] = p * waves[0, k] + q * waves[1, k]
            x, y, z = base[0], base[1], base[2]
            total = none = one = two = 0.0  # Σ of `stretched` times l⁰, l¹ and l²
            for l in range(half):
                kx, ky, kz = x + l * waves[2, 0], y + l * waves[2, 1], z + l * waves[2, 2]
                k2 = max(kx * kx + ky * ky + kz * kz, 1e-300)
                value = spectrum[i, j, l]
                twice = 1.0 if l == 0 or 2 * l == nz else 2.0  # the other half is equal
                part = twice * kernel[i, j, l] * (value.real * value.real + value.imag * value.imag)
                stretched = part * (1.0 / k2 + inverse)
                total += part
                none += stretched
                one += l * stretched
                two += l * l * stretched
                spectrum[i, j, l] = value * kernel[i, j, l]
            energy += 0.5 * total
            for k in range(3):
                for m in range(3):
                    mixed = base[k] * waves[2, m] + waves[2, k] * base[m]
                    virial[k, m] -= none * base[k] * base[m] + one * mixed + two * waves[2, k] * waves[2, m]
    for k in range(3):
        virial[k, k] += energy
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def excluded(pairs, r, lattices, index, charges, alpha, energy, forces, virial):
    """Add -q_i q_j erf(αr)/r of the excluded pairs, each at its nearest image."""
    x, images = np.empty(3), np.empty(3)
    for m in range(len(pairs)):
        i, j = pairs[m]
        s = index[i]
        for k in range(3):
            x[k] = r[j, k] - r[i, k]
        shorten(x, s, lattices, images)
        d2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
        d = math.sqrt(d2)
        qq = charges[i] * charges[j]
        u = -qq * math.erf(alpha * d) / d
        energy[s] += u
        pull = (u + qq * 1.1283791670955126 * alpha * math.exp(-alpha * alpha * d2)) / d2  # -(1/r) du/dr
        for k in range(3):
            forces[j, k] += pull * x[k]
            forces[i, k] -= pull * x[k]
            for l in range(3):
                virial[s, k, l] += pull * x[k] * x[l]
