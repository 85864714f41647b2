"""Tasks here and on workers: the same results, stopped between two, failures with the task's name."""

import os
import signal

import pytest

from labkit.errors import LabkitError, Stopped
from labkit.parallel import each


def power(base: float, exponent: int) -> float:
    if exponent < 0:
        raise LabkitError("expected an exponent from 0")
    return base**exponent


def die_once(folder: str, number: int) -> int:
    """The first task to run takes its worker with it."""
    try:
        os.close(os.open(f"{folder}/died", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


class StopAfter:
    def __init__(self, count: int) -> None:
        self.left = count

    def update(self, *_: object, **__: object) -> None:
        self.left -= 1

    def should_stop(self) -> bool:
        return self.left <= 0


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(params=["here", "workers"])
def place(request):
    return None if request.param == "here" else request.getfixturevalue("client")


def test_results_have_their_names(place) -> None:
    assert dict(each(power, {n: (n,) for n in range(6)}, 3, client=place)) == {n: 3**n for n in range(6)}


def test_failures_name_their_task(place) -> None:
    with pytest.raises(LabkitError, match="exponent from 0") as error:
        dict(each(power, {("bad", 1): (-1,)}, 3, client=place))
    assert "in task ('bad', 1)" in error.value.__notes__


def test_stop_comes_between_two_tasks(place) -> None:
    seen = []
    with pytest.raises(Stopped):
        for key, _ in each(power, {n: (n,) for n in range(50)}, 3, client=place, progress=StopAfter(3)):
            seen.append(key)
    assert 3 <= len(seen) < 50


@pytest.mark.slow
def test_a_lost_worker_loses_no_task(client, tmp_path) -> None:
    assert dict(each(die_once, {n: (n,) for n in range(4)}, str(tmp_path), client=client)) == {n: n for n in range(4)}
