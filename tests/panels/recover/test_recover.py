"""The Recover panel without a screen: run, drawn, stopped, told."""

import pytest

from labkit.errors import LabkitError
from labkit.forcefield import ForceField, HarmonicBonds, share
from labkit.forcefield.examples.brine import CHARGES, brine, kinds
from labkit.panels import RecoverPanel


@pytest.fixture
def panel() -> RecoverPanel:
    from labkit.engine import fire

    state, forcefield = brine(8)
    return RecoverPanel(fire(state, forcefield, fmax=2.0, steps=100), forcefield)


def test_recovers_and_draws(panel) -> None:
    model = panel.model
    model.steps, model.factor = 2, 0.7
    panel.run()
    fit = panel.job.wait(100)
    assert model.results is fit and model.picture.startswith(b"\x89PNG") and min(fit.losses) < fit.losses[0]
    assert f"best of {len(fit.losses)} evaluations: O {fit.best[0]:.3f} e" in panel.note.value
    files = model.files()
    assert files["charges.csv"].decode().splitlines()[0] == "loss,O_e,H_e,Na_e,Cl_e" and "charges.png" in files
    assert len(files["charges.csv"].decode().splitlines()) == len(fit.losses) + 1
    assert "brine(8)" in model.code() and "steps=2" in model.code()
    assert model.forcefield.terms["electrostatics"].charges.shape == (26,)  # that of the learner is left alone


def test_stop_keeps_what_there_is(panel) -> None:
    model = panel.model
    model.iterations = 60
    model.observe(lambda change: panel.stop() if change["new"] is not None else None, "results")
    panel.run()
    fit = panel.job.wait(100)
    assert model.status == "stopped" and 0 < len(fit.losses) < 60


@pytest.mark.parametrize(("name", "value", "sentence"), [("steps", 0, "0 steps"), ("factor", 0.0, "above 0, up to 2")])
def test_nonsense_is_told(panel, name, value, sentence) -> None:
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert sentence in panel.error.value


def test_needs_charges(panel) -> None:
    bonds = ForceField({"bonds": HarmonicBonds([[0, 1]], 1.0, 1.0)}, 26)
    with pytest.raises(LabkitError, match="no term electrostatics"):
        RecoverPanel(panel.model.start, bonds)


def test_truth_stays_when_its_owner_changes_the_charges(panel) -> None:
    """As the notebook does below the panel; sharing twice, as when a cell is run again, is the same as once."""
    state, forcefield = panel.model.start, brine(8)[1]
    again = RecoverPanel(state, forcefield)
    for _ in range(2):
        charges = share(forcefield.terms["electrostatics"], "charges", kinds(state))
    assert charges.tolist() == pytest.approx(list(CHARGES.values()), rel=1e-12)
    charges.data.zero_()
    for found in (panel, again):
        found.model.steps = found.model.iterations = 1
        found.run()
    assert again.job.wait(60).losses == panel.job.wait(60).losses
    assert "(-0.0%)" not in panel.note.value
