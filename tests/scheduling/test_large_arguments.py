"""Large arguments have a record of their own, which is written once."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import sample_functions
import transaction
import ZODB
from losing import lose
from persistent.list import PersistentList
from sample_work import Note
from ZODB.FileStorage import FileStorage
from ZODB.serialize import referencesf
from ZODB.utils import u64

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import InvalidTask
from zodbschedule import Retry
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.arguments import LARGE
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import run_until


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

NOTE = 'sample_functions.note'

#: arguments of this size cannot be overlooked
LOAD = 'x' * 100_000


@pytest.fixture
def log(schedule, clock):
    clock.set(NOON)
    log = schedule._p_jar.root()['log'] = PersistentList()
    transaction.commit()
    return log


def size_of(schedule):
    return schedule._p_jar.db().storage.getSize()


def bytes_written(schedule, until):
    """By all that runs until then."""
    before = size_of(schedule)
    run_until(schedule, until)
    return size_of(schedule) - before


def record_of(obj):
    record, _ = obj._p_jar.db().storage.load(obj._p_oid)
    return record


def elsewhere(schedule, do):
    """Do something with the schedule in another connection, and commit."""
    manager = transaction.TransactionManager()
    connection = schedule._p_jar.db().open(manager)
    do(connection.root()['schedule'])
    manager.commit()
    connection.close()


def is_apart(task):
    return task._arguments is not None


# -- What is written


def test_they_are_not_written_again_at_each_occurrence(schedule, log):
    schedule.call('builtins.len', LOAD, time=NOON, recurrence=Every(HOUR))
    transaction.commit()
    assert bytes_written(schedule, NOON + 9 * HOUR) < len(LOAD)
    assert len(list(schedule.history)) == 10


def test_nor_at_each_attempt(schedule, log):
    schedule.call('builtins.abs', LOAD, time=NOON,
                  retry=Retry(10, delay=HOUR, factor=1))
    transaction.commit()
    assert bytes_written(schedule, NOON + 99 * HOUR) < len(LOAD)
    assert len(list(schedule.history)) == 10


def test_nor_when_the_task_is_changed_moved_parked_and_unparked(schedule, log):
    task = schedule.call('builtins.abs', LOAD, time=NOON)
    transaction.commit()
    before = size_of(schedule)
    schedule.change(task, description='text', time=NOON + HOUR)
    transaction.commit()
    for hours in range(1, 4):
        assert schedule.process(NOON + hours * HOUR).failed == 1
        [entry] = schedule.parked
        assert entry.task.args == (LOAD,)
        schedule.unpark(entry)
        transaction.commit()
    assert size_of(schedule) - before < len(LOAD)


def test_the_record_of_the_task_refers_to_them(schedule, log):
    task = schedule.call(NOTE, log, LOAD, kwargs={'a': 1}, time=NOON)
    transaction.commit()
    assert len(record_of(task)) < 250
    assert len(record_of(task._arguments)) > len(LOAD)
    assert referencesf(record_of(task)) == [task._arguments._p_oid]
    assert referencesf(record_of(task._arguments)) == [log._p_oid]
    assert not {'args', 'kwargs'} & vars(task).keys()
    assert vars(task._arguments) == {'args': (log, LOAD), 'kwargs': {'a': 1}}


@pytest.mark.parametrize('kind', ['args', 'kwargs'])
def test_what_is_large_alone_has_such_a_record(schedule, log, kind):
    small, large = {'args': (['x' * 2_000, log],)}, {'args': ([LOAD],)}
    if kind == 'kwargs':
        small, large = ({'kwargs': {'log': one['args']}}
                        for one in (small, large))
    assert not is_apart(schedule.schedule(CallTask(NOTE, **small)))
    assert is_apart(schedule.schedule(CallTask(NOTE, **large)))
    # What is large, and is nothing that they hold.
    log.append(LOAD)
    other = CallTask(NOTE, [PersistentList([LOAD])], description=LOAD)
    assert is_apart(schedule.schedule(other))
    assert not is_apart(schedule.schedule(CallTask(print, description=LOAD)))
    assert not is_apart(schedule.schedule(
        CallTask(NOTE, [log, PersistentList([LOAD])])))
    transaction.commit()


def test_a_run_of_a_small_task_loads_and_writes_one_record_of_it(
        schedule, log):
    def records(task):
        """How many the run of *task* loads and writes."""
        schedule.schedule(task)
        transaction.commit()
        schedule._p_jar.cacheMinimize()
        schedule._p_jar.getTransferCounts(clear=True)
        assert schedule.process(NOON).succeeded == 1
        schedule.unschedule(task)
        return schedule._p_jar.getTransferCounts()

    def call(*args):
        return CallTask('builtins.len', args, time=NOON,
                        recurrence=Every(HOUR))

    schedule.identify()
    plain = Note('', NOON)
    plain.recurrence = Every(HOUR)
    loads, stores = records(plain)
    assert records(call('text')) == (loads, stores)
    assert records(call(['text'])) == (loads, stores)
    assert records(call('x' * LARGE)) == (loads + 1, stores)


def test_what_cannot_be_stored_is_named_all_the_same(schedule, log):
    with pytest.raises(InvalidTask, match=r"args\[0\]\['a'\] is <"):
        schedule.call(NOTE, {'a': (one for one in ())}, LOAD)
    assert list(schedule) == []


def test_what_was_stored_before_stays_in_its_record(schedule, log):
    """A pack could lose what moves from there."""
    task = schedule._p_jar.root()['task'] = CallTask(NOTE, [log, LOAD])
    transaction.commit()
    task.kwargs = {'a': 1}
    schedule.schedule(task)
    assert not is_apart(task)


class Odd(CallTask):
    """Has arguments of its own, if it is not given any."""

    args = 'own',


def test_a_subclass_may_have_arguments_of_its_own(schedule, log):
    schedule.schedule(Odd(NOTE, [log], {'a': LOAD}, time=NOON))
    schedule.schedule(Odd('sample_functions.cached', time=NOON))
    transaction.commit()
    assert [task.args for task in schedule] == [(log,), ('own',)]
    assert schedule.process(NOON) == Tally(succeeded=1, failed=1)
    assert list(log) == [((), {'a': LOAD})]


# -- What they are


def test_they_are_read_and_set_as_small_ones_are(schedule, log):
    task = schedule.call(NOTE, log, LOAD, time=NOON, recurrence=Every(HOUR))
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    assert (task.args, task.kwargs) == ((log, LOAD), None)
    schedule._p_jar.cacheMinimize()
    task.kwargs = {'a': 1}
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    task.args = log, 'little'
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    assert task.args == (log, 'little')
    assert schedule.process(NOON + HOUR).succeeded == 1
    assert list(log) == [((LOAD,), {'a': 1}), (('little',), {'a': 1})]


@pytest.mark.parametrize('load', ['little', LOAD])
def test_who_sets_them_while_the_task_runs_makes_it_run_anew(
        schedule, log, load, monkeypatch):
    def meddle(*args):
        seen.append(args)
        if len(seen) == 1:
            elsewhere(schedule, lambda schedule: setattr(
                schedule.get(id), 'args', ('set',)))

    seen = []
    monkeypatch.setattr(sample_functions, 'note', meddle)
    task = schedule.call('sample_functions.note', load, time=NOON,
                         recurrence=Every(HOUR))
    transaction.commit()
    id = task_id(task)
    assert schedule.process(NOON).succeeded == 1
    assert seen == [(load,), ('set',)]
    assert task.args == ('set',)


def test_to_declare_them_again_writes_nothing(schedule, log):
    def declare(load, duplicate='replace'):
        return schedule.call(NOTE, log, [load], key='k', duplicate=duplicate,
                             recurrence=Every(HOUR))

    first = declare(LOAD, 'refuse')
    transaction.commit()
    before = size_of(schedule)
    assert declare(LOAD) is first
    transaction.commit()
    assert size_of(schedule) == before
    assert declare(LOAD, 'keep') is first
    assert declare(LOAD + 'y') is not first
    assert [task.args for task in schedule] == [(log, [LOAD + 'y'])]
    assert declare('little').args == (log, ['little'])
    assert declare(LOAD).args == (log, [LOAD])


# -- Memory


@pytest.mark.parametrize('func, options, outcome', [
    ('builtins.len', {}, 'succeeded'),
    ('builtins.len', {'recurrence': Every(HOUR)}, 'succeeded'),
    ('builtins.abs', {}, 'failed'),
    ('builtins.abs', {'retry': Retry(2)}, 'retried'),
    ('sample_functions.cached', {}, 'left'),
    ('builtins.len', {'expires': HOUR / 2}, 'expired')])
def test_they_leave_the_memory_when_the_run_has_ended(
        schedule, log, func, options, outcome, monkeypatch):
    task = schedule.call(func, LOAD, time=NOON, **options)
    transaction.commit()
    arguments = task._arguments
    monkeypatch.delattr(sample_functions, 'cached')
    assert getattr(schedule.process(NOON + HOUR), outcome) == 1
    assert arguments._p_changed is None


def test_they_leave_the_memory_with_their_task(schedule, log):
    task = schedule.call(NOTE, log, LOAD, time=NOON)
    transaction.commit()
    assert task.args == (log, LOAD)
    arguments = task._arguments
    task._p_deactivate()
    assert task._p_changed is arguments._p_changed is None
    assert task.args == (log, LOAD)
    # What is not stored yet stays.
    task.args = log, LOAD, 'more'
    task._p_deactivate()
    assert task.args == (log, LOAD, 'more')


# -- Where they go


def test_they_run_in_a_transaction_that_is_not_committed(schedule, log):
    schedule.call('sample_functions.extend', log, [LOAD], {}, time=NOON,
                  recurrence=Every(HOUR))
    assert run_until(schedule, NOON + HOUR, commit=False).succeeded == 2
    assert list(log) == [([LOAD, 'changed'], {'changed': True})] * 2
    transaction.abort()
    assert list(schedule) == []


def test_they_go_along_to_another_database(schedule, log, tmp_path):
    task = schedule.call(NOTE, log, LOAD, time=NOON)
    transaction.commit()
    file = str(tmp_path / 'schedule.zexp')
    schedule._p_jar.exportFile(schedule._p_oid, file).close()
    db = ZODB.DB(FileStorage(str(tmp_path / 'Other.fs')))
    with db.transaction() as connection:
        connection.root()['schedule'] = connection.importFile(file)
    connection = db.open()
    copy = connection.root()['schedule']
    assert list(flaws(copy)) == []
    [moved] = copy
    assert copy.process(NOON).succeeded == 1
    assert moved.args[0] == [((LOAD,), {})]
    assert list(log) == [] and task in schedule
    connection.close()
    db.close()


def test_a_pack_keeps_them_as_long_as_their_task(schedule, log):
    document = PersistentList()
    task = schedule.call(NOTE, log, document, LOAD, time=NOON,
                         recurrence=Every(HOUR))
    transaction.commit()
    db = schedule._p_jar.db()
    schedule.process(NOON)
    transaction.begin()
    oids = [one._p_oid for one in (task, task._arguments, document)]
    db.pack()
    schedule._p_jar.cacheMinimize()
    assert schedule.process(NOON + HOUR).succeeded == 1
    assert list(log)[-1] == ((document, LOAD), {})
    log.clear()
    schedule.unschedule(task)
    transaction.commit()
    del task, document
    db.pack()
    assert not set(oids) & {oid for oid in db.storage._index.keys()}


def test_a_task_may_be_cancelled_while_it_runs(schedule, log, monkeypatch):
    def cancel(log, load):
        log.append('effect')
        elsewhere(schedule, lambda schedule: schedule.unschedule(
            schedule.get(id)))

    monkeypatch.setattr(sample_functions, 'note', cancel)
    task = schedule.call('sample_functions.note', log, LOAD, time=NOON,
                         recurrence=Every(HOUR))
    transaction.commit()
    id = task_id(task)
    assert schedule.process(NOON) == Tally()
    assert list(log) == [] and task not in schedule
    assert [one.outcome for one in schedule.history] == ['cancelled']


# -- When they are lost


@pytest.mark.storages('FileStorage')
def test_a_task_whose_arguments_are_gone_is_parked(database, clock):
    clock.set(NOON)
    schedule = database.schedule()
    task = schedule.call('builtins.len', LOAD, time=NOON, description='lost')
    schedule.call('builtins.len', LOAD, time=NOON)
    schedule._p_jar.transaction_manager.commit()
    lose(database, task._arguments)
    assert schedule.process(NOON) == Tally(succeeded=1, failed=1)
    schedule._p_jar.transaction_manager.begin()
    [entry] = schedule.parked
    assert entry.task is task and entry.description == 'lost'
    assert f'{u64(task._arguments._p_oid):#x}' in entry.reason
