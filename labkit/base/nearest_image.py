"""The nearest image of a vector in a periodic cell, however skewed or small the cell is."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base.lattice import lattices_of

MOST = 1000  # steps, of which a few are needed


def nearest_images(vectors: Tensor, cell: Tensor, pbc: Tensor, index: Tensor) -> Tensor:
    """Whole numbers n (m, 3) for which v + n·cell is the shortest of all images of v, zero in open directions.

    Rounding the components of v does not find it where lattice vectors are not at right angles. Here v is moved by
    the lattice vectors of the faces of the Voronoi cell until it is within all of them (`Lattices`).

    vectors (m, 3) Å; cell (S, 3, 3) Å; pbc (S, 3); index (m,) the system of each vector

    Raises LabkitError, naming the frame, for a periodic cell without a volume.

    >>> cell = torch.tensor([[[4.0, 0, 0], [1.9, 3.5, 0], [0, 0, 9]]], dtype=torch.float64)
    >>> v = torch.tensor([[1.7, 1.7, 0.0]], dtype=torch.float64)  # by rounding the nearest
    >>> nearest_images(v, cell, torch.ones(1, 3, dtype=torch.bool), torch.tensor([0])).tolist()
    [[0.0, -1.0, 0.0]]
    """
    vectors = vectors.detach()
    images = torch.zeros_like(vectors)
    found = lattices_of(cell.detach().cpu().numpy(), pbc.cpu().numpy())
    arrays = [torch.from_numpy(array).to(vectors.device) for array in found.arrays()]
    inside = arrays[-1].to(vectors.dtype)
    far = torch.nonzero(vectors.square().sum(1) > inside.square().index_select(0, index)).squeeze(1)
    if len(far):
        images[far] = _searched(vectors[far].double(), arrays, index[far]).to(images.dtype)
    return images


def nearest(vectors: Tensor, cell: Tensor, pbc: Tensor, index: Tensor) -> Tensor:
    """The vectors v + n·cell (m, 3) Å, differentiable in both; arguments and errors as `nearest_images`."""
    images = nearest_images(vectors, cell, pbc, index)
    return vectors + (images[:, None].to(cell.dtype) @ cell.index_select(0, index)).squeeze(1)


def _searched(vectors: Tensor, lattices: list[Tensor], index: Tensor) -> Tensor:
    rows, numbers, inverse, faces, face_numbers = (part.index_select(0, index) for part in lattices[:5])
    counts = -torch.round(vectors[:, None] @ inverse)
    images, vectors = (counts @ numbers).squeeze(1), vectors + (counts @ rows).squeeze(1)
    squares = faces.square().sum(2) * (1 + 1e-12)  # more than rounding, or a vector on a face would go back and forth
    for _ in range(MOST):
        along = (faces @ vectors[:, :, None]).squeeze(2)
        shorter, face = (2 * along.abs() - squares).max(1)
        if not bool((shorter > 0).any()):
            break
        row = torch.arange(len(face), device=face.device)
        step = (torch.where(shorter > 0, 1.0, 0.0) * along[row, face].sign())[:, None]
        vectors, images = vectors - step * faces[row, face], images - step * face_numbers[row, face]
    return images
