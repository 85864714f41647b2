"""Designs of several settings that are kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from labkit.base import NO_PROGRESS, Progress
from labkit.polarizability.labels import Frames
from labkit.polarizability.split_design import SplitDesign


class DesignCache:
    """SplitDesigns of the same frames by their settings; of more than `size`, the least recently used ones are dropped.

    >>> import labkit
    >>> from labkit.polarizability import with_label
    >>> frames = with_label(labkit.datasets.ice("train"), "polarizability")
    >>> cache = DesignCache(frames[:6], frames[6:8], size=2)
    >>> settings = {"n_max": 2, "l_max": 2, "n_features": 5}
    >>> cache.build({**settings, "zeta": 1}) is cache.get({**settings, "zeta": 1}), cache.get(settings)
    (True, None)
    """

    def __init__(self, train: Frames, valid: Frames, size: int) -> None:
        self.train, self.valid, self.size = train, valid, size
        self._designs: OrderedDict[tuple, SplitDesign] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, settings: Mapping[str, Any]) -> SplitDesign | None:
        return self._designs.get(_key(settings))

    def build(self, settings: Mapping[str, Any], progress: Progress = NO_PROGRESS) -> SplitDesign:
        """The design of these settings, built unless it is here."""
        found = self.get(settings) or SplitDesign.build(self.train, self.valid, settings, progress)
        with self._lock:
            self._designs[_key(settings)] = found
            self._designs.move_to_end(_key(settings))
            while len(self._designs) > self.size:
                self._designs.popitem(last=False)
        return found

    def keep(self, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Drop designs of these settings last."""
        with self._lock:
            for key in map(_key, wanted):
                if key in self._designs:
                    self._designs.move_to_end(key)

    def values(self, name: str, settings: Mapping[str, Any]) -> list[Any]:
        """The values of setting `name` among the designs that agree with `settings` in all others."""
        made = [dict(key) for key in list(self._designs)]
        return sorted(s[name] for s in made if {**s, name: 0} == {**settings, name: 0})


def _key(settings: Mapping[str, Any]) -> tuple:
    return tuple(sorted(settings.items()))
