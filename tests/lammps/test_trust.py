"""Models are programs: what they may do, seen before they run, and what a process that runs them cannot do."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.cli import main
from labkit.errors import LabkitError
from labkit.lammps.mlmod import load
from labkit.lammps.mlmod.inspection import inspect
from tests.lammps.exported import Spring, export, parameters

PAIR = {"base_name": "test", "base_dir": "out", "mask_fix": "POST_FORCE", "mask_input": "X"}


class Thief(torch.nn.Module):
    """Writes a file, and returns forces."""

    def __init__(self, out: str):
        super().__init__()
        self.out = out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.out)
        return x


class Layers(torch.nn.Module):
    """What models are made of."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.LayerNorm(8))
        self.gru = torch.nn.GRU(8, 8, batch_first=True)
        self.attend = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = torch.nn.Sequential(torch.nn.Dropout(0.1), torch.nn.GELU(), torch.nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        r = x.reshape(1, -1, 3)
        d = torch.cdist(r, r) + torch.einsum("bij,bkj->bik", r, r)
        h = self.gru(self.embed(r))[0] + 0.0 * d.sum()
        h = self.attend(h, h, h)[0]
        if bool(d.sum() > 1e9):
            raise ValueError("too far")
        return self.out(torch.where(h > 0, h, torch.exp(h) - 1.0)).reshape(-1, 1)


def test_a_model_that_writes_a_file_is_not_run(tmp_path, capsys) -> None:
    out = tmp_path / "stolen"
    path = parameters(tmp_path, "F_Pair_ML1", F_filename=Thief(str(out)), **PAIR)
    assert main(["hooks", "check", str(path)]) == 2
    said = capsys.readouterr().err
    assert "was not run: it uses torch.save, which writes or reads files" in said and "--trust" in said
    with pytest.raises(LabkitError, match="it uses torch.save"):
        load(path, units="real")
    assert not out.exists()
    state = State.from_atoms(Atoms("Ar2", [[0, 0, 0], [3, 1, 2]]))
    load(path, units="real", trusted=True).evaluate(state)  # asked for by name
    assert out.exists()
    out.unlink()
    assert main(["hooks", "check", str(path), "--trust"]) == 0
    assert "they ran as you, uninspected" in capsys.readouterr().out and out.exists()


def test_running_is_said_plainly(tmp_path, capsys) -> None:
    path = parameters(tmp_path, "F_Pair_ML1", F_filename=Spring(0.1), **PAIR)
    assert main(["hooks", "check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "Models are programs: their code was read first" in said
    if sys.platform == "linux":
        assert "in a process that could not" in said and "use the network" in said


def test_ordinary_models_are_not_refused(tmp_path) -> None:
    found = inspect(export(Layers(), tmp_path / "a.pt"), "here")
    assert "torch.einsum" in found and "torch.linear" in found
    traced = torch.jit.trace(torch.nn.Conv1d(1, 2, 3), torch.zeros(1, 1, 9))
    torch.jit.save(traced, tmp_path / "b.pt")
    assert inspect(tmp_path / "b.pt", "here") == ["torch._convolution"]


def with_code(path: Path, body: str) -> Path:
    """A model whose forward has this code, written into the file by hand, as no compiler would."""
    export(Spring(1.0), path)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    (name,) = [name for name in parts if name.endswith(".py")]
    head = parts[name].decode().partition("x: Tensor) -> Tensor:\n")
    parts[name] = (head[0] + head[1] + body).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for other, data in parts.items():
            archive.writestr(other, data)
    return path


@pytest.mark.parametrize(
    "line",
    [
        'torch.save(x, "OUT")',
        'y = torch.from_file("OUT", True, 4, dtype=6)',
        'ops.aten.save(x, "OUT")',
        'f = torch.save\n    f(x, "OUT")',
        't = torch\n    t.save(x, "OUT")',
        'x.save("OUT")',
        '(x).save("OUT")',
        'getattr(x, "save")("OUT")',
        'g = getattr\n    g(x, "save")("OUT")',
        'getattr(x, "sa" + "ve")("OUT")',
        'o = ops\n    o.aten.save(x, "OUT")',
        'ops.image.write_file("OUT", x)',
        'ops.prim.PythonOp("OUT")',
        "y = torch.no_such_operator(x)",
        "y = torch._no_such_operator(x)",
        'y = [torch.save(z, "OUT") for z in [x]]',
        'if True:\n      torch.save(x, "OUT")\n    else:\n      pass',
        'y = torch.add(x, torch.save(x, "OUT"))',
        "y = __torch__.torch.classes.quantized.LinearPackedParamsBase(x)",
        'print("OUT")',
        "y = fork(torch.add, x, x)",
        'y = """a"""',
        "# a comment",
        "\x0c",
        'y = "\xe9"',
        "this is no code",
        "y = " + "(" * 5000 + "x" + ")" * 5000,
    ],
)
def test_other_ways_to_the_same(line, tmp_path) -> None:
    out = tmp_path / "written"
    path = with_code(tmp_path / "a.pt", f"    {line.replace('OUT', str(out))}\n    return x\n")
    with pytest.raises(LabkitError, match=r"here: .*a.pt was not run: "):
        inspect(path, "here")
    assert not out.exists()


def test_the_same_file_without_such_a_line_passes(tmp_path) -> None:
    path = with_code(tmp_path / "a.pt", "    y = torch.add(x, x)\n    return y\n")
    assert inspect(path, "here") == ["torch.add"]
    assert float(torch.jit.load(str(path))(torch.ones(6, 1)).sum()) == 12.0


@given(st.integers(0, 4000), st.integers(0, 200), st.binary(max_size=20))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_damaged_models_end_in_a_sentence(tmp_path_factory, first, length, piece) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.pt"
    if not whole.exists():
        export(Spring(1.0), whole)
    data = whole.read_bytes()
    (folder / "any.pt").write_bytes(data[:first] + piece + data[first + length :])
    path = folder / "any.xml"
    values = "".join(f'<{k} value="{v}"/>' for k, v in {**PAIR, "F_filename": "any.pt"}.items())
    path.write_text(f'<MLMOD><model_data type="F_Pair_ML1">{values}</model_data></MLMOD>')
    try:
        load(path, units="real")
    except LabkitError as error:
        assert "any.pt" in str(error)


CONFINED = """
import socket, subprocess, sys, os
from pathlib import Path
import torch
from labkit.lammps.confinement import confine
mine, secret, new = map(Path, sys.argv[1:])
refused = confine([mine])
assert mine.read_text() == "mine"
torch.ones(4, 4) @ torch.ones(4, 4)
for what, attempt in {
    "read": lambda: secret.read_text(),
    "list": lambda: os.listdir(secret.parent),
    "write": lambda: new.write_text("x"),
    "append": lambda: mine.open("a"),
    "remove": lambda: mine.unlink(),
    "rename": lambda: os.rename(mine, new),
    "link": lambda: os.symlink(mine, new),
    "network": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "program": lambda: subprocess.run(["/bin/true"]),
    "tensor": lambda: torch.save(torch.ones(2), str(new)),
}.items():
    try:
        attempt()
    except (PermissionError, RuntimeError):
        continue
    print("possible:", what)
print("refused:", len(refused))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such confinement")
def test_a_confined_process_can_do_nothing_else(tmp_path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "secret").write_text("secret")
    words = [sys.executable, "-c", CONFINED, *(str(tmp_path / name) for name in ("mine", "secret", "new"))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    count = int(done.stdout.rsplit("refused: ", 1)[1])
    if count < 4:
        pytest.skip(f"this kernel refuses only {count} of 4")
    assert "possible" not in done.stdout
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "new").exists()
