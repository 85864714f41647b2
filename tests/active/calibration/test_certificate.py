"""Certificates: 59 frames without failure, 93 with one; of which frames, and for which model."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

import labkit
from labkit.active import CommitteeSpread, GpVariance, LastLayer, calibrate
from labkit.active.calibration import Certificate, certify, rescale, threshold, threshold_of
from labkit.active.calibration.marks import frame_marks, model_mark
from labkit.base import Committee, Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapModel
from labkit.neural import untrained

SIGMA, BOUND = 0.05, 0.15


def of(n: int, failures: int, **options) -> Certificate:
    errors = np.where(np.arange(n) < failures, 0.2, 0.1)
    return Certificate.of(errors, np.full(n, 0.02), SIGMA, BOUND, **options)


def test_59_frames_without_failure_and_93_with_one() -> None:
    for failures, n in ((0, 59), (1, 93)):
        found = of(n, failures)
        assert (found.accepted, found.failures, found.independent) == (n, failures, n) and found.shown >= 0.95
        with pytest.raises(LabkitError, match=f"95.0% needs {n} independent ones with {failures} failures"):
            of(n - 1, failures)
    with pytest.raises(LabkitError, match="not shown: 2 of 93 accepted frames, worth 93 .*, exceed 0.15; .* needs 124"):
        of(93, 2)


def test_the_claim() -> None:
    assert str(of(59, 0)) == (
        "with 95 % confidence, at least 95 % of the frames with σ <= 0.05 have errors <= 0.15 eV/Å: 59 accepted "
        "frames, worth 59 independent ones, 0 of them above; they show 95.05 %"
    )


def test_only_accepted_frames_count() -> None:
    errors, sigmas = np.full(80, 0.1), np.full(80, 0.02)
    errors[60:], sigmas[60:] = 0.9, 0.06
    found = Certificate.of(errors, sigmas, SIGMA, BOUND, frames=[str(k) for k in range(80)])
    assert (found.labelled, found.accepted, found.failures) == (80, 60, 0)
    assert found.frames == tuple(str(k) for k in range(60))
    with pytest.raises(LabkitError, match="none of 80 frames has σ <= 0.01"):
        Certificate.of(errors, sigmas, 0.01, BOUND)


def test_a_certificate_is_wrong_at_most_as_often_as_promised() -> None:
    """With true failures just above 5 %, one in twenty is issued at most."""
    issued = 0
    for seed in range(1000):
        errors = np.where(np.random.default_rng(seed).random(200) < 0.051, 0.2, 0.1)
        try:
            Certificate.of(errors, np.full(200, 0.02), SIGMA, BOUND)
            issued += 1
        except LabkitError:
            pass
    assert issued <= 60


def test_correlated_frames_count_by_their_effective_number() -> None:
    """As independent frames, 300 of a run with a correlation of 0.9 would certify far too often."""
    naive, careful = 0, 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=800)
        x = lfilter([1], [1, -0.9], noise)[500:] * np.sqrt(1 - 0.81)
        errors = BOUND * np.exp(0.5 * (x - 1.6))  # 5.5 % are above the bound
        for name in ("naive", "careful"):
            try:
                runs = None if name == "naive" else np.zeros(300)
                found = Certificate.of(errors, np.full(300, 0.02), SIGMA, BOUND, trajectory=runs)
            except LabkitError:
                continue
            if name == "naive":
                naive += 1
            else:
                careful += 1
                assert found.independent < 100
    assert naive > 50 and careful <= 20


def test_frames_that_were_used_are_refused() -> None:
    marks = [str(k) for k in range(70)]
    with pytest.raises(LabkitError, match=r"2 of 70 frames \(the first is frame 3\) were queried or used for"):
        of(70, 0, frames=marks, used={"3", "7", "x"})
    with pytest.raises(LabkitError, match="1 of 70 frames occur twice; each counts once"):
        of(70, 0, frames=[*marks[:-1], "0"])
    with pytest.raises(LabkitError, match="3 values of frames for 70 errors"):
        of(70, 0, frames=marks[:3])
    with pytest.raises(LabkitError, match="needs the bound of the errors"):
        Certificate.of([0.1] * 60, [0.02] * 60, SIGMA)
    with pytest.raises(LabkitError, match="confidence is 95; expected a number between 0 and 1"):
        of(70, 0, confidence=95)
    with pytest.raises(LabkitError, match="all 60 sigmas are NaN"):
        Certificate.of([0.1] * 60, [np.nan] * 60, SIGMA, BOUND)


def test_a_threshold_brings_its_bound_and_its_frames() -> None:
    fitted = replace(threshold([0.1] * 60, np.full(60, 0.02), BOUND), frames=("5",))
    marks = [str(k) for k in range(60)]
    with pytest.raises(LabkitError, match="1 of 60 frames .the first is frame 5. were queried or used"):
        Certificate.of([0.1] * 60, [0.02] * 60, fitted, frames=marks)
    assert Certificate.of([0.1] * 59, [0.02] * 59, fitted, frames=[*marks[6:], *"abcde"]).bound == BOUND


@pytest.fixture(scope="module")
def frames(held: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """For the calibration, the threshold and the certificate, drawn from all."""
    both = held + labkit.datasets.ice("train")[100:200]
    order = np.random.default_rng(0).permutation(200)
    return both[order[:20]], both[order[20:110]], both[order[110:]]


def test_of_a_potential(model: Potential, frames: tuple, train: Dataset) -> None:
    calibration, choice, proof = frames
    uncertainty = rescale(GpVariance(model), model, calibration, queried=train)
    worst = 2 * float(np.abs(model.evaluate(choice.state()).forces.numpy() - choice.forces).max())
    fitted = threshold_of(uncertainty, model, choice, worst, at_random=True, queried=train)
    found = certify(uncertainty, model, proof, fitted, queried=train, at_random=True)
    assert found.accepted > 80 and set(found.frames) <= set(frame_marks(proof)) and found.bound == worst
    found.check(model, uncertainty)
    for wrong, words in (
        (calibration, "were queried or used for the calibration before; a certificate needs"),
        (choice, "were queried or used for the threshold or the calibration before"),
        (train, "were queried or used for the calibration before"),
    ):
        with pytest.raises(LabkitError, match=rf"1 of 91 frames \(the first is frame 90\) {words}"):
            certify(uncertainty, model, proof + wrong[[1]], fitted, queried=train, at_random=True)


def test_frames_for_an_energy_calibration_are_refused(model: Potential, frames: tuple, train: Dataset) -> None:
    calibration, _, proof = frames
    uncertainty = calibrate(GpVariance(model), model, calibration, queried=train)
    with pytest.raises(LabkitError, match="were queried or trained on before; calibration needs"):
        calibrate(GpVariance(model), model, calibration + train, queried=train)
    with pytest.raises(LabkitError, match="were queried or used for the calibration before"):
        certify(uncertainty, model, proof + calibration, 1.0, 100.0, queried=train)


def test_a_refit_voids_it(design: Design, model: GapModel, frames: tuple, train: Dataset, tmp_path) -> None:
    uncertainty = GpVariance(model)
    found = certify(uncertainty, model, frames[2], 1e3, 100.0, queried=train, at_random=True)
    model.evaluate(frames[2].state([0]))
    found.check(model, uncertainty)  # using it changes nothing
    model.save(tmp_path / "model.gap")
    again = GapModel.load(tmp_path / "model.gap")
    found.check(again, GpVariance(again))  # nor does a file
    refit = design.solve(sigma_energy=0.001, sigma_force=0.06)
    for potential, spread in (
        (refit, GpVariance(refit)),
        (model, rescale(uncertainty, model, frames[0])),
        (model, rescale(uncertainty, model, frames[0], "isotonic")),
    ):
        with pytest.raises(LabkitError, match="the certificate is void: it was made for the model [0-9a-f]{24}, and"):
            found.check(potential, spread)


def test_marks_of_models_know_members_and_calibration(design: Design, model: GapModel, held: Dataset) -> None:
    other = design.solve(sigma_energy=0.002, sigma_force=0.05)
    one, two = Committee([model, other]), Committee([model, model])
    marks = {
        model_mark(one, CommitteeSpread(one)),
        model_mark(two, CommitteeSpread(two)),
        model_mark(one, CommitteeSpread(one, per_atom="energies")),
        model_mark(one, rescale(CommitteeSpread(one), one, held[:10])),
        model_mark(one, rescale(CommitteeSpread(one), one, held[10:20])),
    }
    assert len(marks) == 5


def test_threads_do_not_void_it(design: Design, model: GapModel) -> None:
    other = design.solve(sigma_energy=0.002, sigma_force=0.05)
    one, two = Committee([model, other]), Committee([model, other], threads=2)
    assert model_mark(one, CommitteeSpread(one)) == model_mark(two, CommitteeSpread(two))


def test_frames_of_all_calibrations_are_refused(design: Design, model: GapModel, frames: tuple, train: Dataset) -> None:
    """Those of the spread within a rescaled one, and those that have validated a last layer."""
    calibration, choice, proof = frames
    twice = rescale(rescale(GpVariance(model), model, calibration), model, choice, "isotonic")
    network = untrained(train, channels=8, cutoff=3.0, n_radial=6)
    layer = LastLayer(network, train, calibration)
    for potential, spread in (
        (model, twice),
        (network, layer),
        (network, rescale(layer, network, choice)),
    ):
        with pytest.raises(LabkitError, match="were queried or used for the calibration before"):
            certify(spread, potential, proof + calibration[[1]], 1e3, 1e3, queried=train, at_random=True)


def test_frames_without_all_forces_are_refused(model: Potential, frames: tuple) -> None:
    proof = frames[2][:3]
    proof.forces[12 + 5, 1] = np.nan
    with pytest.raises(LabkitError, match="frame 1, atom 5 has no force; frames that decide about a thresh"):
        certify(GpVariance(model), model, proof, 1.0, 1.0, queried=())
