"""The nearest image of a vector, compiled: as base/nearest_image.py, one vector after another."""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit

MOST = 1000  # steps, of which a few are needed


@njit(cache=True, nogil=True)
def shorten(v, s, lattices, images):
    """Move v (3,) to its nearest image in the cell of system s and write by how many cells (3,); `Lattices.arrays`."""
    rows, numbers, inverse, faces, face_numbers, inside = lattices
    images[0] = images[1] = images[2] = 0.0
    if not v[0] * v[0] + v[1] * v[1] + v[2] * v[2] > inside[s] * inside[s]:
        return
    x, y, z = v[0], v[1], v[2]
    for k in range(3):
        count = -np.rint(x * inverse[s, 0, k] + y * inverse[s, 1, k] + z * inverse[s, 2, k])
        for l in range(3):
            v[l] += count * rows[s, k, l]
            images[l] += count * numbers[s, k, l]
    for _ in range(MOST):
        most, face, sign = 0.0, -1, 1.0
        for f in range(7):
            x, y, z = faces[s, f, 0], faces[s, f, 1], faces[s, f, 2]
            along = v[0] * x + v[1] * y + v[2] * z
            # more than rounding, or a vector on a face would go back and forth
            shorter = 2.0 * abs(along) - (x * x + y * y + z * z) * (1.0 + 1e-12)
            if shorter > most:
                most, face, sign = shorter, f, 1.0 if along > 0.0 else -1.0
        if face < 0:
            return
        for l in range(3):
            v[l] -= sign * faces[s, face, l]
            images[l] -= sign * face_numbers[s, face, l]


@njit(cache=True, nogil=True)
def pair_images(pairs, r, index, lattices):
    """Cells (m, 3) by which j of each pair (i, j) is moved to its nearest image, and how far from i that is (m,)."""
    v, images, apart = np.empty(3), np.empty((len(pairs), 3)), np.empty(len(pairs))
    for m in range(len(pairs)):
        i, j = pairs[m]
        for k in range(3):
            v[k] = r[j, k] - r[i, k]
        shorten(v, index[i], lattices, images[m])
        apart[m] = np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return images, apart


@njit(cache=True, nogil=True)
def unfold(atoms, r, index, lattices, placed):
    """Positions (m w, 3) of the atoms of rows (m, w), each at the image nearest to the one before it."""
    m, w = atoms.shape
    v, images = np.empty(3), np.empty(3)
    for row in range(m):
        for k in range(w):
            i, at = atoms[row, k], row * w + k
            for x in range(3):
                v[x] = r[i, x] if k == 0 else r[i, x] - r[atoms[row, k - 1], x]
            if k > 0:
                shorten(v, index[i], lattices, images)
            for x in range(3):
                placed[at, x] = v[x] if k == 0 else placed[at - 1, x] + v[x]


@njit(cache=True, nogil=True)
def fold(atoms, of_rows, forces):
    """Add forces (m w, 3) on the atoms of rows (m, w) to those on atoms (n, 3)."""
    m, w = atoms.shape
    for row in range(m):
        for k in range(w):
            for x in range(3):
                forces[atoms[row, k], x] += of_rows[row * w + k, x]
