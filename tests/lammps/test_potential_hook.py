"""A potential in LAMMPS has the engine's energies and forces, also where atoms have left the box."""

from __future__ import annotations

import numpy as np
from ase.calculators.lammps import Prism

import labkit.datasets
from labkit.base import State
from labkit.gap import Design, Distance2b, GapConfig, Soap
from labkit.lammps import Host, lammps
from tests.lammps.fluid import argon, by_id, images, lennard_jones

#: neighbours are looked for, and atoms put back into the box, in each step
ALWAYS = "fix nve all nve\nneigh_modify every 1 delay 0 check no"


def same(lmp, host, model):
    """What LAMMPS has of a potential is what the engine has: of unwrapped positions, and of wrapped ones."""
    state = host.state()
    for shift in (0.0, images(state) @ state.cell[0]):
        found = model.evaluate(state.replace(positions=state.positions - shift))
        assert abs(lmp.get_thermo("pe") - float(found.energy)) < 1e-10 * max(1.0, abs(float(found.energy)))
        assert np.abs(by_id(lmp, "f") - found.forces.numpy()).max() < 1e-10


def test_after_atoms_have_crossed_the_boundary():
    lmp = argon(more=f"velocity all create 300 3\n{ALWAYS}")
    with Host(lmp) as host:
        host.potential(lennard_jones(lmp))
        before = images(host.state())
        host.run(100)
        assert int((images(host.state()) != before).sum()) > 10
        same(lmp, host, lennard_jones(lmp))


def test_a_gaussian_approximation_potential():
    """Two descriptors, two elements, a tilted box: twenty steps of ice."""
    train = labkit.datasets.ice("train", n=4)
    soap = Soap(cutoff=3.5, n_max=4, l_max=3, zeta=4, n_sparse=15, atom_sigma=0.4)
    model = Design.build(train, GapConfig((soap, Distance2b(cutoff=4.0, n_sparse=8, delta=0.5)))).solve()
    atoms = train.atoms[0]
    prism = Prism(atoms.cell.array, pbc=True)
    x, y, z, xy, xz, yz = map(float, prism.get_lammps_prism())
    places = prism.vector_to_lammps(atoms.positions, wrap=False)
    made = "\n".join(
        f"create_atoms {1 if number == 8 else 2} single {float(a)!r} {float(b)!r} {float(c)!r}"
        for number, (a, b, c) in zip(atoms.numbers, places, strict=True)
    )
    lmp = lammps(f"""units metal
        atom_modify map yes
        box tilt large
        region box prism 0 {x!r} 0 {y!r} 0 {z!r} {xy!r} {xz!r} {yz!r}
        create_box 2 box
        {made}
        mass 1 15.999
        mass 2 1.008
        pair_style zero 2.0
        pair_coeff * *
        timestep 0.0005
        velocity all create 600 3
        {ALWAYS}""")
    with Host(lmp, elements=["O", "H"]) as host:
        host.potential(model)
        host.run(0)
        assert abs(lmp.get_thermo("pe") - float(model.evaluate(State.from_atoms(atoms)).energy)) < 1e-9
        before = images(host.state())
        host.run(20)
        assert bool((images(host.state()) != before).any())
        same(lmp, host, model)
