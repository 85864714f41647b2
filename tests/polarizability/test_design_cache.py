"""Designs are built once for each settings; the least recently used are dropped."""

import pytest

import labkit
from labkit.polarizability import with_label
from labkit.polarizability.design_cache import DesignCache

SMALL = {"n_max": 2, "l_max": 2, "n_features": 5, "cutoff": 3.0}


@pytest.fixture
def cache():
    frames = with_label(labkit.datasets.ice("train"), "polarizability")
    return DesignCache(frames[:6], frames[6:8], size=2)


def test_a_design_is_built_once_and_the_oldest_is_dropped(cache):
    one, two, three = ({**SMALL, "zeta": zeta} for zeta in (1, 2, 3))
    first = cache.build(one)
    assert cache.get(one) is first and first.design.settings.zeta == 1 and cache.get(two) is None
    cache.build(two)
    assert cache.build(one) is first
    cache.build(three)
    assert cache.get(two) is None and cache.get(one) is first
    cache.keep([one, two])
    cache.build(two)
    assert cache.get(three) is None and cache.get(one) is first


def test_values_are_those_of_designs_that_differ_in_nothing_else(cache):
    cache.build({**SMALL, "zeta": 2})
    cache.build({**SMALL, "zeta": 1, "cutoff": 3.5})
    assert cache.values("zeta", {**SMALL, "zeta": 1}) == [2]
    assert cache.values("cutoff", {**SMALL, "zeta": 1}) == [3.5]
