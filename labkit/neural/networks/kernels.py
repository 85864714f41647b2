"""Compiled loops over edges and atoms for features (9, n, C) that are tensors of rank two in each channel.

Rows of C channels are contiguous: the innermost loops run over them and are vectorised.
"""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit

PART = (0, 1, 1, 1, 2, 2, 2, 2, 2)  # of a component: scalar, antisymmetric, symmetric and traceless
BLOCK = 64  # channels of a buffer with fixed offsets, which the compiler vectorises
Q = tuple(np.uint64(k * BLOCK) for k in range(27))


@njit(cache=True, nogil=True, fastmath={"contract"})
def edges_to_atoms(f, y, first, pair, out):
    """out[k, i] = Σ_e f[pair of e, part of k] y[e, k] over the edges e of atom i."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial = f[pair[e]]
            for k in range(9):
                a, row, part = y[e, k], out[k, i], radial[PART[k]]
                for c in range(len(row)):
                    row[c] += a * part[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def atoms_to_radial(y, g, first, pair, out):
    """out[pair of e, t] += Σ_k g[k, i] y[e, k] over the components k of part t."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial = out[pair[e]]
            for k in range(9):
                a, row, part = y[e, k], radial[PART[k]], g[k, i]
                for c in range(len(row)):
                    row[c] += a * part[c]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def atoms_to_angular(f, g, first, pair, out):
    """out[e, k] = Σ_c g[k, i, c] f[pair of e, part of k, c]."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial = f[pair[e]]
            for k in range(9):
                row, part, total = g[k, i], radial[PART[k]], out.dtype.type(0.0)
                for c in range(len(row)):
                    total += row[c] * part[c]
                out[e, k] = total


@njit(cache=True, nogil=True, fastmath={"contract"})
def gather(f, x, first, j, pair, out):
    """out[k, i] = Σ_e f[pair of e, part of k] x[k, j of e]: messages to atom i."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial, other = f[pair[e]], j[e]
            for k in range(9):
                row, part, value = out[k, i], radial[PART[k]], x[k, other]
                for c in range(len(row)):
                    row[c] += part[c] * value[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def scatter(f, g, first, j, pair, out):
    """out[k, j of e] += f[pair of e, part of k] g[k, i]: the gradient by x of messages to atom i."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial, other = f[pair[e]], j[e]
            for k in range(9):
                row, part, value = out[k, other], radial[PART[k]], g[k, i]
                for c in range(len(row)):
                    row[c] += part[c] * value[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def overlap(x, g, first, j, pair, out):
    """out[pair of e, t] += Σ_k x[k, j of e] g[k, i] over the components k of part t."""
    for i in range(len(first) - 1):
        for e in range(first[i], first[i + 1]):
            radial, other = out[pair[e]], j[e]
            for k in range(9):
                row, value, weight = radial[PART[k]], x[k, other], g[k, i]
                for c in range(len(row)):
                    row[c] += value[c] * weight[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def product(y, m, sign, other, left, right, out):
    """out = components of left · YM + right · MY, with the antisymmetric parts of Y and M times `sign` and `other`.

    Components belong to the orthonormal matrices 1/√3; those of cross products with x, y, z over √2; and
    (xx - yy)/√2, (2zz - xx - yy)/√6, (xy + yx)/√2, (yz + zy)/√2, (xz + zx)/√2.
    """
    real = out.dtype.type
    third, half, sixth = real(1 / np.sqrt(3)), real(1 / np.sqrt(2)), real(1 / np.sqrt(6))
    b = np.empty(27 * BLOCK, out.dtype)
    n, channels = y.shape[1:]
    for i in range(n):
        for begin in range(0, channels, BLOCK):
            count = min(BLOCK, channels - begin)
            for k in range(9):
                s = sign if 0 < k < 4 else real(1.0)
                t = other if 0 < k < 4 else real(1.0)
                for c in range(count):
                    b[k * BLOCK + c] = s * y[k, i, begin + c]
                    b[(9 + k) * BLOCK + c] = t * m[k, i, begin + c]
            for c in range(count):
                p = np.uint64(c)
                s, u, v, w = b[p], b[p + Q[1]], b[p + Q[2]], b[p + Q[3]]
                d, e, f, g, h = b[p + Q[4]], b[p + Q[5]], b[p + Q[6]], b[p + Q[7]], b[p + Q[8]]
                s, u, v, w, f, g, h = s * third, u * half, v * half, w * half, f * half, g * half, h * half
                yxx, yyy, yzz = s + d * half - e * sixth, s - d * half - e * sixth, s + (e + e) * sixth
                yxy, yyx, yyz, yzy, yxz, yzx = f - w, f + w, g - u, g + u, h + v, h - v
                s, u, v, w = b[p + Q[9]], b[p + Q[10]], b[p + Q[11]], b[p + Q[12]]
                d, e, f, g, h = b[p + Q[13]], b[p + Q[14]], b[p + Q[15]], b[p + Q[16]], b[p + Q[17]]
                s, u, v, w, f, g, h = s * third, u * half, v * half, w * half, f * half, g * half, h * half
                mxx, myy, mzz = s + d * half - e * sixth, s - d * half - e * sixth, s + (e + e) * sixth
                mxy, myx, myz, mzy, mxz, mzx = f - w, f + w, g - u, g + u, h + v, h - v
                zxx = left * (yxx * mxx + yxy * myx + yxz * mzx) + right * (mxx * yxx + mxy * yyx + mxz * yzx)
                zyy = left * (yyx * mxy + yyy * myy + yyz * mzy) + right * (myx * yxy + myy * yyy + myz * yzy)
                zzz = left * (yzx * mxz + yzy * myz + yzz * mzz) + right * (mzx * yxz + mzy * yyz + mzz * yzz)
                zxy = left * (yxx * mxy + yxy * myy + yxz * mzy) + right * (mxx * yxy + mxy * yyy + mxz * yzy)
                zyx = left * (yyx * mxx + yyy * myx + yyz * mzx) + right * (myx * yxx + myy * yyx + myz * yzx)
                zyz = left * (yyx * mxz + yyy * myz + yyz * mzz) + right * (myx * yxz + myy * yyz + myz * yzz)
                zzy = left * (yzx * mxy + yzy * myy + yzz * mzy) + right * (mzx * yxy + mzy * yyy + mzz * yzy)
                zxz = left * (yxx * mxz + yxy * myz + yxz * mzz) + right * (mxx * yxz + mxy * yyz + mxz * yzz)
                zzx = left * (yzx * mxx + yzy * myx + yzz * mzx) + right * (mzx * yxx + mzy * yyx + mzz * yzx)
                b[p + Q[18]] = (zxx + zyy + zzz) * third
                b[p + Q[19]], b[p + Q[20]], b[p + Q[21]] = (zzy - zyz) * half, (zxz - zzx) * half, (zyx - zxy) * half
                b[p + Q[22]], b[p + Q[23]] = (zxx - zyy) * half, (zzz + zzz - zxx - zyy) * sixth
                b[p + Q[24]], b[p + Q[25]], b[p + Q[26]] = (zxy + zyx) * half, (zyz + zzy) * half, (zxz + zzx) * half
            for k in range(9):
                for c in range(count):
                    out[k, i, begin + c] = b[(18 + k) * BLOCK + c]
