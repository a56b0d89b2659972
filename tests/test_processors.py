"""Processors are shared with other programs: measured, and left to them."""

import time

import pytest
import torch
from atelier import processors
from atelier.page.jobs import Job
from atelier.processors import Others, busy_seconds, on_free_processors, threads_for


@pytest.fixture(autouse=True)
def threads():
    """The number of torch threads of before, put back afterwards."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.fixture
def machine(monkeypatch):
    """A machine of four processors with as much other work as its `load` says."""

    class Machine:
        used = 0.0

        def load(self):
            return self.used

    made = Machine()
    monkeypatch.setattr(processors, "_OTHERS", made)
    monkeypatch.setattr(processors, "most_threads", lambda: 4)
    monkeypatch.setattr(processors, "cores", lambda: 4)
    return made


def test_the_load_is_what_others_did_since_a_second_ago_or_longer(monkeypatch):
    now = {"clock": 100.0, "busy": 50.0, "own": 10.0}
    monkeypatch.setattr(Others, "_now", lambda self: (now["clock"], now["busy"], now["own"]))
    others = Others()
    assert others.load() == 0
    now.update(clock=100.9, busy=55.0)
    assert others.load() == 0, "too short a time to tell"
    now.update(clock=102.0, busy=55.0, own=12.0)
    assert others.load() == pytest.approx((5 - 2) / 2)
    now.update(clock=103.0, busy=55.5, own=13.0)
    assert others.load() == 0, "rounding may make it negative"


def test_own_work_counts_among_all_work_so_that_it_can_be_taken_off():
    before, end = busy_seconds(), time.process_time() + 0.3
    if not before:
        pytest.skip("this system does not tell how busy its processors are")
    while time.process_time() < end:
        pass
    assert busy_seconds() - before > 0.25


@pytest.mark.parametrize("times", [OSError("no /proc/stat"), []])
def test_a_system_that_does_not_tell_is_taken_as_free(monkeypatch, times):
    def told(percpu):
        if isinstance(times, OSError):
            raise times
        return times

    monkeypatch.setattr(processors.psutil, "cpu_times", told)
    assert busy_seconds() == 0


@pytest.mark.parametrize(
    ("holders", "others", "threads"),
    [(1, 0.0, 4), (1, 0.4, 4), (1, 0.5, 3), (1, 2.0, 2), (1, 9.0, 1), (2, 0.0, 2), (2, 1.0, 1), (3, 0.0, 1), (0, 0, 4)],
)
def test_a_processor_is_given_once(machine, holders, others, threads):
    assert threads_for(holders, others) == threads


def test_what_torch_may_use_is_not_exceeded(monkeypatch):
    monkeypatch.setattr(processors, "most_threads", lambda: 8)
    monkeypatch.setattr(processors, "cores", lambda: 32)
    assert [threads_for(1, others) for others in (0, 6, 24, 28)] == [8, 8, 8, 4]


def test_steps_follow_the_load_and_end_as_they_should(machine, threads):
    closed = []

    def steps():
        try:
            for _ in range(3):
                yield torch.get_num_threads()
        finally:
            closed.append(True)

    seen = []
    for count in on_free_processors(steps()):
        seen.append(count)
        machine.used += 1.2
    assert seen == [4, 3, 2]
    assert closed == [True]
    assert torch.get_num_threads() == threads
    early = on_free_processors(steps())
    next(early)
    early.close()
    assert closed == [True, True]
    assert list(on_free_processors([5, 6])) == [5, 6]


def test_a_job_leaves_a_processor_as_soon_as_others_use_it(machine):
    seen = []

    def steps():
        for _ in range(2):
            seen.append(torch.get_num_threads())
            machine.used = 2.0
            yield "a step"

    job = Job(steps)
    job.start()
    job.join(10)
    assert seen == [4, 2]
