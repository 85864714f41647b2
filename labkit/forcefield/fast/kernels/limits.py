"""Where geometries count as degenerate: the same for compiled kernels and for torch.

Here, as kernels compiled with another number are forgotten when a file of this folder changes.
"""

SAME2 = 1e-12  # Å²: nearer than 1e-6 Å two atoms are at the same place, as for lists of neighbours


def straight2(eps: float) -> float:
    """sin² of an angle below which it is straight, or zero, to numbers of the precision eps.

    32 eps is what rounding makes of atoms in a line that is not along an axis.
    """
    return (32 * eps) ** 2
