"""Runs that commit nothing, for layers of tests that forbid commits."""

import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
from persistent.list import PersistentList
from sample_tasks import Doing
from sample_tasks import calls
from transaction.interfaces import TransactionFailedError

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import current_run
from zodbschedule.interfaces import NotStored
from zodbschedule.interfaces import TransactionEnded
from zodbschedule.testing import run_until
from zodbschedule.transactions.borrowing import RUN
from zodbschedule.transactions.borrowing import run_of
from zodbschedule.transactions.savepoints import Savepoints


pytest_plugins = ['zodbschedule.testing']

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _no_calls_are_left():
    calls.clear()
    yield
    calls.clear()


@pytest.fixture(autouse=True)
def _effects(schedule):
    schedule._p_jar.root()['effects'] = PersistentList()
    transaction.commit()


@pytest.fixture
def stored(schedule):
    """Whether anything was committed since the test began."""
    storage = schedule._p_jar.db().storage
    before = storage.lastTransaction()
    return lambda: storage.lastTransaction() != before


@pytest.fixture
def root(schedule):
    return schedule._p_jar.root()


def ends(schedule, clock):
    return run_until(schedule, clock.now() + 10 * MINUTE, commit=False)


def test_it_runs_what_was_scheduled_and_not_committed(
        schedule, clock, root, stored):
    schedule.call(root.setdefault, 'done', 1)
    assert ends(schedule, clock).succeeded == 1
    assert root['done'] == 1
    assert not list(schedule)
    assert [each.outcome for each in schedule.history] == ['succeeded']
    assert not schedule.claims
    assert not stored()


def test_aborted_nothing_of_it_has_happened(schedule, clock, root, stored):
    schedule.call(root.setdefault, 'done', 1)
    ends(schedule, clock)
    transaction.abort()
    assert 'done' not in root
    assert not list(schedule)
    assert not list(schedule.history)
    assert not stored()


def test_what_a_failed_one_has_changed_has_not_happened(
        schedule, clock, root, stored):
    def fails(task):
        root['done'] = 1
        raise ValueError('no')

    root['before'] = 1
    calls['a'] = fails
    schedule.schedule(Doing(description='a', retry=Retry(3, MINUTE)))
    assert ends(schedule, clock)[1:3] == (2, 1)
    assert 'done' not in root
    assert root['before'] == 1
    assert len(list(schedule.parked)) == 1
    assert not stored()


def test_after_a_change_that_cannot_be_stored_nothing_can_go_on(
        schedule, clock, root, stored):
    calls['a'] = lambda task: root.update(lock=threading.Lock())
    schedule.schedule(Doing(description='a'))
    with pytest.raises(TransactionFailedError):
        ends(schedule, clock)
    assert not stored()


def test_an_abort_without_a_savepoint_changes_nothing(schedule, root):
    root['before'] = 1
    Savepoints(transaction.manager).abort()
    assert root['before'] == 1


@pytest.mark.parametrize('end', ['commit', 'abort'])
def test_the_transaction_has_its_run_until_it_ends(schedule, root, end):
    manager = Savepoints(transaction.manager)
    manager.begin()
    run = object()
    manager.get().set_data(RUN, run)
    assert run_of(transaction.get()) is run
    root['done'] = 1
    getattr(manager, end)()
    assert run_of(transaction.get()) is None
    manager.abort()
    assert ('done' in root) == (end == 'commit')


def test_a_series_goes_on(schedule, clock, root, stored):
    schedule.schedule(Doing(description='a', recurrence=Every(MINUTE)))
    assert ends(schedule, clock).succeeded == 10
    assert len(list(schedule)) == 1
    assert not stored()


def test_many_go_through_several_portions(schedule, clock):
    for number in range(300):
        schedule.schedule(Doing(description=str(number)))
    assert ends(schedule, clock).succeeded == 300


def test_a_run_knows_that_it_goes_on(schedule, clock):
    def look(task):
        run = current_run()
        seen.append((run.cancelled, run.schedule is schedule))
        run.progress(1, 2)
        [claimed] = schedule.claimed()
        seen.append(claimed.progress)
        schedule.unschedule(task)
        seen.append(run.cancelled)

    seen = []
    calls['a'] = look
    schedule.schedule(Doing(description='a'))
    ends(schedule, clock)
    assert seen == [(False, True), (1, 2), True]


def test_what_it_schedules_runs_too(schedule, clock):
    def go_on(task):
        schedule.schedule(Doing(clock.now() + MINUTE, description='b'))

    calls['a'] = go_on
    schedule.schedule(Doing(description='a'))
    assert ends(schedule, clock).succeeded == 2


@pytest.mark.parametrize('name', ['commit', 'abort'])
def test_if_a_task_ends_it_nothing_is_left_to_go_on_with(
        schedule, clock, stored, name):
    calls['a'] = lambda task: getattr(transaction, name)()
    schedule.schedule(Doing(description='a'))
    with pytest.raises(TransactionEnded, match='transaction of the test'):
        ends(schedule, clock)
    assert not stored()


def test_the_transaction_of_the_test_is_none_of_ours(schedule, clock):
    schedule.schedule(Doing(description='a', principalId='jane'))
    ends(schedule, clock)
    assert transaction.get().description == ''
    assert not transaction.get().user


@pytest.mark.parametrize('fails', [False, True])
def test_afterwards_no_run_goes_on(schedule, clock, root, fails):
    schedule.call('math.sqrt', -1 if fails else 1)
    ends(schedule, clock)
    schedule.call(root.setdefault, 'done', 1)
    assert len(list(schedule)) == 1
    assert ends(schedule, clock).succeeded == 1


def test_afterwards_all_can_be_committed(schedule, clock, root, stored):
    schedule.call(root.setdefault, 'done', 1)
    ends(schedule, clock)
    transaction.commit()
    assert stored()
    assert root['done'] == 1
    assert schedule.process(clock.now()).succeeded == 0


def test_it_has_to_be_in_a_database():
    schedule = Schedule()
    schedule.schedule(Doing(datetime(2003, 4, 1, tzinfo=UTC)))
    with pytest.raises(NotStored):
        run_until(schedule, datetime(2003, 4, 2, tzinfo=UTC), commit=False)


def test_it_is_stored_by_a_savepoint(schedule, clock, root):
    root['other'] = other = Schedule()
    transaction.savepoint()
    other.schedule(Doing(description='a'))
    assert ends(other, clock).succeeded == 1
