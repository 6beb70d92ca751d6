"""A suspect runs alone in its process."""

import threading

from zodbschedule.execution import solitude
from zodbschedule.execution.solitude import Solitude


def never():
    return False


def in_thread(work):
    """What *work* returns, called in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def begins(here):
    with here.beside() as may_begin:
        return may_begin


def gets_alone(here, seconds=0):
    with here.alone(seconds, never) as alone:
        return alone


def test_runs_go_on_beside_each_other():
    here = Solitude()
    with here.beside() as first:
        assert first
        assert in_thread(lambda: begins(here))


def test_none_begins_beside_one_that_is_alone():
    here = Solitude()
    with here.alone(0, never) as alone:
        assert alone
        assert not here.is_closed
        assert begins(here)
        assert in_thread(lambda: here.is_closed)
        assert not in_thread(lambda: begins(here))
        assert not in_thread(lambda: gets_alone(here))
    assert in_thread(lambda: begins(here))


def test_nobody_is_alone_while_another_runs():
    here = Solitude()
    with here.beside():
        assert not in_thread(lambda: gets_alone(here))
        assert not gets_alone(here)
        assert begins(here)
    assert gets_alone(here)


def test_it_waits_for_the_runs_of_others():
    here = Solitude()
    begun, ending = threading.Event(), threading.Event()

    def run():
        with here.beside():
            begun.set()
            ending.wait()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    with here.alone(100, lambda: ending.set() or False) as alone:
        assert alone
    thread.join()


def test_a_fork_begins_anew():
    before = solitude.here
    solitude._forget()
    assert solitude.here is not before
