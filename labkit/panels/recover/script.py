"""The script of the Recover panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.recover.model import RecoverModel

START = "start.safetensors"


def recover_script(model: RecoverModel, dt: float) -> str:
    """Python that recovers the charges from the panel's start; before a run, from a start as that of notebook 08."""
    found, waters = model.results, int((model.start.system.numbers == 8).sum()) // model.start.system.n_systems
    script = Script("# what Run does" if found is None else "# the last run")
    script.use("labkit.engine", "VelocityVerlet", "match_trajectory", "simulate")
    script.use("labkit.forcefield", "share")
    script.use("labkit.forcefield.examples.brine", "brine", "kinds")
    if found is None:
        script.use("labkit.engine", "Langevin", "fire", "maxwell_boltzmann")
        script.add(f"start, forcefield = brine({waters})")
        script.add("start = maxwell_boltzmann(fire(start, forcefield, fmax=2.0, steps=300), 300.0)")
        script.add(f"start = simulate(start, forcefield, Langevin(300.0, 0.01), 400, {dt})")
    else:
        script.use("labkit.base", "State")
        script.add(f'start = State.load("{START}")  # under Download')
        script.add(f"forcefield = brine({waters})[1]  # or your own")
    script.add(f"end = simulate(start, forcefield, VelocityVerlet(), {model.steps}, {dt})")
    script.add('charges = share(forcefield.terms["electrostatics"], "charges", kinds(start))')
    script.add(f"charges.data *= {model.factor}")
    script.add(f"how = dict(steps={model.steps}, dt={dt}, iterations={model.iterations}, segment={model.steps})")
    script.add("found = match_trajectory(start, end, forcefield, charges, **how)")
    if found is not None and len(found.losses) < model.iterations:  # stopped, or converged
        script.use("labkit.engine.matching", "Matching")
        count = len(found.losses)
        script.add(f"found = Matching(found.losses[:{count}], found.values[:{count}])  # up to where it ended")
    script.add("print(found.best)")
    return script.text()
