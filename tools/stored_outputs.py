"""Run notebooks in fast mode and store the outputs of the cells that nbval compares; all others stay stripped.

    python -m tools.stored_outputs notebooks/07_engine_tour.ipynb ...

For changes that must change numbers: read the diff, each number must be within its error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TAG, COMMENT = "nbval-check-output", "# NBVAL_CHECK_OUTPUT"


def store(path: Path) -> int:
    """Replace the outputs of the compared cells of a notebook; the number of cells that have changed.

    Raises nbclient's CellExecutionError, and leaves the file as it is, if a cell fails.
    """
    notebook, computed = (nbformat.read(path, as_version=4) for _ in range(2))
    NotebookClient(computed, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    changed = 0
    for cell, new in zip(notebook.cells, computed.cells, strict=True):
        if cell.cell_type == "code" and (COMMENT in cell.source or TAG in cell.metadata.get("tags", [])):
            for output in new.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = None
            changed += cell.outputs != new.outputs
            cell.outputs = new.outputs
    if changed:
        nbformat.write(notebook, path)
    return changed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("notebooks", type=Path, nargs="+")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"LABKIT_SESSION": f"{folder}/session", "LABKIT_CACHE": f"{folder}/cache", "LABKIT_THREADS": "1"}
        os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LABKIT_MODE": "fast"}
        for path in options.notebooks:
            print(f"{path}: {store(path)} cells have changed", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
