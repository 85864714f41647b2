"""`labkit hooks check`: what it explains, and what it says of files and models that are wrong."""

from __future__ import annotations

import re

import pytest
import torch
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base import State
from labkit.cli import main
from labkit.errors import LabkitError
from labkit.lammps.mlmod import KINDS, load
from tests.lammps import exported
from tests.lammps.exported import parameters

PAIR = {"base_name": "test", "base_dir": "out", "mask_fix": "POST_FORCE", "mask_input": "X"}


def test_a_file_in_order_is_explained(tmp_path, capsys):
    path = parameters(tmp_path, "F_Pair_ML1", F_filename=exported.Spring(0.1), **PAIR)
    assert main(["hooks", "check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "type F_Pair_ML1" in said and "adds forces on both atoms of each pair" in said
    assert "takes (6, 1), returns (6, 1); all at once" in said and "mask_input = X (line 8)" in said


def test_models_of_a_whole_group_are_tried_with_several_sizes(tmp_path, capsys):
    path = parameters(tmp_path, "F_ML1", F_filename=exported.Times(1.0), **PAIR)
    assert main(["hooks", "check", str(path)]) == 0
    assert "groups of any size" in capsys.readouterr().out

    class Fixed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.eye(15) @ x

    path = parameters(tmp_path, "F_ML1", F_filename=Fixed(), **PAIR)
    assert main(["hooks", "check", str(path)]) == 0
    assert "groups of 5 atoms" in capsys.readouterr().out
    assert main(["hooks", "check", str(path), "--atoms", "4"]) == 2
    assert "does not take the column (12, 1)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["dX_MF", "dX_MF_ML1", "dX_MF_Q1_ML1_Pair", "dX_MF_Q1_ML1_N2N", "QoI_ML1", "Dyn_ML1"])
def test_every_type_is_explained(kind, tmp_path, capsys):
    blocks = {"M_ii_filename": exported.OwnBlock(1.0, 0.0), "M_ij_filename": exported.PairBlock(1.0)}
    both = {"base_name": "test", "mask_fix": "INITIAL_INTEGRATE FINAL_INTEGRATE", "mask_input": "X V"}
    values = {
        "dX_MF": {"eta": 1.0, "a": 1.0, "epsilon": 0.0},
        "dX_MF_ML1": blocks,
        **WARM,
        "QoI_ML1": {"qoi_filename": exported.Table(), "skip_step": 3, **both},
        "Dyn_ML1": {"dyn1_filename": exported.Flow(1.0, 0.0), "dyn2_filename": exported.Flow(0.0, 1.0), **both},
    }[kind]
    assert main(["hooks", "check", str(parameters(tmp_path, kind, **values))]) == 0
    assert "It is valid" in capsys.readouterr().out


_WARM = {"delta": 0.01, "KBT": 1.0, "flag_stochastic": 1, "flag_thm_drift": 1}
WARM = {
    "dX_MF_Q1_ML1_Pair": {
        "M_ii_filename": exported.OwnBlock(1.0, 0.0), "M_ij_filename": exported.PairBlock(0.3), **_WARM
    },
    "dX_MF_Q1_ML1_N2N": {"M_filename": exported.Wall(1.0, 0.1, 0.0), **_WARM},
}  # fmt: skip

GOOD = """<MLMOD>
<model_data type="dX_MF">
<eta value="1"/>
<a value="1"/>
<epsilon value="0"/>
</model_data>
</MLMOD>
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("</model_data>", ""), "line 7, column 3: not well-formed XML .mismatched tag"),
        (('<a value="1"/>', '<a value="1">'), "line 6, column 3: not well-formed XML"),
        (("eta", "etta"), "line 3: key 'etta' is unknown for type dX_MF; did you mean 'eta'?; expected eta, a"),
        (('<a value="1"/>\n', ""), "line 2: type dX_MF needs the key 'a'; add <a value"),
        (('<a value="1"/>', '<a value="1"/>\n<a value="2"/>'), "line 5: key 'a' is already on line 4"),
        (('<a value="1"/>', '<a value="one"/>'), "line 4: a: 'one' is not a number"),
        (('<a value="1"/>', '<a value="-1"/>'), "line 4: a: -1 is not positive"),
        (('<a value="1"/>', "<a>1</a>"), 'line 4: expected <a value="..."/>'),
        (('"dX_MF"', '"dX_FM"'), "line 2: type 'dX_FM', expected one of dX_MF, .*did you mean 'dX_MF'"),
        (("MLMOD", "MOD"), "line 1: the root is <MOD>, expected <MLMOD>"),
        (("<MLMOD>", "<!DOCTYPE a>\n<MLMOD>"), "has a document type or entities"),
        (
            ("<MLMOD>", '<?xml version="1.0" encoding="bogus-9"?>\n<MLMOD>'),
            "encoding.*bogus-9.*; store the file as UTF-8",
        ),
        (("<MLMOD>", '<MLMOD version="2">'), "line 1: <MLMOD> has the attribute 'version'; expected none"),
        (('"dX_MF"', '"dX_MF" name="x"'), "line 2: <model_data> has the attribute 'name'; expected type"),
        (('<a value="1"/>', '<a value="1" units="x"/>'), "line 4: <a> has the attribute 'units'; expected value"),
        (("<model_data", "<foo/>\n<model_data"), "line 2: <foo> next to <model_data>"),
        (("</MLMOD>", '<model_data type="dX_MF"/>\n</MLMOD>'), "line 7: a second <model_data> next to"),
        (('<a value="1"/>', '<a value="1"><b/></a>'), "line 4: <b> within <a>"),
        (('<a value="1"/>\n', '<a value="1"/>\n<!-- all\nis -->\nstray text\n'), "line 7: the text 'stray text'"),
        (('<a value="1"/>', '<a value="1">2</a>'), "line 4: the text '2' belongs to no key"),
        (('<epsilon value="0"/>', '<epsilon value="-3"/>'), "line 5: epsilon: -3 is negative; expected 0 or more"),
        (('<a value="1"/>', '<a value="1"/>\n<mask_fix value="FINAL"/>'), "line 5: mask_fix: 'FINAL' is unknown"),
        (('<a value="1"/>', '<a value="1"/>\n<mask_input value="x"/>'), "line 5: mask_input: 'x' is unknown"),
    ],
)
def test_what_is_wrong_in_a_file_names_the_line(change, message, tmp_path, capsys):
    path = tmp_path / "wrong.xml"
    path.write_text(GOOD)
    load(path, units="real")
    path.write_text(GOOD.replace(*change))
    with pytest.raises(LabkitError, match=f"wrong.xml.*{message.replace('?', '.')}"):
        load(path, units="real")
    assert main(["hooks", "check", str(path)]) == 2
    assert capsys.readouterr().err.startswith("labkit: ")


def test_comments_may_stand_everywhere(tmp_path):
    path = tmp_path / "good.xml"
    path.write_text(
        "<!-- a -->" + GOOD.replace("<a ", "<!-- b -->\n<a ").replace("</MLMOD>", "<!-- c -->\n</MLMOD><!-- d -->")
    )
    assert load(path, units="real").mobility.a == 1.0


@pytest.mark.parametrize("kind", ["dX_MF_Q1_ML1_Pair", "dX_MF_Q1_ML1_N2N"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"KBT": -1.0}, "line .: KBT: -1.0 is negative"),
        ({"KBT": -1.0, "delta": -0.01}, "line .: delta: -0.01 is negative"),
        ({"delta": 0}, "line .: delta: is 0; the drift takes differences over a positive length"),
    ],
)
def test_noise_and_drift_are_not_silently_off(kind, change, message, tmp_path):
    with pytest.raises(LabkitError, match=message):
        load(parameters(tmp_path, kind, **(WARM[kind] | change)), units="real")
    load(parameters(tmp_path, kind, **(WARM[kind] | {"flag_thm_drift": 0, "delta": 0})), units="real")


class Lopsided(torch.nn.Module):
    """The identity, and 0.25 in the row of the first particle's y and some column, where there is one."""

    def __init__(self, column: int):
        super().__init__()
        self.column = column

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m = torch.eye(x.shape[0])
        if self.column < x.shape[0]:
            m[1, self.column] = 0.25
        return m.reshape(-1, 1)


@pytest.mark.parametrize(
    ("kind", "key", "column", "other"),
    [("dX_MF_Q1_ML1_Pair", "M_ii_filename", 2, "0 along z"), ("dX_MF_Q1_ML1_N2N", "M_filename", 3, "1 along x")],
)
def test_a_mobility_that_is_not_symmetric_is_seen_before_and_in_the_first_step(
    kind, key, column, other, tmp_path, capsys
):
    path = parameters(tmp_path, kind, **(WARM[kind] | {key: Lopsided(column), "flag_stochastic": 0}))
    message = (
        rf"the mobility is not symmetric: M\[1, {column}\] = 0.25 \(particle 0 along y, a force on {other}; .*\), but "
        rf"M\[{column}, 1\] = 0\. .*export a model that returns \(M \+ M.T\)/2"
    )
    assert main(["hooks", "check", str(path)]) == 2
    assert re.search(rf"line \d: {key}: {message}", capsys.readouterr().err)
    state = State.from_atoms(Atoms("Ar2", [[0, 0, 0], [3, 1, 2]]))
    dynamics = load(path, units="real")
    with pytest.raises(LabkitError, match=message):
        dynamics.step(state.replace(forces=torch.ones_like(state.positions)), None, 1.0)


def test_every_type_is_explained_by_a_sentence():
    """`It` is put before it, and a full stop behind."""
    for kind in KINDS.values():
        assert (
            kind.description.split()[0] in {"adds", "carries", "computes", "moves", "replaces"}
            and kind.description[-1] != "."
        )


PIECES = [
    b'encoding="utf-16"',
    b'<?xml version="1.0" encoding="x"?>',
    b"&#0;",
    b"&a;",
    b"<!--",
    b"<![CDATA[1]]>",
    b"\0",
    b"\xff\xfe",
]
PIECES += [
    b'value=""',
    b"</model_data>",
    b"<model_data",
    b"\xb2",
    "²".encode(),
    b"1" * 5000,
    b"<a>" * 500,
    b"xmlns:a='b'",
    b"<a:b/>",
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.binary(max_size=60)
    | st.tuples(st.integers(0, 130), st.integers(0, 40), st.sampled_from(PIECES) | st.binary(max_size=4))
)
def test_whatever_is_in_a_file_only_a_sentence_comes_out(tmp_path_factory, made):
    """Any bytes, and a good file with a part cut out and something put there instead."""
    if isinstance(made, tuple):
        first, length, piece = made
        made = GOOD.encode()[:first] + piece + GOOD.encode()[first + length :]
    path = tmp_path_factory.getbasetemp() / "any.xml"
    for content in (made, made[: len(made) // 2]):
        path.write_bytes(content)
        try:
            load(path, units="real")
        except LabkitError as error:
            assert re.match(re.escape(str(path)) + r"(, line \d+(, column \d+)?)?: \S", str(error))


def test_a_name_that_no_file_can_have(tmp_path):
    path = parameters(tmp_path, "F_Pair_ML1", F_filename="x" * 400, **PAIR)
    with pytest.raises(LabkitError, match="line 4: F_filename: there is no file x"):
        load(path, units="real")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (exported.Times(1.0, 0, 4), r"line 8: F_filename.*returns \(4, 1\) for a column \(6, 1\), expected \(6, 1\)"),
        (exported.Wall(1.0, 0.0, 0.0), r"returns \(36, 1\) for a column \(6, 1\), expected \(6, 1\)"),
        (torch.nn.Linear(6, 6), r"line 8: F_filename: .*does not take the column \(6, 1\)"),
    ],
)
def test_models_of_wrong_shapes(module, message, tmp_path, capsys):
    path = parameters(tmp_path, "F_Pair_ML1", **PAIR, F_filename=module)
    assert main(["hooks", "check", str(path)]) == 2
    assert re.search(message, capsys.readouterr().err)
    with pytest.raises(LabkitError, match=message):
        load(path, units="real").evaluate(State.from_atoms(Atoms("Ar2", [[0, 0, 0], [1, 2, 3]])))


def test_a_model_that_is_missing_or_no_exported_one(tmp_path):
    path = parameters(tmp_path, "F_Pair_ML1", F_filename="gone.pt", **PAIR)
    with pytest.raises(LabkitError, match=r"parameters.xml, line 4: F_filename: there is no file gone.pt or .*gone.pt"):
        load(path, units="real")
    torch.save({"weight": torch.ones(2)}, tmp_path / "gone.pt")
    with pytest.raises(LabkitError, match=r"line 4: F_filename: .*gone.pt is not an exported model.*torch.jit.save"):
        load(path, units="real")
    with pytest.raises(LabkitError, match="missing.xml: cannot be read"):
        load(tmp_path / "missing.xml", units="real")
