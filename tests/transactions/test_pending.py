"""process() refuses to end work that is not its own, and leaves no trace."""

import pytest
import transaction
import ZODB
from sample_tasks import Noting
from sample_tasks import Stage
from transaction.interfaces import NoTransaction
from ZODB.FileStorage import FileStorage

from zodbschedule import PendingChanges
from zodbschedule.outcomes import Tally
from zodbschedule.transactions.borrowing import is_begun


@pytest.fixture(params=['thread-local', 'own', 'explicit'])
def stage(request, tmp_path, clock):
    """A stage with a due task, with each kind of transaction manager."""
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    manager = transaction.TransactionManager(
        explicit=request.param == 'explicit')
    if request.param == 'thread-local':
        manager = transaction.manager
        transaction.abort()
    stage = Stage(db, manager, clock)
    stage.add('due', cls=Noting)
    yield stage
    if is_begun(manager):
        manager.abort()
    stage.close()
    db.close()


class Other:
    """A data manager of something else."""

    def __init__(self, manager):
        self.transaction_manager = manager

    def abort(self, txn):
        """Nothing to take back."""


def changes(stage):
    stage.connection.root()['pending'] = True
    yield
    assert stage.connection.root()['pending']
    assert stage.connection.root()._p_changed


def new_object(stage):
    new = stage.make('new', cls=Noting)
    stage.connection.add(new)
    yield
    assert stage.connection.get(new._p_oid) is new


def behind_a_savepoint(stage):
    stage.connection.root()['pending'] = True
    stage.tm.savepoint()
    assert not stage.connection._registered_objects
    yield
    assert stage.connection.root()['pending']


def a_scheduled_task(stage):
    task = stage.schedule.schedule(stage.make('new', cls=Noting))
    yield
    assert task in stage.schedule


def other_data_manager(stage):
    other = Other(stage.tm)
    stage.tm.get().join(other)
    yield
    assert stage.tm.get()._resources == [other]


def hook(kind):
    def hooked(stage):
        txn = stage.tm.get()
        getattr(txn, f'add{kind}Hook')(print)
        yield
        assert stage.tm.get() is txn
        assert len(list(getattr(txn, f'get{kind}Hooks')())) == 1

    hooked.__name__ = f'{kind} hook'
    return hooked


def doomed(stage):
    stage.tm.doom()
    yield
    assert stage.tm.isDoomed()


CASES = [
    changes, new_object, behind_a_savepoint, a_scheduled_task,
    other_data_manager, doomed, hook('BeforeCommit'), hook('AfterCommit'),
    hook('BeforeAbort'), hook('AfterAbort')]


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)
def test_pending_work_is_refused_and_still_there(stage, case):
    stage.tm.begin()
    tid = stage.tid()
    pending = case(stage)
    next(pending)
    with pytest.raises(PendingChanges, match='Commit or abort it first'):
        stage.process()
    assert next(pending, 'still there') == 'still there'
    assert stage.tid() == tid
    stage.tm.abort()
    assert stage.look().waiting == ['due']


@pytest.mark.parametrize('case', [changes, new_object, behind_a_savepoint],
                         ids=lambda case: case.__name__)
def test_refused_changes_can_be_committed(stage, case):
    stage.tm.begin()
    next(case(stage))
    with pytest.raises(PendingChanges):
        stage.process()
    stage.tm.commit()
    assert stage.process() == Tally(succeeded=1)


def test_changes_of_another_connection_of_the_same_manager_are_refused(stage):
    other = stage.db.open(stage.tm)
    stage.tm.begin()
    other.root()['pending'] = True
    with pytest.raises(PendingChanges, match='holds changes'):
        stage.process()
    stage.tm.abort()
    other.close()


def test_changes_of_another_manager_are_nobodys_business(stage):
    manager = transaction.TransactionManager()
    other = stage.db.open(manager)
    other.root()['pending'] = True
    assert stage.process() == Tally(succeeded=1)
    assert other.root()['pending']
    manager.abort()
    other.close()


# -- The manager is left as found


@pytest.mark.parametrize('due', [True, False])
def test_a_manager_that_is_not_begun_stays_so(stage, due):
    if not due:
        stage.process()
    assert not is_begun(stage.tm)
    stage.process()
    assert not is_begun(stage.tm)
    if stage.tm.explicit:
        with pytest.raises(NoTransaction):
            stage.tm.get()


@pytest.mark.parametrize('due', [True, False])
def test_a_manager_that_is_begun_stays_so_and_sees_what_was_done(stage, due):
    if not due:
        stage.process()
    stage.tm.begin()
    stage.process()
    assert is_begun(stage.tm)
    assert list(stage.connection.root()['effects']) == ['due']
    stage.tm.abort()


@pytest.mark.parametrize('begun', [True, False])
def test_the_manager_is_left_as_found_if_a_task_exits(stage, begun):
    def exits(task):
        raise SystemExit

    stage.add('exits', call=exits)
    if begun:
        stage.tm.begin()
    with pytest.raises(SystemExit):
        stage.process()
    assert is_begun(stage.tm) == begun


def test_process_works_inside_a_with_statement_of_the_manager(stage):
    with stage.tm:
        assert stage.process() == Tally(succeeded=1)
        stage.connection.root()['after'] = True
    seen = stage.look()
    assert seen.effects == ['due']
    with stage.transaction() as root:
        assert root['after']
