"""The script of the Dynamics panel; every change of a setting begins a new leg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.base.expression import expression
from labkit.panels.kit.numerals import numeral
from labkit.panels.kit.potentials import add_potential
from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.dynamics.model import DynamicsModel


def dynamics_script(model: DynamicsModel) -> str:
    """Python that runs the legs of the last run, or of the current parameters if there was none."""
    last = model.results
    legs = last.legs if last is not None else ()
    legs = legs or ((expression(model.integrator()), model.dt, model.steps),)
    rows, frames = last.every if last is not None else model.every()
    name, temperature, seed = model.started
    script = Script("# the last run" if last is not None else "# what Run does")
    script.use("ase.io")
    script.use("labkit.base", "State")
    script.use("labkit.engine", "maxwell_boltzmann", "simulate", *(leg[0].partition("(")[0] for leg in legs))
    script.use("labkit.engine.observers", "ExtXyz", "Thermodynamics")
    script.add('atoms = ase.io.read("start.extxyz")  # under Download')
    add_potential(script, model.potentials[name])
    script.add(f"state = maxwell_boltzmann(State.from_atoms(atoms, seed={seed}), {numeral(temperature)})")
    kind, files = "", 0
    for integrator, dt, steps in legs:
        if integrator.partition("(")[0] != kind:  # another integrator logs other columns
            kind, files = integrator.partition("(")[0], files + 1
            name = f"run{files if files > 1 else ''}"
            log, writer = f'Thermodynamics("{name}.csv", every={rows})', f'ExtXyz("{name}.extxyz", every={frames})'
            script.add(f"observers = [{log}, {writer}]")
        script.add(f"state = simulate(state, potential, {integrator}, {steps}, {numeral(dt)}, observers=observers)")
    return script.text()
