"""A task that may have ended its process runs alone from then on."""

import threading

import pytest
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import prepare
from sample_work import runs
from ZODB.utils import u64

from zodbschedule.execution import solitude
from zodbschedule.execution.consumer import Consumer
from zodbschedule.transactions.retrying import transact


pytestmark = pytest.mark.storages('FileStorage')


@pytest.fixture
def schedule(database, clock):
    """In it is one that has run when its process ended, twice."""
    clock.set(NOON)
    schedule = prepare(database, Note('suspect', at(-2)), Note('b', at(-1)))

    def commit():
        suspect = next(iter(schedule))
        schedule.crashes[u64(suspect._p_oid)] = 2, suspect
        schedule._p_jar.transaction_manager.commit()

    transact(schedule._p_jar.transaction_manager, commit)
    return schedule


@pytest.fixture
def consumer(schedule):
    return Consumer(schedule, 'ours', patient=True)


@pytest.fixture
def here(monkeypatch):
    """Who runs in this process, as if it had begun now."""
    here = solitude.Solitude()
    monkeypatch.setattr(solitude, 'here', here)
    return here


@pytest.fixture
def elsewhere():
    """Holds a context open in another thread, to the end of the test."""
    ending = threading.Event()
    threads = []

    def hold(context):
        begun = threading.Event()

        def work():
            with context:
                begun.set()
                ending.wait()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        begun.wait()

    yield hold
    ending.set()
    for thread in threads:
        thread.join()


def one_pass(consumer, stopping=lambda: False):
    """Make a pass; hand back what is left, and say what is held off."""
    consumer.look()
    while consumer.step(9, stopping=stopping):
        pass
    consumer.withdraw()


def test_it_runs_after_the_others_of_its_pass(consumer, database):
    one_pass(consumer)
    history = database.open().root()['schedule'].history
    assert [entry.description for entry in history] == ['suspect', 'b']


def test_it_does_not_run_when_others_do_not_end(
        consumer, database, here, elsewhere, monkeypatch):
    monkeypatch.setattr(consumer.backoff, 'pause_of', lambda oid: 0)
    elsewhere(here.beside())
    one_pass(consumer)
    assert runs(database) == {'suspect': 0, 'b': 1}
    assert len(consumer.current_pass.left) == 1  # for a next pass


def test_nor_when_its_process_is_to_stop(consumer, database):
    ended = []
    consumer.look()
    consumer.step(9, stopping=lambda: bool(ended) or ended.append('b'))
    consumer.withdraw()
    assert runs(database) == {'suspect': 0, 'b': 1}


def test_while_it_runs_another_takes_nothing(
        consumer, database, here, elsewhere):
    elsewhere(here.alone(0, bool))
    consumer.look()
    assert not consumer.step(9)
    assert consumer.over
    assert runs(database) == {'suspect': 0, 'b': 0}


def test_and_hands_back_what_it_has_taken(
        consumer, schedule, database, here, elsewhere):
    consumer.look()
    consumer.turn(9)
    assert consumer.claim.portion
    elsewhere(here.alone(0, bool))
    assert consumer.gives_way()
    assert not consumer.claim.portion
    assert runs(database) == {'suspect': 0, 'b': 0}
