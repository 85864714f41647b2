"""The script that does what the Dynamics panel does, or did: every turn of a slider is a leg of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.base.expression import expression
from labkit.gap import GapModel

if TYPE_CHECKING:
    from labkit.panels.dynamics.model import DynamicsModel


def dynamics_script(model: DynamicsModel) -> str:
    """Python that runs the legs of the last run, or the one of the present parameters where there is none."""
    begun = model.results
    legs = begun.legs if begun is not None else ()
    legs = legs or ((expression(model.integrator()), model.dt, model.steps),)
    rows, frames = begun.every if begun is not None else model.every()
    used = sorted({"maxwell_boltzmann", "simulate", *(leg[0].partition("(")[0] for leg in legs)})
    name, warmth, seed = model.started
    own = isinstance(model.potentials[name], GapModel)
    lines = ["# the last run" if begun is not None else "# what Run does"]
    lines += ["import ase.io", "", "from labkit.base import State", f"from labkit.engine import {', '.join(used)}"]
    lines += ["from labkit.engine.observers import ExtXyz, Thermodynamics"]
    lines += ["from labkit.gap import GapModel"] if own else []
    lines += ["", 'atoms = ase.io.read("start.extxyz")  # under Download']
    lines += ['potential = GapModel.load("potential.safetensors")  # under Download'] if own else []
    lines += [] if own else ["potential = potential  # your own"]
    lines += [f"state = maxwell_boltzmann(State.from_atoms(atoms, seed={seed}), {warmth:g})"]
    kind, files = "", 0
    for integrator, dt, steps in legs:
        if integrator.partition("(")[0] != kind:  # another integrator has other columns to log
            kind, files = integrator.partition("(")[0], files + 1
            name = f"run{files if files > 1 else ''}"
            log, writer = f'Thermodynamics("{name}.csv", every={rows})', f'ExtXyz("{name}.extxyz", every={frames})'
            lines += [f"observers = [{log}, {writer}]"]
        lines += [f"state = simulate(state, potential, {integrator}, {steps}, {dt:g}, observers=observers)"]
    return "\n".join(lines) + "\n"
