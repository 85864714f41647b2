"""The script of the Mobility panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.mobility import Mobility, Oseen
from labkit.mobility.repeated_releases import PAIRS, STEPS, RepeatedReleases
from labkit.panels.kit.script import Script

if TYPE_CHECKING:
    from labkit.panels.mobility.model import MobilityModel


def mobility_script(model: MobilityModel) -> str:
    """Python that releases as many pairs as the panel has, or would, then estimates, and learns what is learned."""
    tweezers, found = model.tweezers(), model.results
    if found is None or found.sightings is None or vars(found.tweezers) != vars(tweezers):
        found = RepeatedReleases(tweezers, 1000 * model.seed)
        first, last = found.seed, found.seed - (-model.releases // PAIRS)
        at, until, steps = (1e3 * model.lag, last, STEPS) if model.learn else (0.0, 0, 0)
    else:
        first, last = found.seed - found.sightings.pairs // PAIRS, found.seed
        at, until, steps = found.learned_at, found.learned_until, found.learned_steps
    script = Script()
    script.use("functools", "reduce")
    script.use("operator", "add")
    script.use("labkit.mobility", "by_distance")
    script.use("labkit.mobility.tweezers", "Tweezers")
    _add_fluid(script, model.fluid)
    how = (f"force={tweezers.force!r}, " if tweezers.force else "") + f"blur={tweezers.blur!r}, pairs={PAIRS}"
    near, far = f"nearest={tweezers.nearest!r}", f"farthest={tweezers.farthest!r}"
    script.add(f"tweezers = Tweezers(fluid, {model.temperature}, {near}, {far}, {how})")
    script.add(f"seen = reduce(add, map(tweezers.flash, range({first}, {last})))")
    script.add(f"data = seen.data(lag={1e3 * model.lag:g})")
    script.add(f"for r, found in by_distance(data, [{', '.join(map(repr, found.edges))}]):")
    script.add("    print(r, found.value, found.error)  # itself, along, across [Å²/(eV fs)]")
    if at:
        script.use("labkit.mobility", "PairModel", "save_mobility", "train")
        script.use("labkit.mobility.repeated_releases", "overall")
        seen = "seen" if until == last else f"reduce(add, map(tweezers.flash, range({first}, {until})))"
        learned = "data" if until == last and at == 1e3 * model.lag else f"{seen}.data(lag={at:g})"
        by = "force matching" if tweezers.force else "displacements"
        script.add(*([] if learned == "data" else [f"learned = {learned}"]))
        name = "data" if learned == "data" else "learned"
        script.add(f"model = PairModel(own=float(overall({name}).value[0]), scale={tweezers.nearest!r})")
        why = "" if steps == STEPS else f"  # stopped after {steps} of {STEPS} steps"
        script.add(f'train(model, {name}, by="{by}", steps={steps}){why}')
        script.add('save_mobility(model, "mobility.safetensors")')
    return script.text()


def _add_fluid(script: Script, fluid: Mobility) -> None:
    """Define `fluid`: one of spheres of one size, or the user's own."""
    kind = type(fluid).__name__
    if isinstance(fluid, Oseen) and fluid.radius.ndim == 0:
        script.use("labkit.mobility", kind)
        script.add(f"fluid = {kind}(radius={float(fluid.radius)!r}, viscosity={float(fluid.viscosity)!r})")
    else:
        script.own("fluid", f"mobility, a {kind}")
