"""The script that does what the Spectra panel does, or did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.gap import GapModel
from labkit.spectra.spectra_run import DEUTERIUM, FRICTION

if TYPE_CHECKING:
    from labkit.panels.spectra.model import SpectraModel

TAIL = """
how = {{"resolution": {resolution:g}, "window": "{window}"}}
response.infrared(**how, quantum={quantum}).to_csv("infrared.csv")
raman = response.raman(**how, quantum={quantum})
raman.isotropic.to_csv("raman_isotropic.csv")
raman.anisotropic.to_csv("raman_anisotropic.csv")
response.density_of_states(**how).total.to_csv("density_of_states.csv")
"""


def spectra_script(model: SpectraModel) -> str:
    """Python that runs the replicas of the last run, or those of the present parameters where there is none."""
    begun = model.results
    plan = begun.plan if begun is not None else model.plan()
    steps = begun.state.loop_step if begun is not None else model.steps()
    kinds = sorted({type(m).__name__ for m in (plan.polarizability, plan.born_charges)})
    gap = isinstance(plan.potential, GapModel)
    lines = ["# the last run" if begun is not None else "# what Run does", "import ase.io", ""]
    lines += ["from labkit.base import State"]
    lines += ["from labkit.engine import Langevin, VelocityVerlet, maxwell_boltzmann, simulate, without_com_motion"]
    lines += ["from labkit.gap import GapModel"] if gap else []
    lines += [f"from labkit.polarizability import {', '.join(kinds)}", "from labkit.spectra import Response", ""]
    lines += ['potential = GapModel.load("potential.safetensors")' if gap else "potential = potential  # your own"]
    lines += [
        f'{name} = {type(getattr(plan, name)).__name__}.load("{name}.safetensors")'
        for name in ("polarizability", "born_charges")
    ]
    lines += ['starts = ase.io.read("start.extxyz", ":")  # all files: under Download']
    if DEUTERIUM in plan.starts[0].get_masses():
        lines += ["for atoms in starts:"]
        lines += [
            f"    atoms.set_masses([{DEUTERIUM} if z == 1 else m for z, m in zip(atoms.numbers, atoms.get_masses())])"
        ]
    heat = f"{plan.temperature:g}"
    lines += [f"state = maxwell_boltzmann(State.from_atoms(starts, seed={plan.seed}), {heat})"]
    bath = f"Langevin({heat}, friction={FRICTION})"
    lines += [f"state = simulate(state, potential, {bath}, {plan.equilibration}, {plan.dt:g})"]
    lines += ["state = without_com_motion(state).replace(step=0)"]
    lines += ["models = dict(polarizability=polarizability, born_charges=born_charges)"]
    lines += [f"response = Response(**models, velocities=True, every={plan.every})"]
    lines += [f"simulate(state, potential, VelocityVerlet(), {steps}, {plan.dt:g}, observers=[response])"]
    asked = model.asked()
    resolution = model.shown.resolution if model.shown is not None else asked.resolution
    return "\n".join(lines) + TAIL.format(
        resolution=resolution, window=asked.window, quantum=f'"{asked.quantum}"' if asked.quantum else None
    )
