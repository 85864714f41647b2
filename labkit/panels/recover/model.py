"""The Recover panel without a screen: charges from a few steps of dynamics."""

from __future__ import annotations

import copy

import torch
import traitlets

from labkit.base import State
from labkit.engine import VelocityVerlet, simulate
from labkit.engine.matching import Matching, match_trajectory
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, share
from labkit.forcefield.examples.brine import CHARGES, kinds
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.model import PanelModel
from labkit.panels.recover.figure import recover_figure
from labkit.panels.recover.script import START, recover_script

DT = 0.5  # fs


class RecoverModel(PanelModel):
    """The initial error of the charges, the length of the dynamics, and the largest number of evaluations.

    `results` is the Matching so far; `truth` the charges of each kind in the reference runs.
    """

    title = "Recover the charges"
    hint = "The charges start wrong. Gradients through the dynamics show how to correct them. Dashed: the true charges."

    factor = p(
        traitlets.Float(0.5), "basic", "start from", "× true", range=(0.1, 1.5, 0.05), help="times the true charges"
    )
    steps = p(traitlets.Int(10), "basic", "steps", "of 0.5 fs", range=(1, 30, 1), help="of dynamics")
    iterations = p(traitlets.Int(25), "basic", "evaluations", "at most", range=(1, 60, 1))

    def __init__(self, state: State, forcefield: ForceField) -> None:
        super().__init__()
        if "electrostatics" not in getattr(forcefield, "terms", {}):
            raise LabkitError(
                "the force field has no term electrostatics; take that of labkit.forcefield.examples.brine"
            )
        self.start, self.truth = state.replace(forces=None, energy=None, aux={}), dict(CHARGES)
        self.forcefield = copy.deepcopy(forcefield)  # the reference must not change when the caller changes charges

    def make_job(self) -> Job:
        if self.steps < 1 or self.iterations < 1:
            raise LabkitError(f"{self.steps} steps, {self.iterations} evaluations: expected 1 or more of each")
        if not 0 < self.factor <= 2:
            raise LabkitError(f"start from {self.factor} times the true charges: expected a number above 0, up to 2")
        end = simulate(self.start, self.forcefield, VelocityVerlet(), self.steps, DT)
        model = copy.deepcopy(self.forcefield)
        charges = share(model.terms["electrostatics"], "charges", kinds(self.start))
        with torch.no_grad():
            charges *= self.factor
        how = {"steps": self.steps, "dt": DT, "iterations": self.iterations, "segment": self.steps}
        return Job(match_trajectory, self.start, end, model, charges, **how, name="charges")

    def present(self, result: Matching) -> None:
        self.show(recover_figure(result, self.truth))
        pairs = zip(self.truth.items(), result.best, strict=True)
        found = [f"{name} {value:.3f} e ({round(value / true - 1, 3) + 0.0:+.1%})" for (name, true), value in pairs]
        self.note = f"best of {len(result.losses)} evaluations: " + ", ".join(found)

    def script(self) -> str:
        return recover_script(self, DT)

    def outputs(self, result: Matching) -> dict[str, bytes]:
        rows = zip(result.losses, result.values, strict=True)
        lines = [",".join(map(repr, [loss, *values])) for loss, values in rows]
        header = ",".join(["loss", *(f"{name}_e" for name in self.truth)])
        files = {"charges.csv": "\n".join([header, *lines, ""]).encode(), "charges.png": self.picture}
        return files | {START: file_bytes(self.start.save, START)}
