"""The Mobility panel without a screen: the release of pairs, the lag of observation, and the model learned."""

from __future__ import annotations

import traitlets

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.mobility import Active, Mobility, Passive, save_mobility
from labkit.mobility.repeated_releases import PAIRS, RepeatedReleases, release_pairs
from labkit.mobility.tweezers import LAGS, Tweezers
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.stretch import Stretch
from labkit.panels.mobility.figure import mobility_figure
from labkit.panels.mobility.script import mobility_script
from labkit.panels.mobility.summary import table_of
from labkit.units import PICONEWTON

Bool, Float, Int, Text = traitlets.Bool, traitlets.Float, traitlets.Int, traitlets.Unicode
WATCHED, PUSHED = "passive: watched", "active: pushed"


class MobilityModel(PanelModel):
    """Parameters of the experiment, and RepeatedReleases as `results`.

    All lags are kept: `lag` and `theory` take effect at once, also after the run. `run` restarts, `go_on` adds pairs.
    """

    title = "Two colloids in a fluid"
    hint = (
        "Tweezers release pairs, a camera records how far they have moved after the lag, and the tweezers catch them "
        "again. Choose the lag before, during or after the run."
    )
    continue_hint = "The pairs left after Stop, or as many again"

    way = p(Text(WATCHED), "basic", "way", options=[WATCHED, PUSHED])
    lag = p(
        Int(320),
        "basic",
        "lag",
        "ps",
        options=[round(1e-3 * lag) for lag in LAGS],
        help="from start to picture",
        at_once=True,
    )
    force = p(Float(50.0), "basic", "force", "pN", range=(5.0, 200.0, 5.0), help="standard deviation; when pushed")
    releases = p(Int(5000), "basic", "pairs", "let go", range=(PAIRS, 50_000, PAIRS))
    theory = p(Bool(False), "basic", "show the truth", help="the mobility that the simulation uses", at_once=True)
    learn = p(Bool(True), "basic", "learn a model", help="a PairModel from these data, at the end")
    nearest = p(Float(2.3), "advanced", "from", "radii", help="distance at which pairs are let go")
    farthest = p(Float(10.0), "advanced", "to", "radii")
    blur = p(Float(0.3), "advanced", "camera's blur", "Å", help="standard deviation of a coordinate in a picture")
    seed = p(Int(1), "advanced", "seed")

    def __init__(self, fluid: Mobility, radius: float, temperature: float = 300.0) -> None:
        super().__init__()
        self.fluid, self.radius, self.temperature = fluid, radius, temperature
        self._stretch = Stretch(0, 0)
        self._again = self.follow(self._show_again, "mobility figure")
        self.observe(lambda _: self._again.ask() if self.results is not None else None, ["lag", "theory"])

    @property
    def data(self) -> Active | Passive:
        """The data at the current lag. Raises LabkitError before the first run."""
        return self.found().sightings.data(1e3 * self.lag)

    def tweezers(self) -> Tweezers:
        """The experiment of the current parameters. Raises LabkitError if they are invalid."""
        if self.way not in (WATCHED, PUSHED):
            raise LabkitError(f"way is {self.way!r}; expected {WATCHED!r} or {PUSHED!r}")
        if self.way == PUSHED and not self.force > 0:
            raise LabkitError(f"force is {self.force:g} pN; expected a positive number, or choose {WATCHED!r}")
        force = self.force * PICONEWTON if self.way == PUSHED else 0.0
        near, far = self.nearest * self.radius, self.farthest * self.radius
        return Tweezers(self.fluid, self.temperature, near, far, force, self.blur, PAIRS)

    def make_job(self) -> Job:
        tweezers, old = self.tweezers(), self.results if self.continuing else None
        if self.releases < 1:
            raise LabkitError(f"pairs let go: {self.releases}; expected {PAIRS} or more")
        if 1e3 * self.lag not in LAGS:
            raise LabkitError(f"lag is {self.lag} ps; expected one of {', '.join(f'{1e-3 * t:g}' for t in LAGS)}")
        if old is not None and vars(old.tweezers) != vars(tweezers):
            raise LabkitError("the parameters of the experiment have changed; press Run to start a new one")
        start = RepeatedReleases(tweezers, 1000 * self.seed) if old is None else old
        done = 0 if start.sightings is None else start.sightings.pairs // PAIRS
        batches = (self._stretch.left(self.releases, done) if old is not None else 0) or -(-self.releases // PAIRS)
        self._stretch = Stretch(self.releases, done + batches)
        return Job(release_pairs, start, batches, lambda: 1e3 * self.lag if self.learn else None, name="mobility")

    def present(self, result: RepeatedReleases) -> None:
        if result.sightings is None:
            return
        with self._drawing:
            lag, truth = self.lag, self.fluid if self.theory else None
            view = result.at(1e3 * lag)
            figure = mobility_figure(view, self.radius, truth)
            self.show(LiveFigure(figure, ()))  # drawn once: savefig would do so twice
            self.table, self.note = table_of(view, self.radius, truth)
            self.ran = self.ran.frozen(lag=lag, theory=truth is not None)

    def script(self) -> str:
        return mobility_script(self)

    def outputs(self, found: RepeatedReleases) -> dict[str, bytes]:
        if found.sightings is None:
            return {}
        table = found.at(1e3 * self.lag).table
        files = {"mobility.csv": table.to_csv(index=False).encode(), "mobility.png": self.picture}
        if found.learned is not None:
            pairs = found.sightings.pairs - PAIRS * (found.seed - found.learned_until)
            about = {"pairs": pairs, "lag_fs": found.learned_at, "steps": found.learned_steps}
            name = "mobility.safetensors"
            files[name] = file_bytes(lambda path: save_mobility(found.learned, path, about), name)
        return files

    def _show_again(self) -> None:
        self.message = ""
        self.present(self.found())
