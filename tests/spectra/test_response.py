"""The observer: the same as from stored frames, resumed to the bit, growing, and its errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from polarizability.cells import design as fitted_design
from polarizability.cells import fitted, ice
from spectra.toys import Charges, Linear, charges, crystal, harmonic, start

from labkit.base import Evaluation, Observer, Potential, State
from labkit.engine import VelocityVerlet, simulate
from labkit.errors import LabkitError
from labkit.polarizability import TensorModel
from labkit.spectra import Response, along, density_of_states
from labkit.spectra.models import Members


class Free(Potential):
    """No forces."""

    cutoff = 0.0

    def evaluate(self, state, *, forces=True, **wanted):
        return Evaluation(state.positions.new_zeros(state.system.n_systems), torch.zeros_like(state.positions))


class Frames(Observer):
    """Keeps the states."""

    every = 4

    def __init__(self) -> None:
        self.states: list[State] = []

    def __call__(self, state, evaluation) -> None:
        self.states.append(state)


def watch(**other) -> Response:
    return Response(
        **{"polarizability": Linear(harmonic()), "born_charges": Charges(), "velocities": True, "every": 4} | other
    )


def run(response: Response, steps: int, state: State | None = None, **options) -> State:
    begin = start(harmonic(), 2, 0.5) if state is None else state
    return simulate(begin, harmonic(), VelocityVerlet(), steps, 0.5, observers=[response], **options)


def test_observed_and_stored_frames_give_the_same() -> None:
    response, frames = watch(), Frames()
    simulate(start(harmonic(), 2, 0.5), harmonic(), VelocityVerlet(), 80, 0.5, observers=[response, frames])
    seen = response.track
    stored = along(frames.states, 2.0, polarizability=Linear(harmonic()), born_charges=Charges())
    for name in ("polarizability", "current", "velocities"):
        torch.testing.assert_close(getattr(seen, name), getattr(stored, name), rtol=0, atol=1e-12)
    assert seen.polarizability.shape == (1, 21, 2, 3, 3) and seen.current.shape == (1, 21, 2, 3)
    assert seen.spacing == 2.0 and seen.volume == pytest.approx(210.0)
    assert seen.temperature == pytest.approx(stored.temperature)
    state = frames.states[3]
    by_hand = np.einsum("iab,sib->sa", charges().numpy(), state.velocities.unflatten(0, (2, 4)).numpy())
    np.testing.assert_allclose(seen.current[0, 3], by_hand, atol=1e-12)
    line = response.infrared(resolution=2000.0)
    np.testing.assert_array_equal(line.intensity, stored.infrared(resolution=2000.0).intensity)


def test_another_model_is_another_run(tmp_path) -> None:
    """Models that differ only in their weights, or committees in their members: not two in one series."""
    frames, design = ice()[0], fitted_design()
    state = State.from_atoms(frames.atoms[0])

    def go(model, steps=8) -> Response:
        response = Response(polarizability=model)
        simulate(state, Free(), VelocityVerlet(), steps, 0.5, observers=[response], checkpoint=tmp_path / "c")
        return response

    for one, other in (
        (lambda: design.solve(1e-6, train=range(20)), lambda: design.solve(1e-5, train=range(20))),
        (lambda: design.committee(1e-5, range(20), members=4), lambda: design.committee(1e-5, range(20), 4, seed=1)),
    ):
        (tmp_path / "c").unlink(missing_ok=True)
        go(one())
        with pytest.raises(LabkitError, match="another run: settings of the observers.*models"):
            go(other(), 16)
        used = one()
        used.predict(frames[:1])
        assert go(used, 16).steps.tolist() == [0, 4, 8, 12, 16]


def test_a_continued_run_adds_samples_and_another_replaces_them() -> None:
    response = watch()
    half = run(response, 80)
    coarse = len(response.track.velocities)
    run(response, 80, half)
    assert response.steps.tolist() == list(range(0, 161, 4)) and coarse == 21
    whole = watch()
    run(whole, 160)
    torch.testing.assert_close(response.track.current, whole.track.current, rtol=0, atol=1e-12)
    run(response, 40)
    assert response.steps.tolist() == list(range(0, 41, 4))


def test_resumed_from_a_checkpoint_to_the_bit(tmp_path) -> None:
    """With a real model, whose neighbour list is built again at the checkpoint."""
    frames, _ = ice()
    state = State.from_atoms([frames.atoms[k] for k in (40, 41)])
    state = state.replace(velocities=0.002 * torch.sin(torch.arange(72.0).double()).reshape(24, 3))

    def tracked(steps: int, name: str) -> Response:
        response = Response(polarizability=fitted(), velocities=True, every=5)
        path = tmp_path / name
        simulate(
            state, Free(), VelocityVerlet(), steps, 0.5, observers=[response], checkpoint=path, checkpoint_every=20
        )
        return response

    whole = tracked(60, "whole").track
    tracked(40, "half")
    again = tracked(60, "half")
    assert again.steps.tolist() == list(range(0, 61, 5))
    assert torch.equal(again.track.polarizability, whole.polarizability)
    assert torch.equal(again.track.velocities, whole.velocities)
    assert again.track.temperature == whole.temperature


def test_models_with_one_descriptor_compute_it_once() -> None:
    first, frames = fitted(), ice()[0]
    second = TensorModel(first.descriptor, first.points, first.posterior, first.mean + 0.5, first.metadata)
    calls = []
    handle = first.descriptor.register_forward_hook(lambda *_: calls.append(1))
    state = State.from_atoms(frames.atoms[40:42])
    both = along([state.replace(velocities=torch.ones_like(state.positions))], 1.0, polarizability=[first, second])
    handle.remove()
    assert len(calls) == 1 and both.polarizability.shape == (2, 1, 2, 3, 3)
    np.testing.assert_allclose(both.polarizability[0, 0], first.predict(frames.atoms[40:42]).values, atol=1e-9)
    np.testing.assert_allclose(both.polarizability[1, 0], second.predict(frames.atoms[40:42]).values, atol=1e-9)


def test_dynamics_in_float32_are_predicted_in_float64() -> None:
    frames = [frame.copy() for frame in ice()[0].atoms[40:42]]
    for frame in frames:
        frame.set_velocities(np.ones((12, 3)))
    models = {"polarizability": fitted(), "born_charges": lambda system, *_: torch.ones(24, 3, 3).double()}
    models["born_charges"].cutoff = 1.0
    short, double = (along([State.from_atoms(frames, dtype=d)], 1.0, **models) for d in (torch.float32, torch.float64))
    assert short.current.dtype == torch.float64
    torch.testing.assert_close(short.polarizability, double.polarizability, rtol=1e-5, atol=1e-4)


def test_a_committee_gives_errors_of_models() -> None:
    response = watch(born_charges=Charges([0.9, 1.0, 1.1]))
    run(response, 400)
    found = response.infrared(resolution=300.0)
    assert response.track.current.shape == (3, 101, 2, 3) and found.members.shape[0] == 3
    expected = np.std(np.square([0.9, 1.0, 1.1]), ddof=1) * found.intensity
    np.testing.assert_allclose(found.error_models, np.abs(expected), atol=1e-9 * expected.max())


class Bad:
    """What models should not be."""

    cutoff = 0.5

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value

    def __call__(self, system, positions, cell, neighbours):
        return self.value


def test_errors_are_sentences() -> None:
    with pytest.raises(LabkitError, match="nothing to record"):
        Response()
    with pytest.raises(LabkitError, match="given for born_charges predicts polarizability"):
        Response(born_charges=fitted())
    with pytest.raises(LabkitError, match="int is not a model"):
        Response(polarizability=3)
    with pytest.raises(LabkitError, match="no samples yet"):
        watch().infrared()
    with pytest.raises(LabkitError, match=r"returned the shape \(5, 3\) for 2 systems"):
        run(watch(polarizability=Bad(torch.zeros(5, 3))), 0)
    with pytest.raises(LabkitError, match="step 0: predictions of polarizability are not finite"):
        run(watch(polarizability=Bad(torch.full((2, 3, 3), torch.nan))), 0)
    only = Response(polarizability=Linear(harmonic()))
    run(only, 100)
    with pytest.raises(LabkitError, match="no current"):
        only.infrared()
    with pytest.raises(LabkitError, match="velocities=True"):
        only.density_of_states()
    with pytest.raises(LabkitError, match="too short: 26 samples 2 fs apart"):
        only.raman(resolution=20.0)


def test_errors_of_frames() -> None:
    atoms = crystal()
    with pytest.raises(LabkitError, match="frame 0: has no velocities"):
        along([atoms], 2.0, polarizability=Linear(harmonic()))
    atoms.set_velocities(np.ones((4, 3)))
    larger = atoms.copy()
    larger.set_cell(1.01 * atoms.cell.array)
    with pytest.raises(LabkitError, match="frame 1: the cell has changed"):
        along([atoms, larger], 2.0)
    with pytest.raises(LabkitError, match="frame 1: has other atoms"):
        along([atoms, atoms[::-1]], 2.0)
    with pytest.raises(LabkitError, match="no frames"):
        along([], 2.0)
    state = State.from_atoms([atoms, larger[:3]])
    still = torch.zeros(50, 7, 3)
    with pytest.raises(LabkitError, match="system 1 of the batch has other atoms"):
        density_of_states(still, state.system, 2.0, resolution=500.0)
    with pytest.raises(LabkitError, match="no atom moves"):
        density_of_states(still[:, :4], State.from_atoms(atoms).system, 2.0, resolution=500.0)
    with pytest.raises(LabkitError, match="no model was given"):
        Members([], "polarizability")


def test_a_centre_of_mass_that_moves_is_a_degree_of_freedom() -> None:
    """After a thermostat, or in an outer field; its three are a line at zero."""
    system = State.from_atoms(crystal()).system
    velocities = torch.randn(64, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    masses = system.masses[:, None]
    resting = velocities - (masses * velocities).sum(1, keepdim=True) / masses.sum()
    assert density_of_states(velocities, system, 2.0).total.integral() == pytest.approx(12)
    assert density_of_states(resting, system, 2.0).total.integral() == pytest.approx(9)
