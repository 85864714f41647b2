import argparse
import os
import shutil
import sys
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import nbformat
import pytest

from labkit.errors import LabkitError
from labkit.exercises.copies import BEGIN, END
from labkit.lab import command, environment, find_notebooks, opened
from tests.conftest import started


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "01_train", "02_train_more"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks"


def options(**changes):
    return argparse.Namespace(**{"no_browser": True, "port": None, **changes})


def test_all_notebooks_in_order(folder):
    assert [path.stem for path in find_notebooks()] == ["00_start_here", "01_train", "02_train_more"]


@pytest.mark.parametrize("name", ["01", "01_train", "01_train.ipynb", "notebooks/01_train.ipynb"])
def test_a_notebook_has_several_names(folder, name):
    assert [path.name for path in find_notebooks([name])] == ["01_train.ipynb"]


def test_a_path_needs_no_folder_of_notebooks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.ipynb").write_text("{}")
    assert find_notebooks(["mine.ipynb"]) == [tmp_path / "mine.ipynb"]


def test_an_unknown_name_lists_what_there_is(folder):
    with pytest.raises(LabkitError, match="no notebook matches 'fold'.*00_start_here, 01_train, 02_train_more"):
        find_notebooks(["fold"])


def test_an_ambiguous_name_lists_what_it_may_mean(folder):
    with pytest.raises(LabkitError, match="more than one notebook matches '0'"):
        find_notebooks(["0"])


def test_the_learners_copy_is_opened_and_the_master_on_request(folder):
    solution = nbformat.v4.new_code_cell(f"{BEGIN}\nanswer = 12\n{END}\ncheck('00.1', answer)")
    solution.metadata["tags"] = ["solution"]
    nbformat.write(nbformat.v4.new_notebook(cells=[solution]), folder / "00_start_here.ipynb")
    for path in sorted(folder.glob("0[12]*")):
        nbformat.write(nbformat.v4.new_notebook(), path)
    copy = opened("00")
    assert copy == folder.parent / "student" / "00_start_here.ipynb" and "answer = 12" not in copy.read_text()
    assert {path.name for path in copy.parent.iterdir()} == {path.name for path in folder.iterdir()}  # links work
    assert "/lab/tree/student/00_start_here.ipynb" in command(copy, options())[5]
    assert opened("00", masters=True) == folder / "00_start_here.ipynb"
    copy.write_text(copy.read_text().replace("...", "12"))
    assert "12  # your answer" in opened("00").read_text()  # what a learner wrote stays


def test_a_notebook_of_ones_own_is_opened_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.ipynb").write_text("{}")
    assert opened("mine.ipynb") == tmp_path / "mine.ipynb" and not (tmp_path / "student").exists()


def test_root_is_allowed_only_for_root(folder, monkeypatch):
    notebook = find_notebooks(["00"])[0]
    for user, allowed in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user, raising=False)
        assert ("--allow-root" in command(notebook, options())) is allowed


def test_access_stays_guarded(folder):
    line = command(find_notebooks(["00"])[0], options(port=9000))
    assert "--port=9000" in line and "--no-browser" in line
    assert not any(word.startswith("--") and ("token" in word or "password" in word) for word in line)


def test_programs_beside_this_python_are_found():
    assert shutil.which(os.path.basename(sys.executable), path=environment()["PATH"].split(os.pathsep)[0])


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert environment()["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert environment()["OMP_WAIT_POLICY"] == "ACTIVE"


def test_jupyterlab_opens_the_learners_first_notebook_and_asks_for_the_token(tmp_path):
    with started(tmp_path) as address:
        _opens_the_copy_behind_a_token(address)


def _opens_the_copy_behind_a_token(address):
    parts = urlsplit(address)
    assert parts.path == "/lab/tree/student/00_start_here.ipynb"
    token = parse_qs(parts.query)["token"][0]
    contents = f"{parts.scheme}://{parts.netloc}/api/contents/notebooks"
    with urlopen(f"{contents}?token={token}") as answer:
        assert b"00_start_here.ipynb" in answer.read()
    with pytest.raises(HTTPError) as refused:
        urlopen(contents)
    assert refused.value.code == 403
