"""Frames left out, maps of the regularization, searches over descriptors."""

import numpy as np
import pytest
import torch
from polarizability.cells import SMALL, design, ice, waters

from labkit.errors import LabkitError, Stopped
from labkit.polarizability import TensorDesign, noise_map, search


@pytest.mark.parametrize("groups", [None, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]], ids=["each", "two together"])
@pytest.mark.parametrize(("target", "n_sparse"), [("dipole", None), ("dipole", 12), ("born_charges", 8)])
def test_leaving_out_is_a_fit_without(target: str, n_sparse: int | None, groups: list | None) -> None:
    """With parts that have no mean, which would be another one without the frame."""
    made = TensorDesign.build(waters(10), target, **{**SMALL, "n_sparse": n_sparse})
    rest = range(9) if groups is None else range(8)
    left = [9] if groups is None else [8, 9]
    for degree in made.target.parts:
        if degree == 0:
            continue
        labels, found = made.leave_out({degree: 1e-2}, groups=groups)[degree]
        ratio = made.rows.part(torch.arange(10)).spectral[degree].mean_variance
        ratio /= made.rows.part(torch.as_tensor(rest)).spectral[degree].mean_variance
        noise = {d: 1e-2 * (ratio if d == degree else 1.0) for d in made.target.parts}
        values = torch.as_tensor(made.predictions(made.solve(noise, train=rest), left))
        expected = made.target.to_spherical(values)[degree]
        torch.testing.assert_close(found[-len(expected) :], expected, rtol=1e-6, atol=1e-8)
        assert float((found - labels).abs().max()) > 1e-6


def test_the_best_of_the_map_is_good_for_frames_that_it_has_not_seen() -> None:
    frames, _ = ice()
    made = design()
    trajectories = [info["trajectory"] for info in frames[:30].info]
    found = noise_map(made, [1e-10, 1e-6, 1e-3, 1.0], train=range(24), groups=trajectories)
    best = found.idxmin().to_dict()
    assert list(found.columns) == [0, 2] and best[2] in (1e-6, 1e-3)
    test = range(24, 30)

    def error(noise: dict) -> float:
        return float(np.sqrt(np.mean((made.predictions(made.solve(noise, range(24)), test) - made.truth(test)) ** 2)))

    assert error(best) < 0.7 * error({0: 1.0, 2: 1.0})


def test_search_over_descriptors_and_stop() -> None:
    settings = {cutoff: {**SMALL, "cutoff": cutoff} for cutoff in (1.2, 2.5)}
    table = search(waters(12), settings, "dipole", values=[1e-8, 1e-4])
    assert table.index.tolist() == [1.2, 2.5] and table["error", "all"].idxmin() == 2.5  # H beyond 1.2 Å of H

    class Stop:
        done = 0

        def update(self, step: int, total: int, **metrics) -> None:
            self.done = step

        def should_stop(self) -> bool:
            return self.done > 0

    with pytest.raises(Stopped) as stopped:
        search(waters(12), settings, "dipole", values=[1e-8, 1e-4], progress=Stop())
    assert stopped.value.partial.index.tolist() == [1.2]
    with pytest.raises(LabkitError, match="no settings to search"):
        search(waters(3), {})
    with pytest.raises(LabkitError, match="2 groups were given for 30 frames"):
        noise_map(design(), groups=[1, 2])


@pytest.mark.slow
def test_search_on_workers() -> None:
    from distributed import Client, LocalCluster

    settings = {"near": {**SMALL, "cutoff": 1.2}, "far": SMALL}
    here = search(waters(8), settings, "dipole", values=[1e-8, 1e-4])
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        there = search(waters(8), settings, "dipole", values=[1e-8, 1e-4], client=client)
    np.testing.assert_allclose(here.to_numpy(), there.to_numpy(), rtol=1e-6)
