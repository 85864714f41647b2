"""YAML read with care: keys given twice, aliases that grow, what would run."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.forcefield.torchmd.yaml_file import parse_yaml, read_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_reads_what_pyyaml_reads(value):
    assert parse_yaml(yaml.safe_dump(value), "file") == value


@given(st.dictionaries(st.text("abcd", min_size=1), PLAIN, min_size=1, max_size=4), st.data())
def test_a_key_given_twice(content, data):
    """Refused where the values differ; null gives way, as in TorchMD's run files, whichever comes first."""
    key, other = data.draw(st.sampled_from(sorted(content))), data.draw(PLAIN)
    rows = [yaml.safe_dump({k: v}) for k, v in content.items()]
    rows.insert(data.draw(st.integers(0, len(rows))), yaml.safe_dump({key: other}))
    if content[key] is None or other is None or content[key] == other:
        assert parse_yaml("".join(rows), "file") == {**content, key: other if content[key] is None else content[key]}
    else:
        with pytest.raises(LabkitError, match=rf"^file: line \d+: {key!r} is given twice"):
            parse_yaml("".join(rows), "file")


def test_keys_given_twice_inside():
    with pytest.raises(LabkitError, match=r"line 3: 'k0' is given twice, as 1 and as 2; keep one"):
        parse_yaml("bonds:\n  (A, A): {k0: 1,\n     k0: 2}\n", "file")
    assert parse_yaml("base: &base {x: 1}\nnext: {<<: *base, x: 2}\n", "file")["next"] == {"x": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 40)), "2000000 values"),
        ("a: &a [*a]", "2000000 values"),
        ("[" * 5000, "nested too deeply"),
        ("a: " + "9" * 5000, "not YAML"),
        ("!!python/object/apply:os.system ['echo no']", "could not determine a constructor"),
        ("a: [1", "not YAML"),
    ],
    ids=["bomb", "itself", "deep", "long", "runs", "cut"],
)
def test_what_could_run_or_grow_is_refused(text, message):
    with pytest.raises(LabkitError, match=message):
        parse_yaml(text, "file")


def test_a_file(tmp_path):
    assert parse_yaml("exclusions: !!python/tuple [bonds, angles]", "file") == {"exclusions": ["bonds", "angles"]}
    with pytest.raises(LabkitError, match=r"none.yaml: cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabkitError, match=r"binary.yaml: not YAML"):
        read_yaml(tmp_path / "binary.yaml")
