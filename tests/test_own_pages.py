"""The code of docs/own_panel.md and docs/own_notebook.md runs, and needs public names only."""

import re
import subprocess
import sys

import nbformat
import pytest

import labkit
from labkit import panels
from labkit.errors import LabkitError
from labkit.notebooks import run_notebooks


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def own_panel(repository, tmp_path, monkeypatch):
    """The panel of the page, from its file."""
    module, _ = blocks(repository / "docs" / "own_panel.md")
    (tmp_path / "distances.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "distances", raising=False)
    import distances

    yield distances.DistancesPanel
    sys.modules.pop("distances", None)


def test_a_panel_is_25_lines_of_public_names(repository):
    module, _ = blocks(repository / "docs" / "own_panel.md")
    lines = [line for line in module.splitlines() if line.strip()]
    imports = [line for line in lines if re.match(r"import |from ", line)]
    assert len(lines) - len(imports) <= 25
    ours = [line for line in imports if "labkit" in line]
    assert ours == ["import labkit", "from labkit.panels import " + ours[1].split(" import ")[1]]
    assert set(ours[1].split(" import ")[1].split(", ")) <= set(panels.__all__)


def test_the_panel_runs_follows_its_slider_and_its_script_gives_the_same(own_panel, tmp_path):
    panel = own_panel(labkit.datasets.ice("train", n=50)[:5])
    for cutoff in (3.0, 1.2):
        panel.model.cutoff = cutoff
        panel.run()
        result = panel.job.wait(60)
        assert panel.model.status == "done" and panel.model.picture[:4] == b"\x89PNG" and panel.bar.value == 1.0
        assert len(result) and result.max() < cutoff
        done = subprocess.run(
            [sys.executable, "-c", panel.model.code()], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.split() == [str(len(result)), str(result.min())], done.stderr
    panel.model.cutoff = 2.0
    assert "1.2" in panel.model.changed  # the settings of what is shown


def test_what_else_the_page_says_a_model_can_do(own_panel):
    """Its list: the run that is shown, table, note, files, Continue, an error in red, progress, the width."""

    def counted(frames, start, progress):
        for k, _ in enumerate(frames):
            progress.update(k + 1, len(frames))
            yield start + k + 1

    class MoreModel(own_panel.model_type):
        continue_hint = "as many frames again"

        def make_job(self):
            if self.cutoff > 5:
                raise LabkitError("5 Å are enough")
            return labkit.Job(counted, self.dataset.atoms, self.results if self.continuing else 0)

        def present(self, result):
            self.table = panels.html_table(["frames"], [[str(result)]])
            self.note = f"cutoff {self.ran.cutoff:g} Å"

        def outputs(self, result):
            return {"frames.txt": str(result).encode()}

    class MorePanel(panels.Panel):
        model_type = MoreModel
        results_below = True

    panel = MorePanel(labkit.datasets.ice("train", n=50)[:4])
    for action, expected in ((panel.run, 4), (panel.go_on, 8), (panel.run, 4)):
        action()
        panel.job.wait(60)
        assert f"<td>{expected}</td>" in panel.table.value and "cutoff 3 Å" in panel.note.value
        assert panel.model.files()["frames.txt"] == str(expected).encode()
        assert panel.job.progress.step == panel.job.progress.total == 4
    panel.model.cutoff = 5.5
    panel.run_button.click()
    assert "5 Å are enough" in panel.error.value and "cutoff 3 Å" in panel.note.value
    panel.close()


def test_the_notebook_of_the_page_runs(repository, tmp_path):
    new = nbformat.v4
    cells = [new.new_code_cell(block.rstrip()) for block in blocks(repository / "docs" / "own_notebook.md")]
    nbformat.write(new.new_notebook(cells=cells), tmp_path / "mine.ipynb")
    (report,) = run_notebooks([tmp_path / "mine.ipynb"], tmp_path / "out")
    assert report.error == "" and report.numbers == {"training frames": "9 frames"}
    assert cells[-1].source == "labkit.finish()"
