"""Contests of strategies from stored labels, what each saves, and replays of runs."""

from labkit.active.contest.contest import contest
from labkit.active.contest.replay import Replay, replay, replay_thresholds, spreads_and_errors
from labkit.active.contest.scores import Scores
from labkit.active.contest.spread_measure import spread_measure
from labkit.active.contest.stored_labels import StoredLabels
from labkit.active.contest.strategy import Strategy, grid

__all__ = [
    "Replay",
    "Scores",
    "StoredLabels",
    "Strategy",
    "contest",
    "grid",
    "replay",
    "replay_thresholds",
    "spread_measure",
    "spreads_and_errors",
]
