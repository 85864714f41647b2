"""No file of the force fields needs, through others, one that needs it; imports for types alone do not count."""

from __future__ import annotations

import grimp
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules, each of which needs all others of its group."""
    modules = sorted(imports)
    place = {module: k for k, module in enumerate(modules)}
    edges = [(place[a], place[b]) for a in modules for b in imports[a] if b in place]
    row, column = np.array(edges).reshape(-1, 2).T
    graph = csr_array((np.ones(len(edges)), (row, column)), shape=(len(modules), len(modules)))
    count, group = connected_components(graph, connection="strong")
    parts = [{modules[k] for k in np.flatnonzero(group == g)} for g in range(count)]
    return [part for part in parts if len(part) > 1]


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == [{"a", "b", "c"}]


def test_no_circle_between_files() -> None:
    graph = grimp.build_graph("labkit", exclude_type_checking_imports=True, cache_dir=None)
    modules = {module for module in graph.modules if module.startswith("labkit.forcefield.")}
    assert len(modules) > 50
    assert circles({module: graph.find_modules_directly_imported_by(module) for module in modules}) == []
