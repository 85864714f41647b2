"""When geometries count as degenerate: the same for compiled kernels and for torch.

In this folder because its compiled kernels are deleted when one of its files changes.
"""

SAME2 = 1e-12  # Å²: two atoms closer than 1e-6 Å are at the same place, as in neighbour lists


def straight2(eps: float) -> float:
    """sin² of an angle below which it counts as straight, or zero, for numbers of precision eps.

    Rounding gives 32 eps for atoms in a line that is not along an axis.
    """
    return (32 * eps) ** 2
