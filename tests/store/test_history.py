"""The bounded record of outcomes."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import ZODB
from BTrees.OOBTree import OOBTree
from databases import HISTORY
from databases import SQLITE
from databases import STORAGES
from sample_tasks import Stage
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import hooks
from sample_work import prepare
from ZODB.FileStorage import FileStorage
from ZODB.utils import z64
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IOutcome
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.store import history
from zodbschedule.store.history import Chunk
from zodbschedule.store.history import History
from zodbschedule.store.history import Outcome
from zodbschedule.testing import run_until


NOW = datetime(2026, 1, 1, tzinfo=UTC)
TID = b'\0\0\0\0\0\0\0\7'


def record(number):
    """What a turn hands over: plain data."""
    return history.record(
        number, 0, SUCCEEDED, number, f'task {number}', 'shop.order',
        began=number)


def new_history():
    return History(OOBTree())


def add(found, records, now=NOW):
    found.add(records, now, 'worker')


def ids(found):
    return [int(entry.id, 16) for entry in found]


def test_the_history_provides_its_interfaces():
    assert verifyClass(IHistory, History)
    assert verifyObject(IHistory, new_history())
    assert verifyObject(IOutcome, Outcome.read(record(1), 'worker', TID))


def test_the_newest_outcome_comes_first():
    found = new_history()
    add(found, [record(1), record(2)])
    add(found, [record(3)])
    add(found, [])
    add(found, [record(4)], NOW + timedelta(seconds=1))
    assert ids(found) == [4, 3, 2, 1]


def test_the_order_is_that_of_the_turns_even_if_the_clock_goes_back():
    found = new_history()
    add(found, [record(1)])
    add(found, [record(2)], NOW - timedelta(days=1))
    assert ids(found) == [2, 1]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_an_outcome_is_read_back_as_it_was():
    outcome = Outcome.read(history.record(
        255, 10 ** 7, SUCCEEDED, 2 * 10 ** 7, 'Für Elise', 'music.play', 'bob',
        'none', began=19 * 10 ** 6, attempt=2, passed=3,
        occurrence=8 * 10 ** 6), 'worker', TID)
    assert outcome == Outcome(
        'ff', EPOCH + 10 * SECOND, 'succeeded', EPOCH + 20 * SECOND,
        'Für Elise', 'bob', 'none', EPOCH + 8 * SECOND, EPOCH + 19 * SECOND,
        2, 3, 'worker', 'music.play', TID)


@pytest.mark.parametrize('more, length', [
    ({}, 8), ({'principal': 'bob'}, 8), ({'error': 'why'}, 8),
    ({'began': 9}, 8), ({'type': 'b'}, 9), ({'attempt': 2}, 10),
    ({'passed': 1}, 11), ({'occurrence': 6}, 12)])
def test_what_says_nothing_is_not_stored(more, length):
    found = history.record(
        1, 7, SUCCEEDED, 10, 'a',
        **{'began': 10, 'occurrence': 7, 'type': 'a'} | more)
    assert len(found) == length
    read = Outcome.read(found, '', TID)
    assert read.type == more.get('type', 'a')
    assert (read.principalId, read.error, read.attempt, read.passed) == (
        more.get('principal'), more.get('error'), more.get('attempt', 1),
        more.get('passed', 0))
    assert (read.began, read.occurrence) == tuple(
        EPOCH + timedelta(microseconds=micros)
        for micros in (more.get('began', 10), more.get('occurrence', 7)))


def test_an_empty_history_has_no_entries():
    assert list(new_history()) == []


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
    found = new_history()
    found.keep = 10
    for number in range(0, 100, 5):
        add(found, [record(number + i) for i in range(5)])
    assert ids(found) == list(range(99, 89, -1))


def repeated(oid, number):
    """The record of another run of that task."""
    return history.record(oid, 0, SUCCEEDED, number, '', '', began=number)


def never(monkeypatch):
    """Let nothing be deleted but when the test says so."""
    monkeypatch.setattr(history, 'TRIM', 2 ** 64)


def kept(found):
    """How many entries there are of each task, and when they ended."""
    return {id: [entry.ended.microsecond for entry in found.select(id)]
            for id in {entry.id for entry in found}}


def test_a_busy_task_does_not_flush_out_another(monkeypatch):
    never(monkeypatch)
    found = new_history()
    found.keep, found.keep_each = 20, 3
    add(found, [repeated(7, 1)])
    for number in range(2, 102, 2):
        # In a chunk of its own, and beside another task.
        add(found, [repeated(1, number)])
        add(found, [repeated(1, number + 1), record(8)][:1 + (number == 50)])
    found.trim(NOW)
    assert kept(found) == {'7': [1], '8': [8], '1': [101, 100, 99]}
    assert all(found.is_counted(*item) for item in found.chunks.items())


def test_one_task_may_fill_what_no_other_needs():
    found = new_history()
    found.keep, found.keep_each = 20, 3
    for number in range(20):
        add(found, [repeated(1, number)])
    found.trim(NOW)
    assert len(list(found)) == 20


def test_the_oldest_of_all_go_if_no_task_has_too_many(monkeypatch):
    never(monkeypatch)
    found = new_history()
    found.keep, found.keep_each = 20, 3
    for number in range(30):
        add(found, [record(number)])
    found.trim(NOW)
    assert ids(found) == list(range(29, 9, -1))


def test_what_is_left_of_a_turn_keeps_its_transactions(tmp_path, monkeypatch):
    never(monkeypatch)
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    with db.transaction() as connection:
        found = connection.root()['history'] = new_history()
        found.keep, found.keep_each = 3, 1
        found.add([repeated(1, 1), repeated(2, 2)], NOW, 'w', TID + z64)
    with db.transaction() as connection:
        found = connection.root()['history']
        stored = next(iter(found.chunks.values()))._p_serial
        found.add([repeated(1, 3), repeated(3, 4)], NOW, 'w')
        found.trim(NOW)
    with db.transaction() as connection:
        found = connection.root()['history']
        assert [(entry.id, entry.tid) for entry in found][2:] == [
            ('2', stored)]
        assert kept(found).keys() == {'1', '2', '3'}
    db.close()


def test_a_process_loads_each_part_once_to_count_it(tmp_path, monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 10 ** 30)  # by lot, it is due earlier
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    connection = db.open()
    found = connection.root()['history'] = new_history()
    found.keep = 10
    for number in range(15):
        found.add([record(number)], NOW, 'w')
    transaction.commit()
    counted = []
    for _ in range(2):
        for chunk in found.chunks.values():
            chunk._p_deactivate()
        before = connection.getTransferCounts()[0]
        found._thinned(list(found.chunks))
        counted.append(connection.getTransferCounts()[0] - before)
    assert counted == [15, 0]
    transaction.abort()
    connection.close()
    db.close()


def test_the_history_is_not_trimmed_at_each_turn(monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 10 ** 30)
    found = new_history()
    found.keep = 1
    for number in range(5):
        add(found, [record(number)])
    assert len(list(found)) == 5
    found.trim(NOW)
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


# -- Looking into it


def test_what_is_too_old_is_forgotten(monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 1)
    found = new_history()
    found.max_age = timedelta(hours=1)
    for minutes in range(0, 240, 30):
        add(found, [record(minutes)], NOW + timedelta(minutes=minutes))
    assert ids(found) == [210, 180, 150]


def test_no_age_is_too_long(monkeypatch):
    monkeypatch.setattr(history, 'TRIM', 1)
    found = new_history()
    found.max_age = timedelta.max
    add(found, [record(1)])
    assert ids(found) == [1]


def test_it_is_filtered_by_task_and_by_outcome(stage):
    bad = stage.add('bad', call=lambda task: 0, minutes=1)
    good = stage.add('good')
    stage.process()
    with stage.transaction() as root:
        found = root['schedule'].history

        def selected(**what):
            return [one.description for one in found.select(**what)]

        assert selected() == ['good', 'bad']
        assert selected(task=good) == ['good']
        assert selected(task=f'0x0{int.from_bytes(bad._p_oid):X}') == ['bad']
        assert selected(outcome='failed') == ['bad']
        assert selected(task=good, outcome='failed') == []
        assert selected(task=type(good)()) == []


def test_what_had_ended_before_is_left_out():
    found = new_history()
    for minutes in range(3):
        now = NOW + timedelta(minutes=minutes)
        ended = to_micros(now)
        add(found, [history.record(
            minutes, ended, SUCCEEDED, ended, 'a task', '', began=ended)], now)
    assert ids(found.select(since=NOW + timedelta(minutes=1))) == [2, 1]


def test_an_outcome_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="outcome is 'fine'; it has to be"):
        new_history().select(outcome='fine')


def test_what_still_stands_in_a_claim_is_shown(stage):
    seen = []

    def look(task):
        seen.extend((one.description, one.worker)
                    for one in stage.schedule.history)

    stage.add('first', minutes=3)
    stage.add('second', minutes=2)
    stage.add('third', minutes=1, call=look)
    stage.process()
    assert seen == [('second', 'process()'), ('first', 'process()')]
    assert stage.look().outcomes == [
        ('first', 'succeeded'), ('second', 'succeeded'),
        ('third', 'succeeded')]


def test_it_is_read_lazily():
    found = new_history()
    for number in range(5):
        add(found, [record(number)], NOW + timedelta(seconds=number))
    entries = iter(found)
    assert int(next(entries).id, 16) == 4
    add(found, [record(9)], NOW + timedelta(days=1))
    assert ids(entries) == [3, 2, 1, 0]


# -- Which transaction has settled an outcome, and what the task does


class Marking(Note):
    """Marks the root in its run, and fails if it is told to."""

    fails = False

    def __call__(self):
        if self.fails:
            raise ValueError('no')
        self._p_jar.root()['mark'] = self.description


def outcomes(schedule):
    begin(schedule)
    return {entry.description: entry for entry in schedule.history}


@pytest.mark.storages(*STORAGES, HISTORY, SQLITE)
def test_the_tid_is_that_of_the_commit_of_the_run(database):
    """With what the run has written, in a claim and in a chunk."""
    schedule = prepare(database, Marking('a'))
    other = database.client().schedule()
    seen = []

    def look():
        begin(other)
        root = other._p_jar.root()
        root._p_activate()
        seen.extend((entry.tid, root._p_serial) for entry in other.history)

    hooks['look'] = look
    schedule.schedule(Hooked('look', at(0)))
    commit(schedule)
    assert schedule.process(at(0)).succeeded == 2
    (tid, written), = seen
    assert tid == written
    assert outcomes(schedule)['a'].tid == tid
    assert outcomes(database.client().schedule())['a'].tid == tid


def test_the_tid_of_a_failure_is_that_of_what_has_parked_it(database):
    task = Marking('a')
    task.fails = True
    schedule = prepare(database, task)
    assert schedule.process(at(0)).failed == 1
    begin(schedule)
    entry, = schedule.parked
    entry._p_activate()
    assert outcomes(schedule)['a'].tid == entry._p_serial


def test_the_tid_of_a_pause_is_that_of_its_commit(database):
    schedule = prepare(database)
    schedule.pause()
    entry, = schedule.history
    assert entry.tid is None
    commit(schedule)
    begin(schedule)
    schedule.pauses._p_activate()
    entry, = schedule.history
    assert entry.tid == schedule.pauses._p_serial


def test_no_tid_is_told_where_nothing_is_committed(schedule, clock):
    schedule.schedule(Note('a', clock.now()))
    transaction.savepoint()
    run_until(schedule, clock.now(), commit=False)
    entry, = schedule.history
    assert entry.tid is None


def test_the_type_is_what_is_called_or_the_class(schedule, clock):
    note = Note('a', clock.now())
    schedule.schedule(note)
    for options in {'description': 'b'}, {}:
        schedule.call(at, 1, time=clock.now(), **options)
    schedule.call(note.schedule, description='c', time=clock.now())
    transaction.commit()
    schedule.process(clock.now())
    assert {entry.description: entry.type for entry in schedule.history} == {
        'a': 'sample_work.Note', 'b': 'sample_work.at',
        'sample_work.at': 'sample_work.at', 'c': 'sample_work.Note.schedule'}
