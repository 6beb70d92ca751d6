"""What a run does: outcomes of tasks, good and bad."""

import importlib
import logging
import sys
import threading
from functools import partialmethod
from importlib import import_module

import pytest
import transaction
import ZODB
import zope.event
from persistent import Persistent
from sample_tasks import MINUTE
from sample_tasks import Fading
from sample_tasks import Noting
from sample_tasks import Stage
from sample_tasks import forget
from sample_tasks import gone
from sample_tasks import note
from ZODB.broken import Broken
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from zodbschedule import Every
from zodbschedule import PendingChanges
from zodbschedule.interfaces import ITally
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.interfaces import TransactionEnded
from zodbschedule.outcomes import Tally
from zodbschedule.store.inspection import task_id


ONE_FAILED = Tally(failed=1)
ONE_LEFT = Tally(left=1)
ONE_RETRIED = Tally(retried=1)
ONE_SUCCEEDED = Tally(succeeded=1)


@pytest.fixture(params=['thread-local', 'explicit'])
def stage(request, tmp_path, clock):
    """A stage on a FileStorage, with each kind of transaction manager."""
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    manager = transaction.TransactionManager(explicit=True)
    if request.param == 'thread-local':
        manager = transaction.manager
        transaction.abort()
    stage = Stage(db, manager, clock)
    yield stage
    stage.close()
    db.close()


@pytest.fixture
def events():
    """What was announced."""
    found = []
    zope.event.subscribers.append(found.append)
    yield found
    zope.event.subscribers.remove(found.append)


def fails(task):
    raise ValueError(f'{task.description} went wrong')


def parked_alone(stage, reason):
    """Whether 'bad' is parked with that reason, and has left no trace."""
    seen = stage.look()
    assert seen.waiting == []
    assert 'bad' not in seen.effects
    assert ('bad', 'failed') in seen.outcomes
    assert list(seen.parked) == ['bad']
    assert reason in seen.parked['bad']
    return True


# -- The three good outcomes


def test_a_tally_provides_its_interface_and_cannot_be_changed():
    tally = Tally(succeeded=1)
    assert ITally.providedBy(tally)
    assert [name for name in ITally] == list(Tally._fields)
    with pytest.raises(AttributeError):
        tally.failed = 1


def test_a_task_that_returns_none_is_gone_and_on_record(stage):
    assert stage.run_between() == ONE_SUCCEEDED
    seen = stage.look()
    assert seen.effects == ['before', 'bad', 'after']
    assert seen.waiting == []
    assert seen.outcomes == [
        ('before', 'succeeded'), ('bad', 'succeeded'), ('after', 'succeeded')]


def test_what_schedule_returns_comes_next(stage):
    def later(task):
        task.time += 60 * MINUTE
        return task

    assert stage.run_between(next=later) == ONE_SUCCEEDED
    seen = stage.look()
    assert seen.waiting == ['bad']
    assert stage.process(60) == ONE_SUCCEEDED
    assert stage.look().effects.count('bad') == 2


def test_schedule_may_return_another_task(stage):
    assert stage.run_between(
        next=lambda task: stage.make('next', minutes=-5)
    ) == ONE_SUCCEEDED
    assert stage.look().waiting == ['next']


def test_a_retry_commits_what_was_written_and_takes_the_place(stage):
    def again(task):
        task.time += 60 * MINUTE
        return task

    assert stage.run_between(call=again) == ONE_RETRIED
    seen = stage.look()
    assert seen.effects == ['before', 'bad', 'after']
    assert seen.waiting == ['bad']
    assert ('bad', 'retried') in seen.outcomes


def test_a_retry_may_be_another_new_task(stage):
    assert stage.run_between(
        call=lambda task: stage.make('next', minutes=-5)
    ) == ONE_RETRIED
    seen = stage.look()
    assert 'bad' in seen.effects
    assert seen.waiting == ['next']
    assert stage.process(5) == ONE_SUCCEEDED


def test_schedule_is_not_called_after_a_retry(stage):
    asked = []
    stage.run_between(call=lambda task: task, next=asked.append)
    assert asked == []


def test_a_call_task_drops_what_its_function_returns(stage):
    with stage.transaction():
        stage.schedule.call('os.getcwd', time=stage.now)
    assert stage.process() == ONE_SUCCEEDED


# -- Failures


def test_a_task_that_raises_is_parked_with_its_traceback(stage, caplog):
    assert stage.run_between(call=fails) == ONE_FAILED
    assert parked_alone(stage, 'ValueError: bad went wrong')
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        assert 'in fails' in entry.traceback
        assert entry.time == stage.now - MINUTE
        [outcome] = [one for one in root['schedule'].history
                     if one.outcome == 'failed']
        assert outcome.error == 'ValueError: bad went wrong'
        assert outcome.id == entry.id
    [record] = [one for one in caplog.records
                if one.levelno == logging.ERROR]
    assert 'was parked: ValueError: bad went wrong' in record.getMessage()
    assert record.exc_info[0] is ValueError


def test_a_failure_takes_back_a_change_of_the_task_itself(stage):
    def changes(task):
        task.time += MINUTE
        task.progress = 5
        fails(task)

    stage.run_between(call=changes)
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        assert entry.task.time == stage.now - MINUTE
        assert not hasattr(entry.task, 'progress')


def test_a_task_whose_schedule_raises_is_parked(stage):
    assert stage.run_between(next=fails) == ONE_FAILED
    assert parked_alone(stage, 'ValueError: bad went wrong')


@pytest.mark.parametrize('nonsense', [
    0, False, 'later', [], MINUTE, object(), Persistent(), Noting,
], ids=lambda one: type(one).__name__)
def test_what_is_neither_none_nor_a_task_is_a_failure(stage, nonsense):
    assert stage.run_between(
        call=lambda task: nonsense) == ONE_FAILED
    assert parked_alone(stage, '__call__() of the task returned')


@pytest.mark.parametrize(
    'nonsense', [True, 'later', Persistent()],
    ids=lambda one: type(one).__name__)
def test_nonsense_from_schedule_is_a_failure(stage, nonsense):
    assert stage.run_between(
        next=lambda task: nonsense) == ONE_FAILED
    assert parked_alone(stage, 'schedule() of the task returned')


class Unspeakable:
    """What cannot even be shown."""

    def __repr__(self):
        raise RuntimeError('no words')


def test_a_result_that_cannot_be_shown_is_a_failure(stage):
    assert stage.run_between(
        call=lambda task: Unspeakable()) == ONE_FAILED
    assert parked_alone(stage, 'no words')


def test_an_attribute_that_cannot_be_stored_is_a_failure(stage):
    def locks(task):
        task.lock = threading.Lock()

    assert stage.run_between(call=locks) == ONE_FAILED
    assert parked_alone(stage, 'cannot pickle')


def test_a_new_task_that_cannot_be_stored_is_a_failure(stage):
    def locks(task):
        new = stage.make('next')
        new.lock = threading.Lock()
        return new

    assert stage.run_between(call=locks) == ONE_FAILED
    assert parked_alone(stage, 'cannot be stored')


def test_a_next_time_without_a_zone_is_a_failure(stage):
    def naive(task):
        task.__dict__['time'] = None
        task.time = task.time.replace(tzinfo=None)

    assert stage.run_between(next=naive) == ONE_FAILED
    assert parked_alone(stage, 'names no time zone')


def test_transaction_metadata_that_cannot_be_stored_is_a_failure(stage):
    def locks(task):
        stage.tm.get().setExtendedInfo('lock', threading.Lock())

    assert stage.run_between(call=locks) == ONE_FAILED
    assert parked_alone(stage, 'cannot pickle')


class Stubborn(Persistent):
    """Runs code of the application while its state is written or read."""

    def __getstate__(self):
        refuse(self, 'write')
        return super().__getstate__()

    def __setstate__(self, state):
        super().__setstate__(state)
        refuse(self, 'read')


def refuse(stubborn, what):
    if getattr(stubborn, 'fails_to', '') == what:
        raise KeyError(f'no state to {what}')


def test_an_error_in_getstate_is_a_failure_of_the_task(stage):
    def writes(task):
        task.stubborn = Stubborn()
        task.stubborn.fails_to = 'write'

    assert stage.run_between(call=writes) == ONE_FAILED
    assert parked_alone(stage, 'no state to write')


def test_an_error_in_setstate_is_a_failure_of_the_task(stage):
    with stage.transaction() as root:
        root['stubborn'] = Stubborn()
        root['stubborn'].fails_to = 'read'
    stage.connection.cacheMinimize()

    def reads(task):
        task._p_jar.root()['stubborn'].anything

    assert stage.run_between(call=reads) == ONE_FAILED
    assert parked_alone(stage, 'Error')  # of the ZODB or the task's
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        assert 'no state to read' in entry.traceback


def test_a_doomed_transaction_is_a_failure(stage):
    assert stage.run_between(
        call=lambda task: stage.tm.doom()) == ONE_FAILED
    assert parked_alone(stage, 'DoomedTransaction')


def test_a_task_whose_principal_is_no_text_is_parked(stage):
    task = stage.add('bad', minutes=1, cls=Noting)
    with stage.transaction():
        task.principalId = 5
    stage.add('after', cls=Noting)
    assert stage.process() == Tally(succeeded=1, failed=1)
    assert parked_alone(stage, "InvalidTask: the principalId of <Noting")


# -- Code and records that are missing


def test_one_line_tells_of_all_tasks_of_a_missing_class(stage, caplog):
    for name in 'abc':
        stage.add(name, cls=Fading, minutes=1)
    with gone(stage.db, 'Fading'):
        assert stage.process() == Tally(left=3)
        assert stage.process(59) == Tally(left=3)
    assert caplog.text.count('is left in its place') == 1


def test_a_task_without_its_class_is_left_until_it_is_back(stage, caplog):
    stage.add('fading', cls=Fading, minutes=1)
    stage.add('after', cls=Noting)
    with gone(stage.db, 'Fading'):
        assert stage.process() == Tally(succeeded=1, left=1)
        assert stage.look().waiting == ['broken']
        assert 'is left in its place: gone.Fading cannot be imported' in (
            caplog.text)
        tid = stage.tid()
        assert stage.process(59) == ONE_LEFT
        assert stage.tid() == tid
    assert stage.process(59) == ONE_SUCCEEDED
    assert stage.look().effects == ['after', 'fading']


def test_a_task_without_its_class_is_parked_when_long_overdue(stage):
    stage.add('fading', cls=Fading)
    stage.add('before', minutes=1, cls=Noting)
    stage.add('after', minutes=-1, cls=Noting)
    with gone(stage.db, 'Fading'):
        assert stage.process(61) == Tally(succeeded=2, failed=1)
        seen = stage.look()
        assert seen.effects == ['before', 'after']
        assert seen.waiting == []
        [reason] = seen.parked.values()
        assert 'gone.Fading cannot be imported' in reason
        with stage.transaction() as root:
            [entry] = root['schedule'].parked
            with pytest.raises(ValueError, match='it stays parked'):
                root['schedule'].unpark(entry)
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        assert root['schedule'].unpark(entry).description == 'fading'
    assert stage.process() == ONE_SUCCEEDED
    assert stage.look().effects == ['before', 'after', 'fading']


def test_the_grace_of_missing_code_is_a_setting(stage):
    with stage.transaction() as root:
        root['schedule'].import_grace = MINUTE
    stage.add('fading', cls=Fading)
    with gone(stage.db, 'Fading'):
        assert stage.process(1) == ONE_LEFT
        assert stage.process(2) == ONE_FAILED


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module of an application, which can be taken away."""
    source = tmp_path / 'sample_shop.py'
    source.write_text('def sell():\n    pass\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield source
    sys.modules.pop('sample_shop', None)


def test_a_call_of_a_missing_function_is_left_and_then_parked(
        stage, shop, caplog):
    with stage.transaction():
        stage.schedule.call('sample_shop.sell', time=stage.now)
    stage.add('after', cls=Noting)
    code = shop.read_text()
    shop.write_text('raise RuntimeError("half deployed")\n' * 2)
    del sys.modules['sample_shop']
    assert stage.process() == Tally(succeeded=1, left=1)
    seen = stage.look()
    assert seen.waiting == ['sample_shop.sell']
    assert not seen.claims
    assert 'is left in its place: sample_shop.sell cannot be' in caplog.text
    assert stage.process(61) == ONE_FAILED
    assert 'half deployed' in stage.look().parked['sample_shop.sell']
    shop.write_text(code)
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        root['schedule'].unpark(entry)
    assert stage.process() == ONE_SUCCEEDED


SHOP = '''
from enum import Enum
from persistent import Persistent

class Kind(Enum):
    MAIL = 'mail'

class Order:
    pass

class Document(Persistent):
    pass

def sell(*args, **kwargs):
    sold.append(args)

sold = []
'''


@pytest.mark.parametrize('argument, taken, missing', [
    ('Kind.MAIL', 'mail', "ValueError: 'mail' is not a valid Kind"),
    ('[{"it": Kind.MAIL}]', 'mail', "'mail' is not a valid Kind"),
    ('Order()', 'Order', 'sample_shop.Order, which it holds, cannot be'),
    ('{"it": (Order(),)}', 'Order', 'sample_shop.Order, which it holds'),
    ('Order', 'Order', 'sample_shop.Order, which it holds, cannot be'),
    ('Document()', 'Document', 'sample_shop.Document, which it holds'),
])
@pytest.mark.parametrize('size', [1, 10_000], ids=['small', 'large'])
def test_a_call_whose_argument_needs_missing_code_is_left_and_then_parked(
        stage, shop, caplog, argument, taken, missing, size):
    shop.write_text(SHOP)
    with stage.transaction():
        module = import_module('sample_shop')
        value = eval(argument, vars(module))
        stage.schedule.call(module.sell, value, time=stage.now,
                            kwargs={'more': 'x' * size})
    stage.add('after', cls=Noting)
    # The code of an older process, which does not know it.
    shop.write_text(SHOP.replace(taken, f'Another{taken}'))
    reload_shop(stage)
    assert stage.process() == Tally(succeeded=1, left=1)
    assert 'is left in its place: ' in caplog.text
    assert missing in caplog.text
    assert stage.process(61) == ONE_FAILED
    [reason] = stage.look().parked.values()
    assert missing in reason
    assert not sys.modules['sample_shop'].sold
    shop.write_text(SHOP)
    reload_shop(stage)
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        root['schedule'].unpark(entry)
    assert stage.process() == ONE_SUCCEEDED
    [[argument]] = sys.modules['sample_shop'].sold
    assert not isinstance(argument, Broken)


def reload_shop(stage):
    """Import it anew, and have each object loaded anew."""
    del sys.modules['sample_shop']
    importlib.invalidate_caches()
    import_module('sample_shop')
    forget(stage.db)


@pytest.mark.parametrize('size', [1, 10_000], ids=['small', 'large'])
def test_a_series_goes_on_when_the_class_of_an_argument_is_long_missing(
        stage, shop, size):
    shop.write_text(SHOP)
    with stage.transaction():
        module = import_module('sample_shop')
        stage.schedule.call(
            module.sell, module.Order(), 'x' * size, time=stage.now,
            recurrence=Every(120 * MINUTE, start=stage.now))
    shop.write_text(SHOP.replace('Order', 'AnotherOrder'))
    reload_shop(stage)
    assert stage.process(61) == ONE_FAILED
    seen = stage.look()
    assert seen.waiting == ['sample_shop.sell']
    assert 'sample_shop.Order' in seen.parked['sample_shop.sell']


def test_a_task_whose_record_is_gone_is_parked(stage):
    # A storage loses records by packing with a reference that it cannot see,
    # as one from another database.  What the schedule finds is the same.
    stage.add('before', minutes=2, cls=Noting)
    lost = stage.add('bad', minutes=1)._p_oid
    stage.add('after', cls=Noting)
    del stage.db.storage._index[lost]
    stage.connection.cacheMinimize()
    assert stage.process() == Tally(succeeded=2, failed=1)
    seen = stage.look()
    assert seen.effects == ['before', 'after']
    assert 'POSKeyError' in seen.parked['sample_tasks.Doing']
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        assert entry.id == f'{int.from_bytes(lost, "big"):x}'
        with pytest.raises(ValueError, match='is gone; discard'):
            root['schedule'].unpark(entry)
        root['schedule'].discard(entry)
    assert stage.process() == Tally()


# -- Tasks that work on the schedule


def test_a_task_may_come_back_in_the_past_once_a_call(stage):
    def yesterday(task):
        task.time -= 24 * 60 * MINUTE
        return task

    assert stage.run_between(next=yesterday) == ONE_SUCCEEDED
    assert stage.look().waiting == ['bad']
    assert stage.process() == ONE_SUCCEEDED
    assert stage.process() == ONE_SUCCEEDED
    assert stage.look().effects.count('bad') == 3


def test_a_task_may_come_back_at_the_same_time_once_a_call(stage):
    assert stage.run_between(call=lambda task: task) == ONE_RETRIED
    assert stage.process() == ONE_RETRIED
    assert stage.look().effects.count('bad') == 2


def test_tasks_that_come_back_ahead_and_due_run_once_a_call(stage):
    def ahead(task):
        task.time += MINUTE
        return task

    for number in range(5):
        stage.add(f'task {number}', minutes=10, next=ahead)
    stage.add('after', cls=Noting)
    assert stage.process() == Tally(succeeded=6)
    assert len(stage.look().waiting) == 5
    assert stage.process() == Tally(succeeded=5)


def test_what_a_task_schedules_waits_for_the_next_call(stage):
    def plans(task):
        for minutes in (3, 1, 0):
            stage.schedule.schedule(
                stage.make('planned', minutes=minutes, cls=Noting))

    assert stage.run_between(call=plans) == ONE_SUCCEEDED
    seen = stage.look()
    assert seen.waiting == ['planned'] * 3
    assert stage.process() == Tally(succeeded=3)


def test_what_a_failed_task_has_scheduled_is_gone_too(stage):
    def plans(task):
        stage.schedule.schedule(stage.make('planned'))
        fails(task)

    assert stage.run_between(call=plans) == ONE_FAILED
    assert stage.look().waiting == []


def test_a_task_may_unschedule_one_that_waits(stage):
    waiting = stage.add('waiting', minutes=-5)
    assert stage.run_between(
        call=lambda task: stage.schedule.unschedule(waiting)
    ) == ONE_SUCCEEDED
    assert stage.look().waiting == []


def test_a_task_may_unschedule_one_that_comes_later_in_the_pass(stage):
    later = stage.add('later', minutes=.5)
    assert stage.run_between(
        call=lambda task: stage.schedule.unschedule(later)
    ) == ONE_SUCCEEDED
    seen = stage.look()
    assert seen.waiting == []
    assert 'later' not in seen.effects
    assert dict(seen.outcomes)['later'] == 'cancelled'


def test_a_task_cannot_unschedule_one_that_has_run(stage):
    earlier = stage.add('earlier', minutes=5)
    assert stage.run_between(
        call=lambda task: stage.schedule.unschedule(earlier)
    ) == Tally(succeeded=1, failed=1)
    assert parked_alone(stage, 'is not scheduled here')


def test_a_task_may_unschedule_what_an_earlier_one_has_put_next(stage):
    def ahead(task):
        task.time += 60 * MINUTE
        return task

    earlier = stage.add('earlier', minutes=5, next=ahead)
    assert stage.run_between(
        call=lambda task: stage.schedule.unschedule(earlier)
    ) == Tally(succeeded=2)
    assert stage.look().waiting == []


def test_a_task_that_unschedules_itself_is_not_asked_for_the_next(stage):
    asked = []
    assert stage.run_between(
        call=stage.schedule.unschedule, next=asked.append
    ) == ONE_SUCCEEDED
    assert asked == []
    seen = stage.look()
    assert 'bad' in seen.effects
    assert seen.waiting == []


def test_a_task_may_unschedule_itself_and_come_back(stage):
    def returns(task):
        stage.schedule.unschedule(task)
        task.time += 60 * MINUTE
        return task

    assert stage.run_between(call=returns) == ONE_RETRIED
    assert stage.look().waiting == ['bad']
    assert stage.process(60) == ONE_RETRIED


def test_a_task_may_unschedule_itself_and_schedule_itself_anew(stage):
    def moves(task):
        stage.schedule.unschedule(task)
        stage.schedule.schedule(task)

    assert stage.run_between(call=moves) == ONE_SUCCEEDED
    assert stage.look().waiting == ['bad']
    assert stage.process() == ONE_SUCCEEDED


def test_a_task_cannot_schedule_itself_while_it_runs(stage):
    assert stage.run_between(
        call=lambda task: stage.schedule.schedule(task) and None
    ) == ONE_FAILED
    assert parked_alone(stage, 'AlreadyScheduled')


def test_a_task_that_returns_one_that_waits_fails(stage):
    waiting = stage.add('waiting', minutes=-5)
    assert stage.run_between(call=lambda task: waiting) == ONE_FAILED
    seen = stage.look()
    assert seen.waiting == ['waiting']
    assert 'AlreadyScheduled' in seen.parked['bad']


def test_a_task_that_returns_a_later_one_of_the_same_portion_fails(stage):
    later = stage.add('later', minutes=.5)
    assert stage.run_between(call=lambda task: later) == Tally(
        succeeded=1, failed=1)
    seen = stage.look()
    assert seen.effects == ['before', 'later', 'after']
    assert 'AlreadyScheduled' in seen.parked['bad']


def test_a_task_that_calls_process_fails(stage):
    assert stage.run_between(
        call=lambda task: stage.process()) == ONE_FAILED
    assert parked_alone(stage, 'is the one in which a task runs')


def test_a_refused_call_of_process_harms_nothing(stage):
    def nested(task):
        with pytest.raises(PendingChanges):
            stage.process()

    assert stage.run_between(call=nested) == ONE_SUCCEEDED
    assert 'bad' in stage.look().effects


# -- Tasks that end their transaction


def commits(manager):
    manager.commit()


def aborts(manager):
    manager.abort()


def begins(manager):
    manager.begin()


def aborts_and_begins(manager):
    try:
        manager.abort()
    finally:
        manager.begin()


ENDINGS = [commits, aborts, begins, aborts_and_begins]


@pytest.mark.parametrize('end', ENDINGS)
def test_a_task_that_ends_its_transaction_fails(stage, end):
    assert stage.run_between(
        call=lambda task: end(stage.tm)) == ONE_FAILED
    assert parked_alone(stage, 'Transaction')


@pytest.mark.parametrize('end', ENDINGS)
def test_a_task_that_ends_its_transaction_fails_even_if_it_catches_the_error(
        stage, end):
    def ends(task):
        try:
            end(stage.tm)
        except Exception:
            pass
        note(task, 'too late')

    tally = stage.run_between(call=ends)
    if end is begins and stage.tm.explicit:
        # Such a manager refuses by itself, and nothing has ended.
        assert tally == ONE_SUCCEEDED
        assert stage.look().effects == ['before', 'bad', 'too late', 'after']
    else:
        assert tally == ONE_FAILED
        assert parked_alone(stage, 'Transaction')
        assert 'too late' not in stage.look().effects


@pytest.mark.parametrize('end, catch', [
    (commits, False), (aborts, False), (aborts, True), (begins, False),
    (aborts_and_begins, True)])
def test_a_hook_that_ends_the_transaction_is_a_failure(stage, end, catch):
    def hook():
        try:
            end(stage.tm)
        except Exception:
            if not catch:
                raise

    def hooks(task):
        stage.tm.get().addBeforeCommitHook(hook)

    assert stage.run_between(call=hooks) == ONE_FAILED
    assert parked_alone(stage, '')


def test_savepoints_work_inside_a_task(stage):
    def saves(task):
        stage.tm.savepoint()
        note(task, 'kept')
        savepoint = stage.tm.savepoint()
        note(task, 'dropped')
        stage.schedule.schedule(stage.make('dropped'))
        savepoint.rollback()
        note(task, 'kept too')

    assert stage.run_between(call=saves) == ONE_SUCCEEDED
    seen = stage.look()
    assert seen.effects == ['before', 'bad', 'kept', 'kept too', 'after']
    assert seen.waiting == []


def test_hooks_of_a_task_are_called(stage):
    called = []

    def hooks(task):
        txn = stage.tm.get()
        txn.addBeforeCommitHook(note, (task, 'before commit'))
        txn.addAfterCommitHook(called.append)

    assert stage.run_between(call=hooks) == ONE_SUCCEEDED
    assert stage.look().effects == ['before', 'bad', 'before commit', 'after']
    assert called == [True]


class Elsewhere:
    """A data manager of something that is no ZODB."""

    def __init__(self, manager, problem=None):
        self.transaction_manager = manager
        self.problem = problem
        self.seen = []

    def sortKey(self):
        return '~elsewhere'

    def step(self, name, txn):
        self.seen.append(name)
        if name == self.problem:
            raise RuntimeError('elsewhere is full')

    abort = partialmethod(step, 'abort')
    tpc_begin = partialmethod(step, 'tpc_begin')
    commit = partialmethod(step, 'commit')
    tpc_vote = partialmethod(step, 'tpc_vote')
    tpc_finish = partialmethod(step, 'tpc_finish')
    tpc_abort = partialmethod(step, 'tpc_abort')


def test_another_data_manager_is_committed_along(stage):
    other = Elsewhere(stage.tm)
    assert stage.run_between(
        call=lambda task: stage.tm.get().join(other)) == ONE_SUCCEEDED
    assert other.seen == ['tpc_begin', 'commit', 'tpc_vote', 'tpc_finish']


def test_another_data_manager_is_aborted_along(stage):
    other = Elsewhere(stage.tm)

    def joins(task):
        stage.tm.get().join(other)
        fails(task)

    assert stage.run_between(call=joins) == ONE_FAILED
    assert other.seen == ['abort']


def test_another_data_manager_that_refuses_fails_the_task(stage):
    other = Elsewhere(stage.tm, problem='tpc_vote')
    assert stage.run_between(
        call=lambda task: stage.tm.get().join(other)) == ONE_FAILED
    assert parked_alone(stage, 'elsewhere is full')


# -- Tasks that end the process


def test_a_task_that_has_tried_to_commit_may_end_the_process(stage):
    def commits_and_exits(task):
        note(task, 'in vain')
        with pytest.raises(TransactionEnded):
            stage.tm.commit()
        raise SystemExit

    stage.add('bad', call=commits_and_exits)
    with pytest.raises(SystemExit):
        stage.process()
    seen = stage.look()
    assert seen.effects == []
    assert seen.waiting == ['bad']
    assert not seen.claims


@pytest.mark.parametrize('end', [SystemExit, KeyboardInterrupt])
def test_a_task_that_exits_each_time_is_parked_at_the_third(stage, end):
    def exits(task):
        raise end('enough')

    stage.add('before', minutes=2, cls=Noting)
    stage.add('bad', minutes=1, call=exits)
    stage.add('after', cls=Noting)
    for number in (1, 2):
        with pytest.raises(end, match='enough'):
            stage.process()
        seen = stage.look()
        assert seen.effects == ['before']
        assert seen.waiting == ['bad', 'after']
        assert not seen.claims
        assert [count for count, _ in seen.crashes.values()] == [number]
    with pytest.raises(end, match='enough'):
        stage.process()
    seen = stage.look()
    # The last run of it went on alone, behind what is not suspected.
    assert seen.effects == ['before', 'after']
    assert not seen.waiting
    assert not seen.claims
    assert not seen.crashes
    assert '3 runs of it ended' in seen.parked['bad']


def test_an_outcome_forgives_earlier_exits(stage):
    ends = [SystemExit, SystemExit]

    def exits(task):
        if ends:
            raise ends.pop()
        return task

    stage.add('bad', call=exits)
    for _ in range(2):
        with pytest.raises(SystemExit):
            stage.process()
    assert stage.process() == ONE_RETRIED
    assert not stage.look().crashes


# -- Conflicts


def test_a_task_that_conflicts_at_first_is_run_again(stage):
    tries = []

    def conflicts(task):
        tries.append(1)
        if len(tries) < 3:
            raise ConflictError()

    assert stage.run_between(call=conflicts) == ONE_SUCCEEDED
    assert len(tries) == 3
    assert stage.look().effects == ['before', 'bad', 'after']


def test_a_task_that_wraps_a_conflict_is_run_again(stage):
    tries = []

    def conflicts(task):
        tries.append(1)
        if len(tries) < 3:
            try:
                raise ConflictError()
            except ConflictError:
                raise ValueError('no luck')

    assert stage.run_between(call=conflicts) == ONE_SUCCEEDED


def test_a_task_that_always_conflicts_is_left_and_waits_ever_longer(
        stage, caplog, events):
    tries = []

    def conflicts(task):
        tries.append(1)
        raise ConflictError()

    assert stage.run_between(call=conflicts) == ONE_LEFT
    assert len(tries) == 5
    assert 'is left for a next time' in caplog.text
    assert 'bad' not in [event.description for event in events]
    seen = stage.look()
    assert seen.waiting == ['bad']
    assert not seen.parked
    # From the first to the next run, by the argument of process().
    rests = []
    second, since = MINUTE / 60, stage.now
    now = since
    while len(rests) < 9:
        del tries[:]
        tid = stage.tid()
        now += second
        assert stage.schedule.process(now) == ONE_LEFT
        if tries:
            rests.append((now - since) // second)
            since = now
        else:
            assert stage.tid() == tid
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert stage.look().effects == ['before', 'after']


def test_a_success_ends_the_waiting(stage):
    wants = [True] * 5

    def conflicts(task):
        if wants:
            wants.pop()
            raise ConflictError()
        return task

    assert stage.run_between(call=conflicts) == ONE_LEFT
    assert stage.process(1) == ONE_RETRIED
    assert stage.process(1) == ONE_RETRIED


def edit(stage, task, text):
    """Change a task from another connection, and commit."""
    manager = transaction.TransactionManager(explicit=True)
    with manager:
        connection = stage.db.open(manager)
        connection.get(task._p_oid).text = text
    connection.close()


def test_a_task_that_is_edited_while_it_runs_sees_the_edit(stage):
    def edited(task):
        text = getattr(task, 'text', 'old')
        if text == 'old':
            edit(stage, task, 'new')
        note(task, text)
        task.time += 60 * MINUTE
        return task

    assert stage.run_between(call=edited) == ONE_RETRIED
    assert stage.look().effects == ['before', 'bad', 'new', 'after']


def test_a_run_that_only_reads_its_task_comes_before_the_edit(stage):
    def edited(task):
        edit(stage, task, 'new')

    assert stage.run_between(call=edited) == ONE_SUCCEEDED
    assert stage.look().effects == ['before', 'bad', 'after']


def test_a_run_that_is_never_committed_is_told_to_nobody(stage, events):
    def edited(task):
        edit(stage, task, 'new')
        task.text = 'mine'

    assert stage.run_between(call=edited) == ONE_LEFT
    assert [event.description for event in events] == ['before', 'after']
    assert stage.look().waiting == ['bad']


def test_a_task_that_is_cancelled_while_it_runs_leaves_its_outcome_only(
        stage, events):
    def cancelled(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = stage.db.open(manager)
            connection.root()['schedule'].unschedule(
                connection.get(task._p_oid))
        connection.close()

    assert stage.run_between(call=cancelled) == Tally()
    seen = stage.look()
    assert seen.effects == ['before', 'after']
    assert seen.waiting == []
    assert dict(seen.outcomes)['bad'] == 'cancelled'
    assert [(event.description, event.outcome) for event in events] == [
        ('before', 'succeeded'), ('bad', 'cancelled'), ('after', 'succeeded')]


def test_a_task_that_is_cancelled_while_it_fails_is_not_parked(stage):
    def cancelled(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = stage.db.open(manager)
            connection.root()['schedule'].unschedule(
                connection.get(task._p_oid))
        connection.close()
        fails(task)

    assert stage.run_between(call=cancelled) == Tally()
    assert not stage.look().parked


# -- What the undo log says


def last_of(stage, text):
    """User, description and their size of the transaction noting *text*."""
    [found] = [
        record for record in stage.db.storage.iterator()
        if text in record.description.decode()]
    return found.user, found.description


def test_the_transaction_names_principal_and_description(stage):
    stage.add('Für Elise', principalId='bob', cls=Noting)
    stage.process()
    assert last_of(stage, 'Für Elise') == (b'bob', 'Für Elise'.encode())


def test_what_a_task_notes_is_kept(stage):
    stage.add('bad', call=lambda task: stage.tm.get().note('42 rows'))
    stage.process()
    assert last_of(stage, '42 rows') == (b'', b'bad\n42 rows')


@pytest.mark.parametrize('description', [
    'a lone \ud800 surrogate', 'x' * 100_000, 'ü' * 100_000, '€' * 21_845,
    '\ud800' * 100_000,
], ids=['surrogate', 'long', 'long and wide', 'just fits', 'both'])
def test_any_description_can_be_noted(stage, description):
    with stage.transaction():
        task = stage.make('bad', cls=Noting)
        task.principalId = description
        task.description = description
        stage.schedule.schedule(task)
    stage.add('after', cls=Noting)
    assert stage.process() == Tally(succeeded=2)
    *_, run, _, _ = stage.db.storage.iterator()
    for noted in (run.user, run.description):
        assert len(noted) <= 65_535
        assert noted.decode('utf-8')[:5] == description[:5].replace(
            '\ud800', '?')
    if description[0] == '€':
        assert len(run.description) == 65_535


def test_the_parking_is_noted(stage):
    stage.add('bad', call=fails, principalId='bob')
    stage.process()
    assert last_of(stage, 'parked: bad') == (b'bob', b'parked: bad')


# -- Events


def test_each_outcome_is_told_after_its_commit_as_plain_data(stage):
    seen = []
    other = stage.db.open(transaction.TransactionManager())

    def look(event):
        other.transaction_manager.begin()
        seen.append((
            event, list(other.root()['effects']),
            [entry.id for entry in other.root()['schedule'].parked]))

    zope.event.subscribers.append(look)
    try:
        stage.add('one', minutes=3, principalId='bob')
        stage.add('two', minutes=2, call=lambda task: task)
        stage.add('bad', minutes=1, call=fails)
        stage.process()
    finally:
        zope.event.subscribers.remove(look)
        other.close()
    one, two, parked, failed = (event for event, _, _ in seen)
    with stage.transaction() as root:
        origin = task_id(root['schedule']), None
    assert one == RunEnded(
        one.id, 'succeeded', stage.now - 3 * MINUTE, 'one',
        'sample_tasks.Doing', 'bob', 1,
        stage.now - 3 * MINUTE, None, *origin, one.began)
    assert two == RunEnded(
        two.id, 'retried', stage.now - 2 * MINUTE, 'two',
        'sample_tasks.Doing', None, 1,
        stage.now - 2 * MINUTE, None, *origin, two.began)
    assert parked == TaskParked(
        failed.id, stage.now - MINUTE, 'ValueError: bad went wrong', 'bad',
        None, 'sample_tasks.Doing', None, *origin)
    assert failed == RunEnded(
        parked.id, 'failed', stage.now - MINUTE, 'bad',
        'sample_tasks.Doing', None, 1, stage.now - MINUTE,
        'ValueError: bad went wrong', *origin, failed.began)
    assert one.began <= two.began <= failed.began
    assert [effects for _, effects, _ in seen] == [
        ['one']] + [['one', 'two']] * 3
    assert [ids for _, _, ids in seen] == [[], [], [parked.id], [parked.id]]


def test_subscribers_that_fail_harm_nothing(stage, caplog):
    told = []

    def refuse(event):
        told.append(event)
        raise RuntimeError('not interested')

    zope.event.subscribers.insert(0, refuse)
    zope.event.subscribers.append(told.append)
    try:
        assert stage.run_between(call=fails) == ONE_FAILED
    finally:
        zope.event.subscribers.remove(refuse)
        zope.event.subscribers.remove(told.append)
    assert len(told) == 8
    assert 'A subscriber failed, given RunEnded' in caplog.text


def test_a_subscriber_that_leaves_a_transaction_begun_harms_nothing(stage):
    def begin(event):
        stage.tm.begin()
        stage.connection.root()['effects'].append('unfinished')

    zope.event.subscribers.append(begin)
    try:
        assert stage.run_between() == ONE_SUCCEEDED
    finally:
        zope.event.subscribers.remove(begin)
    assert stage.look().effects == ['before', 'bad', 'after']


def test_a_parked_task_is_told_when_its_runs_have_ended_the_process(
        stage, events):
    def exits(task):
        raise SystemExit

    stage.add('bad', call=exits)
    for _ in range(3):
        with pytest.raises(SystemExit):
            stage.process()
    [event] = [each for each in events if isinstance(each, TaskParked)]
    assert event.description == 'bad'
    assert events[-1].outcome == 'failed'
