"""YAML files of settings, read with care: nothing in them can run, grow without bound or be given twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

#: Values in a file, those that an alias repeats counted each time; the largest force fields have some 100,000.
MOST_VALUES = 2_000_000
DEEPEST = 500  # brackets within one another


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file.

    A key that is given twice is refused, unless one of the two is null, as in run files of TorchMD's, or both are
    equal. Python's tuples, which TorchMD writes, are lists here; no other tag of Python's is read.

    Raises LabkitError, naming the file, if it cannot be read or is not YAML.
    """
    return parse_yaml(yaml_text(path), str(path))


def yaml_text(path: str | Path) -> str:
    """The text of a YAML file; raises LabkitError, naming the file, if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise LabkitError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabkitError(f"{path}: not YAML: {error}") from error


def parse_yaml(text: str, where: str) -> Any:
    """As read_yaml, of a text; `where` names it in errors."""
    try:
        import yaml
    except ImportError as error:
        raise LabkitError('PyYAML is not installed; run: pip install "labkit[forcefield]"') from error

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            _merge_repeated(self, node, where)
            return super().construct_mapping(node, deep)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_yaml_seq)
    if _depth(text) > DEEPEST:  # PyYAML takes a time that grows with the square of it, and then gives up
        raise LabkitError(f"{where}: not YAML that labkit reads: its values are nested too deeply")
    loader = None
    try:
        loader = Loader(text)  # which refuses characters that YAML has not
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_VALUES:
            raise LabkitError(f"{where}: holds more than {MOST_VALUES} values, most of them by aliases (*name)")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise LabkitError(f"{where}: not YAML: {error}") from error
    except RecursionError as error:
        raise LabkitError(f"{where}: not YAML that labkit reads: its values are nested too deeply") from error
    except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # an impossible date, a number of too many digits, a tag with a value that it cannot have
        if isinstance(error, LabkitError):
            raise
        raise LabkitError(f"{where}: not YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _depth(text: str) -> int:
    """The deepest nesting by brackets, those in texts and comments counted too."""
    depth = deepest = 0
    for bracket in re.findall(r"[][{}]", text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


def _merge_repeated(loader: Any, node: Any, where: str) -> None:
    """Keep one of each key; raise LabkitError for one with two different values."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return
    kept: dict[Any, int] = {}
    rows: list[tuple[Any, Any]] = []
    for key, value in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
        if name not in kept or key.tag == "tag:yaml.org,2002:merge":
            kept[name] = len(rows)
            rows.append((key, value))
            continue
        before = rows[kept[name]][1]
        if _null(before):
            rows[kept[name]] = (key, value)
        elif not _null(value):
            first, second = (loader.construct_object(n, deep=True) for n in (before, value))
            if first != second:
                raise LabkitError(
                    f"{where}: line {key.start_mark.line + 1}: {key.value!r} is given twice, as {first!r:.40} and as "
                    f"{second!r:.40}; keep one"
                )
    node.value = rows


def _null(node: Any) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _size(node: Any, known: dict[int, int]) -> int:
    """The number of values in a node, with those of each alias; a node within itself counts as too many."""
    import yaml

    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_VALUES + 1  # until it is known: a node that holds itself
    parts = []
    if isinstance(node, yaml.SequenceNode):
        parts = node.value
    elif isinstance(node, yaml.MappingNode):
        parts = [part for row in node.value for part in row]
    known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
