"""The script of the Spectra panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.numerals import numeral
from labkit.panels.kit.potentials import add_potential
from labkit.panels.kit.script import Script
from labkit.spectra.spectra_run import DEUTERIUM, FRICTION

if TYPE_CHECKING:
    from labkit.panels.spectra.model import SpectraModel

INFRARED = 'response.infrared(**how, quantum={quantum}).to_csv("infrared.csv")'
RAMAN = """raman = response.raman(**how, quantum={quantum})
raman.isotropic.to_csv("raman_isotropic.csv")
raman.anisotropic.to_csv("raman_anisotropic.csv")"""
DENSITY = 'response.density_of_states(**how).total.to_csv("density_of_states.csv")'


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
    add_potential(script, plan.potential)
    names = [name for name in ("polarizability", "born_charges") if getattr(plan, name) is not None]
    for name in names:
        kind = type(getattr(plan, name)).__name__
        script.use("labkit.polarizability", kind)
        script.add(f'{name} = {kind}.load("{name}.safetensors")')
    script.add('starts = ase.io.read("start.extxyz", ":")  # all files: under Download')
    if DEUTERIUM in plan.starts[0].get_masses():
        masses = f"[{DEUTERIUM} if z == 1 else m for z, m in zip(atoms.numbers, atoms.get_masses())]"
        script.add("for atoms in starts:", f"    atoms.set_masses({masses})")
    heat = f"{numeral(plan.temperature)}"
    bath = f"Langevin({heat}, friction={FRICTION})"
    script.add(
        f"state = maxwell_boltzmann(State.from_atoms(starts, seed={plan.seed}), {heat})",
        f"state = simulate(state, potential, {bath}, {plan.equilibration}, {numeral(plan.dt)})",
        "state = without_com_motion(state).replace(step=0)",
        f"models = dict({', '.join(f'{name}={name}' for name in names)})",
        f"response = Response(**models, velocities=True, every={plan.every})",
        f"simulate(state, potential, VelocityVerlet(), {steps}, {numeral(plan.dt)}, observers=[response])",
    )
    options = model.options()
    resolution = model.shown.resolution if model.shown is not None else options.resolution
    quantum = f'"{options.quantum}"' if options.quantum else None
    script.add(f'how = {{"resolution": {resolution!r}, "window": "{options.window}"}}')
    wanted = [INFRARED] * ("born_charges" in names) + [RAMAN] * ("polarizability" in names) + [DENSITY]
    script.add(*(text.format(quantum=quantum) for text in wanted))
    return script.text()
