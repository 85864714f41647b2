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


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def embedding_back(f, slope, y, g, first, pair, of_distance, of_angular):
    """The derivatives of K sums Σ g[q, i, k] out[k, i] over edges_to_atoms(f, y), slope being df by the distance.

    of_angular[q, e, k] = Σ_c g[q, i, k] f[part of k], and
    of_distance[q, pair of e] += Σ_kc g[q, i, k] y[e, k] slope[part of k]. Here atoms come first: g (K, n, 9, C).
    """
    for q in range(g.shape[0]):
        for i in range(len(first) - 1):
            h = g[q, i]
            for e in range(first[i], first[i + 1]):
                p, z, o = pair[e], y[e], of_angular[q, e]
                s, t, u = slope[p, 0], slope[p, 1], slope[p, 2]
                moved = g.dtype.type(0.0)
                for c in range(len(s)):
                    moved += (
                        s[c] * (h[0, c] * z[0])
                        + t[c] * (h[1, c] * z[1] + h[2, c] * z[2] + h[3, c] * z[3])
                        + u[c] * (h[4, c] * z[4] + h[5, c] * z[5] + h[6, c] * z[6] + h[7, c] * z[7] + h[8, c] * z[8])
                    )
                of_distance[q, p] += moved
                s, t, u = f[p, 0], f[p, 1], f[p, 2]
                o0 = o1 = o2 = o3 = o4 = o5 = o6 = o7 = o8 = g.dtype.type(0.0)
                for c in range(len(s)):
                    o0 += s[c] * h[0, c]
                    o1, o2, o3 = o1 + t[c] * h[1, c], o2 + t[c] * h[2, c], o3 + t[c] * h[3, c]
                    o4, o5, o6 = o4 + u[c] * h[4, c], o5 + u[c] * h[5, c], o6 + u[c] * h[6, c]
                    o7, o8 = o7 + u[c] * h[7, c], o8 + u[c] * h[8, c]
                o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8] = o0, o1, o2, o3, o4, o5, o6, o7, o8


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def messages_back(f, slope, x, g, first, j, pair, of_distance, out):
    """The derivatives of K sums Σ g[q, i, k] m[k, i] of messages m = gather(f, x), slope being df by the distance.

    out[q, j of e, k] += f[part of k] g[q, i, k], and
    of_distance[q, pair of e] += Σ_kc g[q, i, k] x[j of e, k] slope[part of k].
    Here atoms come first: x (n, 9, C), g and out (K, n, 9, C).
    """
    for q in range(g.shape[0]):
        for i in range(len(first) - 1):
            h = g[q, i]
            for e in range(first[i], first[i + 1]):
                p, z, o = pair[e], x[j[e]], out[q, j[e]]
                for k in range(9):
                    row, part, value = o[k], f[p, PART[k]], h[k]
                    for c in range(len(row)):
                        row[c] += part[c] * value[c]
                s, t, u = slope[p, 0], slope[p, 1], slope[p, 2]
                moved = g.dtype.type(0.0)
                for c in range(len(s)):
                    moved += (
                        s[c] * (h[0, c] * z[0, c])
                        + t[c] * (h[1, c] * z[1, c] + h[2, c] * z[2, c] + h[3, c] * z[3, c])
                        + u[c] * (h[4, c] * z[4, c] + h[5, c] * z[5, c] + h[6, c] * z[6, c])
                        + u[c] * (h[7, c] * z[7, c] + h[8, c] * z[8, c])
                    )
                of_distance[q, p] += moved


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def squashed_back(x, inverse, g, out):
    """out = g/(1 + |x|²) - 2 x (g·x)/(1 + |x|²)² for K gradients g (9, K, n, C); inverse (n, C) is 1/(1 + |x|²)."""
    minus = out.dtype.type(-2.0)
    along = np.empty(g.shape[3], out.dtype)
    for q in range(g.shape[1]):
        for i in range(g.shape[2]):
            w = inverse[i]
            along[:] = 0.0
            for k in range(9):
                a, b = g[k, q, i], x[k, i]
                for c in range(len(along)):
                    along[c] += a[c] * b[c]
            for c in range(len(along)):
                along[c] *= minus * w[c] * w[c]
            for k in range(9):
                a, b, o = g[k, q, i], x[k, i], out[k, q, i]
                for c in range(len(along)):
                    o[c] = a[c] * w[c] + b[c] * along[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def product(y, m, sign, other, left, right, out):
    """out = components of left · YM + right · MY, with the antisymmetric parts of Y and M times `sign` and `other`.

    If one has K times as many rows as the other, those of the other are used K times.

    Components belong to the orthonormal matrices 1/√3; those of cross products with x, y, z over √2; and
    (xx - yy)/√2, (2zz - xx - yy)/√6, (xy + yx)/√2, (yz + zy)/√2, (xz + zx)/√2.
    """
    real = out.dtype.type
    third, half, sixth = real(1 / np.sqrt(3)), real(1 / np.sqrt(2)), real(1 / np.sqrt(6))
    b = np.empty(27 * BLOCK, out.dtype)
    n, channels = out.shape[1:]
    for i in range(n):
        iy, im = i % y.shape[1], i % m.shape[1]
        for begin in range(0, channels, BLOCK):
            count = min(BLOCK, channels - begin)
            for k in range(9):
                s = sign if 0 < k < 4 else real(1.0)
                t = other if 0 < k < 4 else real(1.0)
                for c in range(count):
                    b[k * BLOCK + c] = s * y[k, iy, begin + c]
                    b[(9 + k) * BLOCK + c] = t * m[k, im, begin + c]
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
