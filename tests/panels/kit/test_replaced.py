"""A cell that is run again lets go of the panel that it showed before; measured in a kernel, as a notebook runs it."""

from ast import literal_eval

import pytest
from jupyter_client.manager import start_new_kernel

SETUP = """
import gc, weakref
import labkit
import numpy as np
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances
from labkit.gap import GapConfig, Soap
from labkit.panels import RunTray, StructurePanel, TrainPanel
train, valid = labkit.datasets.ice("train", n=50)[:6], labkit.datasets.ice("valid")[:3]
config = GapConfig(Soap(n_max=3, l_max=2, n_sparse=20), sigma_virial=None)
made = []

def kept():
    "Which of the panels made so far are still there, and how many widgets."
    gc.collect()
    return [k for k, weak in enumerate(made) if weak() is not None], len(_instances)
"""
TRAIN = """
panel = TrainPanel(train, valid, config)
panel.model.ballast = np.ones(8_000_000)  # 64 MB
made.append(weakref.ref(panel.model))
panel.run()
_ = panel.job.wait(60)
panel
"""


class Notebook:
    """A kernel whose cells have names, as JupyterLab's have."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def cell(self, name, code):
        """Run a cell and return what it shows first, as text."""
        message = self.client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False},
            metadata={"cellId": name},
        )
        self.client.shell_channel.send(message)
        found = ""
        while True:
            reply = self.client.get_iopub_msg(timeout=120)
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if reply["msg_type"] == "error":
                raise AssertionError("\n".join(reply["content"]["traceback"]))
            if reply["msg_type"] in ("execute_result", "display_data"):  # the first: a panel's still comes after it
                found = found or reply["content"]["data"]["text/plain"]
            if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
                return found

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook():
    found = Notebook()
    found.cell("setup", SETUP)
    yield found
    found.close()


def memory(notebook):
    """MB of the kernel."""
    line = notebook.cell("memory", 'next(x for x in open("/proc/self/status") if x.startswith("VmRSS"))')
    return int(line.strip("'").split()[1]) / 1e3


def test_a_panel_that_is_shown_again_replaces_the_one_before(notebook):
    counts, sizes = [], []
    for _ in range(5):
        notebook.cell("a", TRAIN)
        alive, widgets = literal_eval(notebook.cell("look", "kept()"))
        counts.append((len(alive), widgets))
        sizes.append(memory(notebook))
    assert {alive for alive, _ in counts} == {1} and len(set(counts[1:])) == 1
    assert max(sizes[1:]) - sizes[0] < 64, sizes  # five of them would be 256 MB more


def test_other_cells_and_variables_keep_theirs(notebook):
    notebook.cell("setup", "made.clear()")
    for cell in ("b", "c", "c"):
        notebook.cell(cell, TRAIN)
    assert literal_eval(notebook.cell("look", "kept()"))[0] == [0, 2]  # b and the second c
    notebook.cell("mine", "mine = panel; None")
    notebook.cell("c", TRAIN)
    assert literal_eval(notebook.cell("look", "kept()"))[0] == [0, 2, 3]  # held by `mine`
    notebook.cell("elsewhere", "panel")
    notebook.cell("c", TRAIN)
    assert literal_eval(notebook.cell("look", "kept()"))[0] == [0, 2, 3, 4]  # 3 is shown by another cell, too
    assert notebook.cell("still", "mine.model.results.n_frames, mine.comm is not None") == "(6, True)"


def test_a_run_at_the_end_of_a_cell_shows_the_panel_and_is_replaced_with_it(notebook):
    notebook.cell("setup", "made.clear()")
    code = "panel = TrainPanel(train, valid, config)\nmade.append(weakref.ref(panel.model))\npanel.run()"
    for _ in range(3):
        assert notebook.cell("last", code).startswith("TrainPanel(")
        notebook.cell("end", "_ = panel.job.wait(60); del panel")
    assert literal_eval(notebook.cell("look", "kept()"))[0] == [2]


@pytest.mark.parametrize("make", ["StructurePanel(train)", "RunTray()"])
def test_other_cards_are_replaced_as_well(make, notebook):
    notebook.cell("setup", "made.clear()")
    counts = []
    for _ in range(3):
        notebook.cell(make, f"card = {make}\nmade.append(weakref.ref(card.model))\ncard")
        notebook.cell("wait", "import time; time.sleep(0.3)")  # for NGLView's thread to end
        alive, widgets = literal_eval(notebook.cell("look", "kept()"))
        counts.append((len(alive), widgets))
    assert counts[1:] == [(1, counts[1][1])] * 2
