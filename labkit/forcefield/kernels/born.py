"""Generalized Born over a pair list, compiled: radii, pairs, and the forces back through the radii."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from labkit.forcefield.kernels.pairs import push, vector


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})
def _integral(rho, s, r):
    """What a sphere s at distance r takes from the surroundings of ρ, and its derivative in r."""
    high = r + s
    if high <= rho:
        return 0.0, 0.0
    apart = abs(r - s)
    low, dlow = (apart, math.copysign(1.0, r - s)) if apart > rho else (rho, 0.0)
    u, l, inv = 1.0 / high, 1.0 / low, 1.0 / r
    log, side, squares = math.log(low * u), r - s * s * inv, u * u - l * l
    value = 0.5 * (l - u + 0.25 * side * squares + 0.5 * log * inv)
    slope = u * u - l * l * dlow + 0.25 * (1.0 + s * s * inv * inv) * squares
    slope += 0.5 * side * (l * l * l * dlow - u * u * u) + 0.5 * inv * (l * dlow - u - log * inv)
    return value, 0.5 * slope


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})
def born(
    r, cells, index, first, partner, shift, charges, radii, rho, scaled, shape, saturating, kinds, depth, distance,
    reach, neck_scale, solute, solvent, kappa, cut2, shifted, surface, probe, energy, forces, virial,
):  # fmt: skip
    """Add energies (S,) eV, forces (n, 3) eV/Å and Σ f ⊗ r (S, 3, 3) eV.

    charges (n,) times sqrt(k_e); rho, scaled (n,) Å; solute, solvent are 1/ε; shifted is 1/r_c; surface is 4π γ
    """
    n, necks = len(r), len(kinds) > 0
    slope_i, slope_j = np.zeros(len(partner)), np.zeros(len(partner))  # dI/dr of both atoms
    integral = np.zeros(n)
    for i in range(n):
        h = cells[index[i]]
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            x, y, z = vector(p, i, j, r, h, shift)
            r2 = x * x + y * y + z * z
            if r2 >= cut2:
                continue
            d = math.sqrt(r2)
            to_i, slope_i[p] = _integral(rho[i], scaled[j], d)
            to_j, slope_j[p] = _integral(rho[j], scaled[i], d)
            if necks and d < radii[i] + radii[j] + reach:
                k, l = kinds[i], kinds[j]
                x = d - distance[k, l]
                x2 = x * x
                inv = 1.0 / (1.0 + x2 * (1.0 + 0.3 * x2 * x2))
                part = neck_scale * depth[k, l] * inv
                to_i += part
                slope_i[p] -= part * inv * x * (2.0 + 1.8 * x2 * x2)
                x = d - distance[l, k]
                x2 = x * x
                inv = 1.0 / (1.0 + x2 * (1.0 + 0.3 * x2 * x2))
                part = neck_scale * depth[l, k] * inv
                to_j += part
                slope_j[p] -= part * inv * x * (2.0 + 1.8 * x2 * x2)
            integral[i] += to_i
            integral[j] += to_j

    size, grows, pull = np.empty(n), np.empty(n), np.empty(n)  # B, dB/dI, dE/dB
    for i in range(n):
        psi = rho[i] * integral[i]
        a, b, c = shape[i]
        filled, slope = psi * (a - psi * (b - c * psi)), a - psi * (2.0 * b - 3.0 * c * psi)
        if saturating:
            bent = math.tanh(filled)
            size[i] = 1.0 / (1.0 / rho[i] - bent / radii[i])
            grows[i] = size[i] * size[i] * (1.0 - bent * bent) * slope * rho[i] / radii[i]
        else:
            size[i] = 1.0 / (1.0 / rho[i] - filled / rho[i])
            grows[i] = size[i] * size[i] * slope
        inv, damp = 1.0 / size[i], solvent * math.exp(-kappa * size[i])
        half = 0.5 * charges[i] * charges[i] * inv
        skin = surface * (radii[i] + probe) ** 2 * (radii[i] * inv) ** 6
        energy[index[i]] += skin - half * (solute - damp)
        pull[i] = half * ((solute - damp) * inv - kappa * damp) - 6.0 * skin * inv

    for i in range(n):
        s, e = index[i], 0.0
        h = cells[s]
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            x, y, z = vector(p, i, j, r, h, shift)
            r2 = x * x + y * y + z * z
            qq = charges[i] * charges[j]
            if r2 >= cut2 or qq == 0.0:
                continue
            product = size[i] * size[j]
            near = math.exp(-0.25 * r2 / product)
            f = math.sqrt(r2 + product * near)
            inv = 1.0 / f
            damp = solvent * math.exp(-kappa * f) if kappa > 0.0 else solvent
            tau = solute - damp
            e -= qq * tau * (inv - shifted)
            df = qq * (tau * inv - kappa * damp * (1.0 - f * shifted)) * inv * inv  # (dE/df)/f
            across = 0.5 * df * near
            pull[i] += across * (size[j] + 0.25 * r2 / size[i])
            pull[j] += across * (size[i] + 0.25 * r2 / size[j])
            push(-df * (1.0 - 0.25 * near), i, j, x, y, z, forces, virial[s])
        energy[s] += e

    for i in range(n):
        s = index[i]
        h = cells[s]
        for p in range(first[i], first[i + 1]):
            if slope_i[p] == 0.0 and slope_j[p] == 0.0:
                continue
            j = partner[p]
            x, y, z = vector(p, i, j, r, h, shift)
            slope = pull[i] * grows[i] * slope_i[p] + pull[j] * grows[j] * slope_j[p]
            push(-slope / math.sqrt(x * x + y * y + z * z), i, j, x, y, z, forces, virial[s])
