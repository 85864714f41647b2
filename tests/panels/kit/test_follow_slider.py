"""Work that follows a slider gives way to what is newer."""

import threading
import time

from labkit.errors import Stopped
from labkit.panels.kit.follow_slider import FollowSlider


def test_long_work_ends_when_there_is_something_newer_to_do():
    begun, steps, ended = threading.Event(), [], []

    def work():
        begun.set()
        for step in range(200 if not steps else 3):
            if latest.should_stop():
                ended.append("stopped")
                raise Stopped
            latest.update(step, 200)
            steps.append(step)
            time.sleep(0.01)
        ended.append("whole")

    latest = FollowSlider(work, "sweep", print)
    latest.ask()
    begun.wait(5)
    latest.ask()
    latest.settle(10)
    assert ended == ["stopped", "whole"] and len(steps) < 50
