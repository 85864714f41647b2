"""Run notebooks in fast mode and store the outputs of their checked cells, where nbval then compares them.

    python -m tools.stored_outputs notebooks/07_engine_tour.ipynb ...

All other outputs stay stripped. Run it when numbers have to change, and read the diff: each must be within its error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

CHECKED = "# NBVAL_CHECK_OUTPUT"


def store(path: Path) -> int:
    """Rewrite the outputs of the checked cells of a notebook; how many cells have changed."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    computed = nbformat.read(path, as_version=4)
    NotebookClient(computed, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    changed = 0
    for cell, new in zip(notebook.cells, computed.cells, strict=True):
        if cell.cell_type == "code" and CHECKED in cell.source:
            for output in new.outputs:
                output.pop("execution_count", None)
                if output.output_type == "execute_result":
                    output.execution_count = None
            changed += cell.outputs != new.outputs
            cell.outputs = new.outputs
    nbformat.write(notebook, path)
    return changed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("notebooks", type=Path, nargs="+")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"LABKIT_SESSION": f"{folder}/session", "LABKIT_CACHE": f"{folder}/cache", "LABKIT_THREADS": "1"}
        os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LABKIT_MODE": "fast"}
        for path in arguments.parse_args().notebooks:
            print(f"{path}: {store(path)} cells have changed", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
