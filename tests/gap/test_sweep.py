"""Sweeps and comparisons say what single fits say; dynamics on a GAP is thermal and tells what it does not know."""

import numpy as np
import pytest

import labkit
from labkit.base import State
from labkit.errors import LabkitError, Stopped
from labkit.gap import Design, GapConfig, Soap
from labkit.gap.compare import compare
from labkit.gap.dynamics import dynamics
from labkit.gap.sweep import sweep

CONFIG = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)


@pytest.fixture(scope="module")
def sets() -> tuple[labkit.Dataset, labkit.Dataset]:
    return labkit.datasets.ice("train", n=50)[:20], labkit.datasets.ice("valid")[:8]


@pytest.fixture(scope="module")
def design(sets) -> Design:
    return Design.build(sets[0], CONFIG, valid=sets[1])


def test_a_sweep_is_many_fits(design: Design) -> None:
    table = sweep(design, "sigma_force", [0.01, 0.1, 1.0], sigma_energy=0.004)
    for sigma in (1.0, 0.01):
        model = design.solve(sigma_energy=0.004, sigma_force=sigma)
        expected = design.errors(model)["rmse"]
        for key in expected.index:
            assert table.loc[sigma, key] == pytest.approx(expected[key], rel=1e-6)
        assert table["log evidence", ""][sigma] == pytest.approx(model.log_evidence, rel=1e-9)
    assert table.index.name == "sigma_force"


def test_evidence_is_that_of_the_gaussian(sets) -> None:
    """log N(y | 0, X K⁻¹ Xᵀ + σ²), from a dense covariance, for energies only."""
    from scipy.stats import multivariate_normal

    config = CONFIG.replace(sigma_force=None)
    design = Design.build(sets[0], config)
    rows = design._rows["train"].rows["energy"].numpy()
    prior = design._prior_factor.numpy()
    target = sets[0].energy - np.array([sum(design.e0[s] for s in a.symbols) for a in sets[0].atoms])
    root = np.linalg.solve(prior.T, rows.T).T
    for sigma, value in sweep(design, "sigma_energy", [0.003, 0.3])["log evidence", ""].items():
        noise = sigma**2 * sets[0].counts
        dense = multivariate_normal(cov=root @ root.T + np.diag(noise), allow_singular=False).logpdf(target)
        assert value == pytest.approx(dense, rel=1e-6)


def test_sweep_stops_with_what_it_has_and_knows_its_sigmas(design: Design) -> None:
    class StopAfterTwo:
        done = 0

        def update(self, step: int, total: int, **_: object) -> None:
            self.done = step

        def should_stop(self) -> bool:
            return self.done == 2

    with pytest.raises(Stopped) as stop:
        sweep(design, "sigma_energy", [1e-3, 1e-2, 1e-1], progress=StopAfterTwo())
    assert stop.value.partial.index.tolist() == [1e-3, 1e-2]
    with pytest.raises(LabkitError, match="did you mean 'sigma_force'"):
        sweep(design, "sigma_forces", [0.1])


def test_compare_takes_the_best_of_each(sets, design: Design) -> None:
    other = CONFIG.replace(descriptors=(Soap(cutoff=2.5, n_max=2, l_max=1, n_sparse=25),))
    values = (0.01, 0.1, 1.0)
    table = compare({"as is": CONFIG, "small": other}, *sets, values=values)
    alone = sweep(design, "sigma_force", values)
    best = alone["valid", "forces"].idxmin()
    assert table.loc["as is", "sigma_force, validation"] == best
    assert table.loc["as is", "forces"] == pytest.approx(alone["valid", "forces"][best], rel=1e-6)
    assert table.loc["as is", "log evidence"] == pytest.approx(alone["log evidence", ""].max(), rel=1e-9)
    assert (table["forces by evidence"] >= table["forces"] * (1 - 1e-9)).all() and len(table) == 2
    sizes = compare({"as is": CONFIG, "small": other}, *sets, values=values, frames=(10, 20))
    assert sizes.index.tolist() == [(10, "as is"), (10, "small"), (20, "as is"), (20, "small")]
    np.testing.assert_allclose(sizes.loc[20], table, rtol=1e-6)
    few = sweep(design.subset(range(10)), "sigma_force", values)["valid", "forces"]
    assert sizes.loc[(10, "as is"), "forces"] == pytest.approx(few.min(), rel=1e-6)
    with pytest.raises(LabkitError, match="no config"):
        compare({}, *sets)


def test_dynamics_keeps_its_temperature_and_knows_where_it_has_data() -> None:
    """Equipartition: the potential energy of a cold crystal lies 3/2 N kT above its minimum."""
    frames = labkit.datasets.ice("normal_modes")[:60]
    model = Design.build(frames, GapConfig(Soap(cutoff=3.5, n_max=4, l_max=3, n_sparse=80), sigma_virial=None)).solve()
    start = labkit.datasets.ice("minimum").atoms[0]
    path = dynamics(model, start, temperature=100, steps=1000)
    harmonic = 1.5 * len(start) * 8.617e-5 * 100
    assert path["energy"].loc[250:].mean() == pytest.approx(harmonic, rel=0.35)
    again = dynamics(model, start, temperature=100, steps=20)
    assert np.allclose(again, path.iloc[:4], atol=1e-9)
    known = model.variance(State.from_atoms([start]))[0].max().sqrt()
    assert path["spread"].iloc[0] == pytest.approx(float(known), rel=0.5)
    with pytest.raises(LabkitError, match="expected positive"):
        dynamics(model, start, steps=0)
