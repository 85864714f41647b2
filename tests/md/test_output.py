"""What a run writes: nothing of another run is lost, whatever is there and whoever else writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labkit.md
from labkit.cli import main
from labkit.errors import LabkitError
from labkit.md.output import LOCK, Output

REPOSITORY = Path(labkit.md.__file__).resolve().parents[2]


def run_file(folder: Path, name: str = "run.yaml", **changes: object) -> Path:
    """Two atoms on a spring."""
    (folder / "two.xyz").write_text("2\n\nC 0 0 0\nC 4 0 0\n")
    (folder / "two.yaml").write_text("lj:\n  C: {sigma: 3.5, epsilon: 0.1}\n")
    values = {"structure": "two.xyz", "forcefield": "two.yaml", "forceterms": ["lj"], "steps": 2, "output_period": 1}
    path = folder / name
    path.write_text(yaml.safe_dump({**values, "log_dir": str(folder / "log"), **changes}))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


MINE = ["monitor.csv", "output.dcd", "output.xtc", "output-0.dcd", "output-12.xtc", "output.checkpoint"]
OTHERS = ["monitor_0.csv", "output_0.npy", "outputs.dcd", "output-a.dcd", "output2.dcd", "input.yaml", "notes.txt"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=st.sets(st.sampled_from(MINE + OTHERS)), replicas=st.integers(1, 2), xtc=st.booleans())
def test_what_is_there_stays(there, replicas, xtc, tmp_path_factory):
    """A run either keeps every byte that it finds, or is asked to overwrite, and then replaces its own files only."""
    folder = tmp_path_factory.mktemp("run")
    log = folder / "log"
    log.mkdir()
    for name in there:
        (log / name).write_text(f"{name} of another run")
    before = contents(log)
    path = run_file(folder, replicas=replicas, output="output.xtc" if xtc else "output")
    code = main(["md", str(path)])
    assert code == (2 if there & set(MINE) else 0)
    after = contents(log)
    assert {name: after[name] for name in before} == before
    assert code == 0 or after == before
    assert main(["md", str(path), "--overwrite"]) == 0
    after = contents(log)
    own = {"monitor.csv", "output.checkpoint"} | {
        f"output{f'-{k}' if replicas > 1 else ''}.{'xtc' if xtc else 'dcd'}" for k in range(replicas)
    }
    assert set(after) == (there & set(OTHERS)) | own  # nothing of the earlier run is left among the new files
    assert all(after[name] == before[name] for name in there & set(OTHERS))
    assert not any(b"of another run" in after[name] for name in own)


def test_another_run_in_the_same_folder(tmp_path, capsys):
    """Two outputs would share monitor.csv: refused, also with --overwrite; the first can still go on."""
    first, second = run_file(tmp_path), run_file(tmp_path, "second.yaml", output="production")
    assert main(["md", str(first)]) == 0
    before = contents(tmp_path / "log")
    for flags in ([], ["--overwrite"]):
        assert main(["md", str(second), *flags]) == 2
        assert "holds another run (output.checkpoint)" in capsys.readouterr().err
        assert contents(tmp_path / "log") == before
    assert main(["md", str(run_file(tmp_path, steps=4)), "--resume"]) == 0


def test_names_with_dots_are_different_runs(tmp_path):
    names = ["run.300K", "run.310K", "run.dcd", "run.xtc", "run"]
    outputs = [Output.of(str(tmp_path), name, 1) for name in names]
    assert [o.trajectory.name for o in outputs] == ["run.300K.dcd", "run.310K.dcd", "run.dcd", "run.xtc", "run.dcd"]
    assert outputs[0].checkpoint != outputs[1].checkpoint


def test_overwriting_what_cannot_run_changes_nothing(tmp_path):
    path = run_file(tmp_path)
    assert main(["md", str(path)]) == 0
    before = contents(tmp_path / "log")
    (tmp_path / "two.xyz").write_text("2\n\nC 0 0 0\nC 0 0 nan\n")
    assert main(["md", str(path), "--overwrite"]) == 2
    assert contents(tmp_path / "log") == before


HOLD = """
import sys
from labkit.md.output import Output
with Output.of(sys.argv[1], "output", 1).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_at_the_same_time(tmp_path, capsys):
    """The second is refused and says who is there; when the first is killed, it may run."""
    path = run_file(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command, pipe = [sys.executable, "-c", HOLD, str(tmp_path / "log")], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "held\n"
        for flags in ([], ["--overwrite"], ["--resume"]):
            assert main(["md", str(path), *flags]) == 2
            said = capsys.readouterr().err
            assert "another run writes here" in said and f"process {other.pid} on" in said
        assert list(contents(tmp_path / "log")) == [LOCK]
        other.kill()
    assert main(["md", str(path)]) == 0
    assert sorted(contents(tmp_path / "log")) == ["monitor.csv", "output.checkpoint", "output.dcd"]


def test_many_runs_at_once_one_at_a_time(tmp_path):
    """The lock's file is removed by each holder, and still no two hold it."""
    inside, counts = [], []

    def enter() -> None:
        for _ in range(200):
            try:
                with Output.of(str(tmp_path / "log"), "output", 1).locked():
                    inside.append(1)
                    counts.append(len(inside))
                    time.sleep(1e-4)
                    inside.pop()
            except LabkitError:
                pass

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts and max(counts) == 1 and not list((tmp_path / "log").iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "log").mkdir(mode=0o500)
    with pytest.raises(LabkitError, match="log: cannot be written"), Output.of(str(tmp_path / "log"), "x", 1).locked():
        pass
