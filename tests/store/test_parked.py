"""What is set aside, and what a person can do about it."""

import pytest
import transaction
from sample_tasks import MINUTE
from sample_tasks import Noting
from sample_tasks import Stage
from sample_tasks import calls
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule import AlreadyScheduled
from zodbschedule import NotScheduled
from zodbschedule.interfaces import IParkedTask
from zodbschedule.interfaces import IParkedTasks
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling.soundness.repairs import note_arrival
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend as mend_flaws
from zodbschedule.store.parked import REASON
from zodbschedule.store.parked import TRACEBACK
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import ParkedTasks


@pytest.fixture
def stage(schedule, clock):
    """Three tasks that fail, parked."""
    transaction.abort()
    stage = Stage(schedule._p_jar.db(), transaction.TransactionManager(),
                  clock)
    for number in range(3):
        stage.add(f'bad {number}', call=fails, minutes=number)
    stage.process()
    stage.tm.begin()
    yield stage
    stage.tm.abort()
    stage.close()


def fails(task):
    raise ValueError('x' * 1_000 + '\ud800')


def mend():
    """Let the tasks pass."""
    calls.clear()


def test_parked_tasks_provide_their_interfaces(stage):
    assert verifyClass(IParkedTasks, ParkedTasks)
    assert verifyClass(IParkedTask, ParkedTask)
    assert verifyObject(IParkedTasks, stage.schedule.parked)
    for entry in stage.schedule.parked:
        assert verifyObject(IParkedTask, entry)


def test_an_entry_says_what_was_when_and_why(stage):
    entry = next(iter(stage.schedule.parked))
    assert entry.description == entry.task.description
    assert entry.time == entry.task.time
    assert entry.parked_at == stage.now
    assert entry.principalId is None
    assert entry.reason.startswith('ValueError: xxx')
    assert entry.traceback.startswith('Traceback')
    assert repr(entry) == f'<ParkedTask {entry.id}: {entry.reason}>'


def test_the_newest_entries_come_first_page_by_page(stage):
    parked = stage.schedule.parked
    entries = list(parked.newest_first())
    assert [entry.description for entry in entries] == [
        'bad 0', 'bad 1', 'bad 2']
    assert next(parked.newest_first(entries[0].position)) is entries[1]
    stage.schedule.discard(entries[1])
    assert list(parked.newest_first(entries[1].position)) == [entries[2]]
    assert list(parked.newest_first()) == [entries[0], entries[2]]
    assert len(parked) == 2


def test_an_entry_that_is_removed_twice_counts_once(stage):
    parked = stage.schedule.parked
    entry = next(iter(parked))
    for _ in range(2):
        parked.remove(entry)
    assert len(parked) == len(list(parked)) == 2


def test_an_entry_in_the_place_of_another_is_listed_once(stage):
    parked = stage.schedule.parked
    old = next(iter(parked))
    new = ParkedTask(old.id, old.task, old.time, stage.now, 'once more')
    parked.add(new)
    assert next(parked.newest_first()) is new
    assert len(list(parked.newest_first())) == len(parked) == 3


def test_a_wrong_order_and_a_wrong_count_are_found_and_mended(stage):
    parked = stage.schedule.parked
    newest, middle, oldest = parked.newest_first()
    del parked.arrivals[middle.position]
    parked.arrivals[oldest.position - 1] = oldest
    parked.arrivals[oldest.position - 2] = ParkedTask(
        'f', oldest.task, oldest.time, stage.now, 'nowhere')
    parked.count.change(5)
    assert [str(flaw.kind) for flaw in flaws(stage.schedule)] == [
        'wrong-index'] * 3 + ['wrong-count']
    mend_flaws(stage.schedule)
    assert list(flaws(stage.schedule)) == []
    assert list(parked.newest_first()) == [middle, newest, oldest]
    assert len(parked) == 3


def test_one_that_stands_in_the_order_already_is_left_there(stage):
    parked = stage.schedule.parked
    for entry in list(parked):
        note_arrival(stage.schedule, entry)
    assert [entry.position for entry in parked.newest_first()] == (
        sorted((entry.position for entry in parked), reverse=True))
    assert len(parked.arrivals) == 3


def test_entries_are_listed_counted_and_found(stage):
    parked = stage.schedule.parked
    entries = list(parked)
    assert len(entries) == len(parked) == 3
    assert parked
    assert [entry.id for entry in entries] == sorted(
        entry.id for entry in entries)
    for entry in entries:
        assert parked.get(entry.id) is entry
        assert parked.get(f'0x0{entry.id.upper()}') is entry
        assert entry in parked
    assert parked.get('no id') is None
    assert parked.get('ffff', 0) == 0
    assert 'no entry' not in parked
    assert not ParkedTasks()


def test_listing_goes_on_while_entries_are_removed(stage):
    for entry in stage.schedule.parked:
        stage.schedule.discard(entry)
        stage.tm.commit()
    assert not stage.schedule.parked


def test_reason_and_traceback_are_text_of_bounded_size(stage):
    entry = next(iter(stage.schedule.parked))
    assert len(entry.reason) <= REASON + 3
    assert '\n' not in entry.reason.replace('\n…\n', '')
    entry.reason.encode()
    task = Noting()
    entry = ParkedTask(
        'x', task, stage.now, stage.now, 'two\n  lines', 'ü' * 10 ** 6)
    assert entry.reason == 'two lines'
    assert len(entry.traceback) <= TRACEBACK + 3


def test_an_unparked_task_runs_again_at_its_old_time(stage):
    entry = next(iter(stage.schedule.parked))
    task = stage.schedule.unpark(entry)
    assert task is entry.task
    assert task in stage.schedule
    assert list(stage.schedule.getTaskTimes()) == [entry.time]
    stage.tm.commit()
    mend()
    assert stage.process() == Tally(succeeded=1)


def test_a_task_can_be_unparked_for_another_time(stage):
    entry = next(iter(stage.schedule.parked))
    task = stage.schedule.unpark(entry, stage.now + 5 * MINUTE)
    assert task.time == stage.now + 5 * MINUTE
    assert list(stage.schedule.getTaskTimes()) == [task.time]
    stage.schedule.unschedule(task)
    assert task not in stage.schedule


def test_an_unparked_task_can_be_parked_again(stage):
    entry = next(iter(stage.schedule.parked))
    stage.schedule.unpark(entry)
    stage.tm.commit()
    assert stage.process() == Tally(failed=1)
    assert len(stage.schedule.parked) == 3


def test_a_parked_task_cannot_be_scheduled_or_unscheduled(stage):
    task = next(iter(stage.schedule.parked)).task
    with pytest.raises(AlreadyScheduled, match='use unpark'):
        stage.schedule.schedule(task)
    with pytest.raises(NotScheduled, match='but parked; discard'):
        stage.schedule.unschedule(task)


def test_a_discarded_entry_is_gone(stage):
    entry = next(iter(stage.schedule.parked))
    stage.schedule.discard(entry)
    assert entry not in stage.schedule.parked
    for again in (stage.schedule.discard, stage.schedule.unpark):
        with pytest.raises(NotScheduled, match='not parked here any more'):
            again(entry)


@pytest.mark.parametrize('first', ['unpark', 'discard'])
@pytest.mark.parametrize('second', ['unpark', 'discard'])
def test_of_two_who_take_one_entry_one_conflicts(stage, first, second):
    other = transaction.TransactionManager()
    connection = stage.db.open(other)
    theirs = connection.root()['schedule']
    ours = stage.schedule
    getattr(ours, first)(next(iter(ours.parked)))
    getattr(theirs, second)(next(iter(theirs.parked)))
    stage.tm.commit()
    with pytest.raises(Exception, match='conflict'):
        other.commit()
    other.abort()
    connection.close()
