"""Every bad input is a sentence that names file, frame, line, key or atom, and says what to do."""

import bz2
import gzip
import importlib.util
import lzma
import os

import numpy as np
import pytest
from ase import Atoms

from labkit.datasets import Dataset, DatasetWarning, ice, load
from labkit.errors import LabkitError

FRAME = (
    '2\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-3.5\n'
    "H 0 0 0 0.5 0 0\nH 0 0 0.7 -0.5 0 0\n"
)


def refused(path, *words, **keys):
    keys = keys or {"energy_key": "energy", "forces_key": "forces"}
    with pytest.raises(LabkitError) as caught:
        load(path, **keys)
    message = str(caught.value)
    for word in (os.path.basename(path), *words):
        assert word in message, message
    return message


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.xyz"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_missing_file(written, tmp_path):
    written(FRAME, "training.xyz")
    refused(tmp_path / "trainin.xyz", "no such file", "did you mean 'training.xyz'?")
    refused(tmp_path / "nowhere" / "a.xyz", "folder", "does not exist")
    refused(tmp_path, "is a folder")
    assert not (tmp_path / "trainin.xyz").exists()


def test_empty_file(written):
    refused(written(""), "empty")
    refused(written("\n \n"), "no frames")


@pytest.mark.parametrize("kept", [5, 6, 7])
def test_cut_in_the_middle(written, kept):
    path = written("".join((FRAME + FRAME).splitlines(keepends=True)[:kept]))
    refused(path, "ends inside frame 1", "begins on line 5", "complete frames before it: 1", "keep_whole=True")
    with pytest.warns(DatasetWarning, match="kept 1 frames"):
        ds = load(path, energy_key="energy", forces_key="forces", keep_whole=True)
    assert ds.energy.tolist() == [-3.5]


def test_cut_inside_a_line(written):
    path = written((FRAME + FRAME)[:-4])
    refused(path, "ends inside frame 1 (which begins on line 5), on line 8", "keep_whole=True")
    with pytest.warns(DatasetWarning, match="kept 1 frames"):
        assert len(load(path, energy_key="energy", forces_key="forces", keep_whole=True)) == 1


def test_last_line_without_end_is_fine(written):
    assert len(load(written(FRAME[:-1]), energy_key="energy", forces_key="forces")) == 1


def test_cut_in_the_only_frame(written):
    refused(written(FRAME[:60]), "ends inside frame 0", keep_whole=True)


def packers():
    yield "gz", gzip.compress
    yield "xz", lzma.compress
    yield "bz2", bz2.compress
    if importlib.util.find_spec("zstandard"):
        import zstandard

        yield "zst", zstandard.ZstdCompressor(write_checksum=True).compress  # as the command zstd does


@pytest.mark.parametrize("suffix, pack", list(packers()))
@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
def test_compressed_file_cut_or_damaged(written, suffix, pack, kept):
    different = "".join(FRAME.replace("-3.5", str(i)) for i in range(3000)).encode()
    whole = pack(different)
    message = refused(written(whole[: int(kept * len(whole))], f"mine.xyz.{suffix}"))
    assert "ends early or is damaged" in message
    damaged = bytearray(whole)
    for i in range(40):
        damaged[int(kept * len(whole)) - i] ^= 0x5A
    refused(written(bytes(damaged), f"mine.xyz.{suffix}"))


@pytest.mark.parametrize("text", [FRAME.replace("energy=-3.5", "").replace(":forces:R:3", ":other:R:3")])
def test_no_labels_at_all(written, text):
    refused(written(text), "none of the 1 frames has an energy", "other", energy_key=None)


def test_key_that_is_not_there(written):
    refused(written(FRAME), "'energi'", "energy_key", "did you mean 'energy'?", "frame 0 holds", energy_key="energi")
    refused(written(FRAME), "'virial'", "stress_key", stress_key="virial")


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "NaN"])
def test_labels_that_are_not_finite(written, bad):
    """They are missing labels, which are named; a position that is not finite is refused."""
    given = {"energy_key": "energy", "forces_key": "forces"}
    with pytest.warns(DatasetWarning, match=r"mine\.xyz: energy of frame 1: not finite, taken as missing"):
        ds = load(written(FRAME + FRAME.replace("-3.5", bad)), **given)
    assert np.isnan(ds.energy).tolist() == [False, True] and np.isfinite(ds.forces).all()
    said = r"forces of 1 atoms in frame 1 \(the first is atom 1 of frame 1\): not finite"
    with pytest.warns(DatasetWarning, match=said):
        ds = load(written(FRAME + FRAME.replace("0.7 -0.5", f"0.7 {bad}")), **given)
    assert np.isnan(ds.forces).sum() == 1 and np.isnan(ds.forces[3, 0])
    refused(written(FRAME + FRAME.replace("0.7", bad)), "frame 1, atom 1", "position", "not finite")


def test_unknown_element(written):
    refused(written(FRAME.replace("H 0 0 0.7", "Hx 0 0 0.7")), "frame 0, atom 1 (line 4)", "unknown element 'Hx'")
    refused(written(FRAME.replace("H 0 0 0.7", "X 0 0 0.7")), "unknown element")
    z = FRAME.replace("species:S:1", "Z:I:1").replace("\nH", "\n150")
    refused(written(z), "atom 0", "atomic number 150")


@pytest.mark.parametrize("cell", ["9 0 0 0 9 0 0 0 0", "9 0 0 9 0 0 0 0 9"])
def test_periodic_without_volume(written, cell):
    text = FRAME.replace("9 0 0 0 9 0 0 0 9", cell)
    refused(written(text), "frame 0", "no volume", 'pbc="F F F"')
    assert len(load(written(text.replace("energy", 'pbc="F F F" energy')), energy_key="energy", forces_key=False)) == 1


def test_nine_zeros_are_an_open_system(written):
    zeros = FRAME.replace("9 0 0 0 9 0 0 0 9", "0 0 0 0 0 0 0 0 0")
    ds = load(written(zeros), energy_key="energy", forces_key="forces")
    assert not ds.atoms[0].pbc.any() and ds.energy.tolist() == [-3.5]
    refused(written(zeros.replace("energy", 'pbc="T T T" energy')), "frame 0", "no volume", 'pbc="F F F"')


def test_pbc_without_cell(written):
    text = FRAME.replace('Lattice="9 0 0 0 9 0 0 0 9"', 'pbc="T T T"')
    refused(written(text), "no volume")


@pytest.mark.parametrize("pbc", ["T T", "maybe", "1 2 3 4"])
def test_wrong_pbc(written, pbc):
    refused(written(FRAME.replace("energy", f'pbc="{pbc}" energy')), "frame 0 (line 2)", "pbc")


def test_wrong_columns(written):
    refused(written(FRAME.replace("H 0 0 0.7 -0.5 0 0", "H 0 0 0.7 -0.5 0")), "frame 0, atom 1 (line 4)", "found 6")
    refused(written(FRAME.replace("H 0 0 0.7", "H 0 0 zero")), "frame 0, atom 1 (line 4)", "'zero' is not float")
    refused(written(FRAME.replace("R:3 energy", "Q:3 energy")), "frame 0 (line 2)", "could not be understood")
    refused(written(FRAME.replace(":pos:R:3", ":place:R:3")), "pos:R:3")


def test_atoms_miscounted(written):
    refused(written(FRAME.replace("2\n", "1\n", 1) + FRAME), "frame 1 (line 4)", "expected the number of atoms")


def test_wrong_shapes(written):
    refused(written(FRAME.replace("forces:R:3", "forces:R:2").replace(" 0\n", "\n")), "frame 0", "shape (2, 3)")
    refused(written(FRAME.replace("-3.5", '"1 2"')), "frame 0", "'energy'", "shape ()")
    refused(written(FRAME.replace("-3.5", "low")), "frame 0", "'energy' is 'low'")
    refused(written(FRAME.replace("-3.5", '-3.5 stress="1 2 3"')), "frame 0 (line 2)", "stress")


def test_virial_of_an_open_system(written):
    text = FRAME.replace('Lattice="9 0 0 0 9 0 0 0 9"', 'REF_virial="1 0 0 0 1 0 0 0 1"')
    refused(written(text), "frame 0", "'REF_virial' needs a cell", stress_key="REF_virial", energy_key="energy")


@pytest.mark.parametrize("text", ["{}", "[]", "[1, 2]", '{"1": {"numbers": 3}, "ids": [1]}', "not json"])
def test_json_that_is_no_database(written, text):
    refused(written(text, "a.json"))


@pytest.mark.parametrize("name", ["a.db", "a.json", "a.traj", "a.xyz"])
def test_binary_garbage(written, name):
    path = written(b"\x80\x04\x95\x00garbage" + bytes(range(256)), name)
    refused(path)
    assert path.stat().st_size == 267


def test_pickles_are_not_opened(written, tmp_path):
    import pickle  # noqa: TID251

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    for name in ("a.traj", "a.db", "a.json", "a.xyz"):
        refused(written(pickle.dumps(Trap()), name))
    assert not (tmp_path / "sprung").exists()


def test_read_only_folder_and_unwritable_info(tmp_path):
    ds = ice("minimum")
    with pytest.raises(LabkitError, match="could not be written"):
        ds.write(tmp_path / "nowhere" / "a.xyz")
    bad = Dataset.from_atoms([Atoms("He", info={"energy": 1.0, "thing": object()})])
    (tmp_path / "a.xyz").write_text("old")
    with pytest.raises(LabkitError, match=r"a\.xyz: frame 0 cannot be written.*info\['thing'\]"):
        bad.write(tmp_path / "a.xyz")
    assert (tmp_path / "a.xyz").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_indexing_past_the_end():
    with pytest.raises(IndexError, match="from 1 frames"):
        ice("minimum")[1]
    with pytest.raises(IndexError):
        ice("minimum")[np.array([True, False])]
