"""The bounded record of outcomes."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import ZODB
from sample_tasks import Stage
from ZODB.FileStorage import FileStorage
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule import history
from zodbschedule.claim import SUCCEEDED
from zodbschedule.history import Chunk
from zodbschedule.history import History
from zodbschedule.history import Outcome
from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IOutcome


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(number):
    """What a turn hands over: plain data."""
    return (number, 0, SUCCEEDED, number, f'task {number}', None, None)


def ids(found):
    return [int(entry.id, 16) for entry in found]


def test_the_history_provides_its_interfaces():
    assert verifyClass(IHistory, History)
    assert verifyObject(IHistory, History())
    assert verifyObject(IOutcome, Outcome.read(record(1)))


def test_the_newest_outcome_comes_first():
    found = History()
    found.add([record(1), record(2)], NOW)
    found.add([record(3)], NOW)
    found.add([], NOW)
    found.add([record(4)], NOW + timedelta(seconds=1))
    assert ids(found) == [4, 3, 2, 1]


def test_the_order_is_that_of_the_turns_even_if_the_clock_goes_back():
    found = History()
    found.add([record(1)], NOW)
    found.add([record(2)], NOW - timedelta(days=1))
    assert ids(found) == [2, 1]


def test_an_outcome_is_read_back_as_it_was():
    outcome = Outcome.read((255, 10 ** 6, SUCCEEDED, 2 * 10 ** 6, 'Für Elise',
                            'bob', 'none'))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert outcome == (
        'ff', epoch + timedelta(seconds=1), 'succeeded',
        epoch + timedelta(seconds=2), 'Für Elise', 'bob', 'none')


def test_an_empty_history_has_no_entries():
    assert list(History()) == []


def test_a_chunk_keeps_its_records_in_the_database(tmp_path):
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    connection = db.open()
    chunk = connection.root()['chunk'] = Chunk()
    chunk.records = (record(1),)
    transaction.commit()
    connection.cacheMinimize()
    assert chunk.records == (record(1),)
    transaction.abort()
    connection.close()
    db.close()


def test_what_is_beyond_the_bound_is_forgotten(monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 1)
    found = History()
    found.keep = 10
    for number in range(0, 100, 5):
        found.add([record(number + i) for i in range(5)], NOW)
    assert ids(found) == list(range(99, 89, -1))


def test_the_history_is_not_trimmed_at_each_turn(monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 10 ** 30)
    found = History()
    found.keep = 1
    for number in range(5):
        found.add([record(number)], NOW)
    assert len(list(found)) == 5
    found.trim()
    assert ids(found) == [4]


@pytest.fixture
def stage(schedule, clock):
    transaction.abort()
    stage = Stage(schedule._p_jar.db(), transaction.TransactionManager(),
                  clock)
    yield stage
    stage.close()


def test_a_run_is_on_record_as_plain_data(stage):
    stage.add('bad', principalId='bob', minutes=3)
    stage.process()
    with stage.transaction() as root:
        [entry] = root['schedule'].history
        assert entry.description == 'bad'
        assert entry.principalId == 'bob'
        assert entry.outcome == 'succeeded'
        assert entry.time == stage.now - timedelta(minutes=3)
        assert entry.ended == stage.now
        assert entry.error is None
        assert type(entry.description) is str


def test_nothing_is_kept_if_nothing_is_to_be_kept(stage):
    with stage.transaction() as root:
        root['schedule'].history.keep = 0
    stage.add('good')
    stage.add('bad', call=lambda task: 0)
    stage.process()
    assert stage.look().outcomes == []
