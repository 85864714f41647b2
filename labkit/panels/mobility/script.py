"""The script of the Mobility panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.mobility import Oseen
from labkit.mobility.repeated_releases import PAIRS, RepeatedReleases

if TYPE_CHECKING:
    from labkit.panels.mobility.model import MobilityModel

SCRIPT = """from functools import reduce
from operator import add

from labkit.mobility import PairModel, {more}by_distance, save_mobility, train
from labkit.mobility.repeated_releases import overall
from labkit.mobility.tweezers import Tweezers

fluid = {fluid}
tweezers = Tweezers(fluid, {temperature}, nearest={nearest!r}, farthest={farthest!r}, {how}pairs={pairs})
seen = reduce(add, map(tweezers.flash, range({first}, {last})))
data = seen.data(lag={lag:g})
for r, found in by_distance(data, {edges}):
    print(r, found.value, found.error)  # itself, along, across [Å²/(eV fs)]
model = PairModel(own=float(overall({learned}).value[0]), scale={nearest!r})
train(model, {learned}, by="{by}", steps=4)
save_mobility(model, "mobility.safetensors")
"""


def mobility_script(model: MobilityModel) -> str:
    """Python that releases as many pairs as the panel has, or would, then estimates and learns."""
    tweezers, found = model.tweezers(), model.results
    if found is None or found.sightings is None or vars(found.tweezers) != vars(tweezers):
        found = RepeatedReleases(tweezers, 1000 * model.seed)
        first, last = found.seed, found.seed - (-model.releases // PAIRS)
    else:
        first, last = found.seed - found.sightings.pairs // PAIRS, found.seed
    fluid, kind = model.fluid, type(model.fluid).__name__
    known = isinstance(fluid, Oseen) and fluid.radius.ndim == 0
    made = f"{kind}(radius={float(fluid.radius)!r}, viscosity={float(fluid.viscosity)!r})" if known else ""
    how = (f"force={tweezers.force!r}, " if tweezers.force else "") + f"blur={tweezers.blur!r}, "
    return SCRIPT.format(
        more=f"{kind}, " if known else "",
        fluid=made or "fluid  # your own",
        temperature=model.temperature,
        nearest=tweezers.nearest,
        farthest=tweezers.farthest,
        how=how,
        pairs=PAIRS,
        first=first,
        last=last,
        lag=1e3 * model.lag,
        learned="data" if found.learned_at in (0.0, 1e3 * model.lag) else f"seen.data(lag={found.learned_at:g})",
        edges=f"[{', '.join(f'{edge!r}' for edge in found.edges)}]",
        by="force matching" if tweezers.force else "displacements",
    )
