"""One pass over what is due: its order, its claim, its tally."""

import errno
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone

import pytest
import transaction
import ZODB
import zope.event
from databases import HISTORY
from psycopg2 import OperationalError
from relstorage.adapters.postgresql import PostgreSQLAdapter
from sample_tasks import MINUTE
from sample_tasks import Noting
from sample_tasks import Stage
from ZEO.Exceptions import ClientDisconnected
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import ReadOnlyError
from ZODB.utils import p64

from zodbschedule import InvalidTime
from zodbschedule import NotStored
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule.execution import passes
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import TaskParked
from zodbschedule.outcomes import Tally
from zodbschedule.principals import Plain
from zodbschedule.scheduling.turn import withdraw


@pytest.fixture
def stage(database, clock):
    """A stage on each storage, with an explicit manager."""
    manager = transaction.TransactionManager(explicit=True)
    stage = Stage(database.db, manager, clock)
    yield stage
    stage.close()


on_file = pytest.mark.storages('FileStorage')


def exits(task):
    raise SystemExit


# -- Order


def test_tasks_run_by_time_and_then_by_arrival(stage):
    for description, minutes in [
            ('c1', 1), ('a', 3), ('c2', 1), ('b', 2), ('c3', 1)]:
        stage.add(description, minutes=minutes, cls=Noting)
    assert stage.process() == Tally(succeeded=5)
    assert stage.look().effects == ['a', 'b', 'c1', 'c2', 'c3']


@on_file
def test_the_order_holds_across_portions_and_at_a_busy_instant(
        stage, monkeypatch):
    monkeypatch.setattr(processing, 'PORTION', 7)
    with stage.transaction():
        for number in range(40):
            stage.schedule.schedule(
                stage.make(f'{number:02}', cls=Noting, minutes=number < 20))
    assert stage.process() == Tally(succeeded=40)
    assert stage.look().effects == [f'{number:02}' for number in range(40)]


def test_what_is_not_due_waits(stage):
    stage.add('now', cls=Noting)
    with stage.transaction():
        task = Noting(stage.now + timedelta(microseconds=1),
                      description='later')
        stage.schedule.schedule(task)
    assert stage.process() == Tally(succeeded=1)
    assert stage.look().waiting == ['later']


@on_file
def test_the_argument_says_what_is_due_and_not_the_clock(stage):
    stage.add('future', minutes=-60, cls=Noting)
    assert stage.process(59) == Tally()
    assert stage.process(60) == Tally(succeeded=1)


@on_file
def test_the_time_may_be_of_any_zone(stage):
    stage.add('now', cls=Noting)
    zone = timezone(timedelta(hours=5))
    assert stage.schedule.process(
        stage.now.astimezone(zone)) == Tally(succeeded=1)


@on_file
def test_what_others_add_ahead_of_the_pass_may_run(stage, monkeypatch):
    monkeypatch.setattr(processing, 'PORTION', 1)

    def others_add(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = stage.db.open(manager)
            connection.root()['schedule'].schedule(
                stage.make('ahead', minutes=1, cls=Noting))
            connection.root()['schedule'].schedule(
                stage.make('behind', minutes=3, cls=Noting))
        connection.close()

    stage.add('first', minutes=2, call=others_add)
    assert stage.process() == Tally(succeeded=2)
    seen = stage.look()
    assert seen.effects == ['first', 'ahead']
    assert seen.waiting == ['behind']


@on_file
@pytest.mark.parametrize('portion', [1, 2, 3])
def test_the_pass_ends_though_tasks_put_tasks_ahead(
        stage, monkeypatch, portion):
    monkeypatch.setattr(processing, 'PORTION', portion)

    def ahead(task):
        task.time += timedelta(seconds=1)
        return task

    for number in range(5):
        stage.add(f'{number}', minutes=1, next=ahead)
    assert stage.process() == Tally(succeeded=5)
    assert stage.process() == Tally(succeeded=5)


# -- What is refused


@on_file
@pytest.mark.parametrize('time', [
    datetime(2026, 1, 1), '2026-01-01', None, 0], ids=repr)
def test_a_time_that_is_no_aware_datetime_is_refused(stage, time):
    stage.add('due', cls=Noting)
    with pytest.raises(InvalidTime, match='time is .*timezone.utc'):
        stage.schedule.process(time)
    assert stage.look().waiting == ['due']


def test_a_schedule_in_no_database_is_refused():
    with pytest.raises(NotStored, match='commit'):
        Schedule().process(datetime.now(UTC))


# -- Nothing to do


def test_nothing_is_written_if_nothing_is_due(stage):
    stage.add('later', minutes=-1, cls=Noting)
    tid = stage.tid()
    assert stage.process() == Tally()
    assert stage.tid() == tid


def test_no_claim_is_left_behind(stage):
    stage.add('due', cls=Noting)
    assert stage.process() == Tally(succeeded=1)
    assert not stage.look().claims


@on_file
def test_husks_are_swept_along_the_way(stage, monkeypatch):
    monkeypatch.setattr(passes, 'SWEEP', 1)
    for number in range(3):
        stage.add(f'{number}', minutes=number, cls=Noting)
    assert stage.process() == Tally(succeeded=3)
    stage.add('one more', cls=Noting)
    assert stage.process() == Tally(succeeded=1)
    with stage.transaction() as root:
        assert len(list(root['schedule'].timetable.instants)) <= 1


# -- A commit whose answer is lost


class LostAnswer:
    """The commit with that note passes, and its answer does not arrive."""

    def __init__(self, note, error, passes=True, times=1):
        self.note = note
        self.error = error
        self.passes = passes
        self.times = times

    def commit(self, description, commit):
        """What *commit* returns, if the answer arrives."""
        lost = self.times and self.note in _text(description)
        if lost:
            self.times -= 1
            if not self.passes:
                raise self.error('not stored')
        answer = commit()
        if lost:
            self.lost()
            raise self.error('no answer')
        return answer

    def lost(self):
        """What happens before anybody notices."""


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def lose(request, database, stage, monkeypatch):
    """Lose the answer to a commit, once."""
    def lose_of_file(note, error=ClientDisconnected, **options):
        storage = stage.db.storage
        finish = storage.tpc_finish
        answer = LostAnswer(note, error, **options)

        def finishing(txn, callback=None):
            return answer.commit(
                txn.description, lambda: finish(txn, callback))

        monkeypatch.setattr(storage, 'tpc_finish', finishing)
        return answer

    def lose_of_server(note, error=OperationalError, **options):
        server = request.getfixturevalue('postgresql_server')
        move = PostgreSQLAdapter.lock_database_and_move
        answer = LostAnswer(note, error, **options)
        # Its sessions end with it.
        answer.lost = server.terminate_backends

        def moving(adapter, store, load, has_blobs, ude, **options):
            return answer.commit(ude[1], lambda: move(
                adapter, store, load, has_blobs, ude, **options))

        # This commits, in one trip to the server.
        monkeypatch.setattr(
            PostgreSQLAdapter, 'lock_database_and_move', moving)
        return answer

    return lose_of_server if database.storage == HISTORY else lose_of_file


# Where it can be told what a commit is for.
lossy = pytest.mark.storages('FileStorage', HISTORY)


def through_everything(stage):
    """Three tasks, one in the middle that comes back; what was told."""
    told = []
    zope.event.subscribers.append(told.append)

    def later(task):
        task.time += 60 * MINUTE
        return task

    try:
        tally = stage.run_between(next=later)
    finally:
        zope.event.subscribers.remove(told.append)
    seen = stage.look()
    assert seen.effects == ['before', 'bad', 'after']
    assert seen.waiting == ['bad']
    assert not seen.parked
    assert not seen.crashes
    assert [outcome for _, outcome in seen.outcomes] == ['succeeded'] * 3
    assert [event.description for event in told] == ['before', 'bad', 'after']
    assert stage.process() == Tally()
    return tally


@lossy
@pytest.mark.parametrize('error', [{}, {'error': OSError}], ids=repr)
@pytest.mark.parametrize('note', [
    'before', 'bad', 'after', 'take due tasks', 'hand back'])
def test_a_lost_answer_to_any_commit_changes_nothing(
        stage, lose, note, error):
    lost = lose(note, **error)
    assert through_everything(stage) == Tally(succeeded=1)
    assert lost.times == 0


@lossy
def test_a_lost_answer_to_a_later_turn_changes_nothing(
        stage, lose, monkeypatch):
    monkeypatch.setattr(processing, 'PORTION', 1)
    lost = lose('take due tasks', times=3)
    assert through_everything(stage) == Tally(succeeded=1)
    assert lost.times == 0


@lossy
@pytest.mark.parametrize('note', ['bad', 'parked: bad'])
def test_a_lost_answer_to_a_parking_parks_once_and_is_told(
        stage, lose, note, caplog):
    def fails(task):
        raise ValueError('no')

    told = []
    zope.event.subscribers.append(told.append)
    lost = lose(note)
    try:
        assert stage.run_between(call=fails) == Tally(failed=1)
    finally:
        zope.event.subscribers.remove(told.append)
    assert lost.times == 0
    assert list(stage.look().parked) == ['bad']
    assert sum(isinstance(event, TaskParked) for event in told) == 1
    assert sum('was parked' in record.getMessage()
               for record in caplog.records) == 1


@lossy
def test_a_lost_answer_to_the_last_handing_back_is_told(
        stage, lose, caplog):
    stage.add('bad', call=exits)
    for _ in range(2):
        with pytest.raises(SystemExit):
            stage.process()
    lost = lose('hand back')
    with pytest.raises(SystemExit):
        stage.process()
    assert lost.times == 0
    assert list(stage.look().parked) == ['bad']
    assert 'was parked: 3 runs of it' in caplog.text


@lossy
def test_a_commit_that_did_not_pass_is_made_again(stage, lose):
    lost = [lose(note, passes=False)
            for note in ('take due tasks', 'bad', 'hand back')]
    assert through_everything(stage) == Tally(succeeded=1)
    assert not any(one.times for one in lost)


@lossy
@pytest.mark.parametrize('first', [True, False])
def test_what_is_cancelled_while_an_answer_is_lost_stays_so(
        stage, lose, first):
    one = stage.add('one', minutes=2, cls=Noting)
    two = stage.add('two', minutes=1, cls=Noting)
    stage.add('three', cls=Noting)
    victim = one if first else two
    lost = lose('take due tasks')

    def cancel():
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = stage.db.open(manager)
            connection.root()['schedule'].unschedule(
                connection.get(victim._p_oid))
        connection.close()

    lost.lost = cancel
    assert stage.process() == Tally(succeeded=2)
    seen = stage.look()
    assert seen.effects == (['two', 'three'] if first else ['one', 'three'])
    assert seen.waiting == []


@lossy
def test_a_conflict_when_handing_back_is_tried_again(stage, lose):
    lost = lose('hand back', error=ConflictError, passes=False)
    assert through_everything(stage) == Tally(succeeded=1)
    assert lost.times == 0


# -- A database that refuses


@on_file
def test_a_failure_of_the_storage_over_one_task_is_one_of_that_task(
        stage, lose, caplog):
    # Its record is too large, for instance.
    tries = []
    lost = lose('bad', error=OSError, passes=False, times=3)
    assert stage.run_between(call=tries.append) == Tally(failed=1)
    assert len(tries) == 3
    assert lost.times == 0
    assert caplog.text.count('and takes what others write') == 3
    assert stage.look().parked == {'bad': 'OSError: not stored'}


@on_file
def test_its_retry_decides_when_it_is_tried_again(stage, lose):
    tries = []
    lose('bad', error=OSError, passes=False, times=3)
    assert stage.run_between(
        call=tries.append, retry=Retry(2)) == Tally(retried=1)
    assert stage.process(minutes=2) == Tally(succeeded=1)
    assert len(tries) == 4
    assert [outcome for name, outcome in stage.look().outcomes
            if name == 'bad'] == ['retried', 'succeeded']


@on_file
@pytest.mark.parametrize('failures', [1, 2])
def test_a_storage_that_fails_now_and_then_costs_no_attempt(
        stage, lose, failures):
    lose('bad', error=OSError, passes=False, times=failures)
    assert stage.run_between() == Tally(succeeded=1)
    assert ('bad', 'succeeded') in stage.look().outcomes


@on_file
def test_a_task_that_ends_in_a_load_has_failed(stage):
    # A limit of its own strikes there, for instance.
    def strikes(task):
        tries.append(task)
        storage = task._p_jar._storage

        def load(*args):
            raise RecursionError('too deep')

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage, 'load', load)
            task._p_jar.cacheMinimize()
            task._p_jar.root()['effects']._p_activate()

    tries = []
    assert stage.run_between(call=strikes) == Tally(failed=1)
    assert len(tries) == 3
    assert stage.look().parked == {'bad': 'RecursionError: too deep'}


@pytest.mark.storages('PostgreSQL', HISTORY)
def test_a_task_whose_session_the_server_ends_has_failed(
        stage, postgresql_server):
    # As it does with one that is idle for longer than it allows.
    def idle(task):
        tries.append(task)
        postgresql_server.terminate_backends()
        task._p_jar.get(p64(2**40))

    tries = []
    assert stage.run_between(call=idle, retry=Retry(2)) == Tally(retried=1)
    assert len(tries) == 3
    assert stage.process(minutes=2) == Tally(failed=1)
    assert len(tries) == 6


@pytest.fixture
def second(stage, tmp_path):
    """Another database, which the tasks of the stage can write to."""
    db = ZODB.DB(FileStorage(str(tmp_path / 'second.fs')),
                 database_name='second', databases=stage.db.databases)
    yield db
    stage.tm.begin()
    del stage.db.databases['second']
    db.close()


@on_file
def test_a_second_database_that_is_away_at_commit_fails_its_tasks_only(
        stage, second, monkeypatch):
    def away(*args):
        raise ClientDisconnected

    def writes(task):
        tries.append(task)
        task._p_jar.get_connection('second').root()['more'] = len(tries)

    tries = []
    monkeypatch.setattr(second.storage, 'tpc_begin', away)
    assert stage.run_between(call=writes, retry=Retry(2)) == Tally(retried=1)
    assert len(tries) == 3
    assert stage.process(minutes=2) == Tally(failed=1)
    assert len(tries) == 6


@on_file
def test_what_fails_before_the_call_is_not_the_task_s(
        stage, monkeypatch, caplog):
    # For instance, who it runs as is looked up in another database.
    def adopt(self, principal_id, task):
        stage.connection.cacheMinimize()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.connection._storage, 'load', fails)
            stage.connection.root()['effects']._p_activate()

    def fails(*args):
        raise OSError('the other is away')

    stage.add('due', cls=Noting)
    monkeypatch.setattr(Plain, 'adopt', adopt)
    assert stage.process() == Tally(left=1)
    assert 'is left for a next time: OSError: the other is away' in caplog.text
    assert stage.look().waiting == ['due']


class NoRoom(OSError):
    """As a system says that a disk is full."""

    def __init__(self, text):
        super().__init__(errno.ENOSPC, text)


@on_file
def test_a_full_storage_ends_the_pass_and_parks_nothing(stage, lose):
    tries = []
    stage.add('bad', call=tries.append, minutes=1)
    stage.add('after', call=tries.append)
    lost = lose('bad', error=NoRoom, passes=False, times=1000)
    with pytest.raises(NoRoom):
        stage.process()
    assert len(tries) == 1
    # All are held off for a while, and the one that asked for more longer.
    assert stage.process() == Tally()
    stage.clock.advance(timedelta(seconds=1))
    stage.now = stage.clock.now()
    assert stage.process() == Tally(succeeded=1, left=1)
    stage.clock.advance(timedelta(seconds=1))
    stage.now = stage.clock.now()
    with pytest.raises(NoRoom):
        stage.process()
    assert len(tries) == 3
    lost.times = 0
    assert stage.process(minutes=5) == Tally(succeeded=1)
    assert not stage.look().parked


@on_file
def test_a_database_that_is_read_only_is_reported_at_once(
        stage, lose, monkeypatch):
    stage.add('due', cls=Noting)
    lose('take due tasks', error=ReadOnlyError, passes=False)
    with pytest.raises(ReadOnlyError):
        stage.process()
    seen = stage.look()
    assert seen.waiting == ['due']
    assert not seen.claims


@on_file
def test_a_database_that_stays_away_parks_nothing(stage, lose):
    stage.add('before', minutes=1, cls=Noting)
    stage.add('due', cls=Noting)
    away = lose('', error=OSError, passes=False, times=1000)
    with pytest.raises(OSError, match='not stored'):
        stage.process()
    away.times = 0
    assert stage.process() == Tally(succeeded=2)
    seen = stage.look()
    assert seen.effects == ['before', 'due']
    assert not seen.claims
    assert not seen.crashes


@on_file
def test_a_database_that_goes_away_between_runs_loses_nothing(
        stage, lose, caplog):
    stage.add('before', minutes=1, cls=Noting)
    stage.add('due', cls=Noting)
    away = lose('', error=OSError, passes=False, times=0)

    def go_away(event):
        away.times = 1000

    zope.event.subscribers.append(go_away)
    try:
        with pytest.raises(OSError, match='not stored'):
            stage.process()
    finally:
        zope.event.subscribers.remove(go_away)
    assert 'could not be withdrawn; the next call recovers' in caplog.text
    away.times = 0
    assert len(stage.look().claims) == 1
    assert stage.process() == Tally(succeeded=1)
    seen = stage.look()
    assert seen.effects == ['before', 'due']
    assert not seen.claims
    assert not seen.crashes
    assert not seen.parked


# -- A claim that another has recovered


def recover(stage):
    """Another process believes that the pass is dead."""
    manager = transaction.TransactionManager(explicit=True)
    with manager:
        connection = stage.db.open(manager)
        schedule = connection.root()['schedule']
        [(claim_id, claim)] = schedule.claims.items()
        withdraw(schedule, claim_id, claim, stage.now)
    connection.close()


@pytest.mark.parametrize('when', ['in a run', 'between two runs'])
def test_a_pass_whose_claim_was_recovered_ends_and_loses_nothing(
        stage, when):
    stage.add('one', minutes=2, call=lambda task: recover(stage)
              if when == 'in a run' else None)
    stage.add('two', minutes=1, cls=Noting)

    def recovers(event):
        recover(stage)

    if when == 'between two runs':
        zope.event.subscribers.append(recovers)
    try:
        with pytest.raises(ClaimLost, match='was recovered by another'):
            stage.process()
    finally:
        if when == 'between two runs':
            zope.event.subscribers.remove(recovers)
    seen = stage.look()
    assert not seen.claims
    assert not seen.crashes
    if when == 'in a run':
        assert seen.effects == []
        assert seen.waiting == ['one', 'two']
    else:
        assert seen.effects == ['one']
        assert seen.waiting == ['two']


@on_file
def test_a_pass_whose_claim_was_recovered_parks_nothing(stage):
    def recovered(task):
        recover(stage)
        raise ValueError('no')

    stage.add('one', call=recovered)
    with pytest.raises(ClaimLost):
        stage.process()
    seen = stage.look()
    assert seen.waiting == ['one']
    assert not seen.parked


@on_file
def test_an_interruption_between_two_runs_is_nobodys_crash(
        stage, monkeypatch):
    stage.add('one', minutes=1, cls=Noting)
    stage.add('two', cls=Noting)

    run_one = processing.Consumer.run

    def interrupted(self, index, oid):
        run_one(self, index, oid)
        raise KeyboardInterrupt

    monkeypatch.setattr(processing.Consumer, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage.process()
    seen = stage.look()
    assert seen.effects == ['one']
    assert seen.waiting == ['two']
    assert not seen.claims
    assert not seen.crashes
