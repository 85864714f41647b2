"""03.2: what a reader computes from the rounded numbers of a table is right."""

import re

import numpy as np
import pandas as pd
import pytest

import labkit
from labkit.datasets.faults import with_noise
from labkit.exercises.catalogue import find
from labkit.exercises.copies import read
from labkit.exercises.judge import judge
from labkit.gap import Design, GapConfig, Soap
from labkit.gap.sweep import sweep
from labkit.tables import significant


@pytest.fixture
def table():
    """The validation error rises from 2.0 to 4.7 meV/atom, 2.35 times."""
    columns = {("valid", "energy"): [4.7, 3.0, 2.0, 6.0], ("train", "energy"): [0.1, 0.5, 1.0, 5.0]}
    return pd.DataFrame(columns | {("log evidence", ""): [1.0, 2.0, 3.0, 0.0]}, index=[1e-5, 1e-3, 2e-2, 1.0])


@pytest.mark.parametrize("answer", [2.3, 2.35, 2.4, 2.5])
def test_a_rounded_ratio_is_right(table, answer):
    assert judge(find("03.2"), find("03.2").target(table), answer)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(2.0, ""), (2.7, ""), (0.43, "Upside down"), (1.35, "by how much"), (135.0, "per cent"), (3.0, "the other end")],
)
def test_another_one_is_not(table, answer, words):
    right, message = judge(find("03.2"), find("03.2").target(table), answer)
    assert not right and words in message


def test_the_numbers_of_text_and_table_are_right(repository):
    """Those that notebook 03 shows, and the ratio of the two errors in its table as they are printed."""
    train, valid = labkit.datasets.ice("train", n=200)[:100], labkit.datasets.ice("valid")[::2]
    soap = Soap(cutoff=3.0, n_max=4, l_max=3, n_sparse=100)
    config = GapConfig(soap, sigma_energy=0.001, sigma_force=None, sigma_virial=None)
    design = Design.build(with_noise(train, energy=5 / 1000, forces=5 / 50), config, valid=valid)
    found = sweep(design, "sigma_energy", np.geomspace(1e-5, 1, 16))
    error = found["valid", "energy"]
    printed = [float(significant(x)) for x in (error.iloc[0], error.min(), error.iloc[0] / error.min())]
    text = "\n".join(cell.source for cell in read(repository / "notebooks" / "03_overfitting.ipynb").cells)
    (told,) = re.findall(r"([\d.]+)<!-- = rise, energies of 100 noisy frames -->", text)
    one = find("03.2")
    for answer in (float(told), printed[2], printed[0] / printed[1], round(printed[2], 1)):
        assert judge(one, one.target(found), answer)[0], answer
