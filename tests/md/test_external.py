"""`external` of a run file: modules run only where they are trusted, and receive what TorchMD gives them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from md import files

from labkit.cli import main
from labkit.errors import LabkitError
from labkit.md import RunSettings, prepare
from labkit.units import KCAL_PER_MOL

CODE = '''
from pathlib import Path

Path({trace!r}).touch()

class External:
    """k r² around the origin, kcal/mol."""

    def __init__(self, file, embeddings, device, k=1.0, units="kcal/mol"):
        self.k, self.embeddings = k, embeddings

    def calculate(self, pos, box):
        return self.k * pos.square().sum((1, 2)), -2 * self.k * pos
'''


@pytest.fixture
def trace(tmp_path):
    return tmp_path / "it_ran"


def module(folder: Path, name: str, trace: Path) -> None:
    """Written as a module, or for a dotted name as a package in a package, each of which would leave the trace."""
    *packages, last = name.split(".")
    for package in packages:
        folder = folder / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"from pathlib import Path\nPath({str(trace)!r}).touch()\n")
    (folder / f"{last}.py").write_text(CODE.format(trace=str(trace)))


def run_file(folder: Path, replicas: int = 1, **external: object) -> Path:
    """Three atoms that only the external potential moves."""
    (folder / "three.xyz").write_text("3\n\nC 0 0 1\nC 2 0 0\nC 0 3 0\n")
    values = {"structure": "three.xyz", "steps": 2, "log_dir": str(folder / "log"), "replicas": replicas}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**values, "external": external}))
    return path


@pytest.mark.parametrize("where", ["beside", "installed"])
@pytest.mark.parametrize("name", ["wells_{}", "wells_{}.calculators.own"])
def test_nothing_of_a_module_runs_without_trust(tmp_path, trace, capsys, monkeypatch, where, name):
    name = name.format(f"{where}_{'deep' if '.' in name else 'flat'}")
    place = tmp_path / "site" if where == "installed" else tmp_path
    place.mkdir(exist_ok=True)
    module(place, name, trace)
    if where == "installed":
        monkeypatch.syspath_prepend(str(place))
    path = run_file(tmp_path, module=name, file="model.ckpt")
    for arguments in (["md", str(path)], ["md", str(path), "--overwrite"]):
        assert main(arguments) == 2
    said = capsys.readouterr().err
    assert f"external: module {name!r} is Python code, {place}" in said and "--trust" in said
    assert "as may what it loads from model.ckpt" in said
    assert not trace.exists() and name.split(".")[0] not in sys.modules and not list((tmp_path / "log").iterdir())
    assert main(["md", str(path), "--trust"]) == 0
    assert trace.exists() and str(tmp_path) not in sys.path


def test_the_resume_that_is_proposed_trusts_too(tmp_path, trace, capsys, monkeypatch):
    import labkit.md.command
    from labkit.errors import Stopped

    module(tmp_path, "wells_stopped", trace)
    path = run_file(tmp_path, module="wells_stopped")
    assert main(["md", str(path), "--trust"]) == 0

    def stopped(*_: object, **__: object) -> None:
        raise Stopped("stopped at step 1 of 2")

    monkeypatch.setattr(labkit.md.command, "simulate", stopped)
    assert main(["md", str(path), "--resume", "--trust"]) == 130
    assert f"resume with: labkit md {path} --resume --trust" in capsys.readouterr().out


def test_further_keys_and_embeddings_reach_the_module(tmp_path, trace):
    module(tmp_path, "wells_keys", trace)
    np.save(tmp_path / "z.npy", np.array([6.0, 6.0, 6.0]))
    path = run_file(tmp_path, replicas=2, module="wells_keys", embeddings="z.npy", k=3.0)
    prepared = prepare(RunSettings.read(path), tmp_path, trust=True)
    found = prepared.potential.evaluate(prepared.state)
    torch.testing.assert_close(found.forces, -6 * KCAL_PER_MOL * prepared.state.positions)
    external = prepared.potential.external
    assert external.k == 3.0 and external.embeddings.tolist() == [[6, 6, 6]] * 2
    path = run_file(tmp_path, module="wells_keys", strength=3.0)
    with pytest.raises(
        LabkitError, match=r"wells_keys.External\(file, embeddings, device, strength\) failed .*'strength' is not among"
    ):
        prepare(RunSettings.read(path), tmp_path, trust=True)


class Runs:
    """What numpy would unpickle by running it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "z.npy: there is no such file"),
        (lambda path: np.save(path, [6, 6]), "2 numbers for 3 atoms"),
        (lambda path: np.save(path, [[6, 6, 6]]), r"expected whole numbers \(n,\)"),
        (lambda path: np.save(path, [6.5, 6, 6]), r"expected whole numbers \(n,\)"),
        (lambda path: path.write_bytes(b"\x93NUMPY and no more"), "cannot be read as numbers"),
        (
            lambda path: np.save(path, np.array([Runs(path.parent / "unpickled")] * 3), allow_pickle=True),
            "cannot be read",
        ),
    ],
    ids=["none", "few", "rows", "fractions", "cut", "pickle"],
)
def test_embeddings_that_are_none(tmp_path, trace, write, message):
    module(tmp_path, "wells_embeddings", trace)
    write(tmp_path / "z.npy")
    path = run_file(tmp_path, module="wells_embeddings", embeddings="z.npy")
    with pytest.raises(LabkitError, match=message):
        prepare(RunSettings.read(path), tmp_path, trust=True)
    assert not (tmp_path / "unpickled").exists()


def test_modules_of_one_name_in_two_folders(tmp_path, trace):
    """Each run file gets its own; one that something else has loaded is not taken for it."""
    for k, folder in enumerate((tmp_path / "one", tmp_path / "two"), 1):
        folder.mkdir()
        module(folder, "wells_twice", trace)
        code = folder / "wells_twice.py"
        code.write_text(code.read_text().replace("k=1.0", f"k={k}.0"))
        settings = RunSettings.read(run_file(folder, module="wells_twice"))
        for _ in range(2):
            assert prepare(settings, folder, trust=True).potential.external.k == k
    (tmp_path / "one" / "yaml.py").write_text("")
    with pytest.raises(LabkitError, match=r"is to come from .*one/yaml.py, but .*yaml/__init__.py is already loaded"):
        prepare(RunSettings.read(run_file(tmp_path / "one", module="yaml")), tmp_path / "one", trust=True)


def test_a_module_that_fails(tmp_path):
    (tmp_path / "wells_broken.py").write_text("1 / 0\n")
    (tmp_path / "wells_empty.py").write_text("")
    for name, message in (
        ("wells_broken", "cannot be imported: division by zero"),
        ("wells_empty", "no class External"),
    ):
        with pytest.raises(LabkitError, match=message):
            prepare(RunSettings.read(run_file(tmp_path, module=name)), tmp_path, trust=True)


def test_keys_of_the_model_of_labkit_are_known(tmp_path):
    assert files.BOX  # the file of the other tests: `module` makes further keys possible, its absence does not
    for external in ({"file": "a.safetensors", "modul": "x"}, {"module": "labkit", "file": "a.safetensors", "fil": 1}):
        with pytest.raises(LabkitError, match=r"external: unknown key .*did you mean"):
            RunSettings.from_dict({"structure": "a.xyz", "external": external}, "run")
