"""The table of all measures: values, error bars, and what a perfect σ would reach."""

import numpy as np
import pytest
import torch

from labkit.active import GpVariance, Spread
from labkit.active.calibration import Samples, report, report_of, rescale
from labkit.active.calibration.measures import auc, ence, miscalibration_area, nll, spearman
from labkit.base import Potential, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError

ROWS = ["RMSE", "Spearman", "RMV", "ENCE", "calibration error", "miscalibration area", "NLL", "AUC above 0.2"]


@pytest.fixture(scope="module")
def sigmas() -> np.ndarray:
    return np.exp(np.random.default_rng(0).normal(-2, 0.5, 3000))


@pytest.fixture(scope="module")
def errors(sigmas: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).normal(size=len(sigmas)) * sigmas


def test_values_are_those_of_the_measures(errors: np.ndarray, sigmas: np.ndarray) -> None:
    found = report(errors, sigmas, bound=0.2, draws=50)
    assert found.index.tolist() == ROWS and found.columns.tolist() == ["value", "low", "high", "perfect"]
    expected = [spearman(errors, sigmas), ence(errors, sigmas), miscalibration_area(errors, sigmas)]
    expected += [nll(errors, sigmas), auc(errors, sigmas, 0.2)]
    assert found.loc[["Spearman", "ENCE", "miscalibration area", "NLL", "AUC above 0.2"], "value"].tolist() == expected
    assert (found["low"] <= found["high"]).all() and (found["low"] < found["value"] + 0.02).all()


def test_a_perfect_sigma_is_found_perfect_and_a_wrong_one_is_not(errors: np.ndarray, sigmas: np.ndarray) -> None:
    right, wrong = (report(errors, c * sigmas, bound=0.2, draws=100) for c in (1.0, 0.5))
    for row in ROWS:
        width = right.loc[row, "high"] - right.loc[row, "low"]
        assert abs(right.loc[row, "value"] - right.loc[row, "perfect"]) < width
        assert right.loc[row, "perfect"] == pytest.approx(right.loc[row, "value"], abs=0.1)
    for row in ("ENCE", "calibration error", "miscalibration area", "NLL"):
        assert wrong.loc[row, "low"] > wrong.loc[row, "perfect"]
    assert wrong.loc["Spearman", "value"] == right.loc["Spearman", "value"]


def test_species_and_groups(errors: np.ndarray, sigmas: np.ndarray) -> None:
    species, group = np.where(np.arange(3000) % 3, "H", "O"), np.repeat(np.arange(30), 100)
    found = report(errors, sigmas, species=species, group=group, draws=50)
    assert found.index.get_level_values(0).unique().tolist() == ["all", "H", "O"]
    assert found.loc[("O", "NLL"), "value"] == nll(errors[::3], sigmas[::3])


def test_of_frames_and_of_scores(errors: np.ndarray, sigmas: np.ndarray) -> None:
    frame = np.repeat(np.arange(300), 10)
    lengths = np.abs(errors)
    of_frames = report(lengths, sigmas, dof=3, frame=frame, group=frame // 30, bound=0.5, draws=50)
    assert of_frames.index.tolist() == ["RMSE", "Spearman", "AUC above 0.5"]
    worst = [x.reshape(300, 10).max(1) for x in (lengths, sigmas)]
    assert of_frames.loc["Spearman", "value"] == spearman(*worst)
    scored = report(errors, np.log(sigmas) + 9, dof=None, draws=50)
    assert scored.index.tolist() == ["RMSE", "Spearman"] and scored["perfect"].isna().all()
    assert scored.loc["Spearman", "value"] == pytest.approx(spearman(errors, sigmas))


def test_undefined_measures_are_nan_and_bad_input_is_a_sentence(errors: np.ndarray, sigmas: np.ndarray) -> None:
    found = report(errors, np.full(3000, 0.1), bound=9.0, draws=20)
    assert found.loc[["Spearman", "AUC above 9"]].isna().all(axis=None)
    assert found.loc["RMSE"].notna().all()
    one_run = report(errors, sigmas, group=np.zeros(3000), draws=20)
    assert one_run["value"].notna().all() and one_run["low"].isna().all()
    for args, options, words in (
        ((errors[:9], sigmas[:9]), {}, "too few frames: 9 errors; expected 10 or more"),
        ((errors, sigmas[:9]), {}, "expected one sigma for each error"),
        ((errors, 0 * sigmas), {}, "all 3000 sigmas are 0"),
        ((errors, -sigmas), {}, "all 3000 sigmas are negative"),
        ((errors, np.nan * sigmas), {}, "all 3000 sigmas are NaN"),
        ((errors, sigmas), {"species": ["H"]}, "1 values of species for 3000 errors"),
        ((errors, sigmas), {"species": ["C"] * 3 + ["H"] * 2997}, "3 errors of C; expected 10 or more"),
    ):
        with pytest.raises(LabkitError, match=words):
            report(*args, **options)


def test_of_a_potential(model: Potential, held: Dataset) -> None:
    uncertainty = rescale(GpVariance(model), model, held[:20])
    components, atoms, frames = (
        report_of(uncertainty, model, held[20:60], per, bound=0.3, draws=20) for per in ("component", "atom", "frame")
    )
    samples = Samples.of(uncertainty, model, held[20:60], "component")
    assert components.loc[("H", "NLL"), "value"] == nll(
        *(x[samples.species == "H"] for x in (samples.errors, samples.sigmas))
    )
    assert components.loc[("all", "RMSE"), "value"] * np.sqrt(3) == pytest.approx(atoms.loc[("all", "RMSE"), "value"])
    assert frames.index.tolist() == ["RMSE", "Spearman", "AUC above 0.3"] and (frames["perfect"].notna()).any()
    raw = report_of(GpVariance(model), model, held[20:60], "atom", draws=20)  # eV of atoms: a score
    assert raw.index.get_level_values("measure").unique().tolist() == ["RMSE", "Spearman"]
    energies = report_of(GpVariance(model), model, held[20:60], "energy", draws=20)
    assert "NLL" in energies.index and energies.loc["RMSE", "value"] < 1


def test_a_distance_has_no_energies(model: Potential, held: Dataset) -> None:
    def distance(state: State, evaluation=None) -> Spread:
        return Spread(torch.ones(state.system.n_systems), "", torch.ones(state.system.n_atoms), "")

    with pytest.raises(LabkitError, match="the uncertainty of a frame is in no unit; expected energies in eV"):
        report_of(distance, model, held[:20], "energy")
    with pytest.raises(LabkitError, match="per is 'molecule'; expected 'component', 'atom' or 'energy'"):
        report_of(distance, model, held[:20], "molecule")
    unlabelled = held[:12]
    unlabelled.forces[:] = np.nan
    with pytest.raises(LabkitError, match="ice valid: none has forces; calibration needs labels"):
        report_of(distance, model, unlabelled, "atom")
