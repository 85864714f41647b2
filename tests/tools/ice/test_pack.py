"""Packing copies frames as text and orders them so that every prefix is a good training set."""

import lzma

import pytest

from labkit.datasets.ice import FILES, SUMS, data_folder
from labkit.errors import LabkitError
from tools.ice.pack import SOURCES, nested_order, pack


@pytest.fixture
def source(tmp_path):
    """A folder as the frames were computed, put together from what is shipped."""
    folder = data_folder() / "ice"

    def text(name):
        return lzma.decompress((folder / FILES[name]).read_bytes())

    tmp = tmp_path / "source"
    tmp.mkdir()
    (tmp / SOURCES["dynamics"]).write_bytes(lzma.compress(text("valid") + text("train")))
    for name in ("normal_modes", "disordered", "stretch"):
        (tmp / SOURCES[name]).write_bytes((folder / FILES[name]).read_bytes())
    (tmp / SOURCES["minimum"]).write_bytes((folder / FILES["minimum"]).read_bytes())
    return tmp


def test_packing_is_reproducible_to_the_byte(source, tmp_path):
    pack(source, tmp_path / "ice")
    for name in FILES.values():
        shipped, made = data_folder() / "ice" / name, tmp_path / "ice" / name
        unpack = lzma.decompress if name.endswith("xz") else bytes
        assert unpack(made.read_bytes()) == unpack(shipped.read_bytes())
    names = {line.split()[1] for line in (tmp_path / "ice" / SUMS).read_text().splitlines()}
    assert names == set(FILES.values())


def test_order_takes_every_frame_once_in_rounds():
    keys = [(t, s) for t in range(5) for s in range(9)]
    order = nested_order(keys[::-1])
    assert sorted(order) == keys
    for turn in range(9):
        assert {t for t, _ in order[5 * turn : 5 * turn + 5]} == set(range(5))


def test_order_spreads_over_time():
    """After k rounds no gap in a trajectory is much longer than the even spacing."""
    order = nested_order([(t, s) for t in range(16) for s in range(25)])
    for rounds in (3, 6, 12):
        for t in range(16):
            times = sorted(s for u, s in order[: 16 * rounds] if u == t)
            gaps = [b - a for a, b in zip([-1, *times], [*times, 25])]
            assert max(gaps) <= 3 * 25 / rounds


def test_frame_without_trajectory_is_named(source, tmp_path):
    path = source / SOURCES["dynamics"]
    text = lzma.decompress(path.read_bytes()).replace(b"trajectory=16 ", b"", 1)
    path.write_bytes(lzma.compress(text))
    with pytest.raises(LabkitError, match=r"frame 0 \(line 2\): no trajectory="):
        pack(source, tmp_path / "ice")
    assert not (tmp_path / "ice").exists()
