"""Copies have no solutions and no outputs, and what learners have written stays."""

import nbformat
import pytest

from labkit.cli import main
from labkit.errors import LabkitError
from labkit.exercises.copies import BEGIN, END, moved_links, without_solution
from labkit.student import write_copies

new = nbformat.v4


def exercise(source="secret = 6 * 7\nanswer = secret", tags=("solution",)):
    cell = new.new_code_cell(f"x = 1\n{BEGIN}\n{source}\n{END}\ncheck('00.1', answer)", metadata={"tags": list(tags)})
    return cell


@pytest.fixture
def masters(tmp_path, monkeypatch):
    """A folder with two masters, as in a fresh clone."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "README.md").write_text("hello")
    text = "[next](01_b.ipynb) [readme](../README.md#top) [web](https://a.b/../c) <img src='../README.md'> [x](../no)"
    shown = new.new_code_cell("1 + 1", execution_count=3, outputs=[new.new_output("stream", text="2\n")])
    write(folder / "00_a.ipynb", new.new_markdown_cell(text), shown, exercise())
    write(folder / "01_b.ipynb", new.new_code_cell("2 + 2"))
    monkeypatch.chdir(tmp_path)
    return sorted(folder.glob("*.ipynb"))


def write(path, *cells):
    nbformat.write(new.new_notebook(cells=list(cells)), path)


def edit(path, source="answer = 42"):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = source
    nbformat.write(notebook, path)


def what(copies):
    return [copy.what for copy in copies]


def test_a_copy_has_the_stub_and_the_check_but_no_solution_nor_output(masters, tmp_path):
    assert what(write_copies(masters, tmp_path / "a" / "out")) == ["written", "written"]
    text = (tmp_path / "a" / "out" / "00_a.ipynb").read_text()
    copy = nbformat.reads(text, as_version=4)
    nbformat.validate(copy)
    assert copy.cells[-1].source == "x = 1\nanswer = ...  # your answer\ncheck('00.1', answer)"
    assert copy.cells[-1].metadata.tags == [] and "secret" not in text and BEGIN not in text
    assert copy.cells[1].outputs == [] and copy.cells[1].execution_count is None


def test_the_mark_of_compared_outputs_becomes_a_tag(masters, tmp_path):
    write(masters[1], new.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint('x: 1 eV')"))
    (copy,) = write_copies(masters[1:], tmp_path / "out")
    (cell,) = nbformat.read(copy.path, as_version=4).cells
    assert cell.source == "print('x: 1 eV')" and cell.metadata.tags == ["nbval-check-output"]


def test_links_lead_to_the_same_files(masters, tmp_path):
    write_copies(masters, tmp_path / "a" / "out")
    source = nbformat.read(tmp_path / "a" / "out" / "00_a.ipynb", as_version=4).cells[0].source
    assert "[next](01_b.ipynb)" in source and "[readme](../../README.md#top)" in source
    assert "[web](https://a.b/../c)" in source and "<img src='../../README.md'>" in source and "[x](../no)" in source
    assert moved_links(source, tmp_path / "a" / "out", tmp_path / "notebooks").count("(../README.md#top)") == 1


def test_a_stub_of_its_own_keeps_the_indentation():
    source = f"for x in y:\n    {BEGIN}\n    #: a = ...  # first\n    #: b = ...\n    a, b = 1, 2  # why\n    {END}"
    assert without_solution(source) == "for x in y:\n    a = ...  # first\n    b = ..."


@pytest.mark.parametrize("source", [f"{BEGIN}\nx", f"x\n{END}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_marks_that_do_not_pair_are_named(source):
    with pytest.raises(LabkitError, match="notebook 7, cell 3: '### "):
        without_solution(source, "notebook 7, cell 3")


@pytest.mark.parametrize("cell", [exercise(tags=()), new.new_code_cell("answer = 42", metadata={"tags": ["solution"]})])
def test_tag_and_marks_belong_together_and_nothing_is_written(cell, masters, tmp_path):
    write(masters[1], cell)
    with pytest.raises(LabkitError, match="01_b.ipynb, cell 1: the tag 'solution'"):
        write_copies(masters, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_learner_has_written_stays_unless_asked(masters, tmp_path):
    out = tmp_path / "out"
    write_copies(masters, out)
    edit(out / "00_a.ipynb")
    written = (out / "00_a.ipynb").read_bytes()
    assert what(write_copies(masters, out)) == ["kept", "as it was"] and (out / "00_a.ipynb").read_bytes() == written
    assert what(write_copies(masters, out, overwrite=True)) == ["written", "written"]
    assert b"answer = 42" not in (out / "00_a.ipynb").read_bytes()


def test_copies_that_were_only_run_follow_their_masters(masters, tmp_path):
    out = tmp_path / "out"
    write_copies(masters, out)
    notebook = nbformat.read(out / "01_b.ipynb", as_version=4)
    notebook.cells[0].outputs = [new.new_output("stream", text="4\n")]
    nbformat.write(notebook, out / "01_b.ipynb")
    assert what(write_copies(masters, out))[1] == "as it was"  # with its outputs
    assert "4\\n" in (out / "01_b.ipynb").read_text()
    edit(masters[1], "3 + 3")
    assert what(write_copies(masters, out)) == ["as it was", "written"]
    assert "3 + 3" in (out / "01_b.ipynb").read_text()


@pytest.mark.parametrize("content", [b"my notes", b"\xff\x00", b"[]", b'{"cells": 3}'])
def test_a_file_that_is_no_copy_stays(content, masters, tmp_path):
    (tmp_path / "00_a.ipynb").write_bytes(content)
    assert what(write_copies(masters, tmp_path))[0] == "kept" and (tmp_path / "00_a.ipynb").read_bytes() == content


def test_the_masters_themselves_are_never_written_to(masters, tmp_path):
    before = masters[0].read_bytes()
    for out in (tmp_path / "notebooks", tmp_path / "a" / ".." / "notebooks"):
        with pytest.raises(LabkitError, match="with the solutions themselves"):
            write_copies(masters, out, overwrite=True)
    assert masters[0].read_bytes() == before


def test_out_that_is_a_file(masters, tmp_path):
    with pytest.raises(LabkitError, match="README.md: is not a writable folder"):
        write_copies(masters, tmp_path / "README.md")


def test_the_command_says_what_it_wrote(masters, tmp_path, capsys):
    assert main(["student", "out"]) == 0
    text = capsys.readouterr().out
    assert "00_a.ipynb" in text and "1 exercises   written" in text and "labkit lab out/00_a.ipynb" in text
    edit(tmp_path / "out" / "00_a.ipynb")
    assert main(["student", "out"]) == 0 and "--overwrite replaces it" in capsys.readouterr().out
    assert main(["student", "out", "01", "--overwrite"]) == 0 and "00_a" not in capsys.readouterr().out.split("Open")[0]
