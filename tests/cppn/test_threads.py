"""The threads that render: order, errors, and who goes first."""

import threading

import pytest
from atelier.cppn import threads
from atelier.cppn.threads import in_order, on_one_core
from atelier.processors import cores
from visits import wait_for


def test_results_come_in_order_and_an_error_where_it_happened():
    assert list(in_order(lambda n: n * n, range(40))) == [n * n for n in range(40)]
    found = in_order(lambda n: 1 // (3 - n), range(9))
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert on_one_core(int)("7") == 7


def test_what_can_wait_lets_others_go_first():
    gate, done = threading.Event(), []

    def held(name):
        gate.wait(10)
        done.append(name)

    def ask(name, count, **how):
        asking = threading.Thread(target=lambda: list(in_order(held, [name] * count, **how)))
        asking.start()
        return asking

    begun = ask("thumb", 2 * cores() + 1, later=True)
    wait_for(lambda: len(threads._later) == cores() + 1)  # each thread has one, and waits
    wanted = ask("tile", 4)
    wait_for(lambda: len(threads._first) == 4)
    gate.set()
    begun.join(10)
    wanted.join(10)
    last = max(place for place, name in enumerate(done) if name == "tile")
    assert done[:last].count("thumb") <= cores(), "only those under way end before the tiles"
    assert done.count("thumb") == 2 * cores() + 1
