"""Independent tasks, one after another or on the workers of a dask client."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from labkit.base import NO_PROGRESS, Progress
from labkit.errors import Stopped

if TYPE_CHECKING:
    from distributed import Client, Future

Key = TypeVar("Key", bound=Hashable)
POLL = 0.05  # s between two checks of the workers


def each(
    function: Callable[..., Any],
    tasks: Mapping[Key, tuple[Any, ...]],
    shared: Any,
    *,
    client: Client | None = None,
    progress: Progress = NO_PROGRESS,
) -> Iterator[tuple[Key, Any]]:
    """Yield (key, function(shared, *arguments)) of each task, as the results arrive.

    With a `distributed.Client` the tasks run on its workers, each of which receives `shared` once; without one they run
    here, in order. A task whose worker was lost runs again on another one.

    Raises the error of a task, with a note that names the task, and Stopped between two tasks when `progress` asks for
    it; tasks that have not started are then cancelled.

    >>> dict(each(lambda base, power: base**power, {"square": (2,), "cube": (3,)}, shared=5))
    {'square': 25, 'cube': 125}
    """
    if client is None:
        results = _serial(function, tasks, shared, progress)
    else:
        results = _distributed(client, function, tasks, shared, progress)
    for done, (key, result) in enumerate(results, 1):
        progress.update(done, len(tasks))
        yield key, result


@contextmanager
def one_thread() -> Iterator[None]:
    """Make torch use one thread, so that sums have the same order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _serial(
    function: Callable[..., Any], tasks: Mapping[Key, tuple[Any, ...]], shared: Any, progress: Progress
) -> Iterator[tuple[Key, Any]]:
    for key, arguments in tasks.items():
        if progress.should_stop():
            raise Stopped
        yield key, _named(key, lambda arguments=arguments: function(shared, *arguments))


def _distributed(
    client: Client, function: Callable[..., Any], tasks: Mapping[Key, tuple[Any, ...]], shared: Any, progress: Progress
) -> Iterator[tuple[Key, Any]]:
    # to every worker: data on a single one is lost with it; in a list, because scatter splits dicts and lists
    sent = client.scatter([shared], broadcast=True, hash=False)[0]
    waiting: dict[Future, Key] = {
        client.submit(function, sent, *arguments, pure=False): key for key, arguments in tasks.items()
    }
    try:
        while waiting:
            if progress.should_stop():
                raise Stopped
            ready = [future for future in waiting if future.done()]
            for future in ready:
                key = waiting.pop(future)
                yield key, _named(key, future.result)
            if not ready:
                time.sleep(POLL)
    finally:
        if waiting:
            client.cancel(list(waiting))


def _named(key: Hashable, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        error.add_note(f"in task {key}")
        raise
