"""Parts of work: their reports add up to those of the whole, and Stop reaches them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base import NO_PROGRESS, Progress


class Recorded(Progress):
    def __init__(self, stop: bool = False) -> None:
        self.seen, self.stop = [], stop

    def update(self, step, total, **metrics):
        self.seen.append((step, total, metrics))

    def should_stop(self):
        return self.stop

    @property
    def fractions(self):
        return [step / total for step, total, _ in self.seen]


def work(progress: Progress, steps: int) -> None:
    for step in range(steps + 1):
        progress.update(step, steps, loss=step)


def test_equal_parts_fill_the_whole():
    progress = Recorded()
    for k in range(4):
        work(progress.part(k, 4), 5)
    assert progress.fractions == pytest.approx([k / 4 + step / 20 for k in range(4) for step in range(6)])
    assert progress.seen[7][2] == {"loss": 1}


def test_a_part_as_long_as_its_steps_counts_the_steps_of_the_whole():
    """Blocks of a run report steps of the run, exactly."""
    progress = Recorded()
    for begin, size in ((0, 3), (3, 7)):
        work(progress.part(begin, 10, size), size)
    assert [(step, total) for step, total, _ in progress.seen] == [
        (k, 10) for begin, end in ((0, 3), (3, 10)) for k in range(begin, end + 1)
    ]


@given(sizes=st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=4), min_size=1, max_size=4))
def test_parts_of_parts_never_go_back_and_end_at_the_end(sizes):
    progress = Recorded()
    for k, inner in enumerate(sizes):
        outer = progress.part(k, len(sizes))
        for j, size in enumerate(inner):
            work(outer.part(sum(inner[:j]), sum(inner), size), 3)
    found = progress.fractions
    assert all(a <= b + 1e-12 for a, b in zip(found, found[1:])) and found[0] == 0.0
    assert found[-1] == pytest.approx(1.0, abs=1e-12)


def test_stop_reaches_parts_of_parts():
    progress = Recorded()
    part = progress.part(0, 2).part(1, 3)
    assert not part.should_stop()
    progress.stop = True
    assert part.should_stop()


def test_the_result_of_a_part_is_not_that_of_the_whole():
    progress, found = Recorded(), []
    progress.part(0, 2).update(1, 2, result="of the part", loss=3.0)
    part = progress.part(1, 2, result=lambda: list(found))
    part.update(0, 2, result="of the part")
    found.append(1)
    part.update(1, 2)
    part.part(1, 2).update(1, 1)
    assert [metrics for _, _, metrics in progress.seen] == [
        {"loss": 3.0},
        {"result": []},
        {"result": [1]},
        {"result": [1]},
    ]


def test_a_part_without_steps_is_at_its_beginning():
    progress = Recorded()
    progress.part(1, 2).update(0, 0)
    assert progress.fractions == [0.5]


def test_without_progress_parts_cost_nothing():
    assert NO_PROGRESS.part(1, 3) is NO_PROGRESS
