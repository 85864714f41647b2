import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.errors import LabkitError, Stopped
from labkit.files import atomic_write
from labkit.jobs import NOTIFY_INTERVAL, Job, finish


def anneal(steps, progress, checkpoint=None):
    """Real work: steepest descent of a rattled copper cell, a block a step, kept in a checkpoint."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    first, energy = 0, None
    if checkpoint is not None and Path(checkpoint).exists():
        kept = np.loadtxt(checkpoint)
        first, atoms.positions = int(kept[-1, 0]), kept[:-1]
    for step in range(first, steps):
        if progress.should_stop():
            raise Stopped(partial=energy)
        atoms.calc = EMT()  # its neighbour list depends on history; a new one on positions alone
        energy = atoms.get_potential_energy()
        atoms.positions += 0.02 * atoms.get_forces()
        if checkpoint is not None:
            rows = [*atoms.positions, [step + 1, 0, 0]]
            atomic_write(checkpoint, "\n".join(" ".join(f"{x:.17g}" for x in row) for row in rows))
        progress.update(step + 1, steps, energy=energy, result=step + 1)
        time.sleep(0.002)
    return energy


def squares(n, progress, delay=0.01):
    for i in range(n):
        time.sleep(delay)
        progress.update(i + 1, n)
        yield i * i


def fail_at(step, progress):
    for i in range(step):
        progress.update(i, step)
        yield i
    raise LabkitError(f"step {step} cannot be done; take fewer")


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_plain_functions_and_generators_need_no_progress():
    """And those that take any keyword get it."""

    def halves(n):
        for k in range(n):
            yield k / 2

    assert Job(halves, 5).start().wait(5) == 2.0
    assert Job(pow, 2, 5).start().wait(5) == 32
    assert Job(lambda **options: sorted(options), size=1).start().wait(5) == ["progress", "size"]
    endless = Job(lambda: (time.sleep(0.01) or k for k in itertools.count())).start()
    until(lambda: endless.result)
    endless.stop()
    assert endless.wait(5) > 0 and endless.status == "stopped"


def test_result_and_progress():
    job = Job(anneal, 20).start()
    energy = job.wait(10)
    assert job.status == "done" and energy == job.result and job.progress.fraction == 1.0
    assert job.progress.metrics["energy"] == pytest.approx(energy, abs=1e-12)
    assert job.seconds > 0


def test_stop_ends_within_a_block_and_keeps_the_partial_result():
    job = Job(anneal, 100_000).start()
    until(lambda: job.progress.step > 3)
    start = time.monotonic()
    job.stop()
    assert job.stopping
    energy = job.wait(5)
    assert time.monotonic() - start < 0.5
    assert job.status == "stopped" and 0 < job.progress.fraction < 1
    assert energy == job.result == pytest.approx(job.progress.metrics["energy"], abs=0.1)


def test_stop_heard_by_a_function_that_returns():
    def work(progress):
        while not progress.should_stop():
            time.sleep(0.005)
        return "half"

    job = Job(work).start()
    job.stop()
    assert job.wait(5) == "half" and job.status == "stopped"


def test_generator_gives_its_latest_and_is_closed_by_stop():
    closed = []

    def work(progress):
        try:
            yield from squares(10_000, progress)
        finally:
            closed.append(True)

    job = Job(work).start()
    until(lambda: job.result and job.result >= 4)
    job.stop()
    root = round(job.wait(5) ** 0.5)
    assert job.status == "stopped" and closed and abs(job.progress.step - 1 - root) == 0


def test_failure_is_shown_and_raised_and_the_result_so_far_stays():
    job = Job(fail_at, 3).start()
    with pytest.raises(LabkitError, match="take fewer"):
        job.wait(5)
    assert job.status == "failed" and job.result == 2 and job.message == "step 3 cannot be done; take fewer"
    finish(5)  # it was told once: not again


def test_finish_raises_what_nobody_was_told():
    Job(fail_at, 1, name="a").start()
    Job(squares, 3).start()
    Job(fail_at, 2, name="b").start()
    with pytest.raises(LabkitError) as caught:
        finish(10)
    assert len(caught.value.__notes__) == 1 and "also failed" in caught.value.__notes__[0]
    finish(1)


def test_finish_waits_and_names_what_still_runs():
    job = Job(anneal, 100_000, name="long").start()
    with pytest.raises(TimeoutError, match="'long' is still running"):
        finish(0.05)
    job.stop()
    finish(5)
    assert job.status == "stopped"


def test_other_errors_are_named_with_their_type():
    job = Job(lambda progress: 1 / 0).start()
    with pytest.raises(ZeroDivisionError):
        job.wait(5)
    assert job.message == "ZeroDivisionError: division by zero"


def test_system_exit_in_a_job_is_not_lost():
    with pytest.raises(SystemExit):
        Job(lambda progress: sys.exit(3)).start().wait(5)


def test_two_jobs_at_once_do_not_mix():
    first, second = Job(squares, 30).start(), Job(squares, 10_000).start()
    assert first.wait(10) == 29**2 and second.status == "running"
    second.stop()
    partial = second.wait(5)  # the last number that it gave, before the step at which it was stopped
    assert second.status == "stopped" and partial in {(second.progress.step - k) ** 2 for k in (1, 2)}


def test_callbacks_are_throttled_and_see_the_end():
    seen = []
    job = Job(squares, 200, delay=0.004)
    job.on_change(lambda job: seen.append((time.monotonic(), job.status, job.progress.step)))
    job.start().wait(20)
    times = np.array([t for t, _, _ in seen])
    assert seen[-1][1:] == ("done", 200)
    assert (np.diff(times)[:-1] > 0.8 * NOTIFY_INTERVAL).all()  # the end alone comes at once
    assert len(seen) >= 3


def test_a_callback_that_fails_makes_the_job_fail():
    def draw(job):
        raise ValueError("cannot draw")

    job = Job(squares, 5)
    job.on_change(draw)
    with pytest.raises(ValueError, match="cannot draw"):
        job.start().wait(5)
    assert job.status == "failed" and job.result == 16


def test_slow_callbacks_do_not_hold_up_the_work():
    job = Job(squares, 20, delay=0.001)
    job.on_change(lambda job: time.sleep(0.2))
    assert job.start().wait(5) == 361 and job.seconds < 0.2


def test_eta_follows_the_pace():
    job = Job(squares, 40, delay=0.02).start()
    assert job.progress.eta is None
    until(lambda: job.progress.step >= 20)
    assert 0.2 < job.progress.eta < 1.2
    job.wait(5)
    assert job.progress.eta == 0


def test_resume_goes_on_from_the_checkpoint_to_the_same_result(tmp_path):
    whole = Job(anneal, 60).start().wait(20)
    job = Job(anneal, 60, checkpoint=tmp_path / "anneal.txt").start()
    until(lambda: job.progress.step >= 5)
    job.stop()
    job.wait(5)
    assert job.status == "stopped" and job.progress.step < 60
    stopped_at = job.progress.step
    job.resume()
    assert job.wait(20) == whole and job.status == "done" and stopped_at >= 5


def test_resume_without_a_checkpoint_or_of_a_finished_job_says_what_to_do(tmp_path):
    with pytest.raises(LabkitError, match="checkpoint='FILE'"):
        Job(squares, 3).resume()
    job = Job(anneal, 1, checkpoint=tmp_path / "a").start()
    job.wait(5)
    with pytest.raises(LabkitError, match="is done"):
        job.resume()
    with pytest.raises(LabkitError, match="was started before"):
        job.start()
    with pytest.raises(LabkitError, match="call start"):
        Job(squares, 3).wait()


def test_interrupt_stops_the_job_and_is_raised_again():
    job = Job(anneal, 100_000).start()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        job.wait(10)
    until(lambda: job.status == "stopped")
    assert job.result is not None


def test_interrupt_of_finish_stops_all():
    jobs = [Job(anneal, 100_000).start(), Job(squares, 100_000).start()]
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        finish(10)
    until(lambda: all(job.status == "stopped" for job in jobs))


def test_a_killed_process_loses_at_most_one_block(tmp_path):
    """Kill the work as a dying kernel would, then go on in another process: the same bits as undisturbed."""
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_jobs import anneal
        from labkit.jobs import Job
        job = Job(anneal, 80, checkpoint={str(tmp_path / "kept.txt")!r}).start()
        print(repr(float(job.wait(60))))
        """)
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen([sys.executable, script], env=env, stdout=subprocess.PIPE)
    until((tmp_path / "kept.txt").exists, 20)
    process.kill()
    process.wait()
    process.stdout.close()
    step = int(np.loadtxt(tmp_path / "kept.txt")[-1, 0])
    assert 0 < step < 80
    again = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, check=True)
    assert float(again.stdout) == Job(anneal, 80).start().wait(60)


def test_finish_waits_for_jobs_that_jobs_start():
    def parent(progress):
        time.sleep(0.05)
        Job(child).start()

    def child(progress):
        time.sleep(0.1)
        raise ValueError("the child failed")

    Job(parent).start()
    with pytest.raises(ValueError, match="the child failed"):
        finish(10)


def test_resume_inside_a_callback_is_refused(tmp_path):
    said = []

    def callback(job):
        if job.status == "stopped" and not said:
            try:
                job.resume()
            except LabkitError as error:
                said.append(str(error))

    job = Job(anneal, 10_000, checkpoint=tmp_path / "kept.txt")
    job.on_change(callback)
    job.start()
    until(lambda: job.progress.step > 2)
    job.stop()
    until(lambda: said)
    assert "cannot resume itself from on_change" in said[0]
