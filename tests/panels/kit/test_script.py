"""Scripts import what they use, once and in order, and load shipped frames by name."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest

import labkit
from labkit.datasets.faults import with_noise
from labkit.gap import GapConfig, Soap
from labkit.panels.kit.script import Script, data_files
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
    other.frames("train", list(train.atoms), 7)
    other.frames("own", [], label="polarizability")
    assert "train  # your own frames" in other.text() and "\ntrain = train[:7]\n" in other.text()
    assert "own  # your own frames" in other.text() and "own = own" not in other.text()


def test_what_is_the_users_own_is_asked_for_where_it_is_missing():
    """The script ends at the line that says what to define, and runs to its end where it is defined above."""
    script = Script()
    script.own("potential", "potential, a Springs")
    script.add("found = [potential]")
    with pytest.raises(NameError) as caught:
        exec(compile(script.text(), "script.py", "exec"), {})
    line = script.text().splitlines()[caught.traceback[-1].lineno]
    assert line.startswith("potential  # your own potential, a Springs: define it above this line")
    space = {"potential": 3}
    exec(script.text(), space)
    assert space["found"] == [3]


def test_own_frames_are_loaded_from_their_file_and_selected_again(tmp_path, monkeypatch):
    """From a file with other names of labels, split, cut; and frames of unknown origin from a file under Download."""
    monkeypatch.chdir(tmp_path)
    for atoms in (frames := list(labkit.datasets.ice("train", n=20).frames())):
        atoms.info["E_dft"], atoms.arrays["F_dft"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
    ase.io.write("methanol.xyz", frames)
    ds = labkit.load("methanol.xyz", energy_key="E_dft", forces_key="F_dft", stress_key=False)
    train, valid = ds.split(0.25, by="blocks")
    changed = with_noise(train[:4], energy=0.001)
    unknown = replace(changed, energy=changed.energy + 1)
    sets = {"train": train, "valid": valid, "noisy": changed, "unknown": unknown, "both": train[[3, 1]] + valid[-2:]}
    script, space = Script(), {}
    for name, found in sets.items():
        script.frames(name, found, 3 if name == "train" else None)
    assert script.text().count('labkit.load("methanol.xyz", energy_key="E_dft"') == 1
    assert 'train = ds.split(valid=0.25, by="blocks", seed=0)[0][:3]' in script.text()
    files = data_files(sets)
    assert list(files) == ["unknown.extxyz"]
    (tmp_path / "unknown.extxyz").write_bytes(files["unknown.extxyz"])
    exec(script.text(), space)
    sets["train"] = train[:3]
    for name, expected in sets.items():
        assert space[name].hash == expected.hash, name
