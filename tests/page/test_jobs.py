import itertools
import threading
import time

import pytest
from atelier.errors import NotYet, UserError
from atelier.page.jobs import Job, Slots
from visits import wait_for


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


def test_a_finite_run_finishes():
    job = Job(lambda: iter(range(5)), slots=Slots(1))
    job.start()
    job.join(60)  # the first job imports torch
    assert (job.state, job.count, job.latest) == ("finished", 5, 4)


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


@pytest.mark.parametrize(
    ("error", "state"), [(UserError("Choose another rate."), "failed"), (NotYet("Paint first."), "missing")]
)
def test_an_error_is_kept_and_said(error, state):
    def steps():
        yield 1
        raise error

    job = Job(steps, slots=Slots(1))
    job.start()
    job.join(5)
    assert (job.state, job.message, job.active) == (state, str(error), False)


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


def test_a_move_in_the_queue_is_told():
    slots, places = Slots(1), []
    first = Job(endless, slots=slots)
    first.start()
    wait_for(lambda: first.state == "running")
    second = Job(endless, slots=slots)
    third = Job(endless, slots=slots, on_change=lambda: places.append((third.state, third.place)))
    for job in (second, third):
        job.start()
        wait_for(lambda: job.place > 0)  # noqa: B023
    wait_for(lambda: ("queued", 2) in places)
    second.stop()
    wait_for(lambda: ("queued", 1) in places)
    for job in (first, third):
        job.stop()
        job.join(5)


def test_slow_motion_lets_others_compute():
    slots = Slots(1)
    slow, other = Job(endless, slots=slots), Job(endless, slots=slots)
    slow.delay = 30
    slow.start()
    wait_for(lambda: slow.count == 1)
    other.start()
    wait_for(lambda: other.count > 3)
    for job in (slow, other):
        job.stop()
        job.join(5)
