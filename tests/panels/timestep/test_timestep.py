"""The Timestep panel without a screen: a ladder of runs, stopped, told, and its script."""

import io

import numpy as np
import pandas as pd
import pytest
from ase import units
from ase.md.verlet import VelocityVerlet
from PIL import Image

from labkit.engine import maxwell_boltzmann
from labkit.errors import LabkitError
from labkit.forcefield.examples import chain
from labkit.panels import TimestepPanel


@pytest.fixture
def panel():
    state, forcefield = chain()
    panel = TimestepPanel(maxwell_boltzmann(state, 300.0), forcefield)
    panel.model.smallest, panel.model.largest, panel.model.count, panel.model.time = 0.5, 16.0, 6, 100.0
    return panel


def error_of_ase(model, dt):
    """Standard deviation of the total energy [meV/atom] in ASE's velocity Verlet, looked at every 2 fs or each step."""
    (atoms,) = model.state.to_atoms()
    atoms.calc = model.potential.calculator()
    seen, mover = [], VelocityVerlet(atoms, dt * units.fs)
    mover.attach(lambda: seen.append(atoms.get_total_energy()), interval=max(1, round(2 / dt)))
    mover.run(round(100 / dt))
    return 1000 * np.std(seen) / len(atoms)


def test_errors_are_those_of_a_run_in_ase(panel):
    model = panel.model
    panel.run()
    found = panel.job.wait(60)
    expected = {dt: error_of_ase(model, dt) for dt in (0.5, 1.0, 2.0, 4.0, 8.0)}
    assert found.errors == pytest.approx(expected | {16.0: np.nan}, rel=1e-6, nan_ok=True)
    rise = np.polyfit(np.log([0.5, 1.0]), np.log([expected[0.5], expected[1.0]]), 1)[0]
    assert found.lost == [16.0] and found.law()[1] == pytest.approx(rise, rel=1e-6) and 1.8 < rise < 2.2
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
