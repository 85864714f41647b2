"""What all panels share, on a small real piece of work: copper that is relaxed."""

import inspect
import time

import pytest
import traitlets
from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.errors import LabkitError
from labkit.jobs import Job, finish
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameter, parameters
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.view import Panel


def relax(steps, size, progress):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(size, seed=1)
    atoms.calc = EMT()
    for step in range(steps):
        atoms.positions += 0.02 * atoms.get_forces()
        progress.update(step + 1, steps)
        yield float(atoms.get_potential_energy())
    if size > 1:
        raise LabkitError(f"a rattle of {size:g} Å is no crystal any more; take less than 1")


class RelaxModel(PanelModel):
    title = "Relax"

    steps = parameter(traitlets.Int(20), "basic", "steps", range=(1, 100, 1))
    size = parameter(traitlets.Float(0.1), "basic", "rattle", "Å")
    method = parameter(traitlets.Unicode("descent"), "advanced", "method", options=["descent", "other"])

    def make_job(self):
        if self.steps < 1:
            raise LabkitError(f"steps is {self.steps}, expected 1 or more")
        return Job(relax, self.steps, self.size, name="relax")

    def present(self, result):
        self.table = f"{result:.3f} eV"

    def script(self):
        return f"relax({self.steps}, '<&>')"

    def outputs(self, result):
        return {"energy.txt": f"{result} after {self.steps} steps".encode()}


class RelaxPanel(Panel):
    model_type = RelaxModel


@pytest.fixture
def panel():
    return RelaxPanel()


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_run_to_the_end(panel):
    seen = []
    panel.model.observe(lambda change: seen.append(change.new), "status")
    panel.run()
    energy = panel.job.wait(30)
    assert panel.model.results == energy and panel.model.table == f"{energy:.3f} eV" == panel.table.value
    assert seen == ["running", "done"] and panel.model.fraction == panel.bar.value == 1.0
    assert "done" in panel.state.value and not panel.run_button.disabled and panel.stop_button.disabled


def test_buttons_do_what_the_model_does(panel):
    panel.model.steps = 100_000
    panel.run_button.click()
    until(lambda: panel.model.results is not None)
    assert panel.run_button.disabled and not panel.stop_button.disabled
    start = time.monotonic()
    panel.stop_button.click()
    assert time.monotonic() - start < 0.1 and "stopping" in panel.state.value
    panel.job.wait(5)
    assert panel.model.status == "stopped" and panel.model.results == panel.job.result
    assert not panel.run_button.disabled


def test_failure_is_the_same_sentence_in_red_and_in_wait(panel):
    panel.model.size = 1.5
    panel.run()
    with pytest.raises(LabkitError, match="no crystal any more") as caught:
        panel.job.wait(30)
    assert panel.model.message == str(caught.value) and "labkit-error" in panel.error.value
    assert panel.model.status == "failed" and panel.bar.bar_style == "danger"
    panel.model.size = 0.1
    panel.run()
    panel.job.wait(30)
    assert panel.error.value == ""


def test_failure_that_nobody_waits_for_is_raised_by_finish(panel):
    panel.model.size = 1.5
    panel.run()
    with pytest.raises(LabkitError, match="no crystal"):
        finish(30)


def test_what_cannot_start_is_said_and_raised(panel):
    panel.model.steps = 0
    with pytest.raises(LabkitError, match="steps is 0"):
        panel.run()
    assert "steps is 0" in panel.error.value
    panel.error.value = ""
    panel.run_button.click()  # a button has nobody to raise to
    assert panel.job is None


def test_running_twice_is_refused_and_harms_nothing(panel):
    panel.model.steps = 100_000
    job = panel.run()
    with pytest.raises(LabkitError, match="is already running"):
        panel.run()
    panel.stop()
    job.wait(5)
    assert panel.job is job


def test_a_result_that_cannot_be_shown_fails_the_job(panel, monkeypatch):
    monkeypatch.setattr(RelaxModel, "present", lambda self, result: 1 / 0)
    panel.run()
    with pytest.raises(ZeroDivisionError):
        panel.job.wait(30)
    assert panel.model.status == "failed" and "could not be shown" in panel.error.value


def test_code_follows_the_parameters_and_is_escaped(panel):
    panel.code.toggle.value = True
    assert "relax(20, &#x27;&lt;&amp;&gt;&#x27;)" in panel.code.body.value
    panel.model.steps = 7
    assert "relax(7" in panel.code.body.value
    panel.code.toggle.value = False
    assert panel.code.body.value == ""


def test_download_holds_the_files(panel):
    panel.download.toggle.value = True
    assert "press Run first" in panel.download.body.value
    panel.run()
    panel.job.wait(30)
    assert not panel.download.toggle.value  # what was shown is not the result any more
    panel.download.toggle.value = True
    assert 'download="energy.txt"' in panel.download.body.value


def test_what_is_shown_belongs_to_one_run(panel):
    """A parameter moved after the run changes neither code nor files, and the panel says so until the next run."""
    model = panel.model
    panel.code.toggle.value = True
    panel.run()
    energy = panel.job.wait(30)
    model.steps = 7
    assert model.changed == "steps 20 (now 7)" and "settings changed · press Run" in panel.state.value
    assert "a run with steps 20 (now 7). Press Run" in panel.changed.value and "done" not in panel.state.value
    assert "labkit-old" in panel.table._dom_classes
    assert "relax(20" in model.code() and "relax(20" in panel.code.body.value
    assert model.files() == {"energy.txt": f"{energy} after 20 steps".encode()}
    model.steps = 20
    assert model.changed == panel.changed.value == "" and "done" in panel.state.value
    assert "labkit-old" not in panel.table._dom_classes
    model.steps = 7
    panel.run()
    other = panel.job.wait(30)
    assert other != energy and model.changed == "" and "relax(7" in model.code()
    assert model.files() == {"energy.txt": f"{other} after 7 steps".encode()}


def test_a_parameter_moved_during_a_run_is_not_that_of_its_results(panel):
    model = panel.model
    model.steps = 100_000
    panel.run()
    until(lambda: model.results is not None)
    model.steps, model.size = 7, 0.2
    assert "relax(100000" in model.code() and model.changed == "steps 100000 (now 7), rattle 0.1 Å (now 0.2 Å)"
    assert panel.state.value.count("running") == 1 and "Press Run" not in panel.changed.value
    panel.stop()
    panel.job.wait(5)
    assert "relax(100000" in model.code() and "settings changed" in panel.state.value


def test_results_of_the_run_before_stay_with_their_code_until_there_are_others(panel):
    model = panel.model
    panel.run()
    before = panel.job.wait(30)
    model.size = 1.5
    model.steps = 0
    with pytest.raises(LabkitError, match="steps is 0"):
        panel.run()
    assert model.results == before and "relax(20" in model.code() and "rattle 0.1 Å (now 1.5 Å)" in model.changed


def test_parameters_that_act_at_once_are_no_change(panel):
    class Followed(RelaxModel):
        shade = parameter(0.5, "basic", "shade", at_once=True)

    model = Followed()
    model.run().wait(30)
    model.shade = 0.7
    assert model.changed == ""


def test_controls_are_linked_both_ways(panel):
    assert parameters(panel.model) == ["steps", "size", "method"]
    steps, size = (box.children[1] for box in panel.controls("basic"))
    steps.value = 33
    assert panel.model.steps == 33
    panel.model.size = 0.25
    assert size.value == 0.25
    (method,) = (box.children[1] for box in panel.controls("advanced"))
    assert method.options == ("descent", "other")


def test_a_plain_default_makes_the_trait_of_its_type():
    kinds = {True: traitlets.Bool, 3: traitlets.Int, 0.5: traitlets.Float, "fs": traitlets.Unicode}
    for default, kind in kinds.items():
        trait = parameter(default, "basic", "label", help="words")
        assert type(trait) is kind and trait.default() == default and trait.metadata["how"] == {"help": "words"}


def test_a_panel_takes_what_its_model_takes():
    class Loaded(RelaxModel):
        def __init__(self, frames, *, config=None):
            super().__init__()
            self.frames, self.config = frames, config

    class LoadedPanel(Panel):
        model_type = Loaded

    assert str(inspect.signature(LoadedPanel)) == "(frames, *, config=None)"
    assert LoadedPanel([1], config=2).model.config == 2


def test_what_cannot_be_continued_has_no_such_button(panel):
    assert panel.continue_button not in panel.children[0].children[1].children
    with pytest.raises(LabkitError, match="cannot be continued"):
        panel.go_on()


def test_continue_tells_the_job_that_it_is_one():
    class Continued(RelaxModel):
        continue_hint = "relax further"

        def make_job(self):
            job = super().make_job()
            job.continued = self.continuing
            return job

    class ContinuedPanel(Panel):
        model_type = Continued

    panel = ContinuedPanel()
    with pytest.raises(LabkitError, match="press Run first"):
        panel.go_on()
    assert panel.continue_button.disabled
    panel.run().wait(30)
    assert not panel.job.continued and not panel.continue_button.disabled
    panel.continue_button.click()
    panel.job.wait(30)
    assert panel.job.continued and not panel.model.continuing


def test_the_first_groups_are_in_sight_the_others_folded(panel):
    steps, size, folded = panel.children[0].children[3].children[0].children
    assert [box.children[0].value for box in (steps, size)] == [html.label("steps"), html.label("rattle")]
    assert folded.toggle.description == "Advanced" and not folded.toggle.value


def test_settle_waits_for_what_follows_a_parameter(panel):
    seen = []

    def work():
        time.sleep(0.1)
        seen.append(panel.model.steps)

    follower = panel.model.follow(work, "example")
    panel.model.observe(lambda _: follower.ask(), "steps")
    for steps in (3, 4, 5):
        panel.model.steps = steps
    panel.settle(10)
    assert seen[-1] == 5 and len(seen) < 3
