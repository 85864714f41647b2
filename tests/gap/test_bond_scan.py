"""A scan knows which bond was stretched, and where the training frames have such bonds."""

import pytest

import labkit
from labkit.errors import LabkitError
from labkit.gap.bond_scan import BondScan


def test_scans_know_their_bond() -> None:
    train = labkit.datasets.ice("train", n=50)
    scan = BondScan.of(labkit.datasets.ice("stretch"))
    assert scan.label == "O-H" and len(scan.known) == 21 and scan.lengths[0] == pytest.approx(0.8)
    lengths = scan.seen(train)
    assert len(lengths) == 50 * 8 and 0.85 < lengths.min() < lengths.max() < 1.25
    with pytest.raises(LabkitError, match="length="):
        BondScan.of(train)
