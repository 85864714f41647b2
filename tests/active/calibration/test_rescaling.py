"""Rescalings of plain sigmas, and of the uncertainty of a potential: to the size of errors of other frames."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from labkit.active import CommitteeSpread, GpVariance, Spread
from labkit.active.calibration import RESCALINGS, Rescaled, Samples, rescale
from labkit.active.calibration.isotonic import Isotonic
from labkit.active.calibration.measures import ence, miscalibration_area, nll, spearman
from labkit.active.calibration.power_law import PowerOfSigma
from labkit.active.calibration.rescaling import FactorOfSpecies, OneFactor, Rescaling
from labkit.base import Committee, State
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapModel

N = 20_000


def apply(rescaling: Rescaling, sigmas: np.ndarray, species: np.ndarray | None = None) -> np.ndarray:
    names = [] if species is None else np.unique(species)
    kinds = {str(name): torch.as_tensor(np.flatnonzero(species == name)) for name in names}
    return rescaling.apply(torch.as_tensor(sigmas), kinds or None).numpy()


@pytest.fixture(scope="module")
def true() -> np.ndarray:
    return np.exp(np.random.default_rng(0).normal(-2, 0.6, N))


@pytest.fixture(scope="module")
def errors(true: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).normal(size=N) * true


@pytest.fixture(scope="module")
def further(true: np.ndarray) -> np.ndarray:
    """Of other frames with the same sigmas."""
    return np.random.default_rng(2).normal(size=N) * true


@pytest.mark.parametrize("factor", [0.2, 5.0])
@pytest.mark.parametrize("kind", RESCALINGS)
def test_a_wrong_size_is_put_right_on_other_frames(kind, factor, true, errors, further) -> None:
    species = np.where(np.arange(N) % 3, "H", "O")
    fitted = RESCALINGS[kind].fit(errors, factor * true, species)
    found = apply(fitted, factor * true, species)
    assert isinstance(fitted, Rescaling)
    np.testing.assert_allclose(np.sqrt(np.mean((found / true) ** 2)), 1, atol=0.05)
    assert ence(further, found) < 0.05 and miscalibration_area(further, found) < 0.01
    assert nll(further, found) == pytest.approx(nll(further, true), abs=0.01)


def test_one_factor_is_the_most_likely(true, errors) -> None:
    factor = OneFactor.fit(errors, 3 * true).factor
    assert factor == pytest.approx(1 / 3, rel=0.02)
    best = nll(errors, factor * 3 * true)
    assert all(best < nll(errors, factor * x * 3 * true) for x in (0.9, 0.99, 1.01, 1.1))


def test_species_with_errors_of_their_own(true, further) -> None:
    """Oxygen twice as wrong as σ, hydrogen half as much: one factor is wrong for both."""
    species = np.where(np.arange(N) % 2, "H", "O")
    factor = np.where(species == "O", 2.0, 0.5)
    errors = factor * true * np.random.default_rng(3).normal(size=N)
    fitted = FactorOfSpecies.fit(errors, true, species)
    assert fitted.factors == {"H": pytest.approx(0.5, rel=0.03), "O": pytest.approx(2.0, rel=0.03)}
    one = OneFactor.fit(errors, true)
    assert nll(factor * further, apply(fitted, true, species)) < nll(factor * further, apply(one, true)) - 0.1


def test_scores_that_only_rank_become_errors(true, errors, further) -> None:
    """A score as a distance has neither size nor form: its logarithm ranks as well, and isotonic finds the errors."""
    score = np.log(true) + 5
    fitted = Isotonic.fit(errors, score)
    found = apply(fitted, score)
    assert ence(further, found) < 0.05
    assert np.median(np.abs(found / true - 1)) < 0.05
    assert spearman(further, found) == pytest.approx(spearman(further, true), abs=0.01)
    assert nll(further, found) < nll(further, apply(OneFactor.fit(errors, score), score)) - 0.1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.05, 2), st.floats(0.1, 3)), min_size=3, max_size=7, unique_by=lambda x: x[1]))
def test_isotonic_is_the_quadratic_programme(pairs: list) -> None:
    """Least squares of e² under f_1 <= f_2 <= ..., solved by brute force."""
    errors, sigmas = np.array(sorted(pairs, key=lambda x: x[1])).T
    found = np.array(Isotonic.fit(errors, sigmas, smallest=1).errors) ** 2
    target = errors**2
    steps = [{"type": "ineq", "fun": lambda f, k=k: f[k + 1] - f[k]} for k in range(len(target) - 1)]
    brute = minimize(
        lambda f: ((f - target) ** 2).sum(),
        np.sort(target),
        jac=lambda f: 2 * (f - target),
        constraints=steps,
        options={"ftol": 1e-12},
    )
    assert ((found - target) ** 2).sum() <= brute.fun + 1e-7
    np.testing.assert_allclose(found, brute.x, atol=2e-4)


def test_isotonic_is_scikit_learns(true, errors) -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    e, s = errors[:300], np.round(true[:300], 2)  # with ties
    fitted = Isotonic.fit(e, s, smallest=1)
    np.testing.assert_allclose(
        np.square(fitted.errors), isotonic.IsotonicRegression().fit(s, e**2).predict(fitted.sigmas), atol=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from([OneFactor, Isotonic, PowerOfSigma]),
    unit=st.sampled_from([0.1, 8.0]),
)
def test_growing_and_independent_of_order_and_unit(seed: int, kind, unit: float) -> None:
    random = np.random.default_rng(seed)
    s = random.choice(np.exp(random.normal(size=50)), 80)  # with ties
    e = s * random.normal(size=80)
    order, at = random.permutation(80), np.sort(np.exp(2 * random.normal(size=30)))
    found = apply(kind.fit(e, s), at)
    assert (np.diff(found) >= -1e-12).all() and (found >= 0).all()
    np.testing.assert_allclose(apply(kind.fit(-e[order], s[order]), at), found, rtol=1e-6)
    np.testing.assert_allclose(apply(kind.fit(unit * e, s), at), unit * found, rtol=1e-6)
    np.testing.assert_allclose(apply(kind.fit(e, unit * s), unit * at), found, rtol=1e-4)


def test_beyond_all_sigmas_isotonic_grows() -> None:
    fitted = Isotonic.fit([0.1] * 30 + [0.2] * 30, [1.0] * 30 + [3.0] * 30)
    np.testing.assert_allclose(apply(fitted, np.array([0.0, 1.0, 2.0, 3.0, 30.0])), [0.1, 0.1, 0.15, 0.2, 2.0])
    x = torch.tensor([2.0, 6.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(fitted.apply(x).sum(), x)
    np.testing.assert_allclose(slope, [0.05, 0.2 / 3])


def test_isotonic_with_sigmas_that_differ_by_rounding() -> None:
    """As those of a GAP far from all data, which are δ up to rounding."""
    random = np.random.default_rng(0)
    for start in random.random(20):
        steps = [start, np.nextafter(start, 2), np.nextafter(np.nextafter(start, 2), 2)]
        sigmas = np.repeat([0.5 * start, *steps], 25)
        found = apply(Isotonic.fit(random.normal(size=100), sigmas), np.unique(sigmas))
        assert np.isfinite(found).all() and np.ptp(found[1:]) < 1e-6


def test_forces_that_vanish_by_symmetry_say_nothing() -> None:
    for tiny in (0.0, 1e-15):
        assert OneFactor.fit([0.2, -0.2] * 10 + [tiny], [0.1] * 20 + [1e-4 * tiny]).factor == pytest.approx(2.0)


def test_forces_that_vanish_by_symmetry_say_nothing_about_a_power() -> None:
    sigmas = np.linspace(0.1, 1.0, 500)
    errors = 3 * sigmas**2 * np.random.default_rng(0).normal(size=500)
    for tiny in (0.0, 1e-15):
        found = PowerOfSigma.fit(np.append(errors, tiny), np.append(sigmas, tiny / 3))
        assert found == PowerOfSigma.fit(errors, sigmas)
    with pytest.raises(LabkitError, match="1 of 501 sigmas are 0 where the error is not, so that no power"):
        PowerOfSigma.fit(np.append(errors, 0.1), np.append(sigmas, 0.0))


def test_bad_input_in_words() -> None:
    some, e = np.full(30, 0.1), np.linspace(0.1, 0.2, 30)
    for kind in RESCALINGS.values():
        with pytest.raises(LabkitError, match="too few frames: 5 errors; expected 20 or more"):
            kind.fit(e[:5], some[:5], ["H"] * 5)
        with pytest.raises(LabkitError, match="all 30 sigmas are 0"):
            kind.fit(e, 0 * some, ["H"] * 30)
        with pytest.raises(LabkitError, match="all errors .*are 0; calibrate on frames that the potential was not"):
            kind.fit(0 * e, some, ["H"] * 30)
    with pytest.raises(LabkitError, match="1 of 30 sigmas of all atoms are 0 where the error is not"):
        OneFactor.fit(e, np.append(0.0, some[1:]))
    with pytest.raises(LabkitError, match="2 errors of O; expected 20 or more of each species"):
        FactorOfSpecies.fit(e, some, ["O"] * 2 + ["H"] * 28)
    with pytest.raises(LabkitError, match="needs the species of each error"):
        FactorOfSpecies.fit(e, some)
    with pytest.raises(LabkitError, match="atom 1: C was not calibrated, only H; calibrate with frames that contain C"):
        apply(FactorOfSpecies.fit(e, some, ["H"] * 30), some[:2], np.array(["H", "C"]))


@pytest.mark.parametrize("kind", RESCALINGS)
def test_energies_per_atom_of_a_gap_become_force_errors(kind: str, model: GapModel, held: Dataset) -> None:
    raw = GpVariance(model)
    found = rescale(raw, model, held[::2], kind)
    spread = found(held.state())
    assert spread.calibrated and (spread.unit_per_atom, spread.unit_per_system) == ("eV/Å", "eV/Å")
    torch.testing.assert_close(spread.per_system, spread.max_over_atoms(held.state().system))
    samples = Samples.of(found, model, held[1::2])
    assert samples.unit == "eV/Å" and len(samples.errors) == len(held[1::2].forces)
    ratio = np.sqrt(np.mean(samples.errors**2) / np.mean(samples.sigmas**2))
    assert 0.7 < ratio < 1.4  # of frames that were not fitted, of the same runs
    fitted = Samples.of(found, model, held[::2])
    exact = kind != "isotonic"  # which is so in each of its groups
    assert np.mean((fitted.errors / fitted.sigmas) ** 2) == pytest.approx(1, abs=1e-6 if exact else 0.15)


def test_components_have_a_third_of_the_variance(model: GapModel, held: Dataset) -> None:
    found = rescale(GpVariance(model), model, held[:10])
    atoms, parts = (Samples.of(found, model, held[10:13], per) for per in ("atom", "component"))
    np.testing.assert_allclose(np.linalg.norm(parts.errors.reshape(-1, 3), axis=1), atoms.errors)
    np.testing.assert_allclose(np.sqrt((parts.sigmas.reshape(-1, 3) ** 2).sum(1)), atoms.sigmas)
    np.testing.assert_array_equal(parts.species.reshape(-1, 3)[:, 1], atoms.species)
    assert atoms.dof == 3 and parts.dof == 1
    forces = model.evaluate(held[10:13].state()).forces.numpy()
    np.testing.assert_allclose(parts.errors, (forces - held[10:13].forces).ravel())


def test_a_rescaled_spread_can_be_differentiated(model: GapModel, held: Dataset) -> None:
    found = rescale(GpVariance(model), model, held[:10], "isotonic")
    state = held.state([12])
    following = state.replace(positions=state.positions.clone().requires_grad_())
    (slope,) = torch.autograd.grad(found(following).per_atom.sum(), following.positions)
    step = torch.zeros_like(state.positions)
    step[1, 0] = 1e-4
    up, down = (float(found(state.replace(positions=state.positions + x * step)).per_atom.sum()) for x in (1, -1))
    assert float(slope[1, 0]) == pytest.approx((up - down) / 2e-4, rel=1e-2, abs=1e-4)


def test_what_may_not_calibrate(model: GapModel, held: Dataset) -> None:
    raw = GpVariance(model)
    words = r"1 of 10 frames \(the first is frame 3\) were queried or trained on before; calibration needs frames"
    with pytest.raises(LabkitError, match=words):
        rescale(raw, model, held[:10], queried=held[[3, 15]])
    with pytest.raises(LabkitError, match=words):
        rescale(raw, model, held[:10], queried=[held[[15]], held[[3]]])
    with pytest.raises(LabkitError, match="too few frames: 2 with forces; calibration needs at least 4"):
        rescale(raw, model, held[:2])
    with pytest.raises(LabkitError, match="kind is 'isotonc'; expected .*; did you mean 'isotonic'"):
        rescale(raw, model, held[:10], "isotonc")

    def of_systems(state: State, evaluation=None) -> Spread:
        return Spread(torch.ones(state.system.n_systems, dtype=torch.float64), "eV")

    def zero(state: State, evaluation=None) -> Spread:
        nothing = torch.zeros(state.system.n_atoms, dtype=torch.float64)
        return Spread(nothing.new_zeros(state.system.n_systems), "eV/Å", nothing, "eV/Å")

    with pytest.raises(LabkitError, match="gave no values per atom"):
        rescale(of_systems, model, held[:10])
    with pytest.raises(LabkitError, match="gave no values per atom to rescale; use one of forces or env"):
        Rescaled(of_systems, OneFactor(1.0))(held.state([0]))
    with pytest.raises(LabkitError, match="all 120 sigmas are 0: equal members of a committee"):
        rescale(zero, model, held[:10])


def test_a_committee_of_equal_members_says_nothing(model: GapModel, held: Dataset) -> None:
    committee = Committee([model, model])
    with pytest.raises(LabkitError, match="all 120 sigmas are 0"):
        rescale(CommitteeSpread(committee), committee, held[:10])


def test_energies_of_atoms_of_a_committee_become_force_errors(design: Design, held: Dataset) -> None:
    """They are computed where the evaluation has only forces, also for frames of a run."""
    committee = Committee([design.solve(sigma_energy=0.001, sigma_force=x) for x in (0.02, 0.05, 0.2)])
    found = rescale(CommitteeSpread(committee, per_atom="energies"), committee, held[:20], "isotonic")
    state = held.state([30, 31])
    alone, known = found(state), found(state, committee.evaluate(state))
    torch.testing.assert_close(alone.per_atom, known.per_atom)
    torch.testing.assert_close(found(held.state([31])).per_system, alone.per_system[1:])
    assert alone.unit_per_atom == "eV/Å" and alone.calibrated
