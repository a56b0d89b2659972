import asyncio
import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from atelier.errors import UserError
from atelier.page.jobs import Job, Slots, until_session_ends


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def endless():
    for number in itertools.count(1):
        time.sleep(0.001)
        yield number


@pytest.fixture
def job():
    made = Job(endless, slots=Slots(1))
    yield made
    made.stop()
    made.join(5)


def test_a_finite_run_finishes_and_keeps_what_is_recorded():
    job = Job(lambda: iter(range(5)), record=lambda n: n if n % 2 else None, slots=Slots(1))
    job.start()
    job.join(5)
    assert (job.state, job.count, job.latest, job.history) == ("finished", 5, 4, [1, 3])


def test_pause_holds_and_play_goes_on(job):
    job.start()
    wait_for(lambda: job.count > 3)
    job.pause()
    wait_for(lambda: job.state == "paused")
    held = job.count
    time.sleep(0.05)
    assert job.count == held
    job.start()
    wait_for(lambda: job.count > held)


def test_single_steps_are_single(job):
    for expected in (1, 2, 3):
        job.single_step()
        wait_for(lambda: job.state == "paused" and job.count >= expected)  # noqa: B023
        time.sleep(0.02)
        assert job.count == expected


def test_slow_motion_waits_and_can_be_left(job):
    job.delay = 30
    job.start()
    wait_for(lambda: job.count == 1)
    time.sleep(0.05)
    assert job.count == 1
    job.delay = 0
    job.start()
    wait_for(lambda: job.count > 3)


def test_stop_ends_a_paused_job_and_closes_its_iterator():
    closed = threading.Event()

    def steps():
        try:
            yield from endless()
        finally:
            closed.set()

    job = Job(steps, slots=Slots(1))
    job.single_step()
    wait_for(lambda: job.state == "paused")
    job.stop()
    job.join(5)
    assert job.state == "stopped"
    assert closed.is_set()


def test_an_error_is_kept_and_said():
    def steps():
        yield 1
        raise UserError("Choose another rate.")

    job = Job(steps, slots=Slots(1))
    job.start()
    job.join(5)
    assert (job.state, job.message) == ("failed", "Choose another rate.")


def test_the_queue_is_first_come_first_served_and_a_pause_gives_the_place_away():
    slots = Slots(1)
    jobs = [Job(endless, slots=slots) for _ in range(3)]
    for job in jobs:
        job.start()
        wait_for(lambda: job.state in ("running", "queued") and (job.state == "running" or job.place))  # noqa: B023
    try:
        assert [job.place for job in jobs] == [0, 1, 2]
        jobs[0].pause()
        wait_for(lambda: jobs[1].state == "running")
        assert jobs[2].place == 1
        jobs[2].stop()
        jobs[2].join(5)
        assert jobs[2].state == "stopped"
        jobs[1].stop()
        jobs[0].start()
        wait_for(lambda: jobs[0].state == "running")
    finally:
        for job in jobs:
            job.stop()
            job.join(5)
    assert slots.holders == 0


def test_a_job_may_not_compute_for_ever():
    job = Job(endless, slots=Slots(1), longest_seconds=0.05)
    job.start()
    job.join(5)
    assert job.state == "failed"
    assert "the limit here" in job.message


def test_the_end_of_a_session_closes():
    closed = []

    async def session():
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, True)
            guard = until_session_ends(stack.pop_all())
            await asyncio.sleep(0.01)
            assert not closed
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)

    with ThreadPoolExecutor(1) as thread:  # another test's browser may keep a loop in this one
        thread.submit(asyncio.run, session()).result(10)
    assert closed


def test_without_a_loop_there_is_no_session():
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(until_session_ends, contextlib.ExitStack()).result(10) is None
