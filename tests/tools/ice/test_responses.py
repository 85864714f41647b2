"""Responses are added to shipped frames: those that lack one, resumably, and back as text that loses no digit."""

import hashlib
import lzma

import numpy as np
import pytest

from labkit.datasets import ice
from labkit.datasets.extxyz import chunks
from labkit.datasets.ice import FILES, SUMS, data_folder
from labkit.errors import LabkitError
from labkit.oracles import Label, Oracle
from tools.ice import add_responses, merge
from tools.ice.command import main
from tools.ice.responses import frames_to_label

SIZES = {"train": 12, "valid": 8}
NEW = ("dielectric=", "polarizability=", "born_charges")


class Shipped(Oracle):
    """Energies and forces as they are shipped, and responses that are made up of the structure."""

    kind = name = "shipped"

    def __init__(self, error: float = 0.0):
        self.error, self.calls = error, 0
        frames = ice("train") + ice("valid")
        self.labels = {a.positions.tobytes(): frames.labels(k) for k, a in enumerate(frames.atoms)}

    def compute(self, atoms, should_stop):
        self.calls += 1
        known = self.labels[atoms.positions.tobytes()]
        product = atoms.positions[:3] @ atoms.positions[3:6].T / 7
        dielectric = np.eye(3) + 0.5 * (product + product.T)
        values = {
            "energy": known["energy"] + self.error,
            "forces": known["forces"],
            "dielectric": dielectric,
            "polarizability": atoms.get_volume() * (dielectric - np.eye(3)) / (4 * np.pi),
            "born_charges": np.round(np.tile(atoms.positions, 3), 5).reshape(-1, 3, 3),
        }
        return Label(values)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A data folder with the first frames of each set, those of training without any response."""
    folder = tmp_path / "data" / "ice"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("With responses: 0 frames of training and 4\nof validation.\n")
    sums = []
    for name, size in SIZES.items():
        found = list(chunks(data_folder() / "ice" / FILES[name]))
        if name == "train":
            found = [chunk for chunk in found if "born_charges" not in chunk.lines[1]]
        data = lzma.compress("".join(chunk.text for chunk in found[:size]).encode())
        (folder / FILES[name]).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {FILES[name]}\n")
    (folder / SUMS).write_text("".join(sums))
    monkeypatch.setenv("LABKIT_DATA", str(folder.parent))
    return folder


def have(name):
    return np.flatnonzero(np.isfinite(ice(name).polarizability[:, 0, 0])).tolist()


def text(folder, name):
    return lzma.decompress((folder / FILES[name]).read_bytes()).decode().splitlines()


def test_the_first_of_training_and_spread_ones_of_validation():
    train, valid = ice("train"), ice("valid")
    order = frames_to_label(train, valid, 390, 95)
    for name, frames, count in (("train", train, 390), ("valid", valid, 95)):
        labelled = [k for k in range(len(frames)) if np.isfinite(frames.polarizability[k, 0, 0])]
        new = [k for which, k in order if which == name]
        assert not set(new) & set(labelled) and len(new) + len(labelled) == count and new == sorted(new)
    assert [name for name, _ in order[:5]] == 4 * ["train"] + ["valid"]
    with pytest.raises(LabkitError, match="401 train frames with responses: .* of 400 have them"):
        frames_to_label(train, valid, 401, 95)


def test_what_is_there_is_merged_and_the_rest_goes_on(small, tmp_path):
    before, n_valid = {name: text(small, name) for name in SIZES}, len(have("valid"))
    old = {name: ice(name) for name in SIZES}
    work, oracle = tmp_path / "work", Shipped()
    add_responses(work, oracle, 6, n_valid + 2)
    assert oracle.calls == 8
    for path in sorted((work / "labels").iterdir())[4:]:
        path.unlink()
    assert merge(work, small) == {"train": 4, "valid": n_valid} and have("train") == [0, 1, 2, 3]
    add_responses(work, oracle, 6, n_valid + 2)
    assert oracle.calls == 12
    assert merge(work, small) == {"train": 6, "valid": n_valid + 2}
    packed = (small / FILES["train"]).read_bytes()
    merge(work, small)
    assert (small / FILES["train"]).read_bytes() == packed
    assert f"6 frames of training and {n_valid + 2} of validation" in (small / "README.md").read_text()
    for name, frames in old.items():
        lines = text(small, name)
        assert len(lines) == len(before[name])
        for mine, theirs in zip(lines, before[name]):
            mine, theirs = (line.replace(":born_charges:R:9", "") for line in (mine, theirs))
            assert mine.startswith(theirs)
        new, known = ice(name), np.isfinite(frames.polarizability[:, 0, 0])
        for k in range(len(frames)):
            labels = new.labels(k)
            for key, value in frames.labels(k).items():
                np.testing.assert_array_equal(labels[key], value)
            assert {**new.info[k], "dielectric": None} == {**frames.info[k], "dielectric": None}
            np.testing.assert_array_equal(new.atoms[k].positions, frames.atoms[k].positions)
            if "polarizability" in labels and not known[k]:
                expected = oracle.compute(new.atoms[k], None).values
                np.testing.assert_array_equal(new.polarizability[k], expected["polarizability"])
                np.testing.assert_array_equal(new.info[k]["dielectric"], expected["dielectric"])
                np.testing.assert_array_equal(labels["born_charges"], expected["born_charges"])


def test_other_numbers_want_another_folder(small, tmp_path):
    n_valid = len(have("valid"))
    add_responses(tmp_path / "work", Shipped(), 2, n_valid)
    with pytest.raises(LabkitError, match="leads to 2 train frames, not 3"):
        add_responses(tmp_path / "work", Shipped(), 3, n_valid)


def test_labels_of_other_settings_or_structures_change_nothing(small, tmp_path):
    n_valid, before = len(have("valid")), {path: path.read_bytes() for path in small.iterdir()}
    add_responses(tmp_path / "shifted", Shipped(error=2e-4), 2, n_valid)
    with pytest.raises(LabkitError, match=r"frame 0 .*frame-00000.xyz differs by 2.0e-04 eV .* other settings"):
        merge(tmp_path / "shifted", small)
    add_responses(tmp_path / "turned", Shipped(), 2, n_valid)
    (tmp_path / "turned" / "order.txt").write_text("train 1\ntrain 0\n")
    with pytest.raises(LabkitError, match="frame-00001.xyz is a label of another structure"):
        merge(tmp_path / "turned", small)
    (tmp_path / "turned" / "order.txt").write_text("train 1\ntrained 0\n")
    with pytest.raises(LabkitError, match="line 2: expected train or valid"):
        merge(tmp_path / "turned", small)
    assert before == {path: path.read_bytes() for path in small.iterdir()}


def test_the_command_merges_without_programs(small, tmp_path, monkeypatch, capsys):
    n_valid = len(have("valid"))
    add_responses(tmp_path / "work", Shipped(), 3, n_valid)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--responses", str(tmp_path / "work"), "--merge"]) == 0
    assert f"3 training and {n_valid} validation frames" in capsys.readouterr().out
    assert main(["--responses", str(tmp_path / "nowhere"), "--merge"]) == 2
    assert "order.txt: there is no such file" in capsys.readouterr().err
    assert main(["--check", "1", "--merge"]) == 2
