"""A profile tells what the models tell, and a cached design is the built one."""

import json
import shutil
import time

import pytest
import torch

import labkit
from labkit.base import State
from labkit.errors import LabkitError, Stopped
from labkit.gap import Design, Distance2b, GapConfig, Soap
from labkit.gap.cache import build_cached, grow_cached
from labkit.gap.profile import Profile

CONFIG = GapConfig(
    (Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=15), Distance2b(cutoff=3.0, n_sparse=8)), sigma_virial=None
)


@pytest.fixture(scope="module")
def frames() -> labkit.Dataset:
    return labkit.datasets.ice("train", n=50)[:13]


def test_profile_agrees_with_the_model_for_every_sigma(frames: labkit.Dataset) -> None:
    design = Design.build(frames, CONFIG)
    path = labkit.datasets.ice("stretch").atoms
    profile = Profile(design.solve(), path)
    for sigma in (1e-4, 1e-2, 1.0):
        model = design.solve(sigma_energy=sigma, sigma_force=sigma)
        state = State.from_atoms(path)
        expected, variance = model.evaluate(state, forces=False).energy, model.variance(state)[1]
        energy, spread = profile.predict(model)
        torch.testing.assert_close(energy, expected, rtol=0, atol=1e-6)  # eV of -1900
        torch.testing.assert_close(spread, variance.sqrt(), rtol=1e-6, atol=1e-9)


def test_second_time_from_disk_and_equal_to_the_bit(frames: labkit.Dataset, tmp_path) -> None:
    built = Design.build(frames, CONFIG, valid=frames[:4]).solve()
    for _ in range(2):
        kept = build_cached(frames, CONFIG, frames[:4], folder=tmp_path)
        assert torch.equal(kept.solve().weights, built.weights)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    other = build_cached(frames, CONFIG.replace(sigma_energy=0.1), frames[:4], folder=tmp_path)  # the same rows
    assert files and {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files
    assert other.config.sigma_energy == 0.1


def test_stopped_work_is_gone_on_with(frames: labkit.Dataset, tmp_path) -> None:
    class StopAtOnce:
        def update(self, *_, **__) -> None:
            self.stop = True

        def should_stop(self) -> bool:
            return getattr(self, "stop", False)

    with pytest.raises(Stopped):
        build_cached(frames, CONFIG, folder=tmp_path, progress=StopAtOnce())
    assert any(tmp_path.rglob("train-*.safetensors"))
    assert build_cached(frames, CONFIG, folder=tmp_path).n_frames == len(frames)


def test_a_cache_that_cannot_be_written_costs_only_time(frames: labkit.Dataset, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    design = build_cached(frames, CONFIG, folder=tmp_path / "file")
    assert design.n_frames == len(frames) and "nothing is kept on disk" in "\n".join(design.notes)


def test_a_cache_of_other_data_is_not_used(frames: labkit.Dataset, tmp_path) -> None:
    """A damaged entry is replaced: see test_damage."""
    mark = json.dumps({"fingerprint": "of other data"})
    right = build_cached(frames, CONFIG, folder=tmp_path).solve().weights
    (place,) = tmp_path.iterdir()
    (place / "design.json").write_text(mark)
    design = build_cached(frames, CONFIG, folder=tmp_path)
    assert torch.equal(design.solve().weights, right)
    assert str(place) in "\n".join(design.notes) and (place / "design.json").read_text() == mark


def test_bad_frames_are_told_as_without_a_cache(frames: labkit.Dataset, tmp_path) -> None:
    with pytest.raises(LabkitError, match="empty"):
        next(grow_cached(frames[:0], CONFIG, folder=tmp_path))


def test_the_designs_used_longest_ago_go_first(frames: labkit.Dataset, tmp_path) -> None:
    configs = [CONFIG.replace(sparse_jitter=10.0**-k) for k in (8, 9, 10)]
    places = []
    for config in configs:
        build_cached(frames, config, folder=tmp_path)
        places += [path for path in tmp_path.iterdir() if path not in places]
        time.sleep(0.02)
    one = sum(f.stat().st_size for f in places[0].iterdir())
    foreign = tmp_path / "not labkit's"
    foreign.mkdir()
    (foreign / "large").write_bytes(bytes(3 * one))
    build_cached(frames, configs[0], folder=tmp_path, limit=int(5.5 * one))  # used again: now the youngest
    assert places[0].exists() and not places[1].exists() and places[2].exists() and foreign.exists()
    shutil.rmtree(foreign)
