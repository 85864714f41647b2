"""OnCluster: an oracle whose calculations run on the workers of a dask client, here or on a queue system."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ase import Atoms

from labkit.errors import LabkitError, Stopped, suggest
from labkit.oracles import CalculationFailed, Label, MissingProgram, Oracle
from labkit.oracles.oracle import never
from labkit.oracles.wrapped import Tolerant, Wrapped

if TYPE_CHECKING:
    from distributed import Client

POLL = 0.02  # s between two looks at a calculation
#: queue systems of dask-jobqueue
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}


class OnCluster(Wrapped):
    """An oracle that computes on the workers of a `distributed.Client`; labels, hash and store are as without it.

    A calculation whose worker was lost runs on another one. The seconds of the calculation are booked, not those in
    the queue. When a run is stopped, calculations that wait are cancelled; those that run end on their worker, and what
    they return is thrown away. Set workers= of `learn` or `label` to the number of calculations to be sent at a time.

    >>> client = queue_client("slurm", jobs=20, cores=4, memory="8GB")  # doctest: +SKIP
    >>> learn(pool, model, GpVariance, rule, OnCluster(PySCF("pbe"), client), 200, workers=20)  # doctest: +SKIP
    """

    def __init__(self, oracle: Oracle, client: Client) -> None:
        super().__init__(oracle)
        self.client = client

    def require(self) -> None:
        """Nothing: the workers need the oracle's program, not this process."""

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        future = self.client.submit(_compute, self.oracle, atoms, pure=False)
        try:
            while not future.done():
                if should_stop():
                    raise Stopped("the calculation was cancelled")
                time.sleep(POLL)
            if future.status != "finished":
                error = future.exception()
                raise CalculationFailed(f"{self.name}: its worker was lost ({type(error).__name__}: {error})")
            label, error, seconds = future.result()
        finally:
            self.client.cancel([future])
        if error is not None:
            error.seconds = seconds
            raise error
        return label, seconds


def _compute(oracle: Oracle, atoms: Atoms) -> tuple[Label | None, LabkitError | None, float]:
    """On a worker: the label or the error, and the seconds."""
    started = time.monotonic()
    try:
        label, seconds = Tolerant(oracle).timed(atoms)
        return label, None, seconds
    except LabkitError as error:
        return None, error, time.monotonic() - started


def local_client(workers: int = 2, **settings: Any) -> Client:
    """A client with so many worker processes of one thread on this machine; `settings` are those of LocalCluster.

    It ends the workers when it is closed, or at the end of a `with`.
    """
    distributed = _package("distributed", "python -m pip install distributed")
    options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"} | settings
    return distributed.Client(**options)


def queue_client(system: str, jobs: int, **settings: Any) -> Client:
    """A client whose workers are `jobs` jobs of a queue system.

    settings  those of dask-jobqueue: cores, memory, walltime, queue, account, ...

    Raises LabkitError for an unknown system, and MissingProgram if a package is missing.
    """
    if system not in QUEUES:
        raise LabkitError(f"no queue system {system!r}; expected one of {', '.join(QUEUES)}{suggest(system, QUEUES)}")
    distributed = _package("distributed", "python -m pip install distributed")
    cluster = getattr(_package("dask_jobqueue", "python -m pip install dask-jobqueue"), QUEUES[system])(**settings)
    cluster.scale(jobs=jobs)
    return distributed.Client(cluster)


def _package(name: str, install: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingProgram(f"{name} is not installed, which workers need; run: {install}") from error
