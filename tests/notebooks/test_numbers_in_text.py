"""Numbers in the text of notebooks are those of their runs, and tables have units in their heads.

A number in markdown that a run gives is marked by an invisible comment that names the key number (and its notebook, if
it is another one): `2.4<!-- = a rise -->`, `80<!-- = 01: validation force RMSE -->`. nbval compares the run with the
stored key numbers.
"""

import re
from pathlib import Path

import pytest

from labkit.exercises.copies import read
from labkit.notebooks import key_numbers

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
MARK = re.compile(r"(-?\d[\d.,]*)[ ]?%?<!-- = (?:(\d\d): )?(.+?) -->")
NUMBER = re.compile(r"-?\d[\d.,]*(?:e-?\d+)?")


def marked(text: str) -> list[tuple[float, float, str, str]]:
    """Each marked number, half a unit of its last digit, the notebook named or "", and the key number."""
    found = []
    for shown, notebook, name in MARK.findall(text):
        digits = shown.replace(",", "")
        decimals = len(digits.partition(".")[2])
        zeros = len(digits) - len(digits.rstrip("0")) if not decimals else 0
        found.append((float(digits), 0.5 * 10.0 ** (zeros or -decimals), notebook, name))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_marked_numbers_are_those_of_the_run(path):
    for cell in read(path).cells:
        assert cell.cell_type != "markdown" or cell.source.count("<!--") == len(marked(cell.source))
        for number, half, notebook, name in marked(cell.source) if cell.cell_type == "markdown" else []:
            (source,) = [p for p in NOTEBOOKS if p.name.startswith(notebook or path.name[:2])]
            known = key_numbers(read(source))
            assert name in known, f"{path.name}: no key number {name!r} in {source.name}; it has {', '.join(known)}"
            value = float(NUMBER.search(known[name]).group().replace(",", ""))
            assert abs(number - value) <= half, f"{path.name}: the text says {number:g}, the run {known[name]} ({name})"


def test_a_mark_is_a_number_its_last_digit_and_a_name():
    assert marked("at most 26 %<!-- = costs --> more, 2.4<!-- = 03: a rise -->, 1,200<!-- = n -->") == [
        (26.0, 0.5, "", "costs"), (2.4, pytest.approx(0.05), "03", "a rise"), (1200.0, 50.0, "", "n"),
    ]  # fmt: skip


def test_there_are_marks():
    texts = [cell.source for path in NOTEBOOKS for cell in read(path).cells if cell.cell_type == "markdown"]
    assert sum(len(marked(text)) for text in texts) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_units_stand_in_the_heads_of_tables_not_in_a_comment(path):
    for cell in read(path).cells:
        last = cell.source.splitlines()[-1] if cell.source else ""
        assert cell.cell_type != "code" or not re.search(
            r"\.round\(-?\d\)\s*(#.*)?$|errors\(\w+\)$|^\w+\.errors$", last
        ), last
