"""The script of the Spectra panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.gap import GapModel
from labkit.panels.kit.script import Script
from labkit.spectra.spectra_run import DEUTERIUM, FRICTION

if TYPE_CHECKING:
    from labkit.panels.spectra.model import SpectraModel

TAIL = """how = {{"resolution": {resolution:g}, "window": "{window}"}}
response.infrared(**how, quantum={quantum}).to_csv("infrared.csv")
raman = response.raman(**how, quantum={quantum})
raman.isotropic.to_csv("raman_isotropic.csv")
raman.anisotropic.to_csv("raman_anisotropic.csv")
response.density_of_states(**how).total.to_csv("density_of_states.csv")
"""


def spectra_script(model: SpectraModel) -> str:
    """Python that runs the replicas of the last run, or of the current parameters if there was none."""
    last = model.results
    plan = last.plan if last is not None else model.plan()
    steps = last.state.loop_step if last is not None else model.steps()
    script = Script("# the last run" if last is not None else "# what Run does")
    script.use("ase.io")
    script.use("labkit.base", "State")
    script.use("labkit.engine", "Langevin", "VelocityVerlet", "maxwell_boltzmann", "simulate", "without_com_motion")
    script.use("labkit.spectra", "Response")
    if isinstance(plan.potential, GapModel):
        script.use("labkit.gap", "GapModel")
        script.add('potential = GapModel.load("potential.safetensors")')
    else:
        script.add("potential = potential  # your own")
    for name in ("polarizability", "born_charges"):
        kind = type(getattr(plan, name)).__name__
        script.use("labkit.polarizability", kind)
        script.add(f'{name} = {kind}.load("{name}.safetensors")')
    script.add('starts = ase.io.read("start.extxyz", ":")  # all files: under Download')
    if DEUTERIUM in plan.starts[0].get_masses():
        masses = f"[{DEUTERIUM} if z == 1 else m for z, m in zip(atoms.numbers, atoms.get_masses())]"
        script.add("for atoms in starts:", f"    atoms.set_masses({masses})")
    heat = f"{plan.temperature:g}"
    bath = f"Langevin({heat}, friction={FRICTION})"
    script.add(
        f"state = maxwell_boltzmann(State.from_atoms(starts, seed={plan.seed}), {heat})",
        f"state = simulate(state, potential, {bath}, {plan.equilibration}, {plan.dt:g})",
        "state = without_com_motion(state).replace(step=0)",
        "models = dict(polarizability=polarizability, born_charges=born_charges)",
        f"response = Response(**models, velocities=True, every={plan.every})",
        f"simulate(state, potential, VelocityVerlet(), {steps}, {plan.dt:g}, observers=[response])",
    )
    options = model.options()
    resolution = model.shown.resolution if model.shown is not None else options.resolution
    quantum = f'"{options.quantum}"' if options.quantum else None
    script.add(*TAIL.format(resolution=resolution, window=options.window, quantum=quantum).splitlines())
    return script.text()
