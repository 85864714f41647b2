"""The Timestep panel without a screen: a ladder of runs, stopped, told, and its script."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labkit.engine import maxwell_boltzmann
from labkit.engine.timesteps import energy_errors
from labkit.errors import LabkitError
from labkit.forcefield.examples import chain
from labkit.panels import TimestepPanel


@pytest.fixture
def panel():
    state, forcefield = chain()
    panel = TimestepPanel(maxwell_boltzmann(state, 300.0), forcefield)
    panel.model.smallest, panel.model.largest, panel.model.count, panel.model.time = 0.5, 16.0, 6, 100.0
    return panel


def test_errors_are_those_of_the_function(panel):
    model = panel.model
    panel.run()
    found = panel.job.wait(60)
    again = energy_errors(model.state, model.potential, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0], time=100.0)
    pd.testing.assert_frame_equal(found.table, again.table)
    assert found.lost == [16.0]
    assert f"to the power of {found.law()[1]:.2f}" in model.note and "With 16 fs it blows up." in model.note
    assert "blown up" in model.table and np.asarray(Image.open(io.BytesIO(model.picture))).std() > 5
    csv = pd.read_csv(io.BytesIO(model.files()["timesteps.csv"]))
    assert csv["error_meV_per_atom"].isna().sum() == 1 and list(csv["dt_fs"]) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_stop_keeps_what_there_is(panel):
    panel.model.time = 1e6
    panel.model.smallest, panel.model.count = 1.0, 3
    panel.run()
    panel.stop()
    assert panel.job.wait(20).errors == {} and panel.job.status == "stopped"
    assert panel.model.files()["timesteps.png"] == b""


@pytest.mark.parametrize(("name", "value"), [("largest", 0.2), ("count", 1), ("smallest", 0.0)])
def test_ladders_that_are_none(panel, name, value):
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match="expected two or more, from a positive number to a larger one"):
        panel.run()
    assert "expected two or more" in panel.error.value


def test_script_runs(panel, capsys):
    panel.model.smallest, panel.model.largest, panel.model.count = 0.5, 2.0, 3
    namespace = {}
    exec(panel.model.code(), namespace)
    assert list(namespace["found"].errors) == [0.5, 1.0, 2.0]
    assert "0.5" in capsys.readouterr().out
