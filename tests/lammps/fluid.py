"""A few atoms of argon in LAMMPS, with and without its own pair style, and the same potential of labkit."""

from __future__ import annotations

import numpy as np

from labkit.forcefield import LennardJones
from labkit.lammps import lammps

NATIVE = "pair_style lj/cut {cutoff}\npair_coeff * * {epsilon} {sigma}"
NOTHING = "pair_style zero {cutoff}\npair_coeff * *"
SCALES = {  # a, epsilon, sigma, cutoff, skin, timestep, temperature of a units style
    "metal": (5.4, 0.0104, 3.4, 6.0, 1.0, 0.002, 60),
    "real": (5.4, 0.2399, 3.4, 6.0, 1.0, 2.0, 60),
    "lj": (0.8, 1.0, 1.0, 1.8, 0.3, 0.004, 0.5),
}


def argon(pair=NOTHING, units="metal", region="block 0 3 0 3 0 3", more="", boundary="p p p"):
    """Atoms near fcc places, displaced and moving; sorted every few steps, so that their order changes."""
    a, epsilon, sigma, cutoff, skin, dt, temperature = SCALES[units]
    pair = pair.format(epsilon=epsilon, sigma=sigma, cutoff=cutoff)
    return lammps(f"""units {units}
        boundary {boundary}
        atom_modify map yes sort 5 0.0
        lattice fcc {a}
        region box {region}
        create_box 2 box
        create_atoms 1 box
        mass * {1.0 if units == "lj" else 39.948}
        displace_atoms all random {0.02 * a} {0.02 * a} {0.02 * a} 7
        {pair}
        neighbor {skin} bin
        velocity all create {temperature} 3
        timestep {dt}
        {more}""")


def lennard_jones(lmp, units="metal", count=None):
    """The same potential for all atoms, or for `count` of them, in labkit's units (lj: the reduced numbers)."""
    from labkit.units import KCAL_PER_MOL

    _, epsilon, sigma, cutoff, _, _, _ = SCALES[units]
    count = count or int(lmp.get_natoms())
    scale = KCAL_PER_MOL if units == "real" else 1.0
    return LennardJones([sigma] * count, [epsilon * scale] * count, cutoff=cutoff)


def images(state):
    """Which of the box's images each atom is in; the box begins at the origin."""
    return (state.positions @ state.cell[0].inverse()).floor()


def by_id(lmp, name):
    """x, v or f of all atoms in the order of their IDs."""
    count = int(lmp.get_natoms())
    return lmp.numpy.extract_atom(name)[:count][np.argsort(lmp.numpy.extract_atom("id")[:count])].copy()
