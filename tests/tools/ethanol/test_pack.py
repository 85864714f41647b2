"""What is packed is what was labelled, to the last digit, also while labels are missing."""

import hashlib
import lzma

import numpy as np
import pytest

from labkit.datasets import ethanol, load
from labkit.errors import LabkitError
from tools.ethanol.frames import set_frames
from tools.ethanol.labels import LEVELS, label, label_store
from tools.ethanol.pack import pack


@pytest.fixture
def labelled(small, make_all):
    """Both levels for the isolated atoms and the test set, GFN2 for two more, PBE for one frame of "valid"."""
    make_all(small)
    for level, name in (("gfn2", "isolated_atoms"), ("gfn2", "test"), ("gfn2", "valid"), ("gfn2", "wide")):
        label(small, level, name)
    for name in ("isolated_atoms", "test"):
        label(small, "pbe", name)
    with label_store(small) as store:
        list(LEVELS["pbe"].label(set_frames(small, "valid")[:1], store))
    return small


def test_packed_labels_are_those_of_the_store(labelled, tmp_path):
    written = pack(labelled, tmp_path / "data")
    assert [path.name for path in written] == [f"{name}.xyz.xz" for name in ("isolated_atoms", "test", "valid", "wide")]
    some = set_frames(labelled, "test")
    with label_store(labelled) as store:
        for level, oracle in LEVELS.items():
            keys = {"energy_key": f"energy_{level}", "forces_key": f"forces_{level}"}
            found = load(tmp_path / "data" / "test.xyz.xz", **keys)
            for k, atoms in enumerate(some):
                stored = store.get(atoms, oracle)
                assert found.energy[k] == stored.energy
                np.testing.assert_array_equal(found[k].forces, stored.forces)
                np.testing.assert_array_equal(found.atoms[k].positions, atoms.positions)
                assert found.info[k]["trajectory"] == atoms.info["trajectory"]


def test_packing_again_gives_the_same_bytes(labelled, tmp_path):
    first = {path.name: path.read_bytes() for path in pack(labelled, tmp_path / "one")}
    again = {path.name: path.read_bytes() for path in pack(labelled, tmp_path / "two")}
    assert first == again
    for line in (tmp_path / "one" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256(first[name]).hexdigest() == digest


def test_frames_without_labels_of_a_level_are_left_out_by_the_reader(labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_DATA", str(tmp_path))
    (tmp_path / "ice").mkdir()
    (tmp_path / "ice" / "SHA256SUMS").touch()
    pack(labelled, tmp_path / "ethanol")
    assert len(ethanol("valid", level="gfn2")) == 6 and len(ethanol("valid")) == 1
    assert np.isfinite(ethanol("valid").forces).all()
    with pytest.raises(LabkitError, match=r"n=2\): expected n from 1 to .* PBE/def2-SVP, 1"):
        ethanol("valid", n=2)
    with pytest.raises(LabkitError, match=r"wide.xyz.xz: no frame has labels of PBE/def2-SVP yet"):
        ethanol("wide")
    text = (tmp_path / "ethanol" / "README.md").read_text()
    assert "| valid.xyz.xz | 6 | 6 | 1 |" in text and "still missing: 17 PBE labels, the set train, " in text
    assert "{" not in text


def test_a_folder_without_labels_is_not_packed(small, make_all, tmp_path):
    make_all(small)
    with pytest.raises(LabkitError, match="no frame has been labelled"):
        pack(small, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_packed_text_is_plain(labelled, tmp_path):
    pack(labelled, tmp_path / "data")
    text = lzma.decompress((tmp_path / "data" / "test.xyz.xz").read_bytes()).decode()
    comment = text.splitlines()[1]
    assert 'Properties=species:S:1:pos:R:3:forces_gfn2:R:3:forces_pbe:R:3 pbc="F F F"' in comment
    assert "energy_gfn2=" in comment and "energy_pbe=" in comment and "kind=thermal" in comment
