"""The script of the Uncertainty panel: one kind of uncertainty, rescaled and judged as in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.active.calibration.judged import AUTOMATIC, BY_HAND, TEST
from labkit.base import Committee, Potential
from labkit.gap import GapModel
from labkit.neural import NeuralPotential
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.uncertainty.model import UncertaintyModel

KINDS = {GapModel: "labkit.gap", NeuralPotential: "labkit.neural"}


def uncertainty_script(model: UncertaintyModel) -> str:
    """Python that evaluates the uncertainty, rescales it on half of the validation frames and prints all measures."""
    script = Script()
    whose, kind = model.kinds[model.kind]
    script.use("labkit.active.calibration", "Samples", "report")
    script.use("labkit.active.calibration.held_out", "halves")
    script.use("labkit.active.kinds", "of_kind")
    script.frames("train", model.train)
    script.frames("valid", model.valid)
    _potential(script, model.potentials[whose])
    script.add(
        f'uncertainty = of_kind(potential, "{kind}", train)',
        "samples = Samples.of(uncertainty, potential, valid)",
        f'fitting, judging = halves(samples, "{model.by}", seed={model.seed})',
    )
    if model.on == TEST and model.test is not None:
        script.frames("test", model.test)
        script.add("judging = Samples.of(uncertainty, potential, test)")
    if model.rescaling == BY_HAND:
        script.use("labkit.active.calibration.rescaling", "OneFactor")
        script.add(f"rescaling = OneFactor({model.factor!r})")
    elif model.rescaling in AUTOMATIC:
        script.use("labkit.active.calibration", "RESCALINGS")
        fitted = f'RESCALINGS["{AUTOMATIC[model.rescaling]}"]'
        script.add(f"rescaling = {fitted}.fit(fitting.errors, fitting.sigmas, fitting.species)")
    if model.rescaling == BY_HAND or model.rescaling in AUTOMATIC:
        script.use("labkit.active.calibration.held_out", "rescaled")
        script.add("judging = rescaled(judging, rescaling)")
    script.add('dof = judging.dof if judging.unit == "eV/Å" else None  # a score ranks only')
    groups = "group=judging.group" + (", frame=judging.frame" if model.frames else "")
    script.add(
        f"table = report(judging.errors, judging.sigmas, bound={model.bound!r}, dof=dof, {groups}, draws=60)",
        "print(table)",
    )
    return script.text()


def potential_files(potential: Potential) -> dict[str, bytes]:
    """The files that the script reads."""
    members = _members(potential)
    return {name: file_bytes(each.save, name) for name, each in members.items()} if members else {}


def _members(potential: Potential) -> dict[str, Potential]:
    """The models of one kind in a potential or a committee, by the names of their files; empty for others."""
    several = isinstance(potential, Committee)
    members = list(potential.potentials) if several else [potential]
    if len({type(each) for each in members}) > 1 or type(members[0]) not in KINDS:
        return {}
    return {f"member_{k}.safetensors" if several else "potential.safetensors": p for k, p in enumerate(members)}


def _potential(script: Script, potential: Potential) -> None:
    members = _members(potential)
    if not members:
        script.own("potential", f"potential, a {type(potential).__name__}")
        return
    kind = type(next(iter(members.values())))
    script.use(KINDS[kind], kind.__name__)
    if not isinstance(potential, Committee):
        script.add(f'potential = {kind.__name__}.load("potential.safetensors")  # under Download')
        return
    script.use("labkit.base", "Committee")
    loaded = f'{kind.__name__}.load(f"member_{{k}}.safetensors") for k in range({len(members)})'
    script.add(f"potential = Committee([{loaded}])  # under Download")
