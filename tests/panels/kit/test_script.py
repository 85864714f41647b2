"""Scripts import what they use, once and in order, and load shipped frames by name."""

import numpy as np

import labkit
from labkit.gap import GapConfig, Soap
from labkit.panels.kit.script import Script
from labkit.polarizability import with_label


def test_imports_are_sorted_and_of_one_name_each():
    script = Script("# what Run does")
    script.use("labkit.engine", "simulate")
    script.use("labkit.engine", "Langevin", "simulate")
    script.use("numpy", alias="np")
    script.use("labkit")
    script.add("print(np.pi)", "print(simulate)")
    assert script.text() == (
        "# what Run does\nimport numpy as np\n\nimport labkit\nfrom labkit.engine import Langevin, simulate\n\n"
        "print(np.pi)\nprint(simulate)\n"
    )


def test_a_setting_is_written_with_its_imports():
    config = GapConfig(Soap(cutoff=3.5, n_max=5), sigma_force=0.07)
    script, space = Script(), {}
    script.add(f"config = {script.call(config)}")
    exec(script.text(), space)
    assert space["config"] == config


def test_shipped_frames_are_known_by_their_content(tmp_path):
    train, script, space = labkit.datasets.ice("train", n=50), Script(), {}
    script.frames("train", train, 7)
    script.frames("tensors", with_label(labkit.datasets.ice("valid"), "polarizability"), label="polarizability")
    exec(script.text(), space)
    assert space["train"].hash == labkit.datasets.ice("train", n=7).hash
    np.testing.assert_array_equal(
        space["tensors"].polarizability, with_label(labkit.datasets.ice("valid"), "polarizability").polarizability
    )
    other = Script()
    other.frames("train", train[1:], 7)
    other.frames("own", [], label="polarizability")
    assert "train = train[:7]  # your own frames" in other.text() and "own = own  # your own frames" in other.text()
