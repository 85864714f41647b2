"""What all panels share, on a small real piece of work: copper that is relaxed."""

import time

import pytest
import traitlets
from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.errors import LabkitError
from labkit.jobs import Job, finish
from labkit.panels.kit.controls import parameter, parameters
from labkit.panels.kit.view import Model, Panel


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


class RelaxModel(Model):
    steps = parameter(traitlets.Int(20), "basic", "steps", range=(1, 100, 1))
    size = parameter(traitlets.Float(0.1), "basic", "rattle", "Å")
    method = parameter(traitlets.Unicode("descent"), "advanced", "method", options=["descent", "other"])

    def make_job(self):
        if self.steps < 1:
            raise LabkitError(f"steps is {self.steps}, expected 1 or more")
        return Job(relax, self.steps, self.size, name="relax")

    def present(self, result):
        self.table = f"{result:.3f} eV"

    def code(self):
        return f"relax({self.steps}, '<&>')"

    def files(self):
        return {"energy.txt": str(self.results).encode()} if self.results is not None else {}


class RelaxPanel(Panel):
    title = "Relax"
    groups = ("basic", "advanced")


@pytest.fixture
def panel():
    return RelaxPanel(RelaxModel())


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
    with pytest.raises(LabkitError, match="runs already"):
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


def test_controls_are_linked_both_ways(panel):
    assert parameters(panel.model) == ["steps", "size", "method"]
    steps, size = (box.children[1] for box in panel.controls("basic"))
    steps.value = 33
    assert panel.model.steps == 33
    panel.model.size = 0.25
    assert size.value == 0.25
    (method,) = (box.children[1] for box in panel.controls("advanced"))
    assert method.options == ("descent", "other")
