"""A worker, in threads of this process, unattended."""

import logging
import os
import re
import socket
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import ZODB
from databases import SQLITE
from databases import Database
from databases import ZEOServer
from databases import wait_until
from onlooker import Onlooker
from persistent.list import PersistentList
from sample_tasks import Fading
from sample_tasks import gone
from sample_work import NOON
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import hooks
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Worker
from zodbschedule import clock as the_clock
from zodbschedule import principals
from zodbschedule.execution import consumer
from zodbschedule.execution import own_claim
from zodbschedule.execution import stopping
from zodbschedule.execution.consumer import PORTION
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.consumer import WorkToDo
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.liveness import heartbeat
from zodbschedule.liveness import stale
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.stale import ClaimsToRecover
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import started
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import oid_of
from zodbschedule.worker import holdoff
from zodbschedule.worker import loop as loop_module
from zodbschedule.worker import thread as thread_module
from zodbschedule.worker import worker as worker_module
from zodbschedule.worker.config import Paths
from zodbschedule.worker.holdoff import HoldOff
from zodbschedule.worker.holdoff import Reason
from zodbschedule.worker.loop import FIRST
from zodbschedule.worker.loop import PortionSize


pytestmark = pytest.mark.storages('FileStorage')

EVERYWHERE = pytest.mark.storages(
    'FileStorage', 'ZEO', 'PostgreSQL', SQLITE)

ELSEWHERE = Incarnation('elsewhere', 'another boot pid:[1]', 1, '1')

ZERO = timedelta(0)


@dataclass(frozen=True)
class Named:
    """Gives the schedule with a name."""

    name: str

    def __call__(self, root):
        return root.get(self.name)


class AllOf(Paths):
    """The schedules whose names stand in the root."""

    def paths(self, root):
        return [Named(name) for name in root.get('names', ())]

    def __str__(self):
        return 'all there are'


class Again(Note):
    """Schedules itself for the same time again, so many times."""

    times = 5

    def schedule(self):
        self.times -= 1
        return self if self.times else None


class Conflicting(Note):
    """Conflicts, always."""

    def __call__(self):
        raise ConflictError('always')


class Raising(Note):
    """Raises what a test wants it to raise."""

    error = None

    def __call__(self):
        raise self.error


def function():
    """What a task calls that is away now and then."""


@pytest.fixture(autouse=True)
def _no_hooks_are_left():
    hooks.clear()
    yield
    hooks.clear()


@pytest.fixture
def seen(database):
    return Onlooker(database)


@pytest.fixture
def start(database):
    """Start a worker; it is stopped when the test ends."""
    started = []

    def start(*paths, db=None, **options):
        started.append(Worker(db or database.client().db, *paths, **options))
        started[-1].start()
        return started[-1]

    yield start
    for worker in started:
        worker.stop(timedelta(seconds=20))


@pytest.fixture
def log(caplog):
    """The lines of ours that begin with something."""
    caplog.set_level(logging.INFO, 'zodbschedule')

    def log(beginning=''):
        return [record.getMessage() for record in caplog.records
                if record.name == 'zodbschedule'
                and record.getMessage().startswith(beginning)]

    return log


def nothing():
    """Open no database."""


class Run:
    """The run of a hooked task, which lasts as long as a test wants."""

    def __init__(self, name):
        self.begun, self.going_on = threading.Event(), threading.Event()
        self.thread = None
        hooks[name] = self

    def __call__(self):
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.going_on.wait(60)

    def wait(self):
        assert self.begun.wait(60)

    def end(self):
        """Let it end, and its thread with it."""
        self.going_on.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def lasting():
    """Have a hooked task of that name last; ended when the test ends."""
    made = []

    def lasting(name):
        made.append(Run(name))
        return made[-1]

    yield lasting
    for run in made:
        run.going_on.set()


def is_idle(worker):
    """Whether all its threads have looked for something and found nothing."""
    return all(one.watcher is not None and one.watcher.waiting
               and one.has_begun for one in worker._threads)


def idle(worker):
    """Return when there is nothing to do."""
    wait_until(lambda: is_idle(worker), 'a worker that waits')


# -- What it is for


@EVERYWHERE
class TestWorking:

    def test_what_is_due_runs_and_no_claim_is_left(
            self, database, seen, start):
        seen.add(Note('b', at(1)), Note('a'))
        worker = start()
        seen.wait_for('a', 'b')
        assert worker.stop()
        assert seen.ran() == ['a', 'b']
        assert seen.claims() == []
        assert seen.names() == []

    def test_what_is_scheduled_while_it_waits_runs(self, seen, start):
        idle(start())
        for name in 'ab':
            seen.add(Note(name))
            seen.wait_for(name)
        assert seen.ran() == ['a', 'b']

    def test_threads_and_workers_share_the_work(
            self, database, seen, start):
        names = [f'{number}' for number in range(60)]
        seen.add(*map(Note, names))
        first, second = start(threads=3, name='first'), start(name='second')
        seen.wait_for(*names)
        # One that came late had nothing to do.
        wait_until(lambda: sorted(seen.claims()) == [
            *['first'] * 3, 'second'], 'all of them')
        assert first.stop() and second.stop()
        assert sorted(seen.ran()) == sorted(names)
        assert seen.claims() == []

    def test_what_is_cut_off_has_no_effect_and_is_back(
            self, seen, start, lasting):
        run = lasting('a')
        seen.add(Hooked('a'), Note('b'))
        worker = start()
        run.wait()
        assert not worker.stop(ZERO)
        assert seen.claims() == []
        assert seen.names() == ['a', 'b']
        run.end()
        assert seen.look(lambda schedule: [
            task.runs for task in schedule]) == [0, 0]
        assert seen.outcomes() == [('a', 'interrupted')]
        # It has not crashed.
        assert seen.look(lambda schedule: dict(schedule.crashes)) == {}
        start()
        seen.wait_for('a', 'b')

    def test_an_idle_one_writes_nothing(self, seen, start, short_leases):
        worker = start(lease=timedelta(seconds=.03))
        idle(worker)
        before = seen.tid()
        # It looks again, and the heart has had the time to beat.
        for _ in range(3):
            for one in worker._threads:
                one.watcher.ring()
            the_clock.wait(.1)
        assert seen.tid() == before


def test_what_is_due_later_waits_until_then(clock, seen, start):
    clock.set(NOON)
    seen.add(Note('a'), Note('b', at(1)))
    start()
    seen.wait_for('a')
    assert seen.names() == ['b']
    clock.set(at(1))
    seen.wait_for('b')


# -- How it begins


def not_installed(name):
    """What is said of a package that runs from its sources."""
    raise PackageNotFoundError(name)


class TestStarting:

    def test_the_log_says_which_database_it_is_and_which_version(
            self, database, start, log, monkeypatch):
        db = database.client().db
        monkeypatch.setattr(
            db, 'getName', lambda: 'postgres://bob:secret@there/shop')
        worker = start(db=db)
        wait_until(lambda: log('Worker'), 'a line of log')
        begins, = log(f'Worker {worker.name} begins')
        assert begins.endswith(
            f'schedules: schedule, database: postgres://bob:***@there/shop, '
            f'zodbschedule {version("zodbschedule")}')

    def test_and_which_one_it_has_opened(
            self, database, start, log, monkeypatch):
        monkeypatch.setattr(
            'zodbschedule.worker.worker.version', not_installed)
        db = database.client().db
        worker = start(db=lambda: db)
        wait_until(lambda: log('The database was opened'), 'the database')
        begins, = log(f'Worker {worker.name} begins')
        assert begins.endswith(
            'database: not open yet, zodbschedule that is not installed')
        assert log('The database was opened') == [
            f'The database was opened: {db.getName()}']

    @pytest.mark.parametrize('options, message', [
        ({'threads': 0}, 'threads is 0; it has to be an int of 1 or more, and '
                         '100 or less'),
        ({'threads': '2'}, "threads is '2'; it has to be an int of 1 or more, "
                           "and 100 or less"),
        ({'threads': 101}, 'threads is 101; it has to be an int of 1 or more, '
                           'and 100 or less'),
        ({'lease': 30}, 'lease is 30; it has to be a timedelta of 0:00:01 or '
                        'more, such as timedelta(seconds=30)'),
        ({'lease': ZERO}, 'lease is datetime.timedelta(0); it has to be a '
                          'timedelta of 0:00:01 or more, such as '
                          'timedelta(seconds=60)'),
        ({'grace': 8}, 'grace is 8; it has to be a timedelta of 0:00:00 or '
                       'more, such as timedelta(seconds=8)'),
        ({'name': 7}, 'name is 7; it has to be a str'),
    ])
    def test_what_it_cannot_work_with(self, options, message):
        with pytest.raises(InvalidSetting) as caught:
            Worker(nothing, **options)
        assert str(caught.value) == message

    @pytest.mark.parametrize('path', ['', '/', '//'])
    def test_a_path_has_a_key(self, path):
        with pytest.raises(InvalidSetting, match='names no key'):
            Worker(nothing, 'schedule', path)

    def test_a_path_is_not_a_schedule(self):
        with pytest.raises(InvalidSetting) as caught:
            Worker(nothing, Schedule())
        assert 'is not a str; write the keys from the root to' in str(
            caught.value)

    def test_a_database_is_not_a_connection_nor_a_schedule_nor_its_file(self):
        with closing(ZODB.DB(None)) as db:
            for given in (db.open(), Schedule(), CallTask(nothing), None,
                          'Data.fs'):
                with pytest.raises(InvalidSetting) as caught:
                    Worker(given)
                assert str(caught.value) == (
                    f'db is {given!r}; it has to be an open ZODB.DB, such as '
                    f'connection.db(), or a callable that opens one')

    def test_what_a_callable_opens_is_a_database(self, log):
        worker = Worker(nothing)
        worker.start()
        wait_until(lambda: worker._threads[0].failures, 'tries')
        worker.stop()
        assert f'{nothing!r} returns None; it has to return an open ' in str(
            log('The database'))

    def test_by_default_it_is_called_after_its_process(self, seen, start):
        worker = start()
        assert worker.name == f'{socket.gethostname()}:{os.getpid()}'
        idle(worker)
        assert seen.claims() == [worker.name]

    def test_it_is_started_once(self, start):
        worker = start()
        for again in (worker.start, worker.run):
            with pytest.raises(RuntimeError, match='started before'):
                again()

    def test_a_schedule_that_is_not_there_yet_is_waited_for(
            self, seen, start, log):
        with seen.root() as root:
            root['app'] = {'x': 'not a mapping'}
        worker = start('app/schedule', '/app/x/y', threads=3)
        idle(worker)
        seen.add()  # Something else changes.
        idle(worker)
        with seen.transaction():
            root['app'] = {'schedule': Schedule(), 'x': {'y': Schedule()}}
            for place in root['app']['schedule'], root['app']['x']['y']:
                place.schedule(Note('a'))
        for see in (lambda app: app['schedule'], lambda app: app['x']['y']):
            seen.wait(lambda _, see=see: any(see(root['app']).history))
        assert log('There is') == [
            'There is no schedule at app/schedule yet.',
            'There is no schedule at /app/x/y yet.']
        worker.stop()

    def test_one_that_is_gone_again_is_said_again(self, seen, start, log):
        missing = 'There is no schedule at app yet.'
        worker = start('app')
        idle(worker)
        assert log('There is') == [missing]
        with seen.root() as root:
            root['app'] = Schedule()
            root['app'].schedule(Note('a'))
        seen.wait(lambda _: any(root['app'].history))
        with seen.transaction():
            del root['app']
        wait_until(lambda: len(log('There is')) > 1, 'it to be said')
        assert log('There is') == [missing, missing]
        worker.stop()

    def test_a_schedule_may_be_given_by_a_callable(self, seen, start, log):
        def of_root(root):
            return root.get('elsewhere')

        worker = start(of_root)
        idle(worker)
        assert log('There is no schedule at')[0].endswith('of_root yet.')
        with seen.root() as root:
            root['elsewhere'] = root['schedule']
            root['elsewhere'].schedule(Note('a'))
        seen.wait_for('a')

    def test_which_there_are_may_change(self, seen, start, log):
        worker = start(AllOf())
        idle(worker)
        for name in 'one', 'two':
            with seen.root() as root:
                root[name] = Schedule()
                root[name].schedule(Note('a'))
                root['names'] = root.get('names', ()) + (name,)
            with seen.root() as root:
                schedule = root[name]
            seen.wait(lambda _, schedule=schedule: any(schedule.history))
        with seen.root() as root:
            root['names'] = ('two',)
            root['one'].schedule(Note('b'))
            root['two'].schedule(Note('b'))
            one, two = root['one'], root['two']
        seen.wait(lambda _: len(list(two.history)) == 2)
        seen.wait(lambda _: not one.claims)
        assert [task.description for task in one] == ['b']
        assert len(two.claims) == 1
        assert 'schedules: all there are, ' in log('Worker')[0]

    def test_a_database_may_be_opened_by_the_worker(
            self, database, seen, log, monkeypatch):
        def open():
            tries.append(None)
            if len(tries) < 3:
                raise OSError('nobody is there')
            return database.db

        tries, closed = [], []
        monkeypatch.setattr(database.db, 'close', lambda: closed.append(1))
        seen.add(Note('a'))
        worker = Worker(open, threads=2)
        worker.start()
        seen.wait_for('a')
        # Each of its threads has an answer.
        wait_until(lambda: len(log('The database is')) == 2, 'an answer')
        assert worker.stop()
        assert closed == [1] and len(tries) == 3
        assert log('The database is') == [
            'The database is away: nobody is there', 'The database is back.']

    def test_one_that_cannot_be_closed_keeps_it_from_no_end(
            self, database, log, monkeypatch):
        def fail():
            raise OSError('cannot')

        monkeypatch.setattr(database.db, 'close', fail)
        worker = Worker(lambda: database.db)
        worker.start()
        idle(worker)
        assert worker.stop()
        assert log('The database could not be closed.')

    def test_one_that_is_never_there_is_not_closed(self, log):
        def open():
            raise OSError

        worker = Worker(open)
        worker.start()
        wait_until(lambda: log('The database is away'), 'a try')
        assert worker.stop()
        # It has not come back.
        assert log('The database is') == ['The database is away: OSError']

    def test_whatever_opening_it_raises_is_no_end(
            self, database, seen, log):
        def open():
            tries.append(None)
            if len(tries) == 1:
                raise SystemExit
            return database.db

        tries = []
        seen.add(Note('a'))
        worker = Worker(open)
        worker.start()
        seen.wait_for('a')
        assert log(f'Worker {worker.name}: an error that is not a task')
        worker.finish()
        database.db.close, close = str, database.db.close
        worker.stop()
        database.db.close = close

    def test_a_key_that_is_damaged_is_no_key_that_is_missing(self):
        class Connection:

            def root(self):
                return self

            def __getitem__(self, key):
                raise POSKeyError(key)

        with pytest.raises(POSKeyError):
            thread_module.find(Connection(), 'schedule')


# -- Several schedules


class TestWithoutThreads:
    """The system, or an interpreter that ends, starts no more of them."""

    @pytest.fixture
    def refuse(self, monkeypatch):
        """Refuse to start threads whose names satisfy *which*."""
        def refuse(which):
            def start(thread):
                if which(thread.name):
                    refused.append(thread.name)
                    raise RuntimeError("can't start new thread")
                original(thread)

            monkeypatch.setattr(threading.Thread, 'start', start)
            return refused

        refused = []
        original = threading.Thread.start
        return refuse

    @pytest.mark.parametrize('which', ['2', 'heartbeat'])
    def test_if_one_cannot_be_started_the_others_end_in_order(
            self, database, seen, refuse, which):
        seen.add(Note('a'))
        refuse(lambda name: name.endswith(which))
        worker = Worker(database.db, name='w', threads=4)
        with pytest.raises(RuntimeError, match='start new thread'):
            worker.run()
        assert not worker.healthy
        assert not any(one.is_alive for one in worker._threads)
        assert seen.claims() == []

    def test_if_not_even_the_first_can_be_started_nothing_has_begun(
            self, database, refuse):
        refuse(lambda name: True)
        worker = Worker(database.db)
        with pytest.raises(RuntimeError, match='start new thread'):
            worker.start()
        worker.stop()

    def test_one_that_cannot_hand_back_ends_and_does_not_try_again(
            self, database, seen, lasting, refuse):
        run = lasting('a')
        seen.add(Hooked('a'))
        worker = Worker(database.db, grace=ZERO)
        worker.start()
        run.wait()
        refused = refuse(lambda name: True)
        worker.finish()
        worker._supervisor.join(60)
        assert not worker._supervisor.is_alive()
        assert not worker._result
        assert len(refused) == 1
        run.end()


class TestSchedules:

    @pytest.fixture
    def other(self, database, seen):
        """Who looks at another schedule in the same database."""
        with seen.root() as root:
            root['other'] = Schedule()
        return Onlooker(database, 'other')

    @EVERYWHERE
    def test_each_is_attended_to(self, seen, other, start):
        worker = start('schedule', 'other', threads=2)
        for name in 'ab':
            for one in seen, other:
                one.add(Note(name))
            for one in seen, other:
                one.wait_for(name)
        assert worker.stop()
        assert seen.claims() == other.claims() == []

    def test_none_waits_until_another_is_through(
            self, database, seen, other, start):
        third = Onlooker(database)
        found = []

        def look():
            found.append(len(third.ran()))
            claim, = third.schedule.claims.values()
            found.append([slot.is_free for slot in claim.slots])

        hooks['b'] = look
        seen.add(*(Note(f'{number}', at(-number)) for number in range(300)))
        other.add(Hooked('b'))
        start('schedule', 'other')
        other.wait_for('b')
        # Of the first portion no outcome was kept back.
        assert found == [FIRST, [True] * FIRST]

    def test_a_task_that_asks_for_the_same_time_again_is_not_forgotten(
            self, clock, seen, other, start, monkeypatch):
        # Each portion is full, and so no pass is over after it.
        monkeypatch.setattr(loop_module, 'FIRST', 1)
        monkeypatch.setattr(loop_module, 'WORK', 0)
        # And nothing else has it look again.
        monkeypatch.setattr(stale, 'SURVEY_INTERVAL', 0)
        clock.set(NOON)
        seen.add(Again('a'))
        start('schedule', 'other')
        seen.wait(lambda schedule: seen_all(schedule, 5))
        assert seen.ran() == ['a'] * 5


def seen_all(schedule, count):
    return len(list(schedule.history)) == count


# -- How it ends


class TestEnding:

    def test_a_run_may_end_within_the_grace(self, seen, start, lasting):
        run = lasting('a')
        seen.add(Hooked('a'), Note('b'))
        worker = start()
        run.wait()
        worker.finish()
        assert not worker.healthy
        run.going_on.set()
        assert worker.stop()
        assert seen.ran() == ['a']
        assert seen.names() == ['b']
        assert seen.claims() == []

    def test_the_grace_may_be_cut_short(self, seen, start, lasting, log):
        run = lasting('a')
        seen.add(Hooked('a'))
        worker = start(grace=timedelta(hours=1))
        run.wait()
        worker.finish()
        assert not worker.stop(ZERO)
        waiting, cut_off, ended = log(f'Worker {worker.name}')[1:]
        assert re.search("waits up to 0 s for task .+ 'a' [(]", waiting)
        assert re.search("has cut off what ran, .+: task .+ 'a' [(]", cut_off)
        assert ended.endswith('has ended.')
        assert seen.endings() == [
            ('a', 'interrupted', 'it was cut off after a grace period of 0 s')]
        run.end()
        assert len(seen.outcomes()) == 1

    def test_an_abort_cuts_off_at_once(self, seen, start, lasting):
        run = lasting('a')
        seen.add(Hooked('a'), Note('b'))
        worker = start(grace=timedelta(hours=1))
        run.wait()
        worker.abort()
        assert not worker.stop()
        assert seen.names() == ['a', 'b'] and seen.claims() == []
        assert seen.endings() == [
            ('a', 'interrupted', 'it was cut off at once')]
        run.end()

    def test_there_is_nothing_to_cut_off_while_it_is_idle(
            self, seen, start, log):
        worker = start(threads=3)
        idle(worker)
        worker.abort()
        assert worker.stop()
        assert seen.claims() == []
        assert not log(f'Worker {worker.name} has cut off')

    def test_whoever_runs_nothing_may_go_on_with_another_claim(
            self, seen, start, monkeypatch):
        monkeypatch.setattr(worker_module, 'HAND_BACK', .01)
        worker = start()
        idle(worker)
        assert worker._cut_off()
        assert seen.claims() == []
        # There is no claim any more.
        assert worker._cut_off()
        seen.add(Note('a'))
        seen.wait_for('a')

    def test_its_grace_is_that_of_the_last_stop(self, database):
        worker = Worker(database.db)
        assert worker.grace == timedelta(seconds=8)
        worker.stop(ZERO)
        assert worker.grace == ZERO

    def test_it_may_be_stopped_before_it_has_begun(self, database, seen):
        worker = Worker(database.db)
        assert worker.stop()
        worker.start()
        assert worker.stop()
        assert seen.claims() == []

    def test_it_is_a_context(self, database, seen):
        with Worker(database.db, name='a name') as worker:
            idle(worker)
            assert seen.claims() == ['a name']
        assert seen.claims() == []

    def test_stopping_it_again_says_the_same(self, seen, start, lasting):
        run = lasting('a')
        seen.add(Hooked('a'))
        worker = start()
        run.wait()
        assert not worker.stop(ZERO)
        assert not worker.stop()
        run.end()

    def test_it_may_work_in_the_thread_that_starts_it(self, database, seen):
        worker = Worker(database.db)
        hooks['a'] = worker.finish
        seen.add(Hooked('a'))
        assert worker.run()
        assert seen.ran() == ['a'] and seen.claims() == []

    @pytest.fixture
    def interrupt(self, monkeypatch):
        """Have the thread that looks after the others be interrupted."""
        class Time:
            monotonic = worker_module.time.monotonic
            moments = []

            @classmethod
            def sleep(cls, seconds):
                the_clock.wait(seconds)
                if cls.moments and cls.moments[0]():
                    cls.moments.pop(0)
                    raise KeyboardInterrupt

        monkeypatch.setattr(worker_module, 'time', Time)
        return Time.moments.append

    def test_an_interrupt_lets_the_run_end(
            self, database, seen, lasting, interrupt):
        run = lasting('a')
        run.going_on.set()
        seen.add(Hooked('a'))
        interrupt(run.begun.is_set)
        with pytest.raises(KeyboardInterrupt):
            Worker(database.db).run()
        assert seen.ran() == ['a'] and seen.claims() == []

    def test_and_a_second_one_cuts_it_off(
            self, database, seen, lasting, interrupt):
        run = lasting('a')
        seen.add(Hooked('a'))
        interrupt(run.begun.is_set)
        interrupt(run.begun.is_set)
        with pytest.raises(KeyboardInterrupt):
            Worker(database.db, grace=timedelta(hours=1)).run()
        assert seen.names() == ['a'] and seen.claims() == []
        run.end()

    def test_what_fails_after_that_is_not_tried_again(
            self, database, monkeypatch):
        tries = []

        def fail(worker):
            tries.append(worker)
            raise OSError('no descriptors')

        worker = Worker(database.db)
        monkeypatch.setattr(Worker, '_start_threads', bool)
        monkeypatch.setattr(Worker, '_supervise', fail)
        with pytest.raises(OSError, match='no descriptors'):
            worker.run()
        # It was to work, then to finish, then to cut off.
        assert len(tries) == 3

    def test_what_could_not_be_cut_off_is_recovered_by_others(
            self, seen, start, lasting, log, monkeypatch):
        def fail(*args):
            raise OSError('no answer')

        run = lasting('a')
        seen.add(Hooked('a'))
        worker = start()
        run.wait()
        monkeypatch.setattr(stopping, 'in_own_connection', fail)
        assert not worker.stop(ZERO)
        assert log('The claim')[0].endswith(
            'could not be withdrawn; others will recover it.')
        start()
        seen.wait_for('a')
        run.end()
        assert seen.ran() == ['a']

    def test_a_database_that_does_not_answer_keeps_it_from_no_end(
            self, seen, start, lasting, log, monkeypatch):
        run = lasting('a')
        seen.add(Hooked('a'))
        worker = start()
        run.wait()
        monkeypatch.setattr(stopping, 'HAND_BACK', .02)
        monkeypatch.setattr(
            stopping, 'in_own_connection',
            lambda *args: run.going_on.wait())
        assert not worker.stop(ZERO)
        assert log(f'Worker {worker.name} could not hand back what it held, '
                   f'since the database does not answer')
        run.end()


# -- What may go wrong with a task


class TestTasks:

    @pytest.mark.parametrize('error', [
        SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
    def test_whatever_one_raises_parks_it_and_ends_nothing(
            self, seen, start, monkeypatch, error):
        monkeypatch.setattr(Raising, 'error', error('it raises'))
        seen.add(Raising('a'), Note('b'))
        start()
        seen.wait_for('b')
        assert seen.outcomes() == [('a', 'failed'), ('b', 'succeeded')]
        assert seen.look(lambda schedule: [
            entry.reason.strip() for entry in schedule.parked]) == [
            f'{error.__name__}: it raises']

    def test_one_that_asks_for_the_past_again_starves_no_other(
            self, clock, seen, start):
        clock.set(at(2))
        seen.add(Again('a'), Note('b', at(1)), Note('c', at(2)))
        start()
        seen.wait(lambda schedule: seen_all(schedule, 7))
        assert seen.ran()[:3] == ['a', 'b', 'c']
        assert seen.ran().count('a') == 5

    def test_what_was_missed_is_made_up_for(self, clock, seen, start):
        clock.set(NOON)
        seen.add(Note('a', None))
        with seen.transaction() as schedule:
            task, = schedule
            schedule.change(
                task, recurrence=Every(timedelta(minutes=1)), missed='all')
            first = task.time
        clock.set(first + timedelta(minutes=9))
        start()
        seen.wait(lambda schedule: list(schedule.getTaskTimes()) == [
            first + timedelta(minutes=10)])
        assert len(seen.ran()) == 10

    def test_one_that_always_conflicts_is_tried_less_and_less_often(
            self, clock, seen, start, log):
        def tries():
            return len(log('Task'))

        clock.set(NOON)
        seen.add(Conflicting('a'))
        worker = start()
        wait_until(lambda: tries() == 1, 'a try')
        idle(worker)
        turns = seen.turns()
        seen.add(Note('b'))
        seen.wait_for('b')
        idle(worker)
        assert seen.turns() <= turns + 3
        assert tries() == 1
        # A pass, which tries it for a while, moves this clock.
        clock.advance(timedelta(seconds=1))
        wait_until(lambda: tries() == 2, 'another try')
        idle(worker)
        clock.advance(timedelta(seconds=1))
        seen.add(Note('c'))
        seen.wait_for('c')
        assert tries() == 2
        assert log('Task')[0].endswith(
            'is left for a next time: ZODB.POSException.ConflictError: '
            'always')
        assert 'a' in seen.names()

    def test_one_whose_function_is_missing_waits_until_it_is_there(
            self, clock, seen, start, log, monkeypatch):
        clock.set(NOON)
        seen.add(CallTask(function, time=NOON))
        monkeypatch.delattr('test_worker.function')
        worker = start()
        wait_until(lambda: log('Task'), 'a try')
        idle(worker)
        turns = seen.turns()
        seen.add(Note('b'))
        seen.wait_for('b')
        idle(worker)
        assert seen.turns() <= turns + 3
        line, = log('Task')
        assert 'is left in its place' in line
        monkeypatch.undo()
        clock.advance(timedelta(seconds=1))
        seen.wait_for('test_worker.function')

    def test_and_so_does_one_whose_class_is_missing(
            self, clock, database, seen, start, log):
        clock.set(NOON)
        with seen.root() as root:
            root['effects'] = PersistentList()
            root['schedule'].schedule(Fading(NOON, description='a'))
        with gone(database.db, 'Fading'):
            worker = start()
            wait_until(lambda: log('Task'), 'a look')
            idle(worker)
            turns = seen.turns()
            seen.add(Note('b'))
            seen.wait_for('b')
            idle(worker)
            assert seen.turns() <= turns + 3
            line, = log('Task')
            assert line.endswith(
                'is left in its place: gone.Fading cannot be imported')
        clock.advance(timedelta(seconds=1))
        seen.wait_for('a')


# -- What may happen to a schedule


class Special(principals.Plain):
    """Another way of adopting principals."""

    name = 'special'


class Refusing(principals.Plain):
    """Finds out at each run that it cannot adopt anybody."""

    name = 'special'

    def __init__(self, tries):
        self.tries = tries

    def adopt(self, principal_id, task):
        self.tries.append(task)
        raise PrincipalsMissing('there are no users')


class TestSteering:

    @pytest.fixture(autouse=True)
    def _registry_as_it_was(self, monkeypatch):
        monkeypatch.setattr(principals, '_known', dict(principals._known))

    @pytest.fixture
    def looks(self, monkeypatch):
        """How often it was looked which principals are known."""
        def look(name):
            found.append(name)
            return find(name)

        found = []
        find = consumer.find
        monkeypatch.setattr(consumer, 'find', look)
        return found

    def need_special(self, seen):
        with seen.transaction() as schedule:
            schedule.principals = 'special'

    def test_what_asks_for_principals_that_are_missing_is_left_alone(
            self, seen, start, log, looks):
        seen.add(Note('a'))
        self.need_special(seen)
        worker = start()
        for name in 'bc':
            wait_until(lambda: log('The schedule at'), 'a look')
            idle(worker)
            count = len(looks)
            seen.add(Note(name))
            wait_until(lambda count=count: len(looks) > count, 'a look')
        idle(worker)
        line, = log('The schedule at')
        assert line.startswith(
            "The schedule at schedule is not attended to: The schedule asks "
            "for the principals 'special'")
        assert seen.claims() == []
        with seen.transaction() as schedule:
            schedule.principals = 'plain'
        seen.wait_for('a', 'b', 'c')

    def test_until_they_are_registered(
            self, seen, start, log, monkeypatch):
        monkeypatch.setattr(holdoff, 'UNAVAILABLE_PAUSE', .01)
        monkeypatch.setattr(holdoff, 'SLICE', .01)
        seen.add(Note('a'))
        self.need_special(seen)
        start()
        wait_until(lambda: log('The schedule at'), 'a look')
        principals.register(Special())
        seen.wait_for('a')

    def test_a_schedule_may_ask_for_others_while_it_is_attended_to(
            self, database, seen, start, log):
        another = Onlooker(database)
        hooks['a'] = lambda: self.need_special(another)
        principals.register(Special())
        seen.add(Hooked('a'), Note('b'))
        start()
        seen.wait_for('a', 'b')
        assert seen.ran() == ['a', 'b']

    def test_and_so_it_is_left_alone_until_then(
            self, database, seen, start, log):
        another = Onlooker(database)
        hooks['a'] = lambda: self.need_special(another)
        seen.add(Hooked('a'), Note('b'))
        worker = start()
        wait_until(lambda: len(log('The schedule at')) == 2, 'two reasons')
        idle(worker)
        assert seen.ran() == ['a']
        assert seen.names() == ['b'] and seen.claims() == []

    def test_what_a_run_finds_missing_is_not_tried_at_once_again(
            self, seen, start, log, monkeypatch):
        monkeypatch.setattr(
            holdoff, 'pause_after', lambda failures, longest: 1000)
        tries = []
        principals.register(Refusing(tries))
        self.need_special(seen)
        seen.add(Note('a'))
        worker = start()
        for name in 'bc':
            # What it has written itself does not wake it.
            wait_until(lambda: log('The schedule at'), 'a run')
            wait_until(lambda: seen.claims() == [], 'no claim')
            idle(worker)
            seen.add(Note(name))
        idle(worker)
        assert len(tries) == 1
        assert seen.names() == ['a', 'b', 'c']
        assert worker.healthy

    def test_a_schedule_that_is_paused_wakes_it_when_it_is_resumed(
            self, seen, start):
        with seen.transaction() as schedule:
            schedule.schedule(Note('a'))
            schedule.pause()
        worker = start()
        idle(worker)
        turns = seen.turns()
        seen.add(Note('b'))
        idle(worker)
        assert seen.turns() == turns
        assert seen.names() == ['a', 'b']
        with seen.transaction() as schedule:
            schedule.resume()
        seen.wait_for('a', 'b')

    def test_and_so_does_a_task(self, seen, start):
        with seen.transaction() as schedule:
            task = schedule.schedule(Note('a'))
            schedule.pause(task)
        start()
        seen.add(Note('b'))
        seen.wait_for('b')
        assert seen.names() == ['a']
        with seen.transaction() as schedule:
            schedule.resume(*schedule)
        seen.wait_for('a')

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_one_that_is_removed_is_left_without_a_claim(
            self, database, seen, start, log):
        worker = start()
        idle(worker)
        with seen.root() as root:
            root['old'] = root.pop('schedule')
        wait_until(lambda: log('There is no schedule'), 'a look')
        assert Onlooker(database, 'old').claims() == []
        with seen.root() as root:
            root['schedule'] = Schedule()
            root['schedule'].schedule(Note('a'))
        seen.wait_for('a')

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_and_so_is_one_that_is_replaced_while_it_is_attended_to(
            self, database, seen, start):
        another = Onlooker(database)

        def replace():
            with another.root() as root:
                root['old'] = root['schedule']
                root['schedule'] = Schedule()
                root['schedule'].schedule(Note('b'))

        hooks['a'] = replace
        seen.add(Hooked('a'))
        start()
        seen.wait_for('b')
        old = Onlooker(database, 'old')
        assert old.ran() == ['a'] and old.claims() == []


# -- Runs that last


class Counting(Hooked):
    """Counts its runs, those in vain too."""

    def __call__(self):
        calls.append(self.description)
        super().__call__()


calls = []


class TestLongRuns:

    @pytest.fixture(autouse=True)
    def _short_is_long(self, monkeypatch):
        monkeypatch.setattr(heartbeat, 'LONG', .05)
        monkeypatch.setattr(worker_module, 'CHECK_INTERVAL', .01)
        calls.clear()

    @EVERYWHERE
    def test_what_its_claim_holds_besides_is_handed_back(
            self, seen, start, lasting):
        run = lasting('long')
        seen.add(Counting('a'), Counting('long', at(1)),
                 Counting('b', at(2)), Counting('c', at(3)))
        first = start(name='first')
        run.wait()
        # Outcomes are collected, and what has not begun is for others.
        seen.wait_for('a')
        seen.wait(lambda schedule: [
            task.description for task in schedule] == ['b', 'c'])
        # If it crashes now, that one is suspected.
        claim, = seen.look(lambda schedule: list(schedule.claims.values()))
        assert [slot.task.description for slot in claim.held()] == ['long']
        assert sum(not slot.is_free for slot in claim.slots) == 1
        assert claim.filled == 1
        second = start(name='second')
        seen.wait_for('b', 'c')
        run.going_on.set()
        seen.wait_for('long')
        assert first.stop() and second.stop()
        assert sorted(calls) == ['a', 'b', 'c', 'long']
        assert sorted(seen.ran()) == sorted(calls)

    def test_if_there_are_no_others_it_takes_that_afterwards(
            self, seen, start, lasting):
        run = lasting('long')
        seen.add(Counting('long'), Counting('a', at(-1)), Counting('b', at(1)))
        start()
        run.wait()
        seen.wait(lambda schedule: [
            task.description for task in schedule] == ['b'])
        seen.add(Counting('c', at(-2)))
        run.going_on.set()
        seen.wait_for('a', 'b', 'c', 'long')
        assert calls == ['a', 'long', 'c', 'b']

    def test_one_that_holds_nothing_else_is_not_written(
            self, seen, start, lasting, monkeypatch):
        run = lasting('long')
        seen.add(Counting('long'))
        worker = start()
        run.wait()
        before = seen.tid()
        beat, = worker._heartbeats.heartbeats
        wait_until(lambda: beat.is_relieved, 'relief')
        assert seen.tid() == before
        run.going_on.set()
        seen.wait_for('long')

    def test_a_claim_that_is_lost_meanwhile_is_not_relieved(
            self, seen, start, lasting):
        run = lasting('long')
        seen.add(Counting('long'), Counting('a', at(1)))
        worker = start()
        run.wait()
        with seen.transaction() as schedule:
            schedule.recover(worker.name)
        beat, = worker._heartbeats.heartbeats
        wait_until(lambda: beat.is_relieved, 'relief')
        run.going_on.set()
        seen.wait_for('long', 'a')
        assert sorted(calls) == ['a', 'long', 'long']
        assert sorted(seen.ran()) == ['a', 'long']


# -- Signs of life


class TestHeartbeat:

    LEASE = timedelta(seconds=.3)

    @pytest.fixture
    def beats(self, monkeypatch):
        """The beats of all claims."""
        def count(self):
            found.append(self.claim_id)
            beat(self)

        found = []
        beat = ClaimHeartbeat.beat
        monkeypatch.setattr(ClaimHeartbeat, 'beat', count)
        monkeypatch.setattr(worker_module, 'CHECK_INTERVAL', .005)
        return found

    def test_it_beats_only_while_a_run_lasts(
            self, seen, start, lasting, beats, short_leases):
        run = lasting('a')
        worker = start(lease=self.LEASE)
        idle(worker)
        the_clock.wait(.3)
        assert not beats
        seen.add(Hooked('a'))
        run.wait()
        wait_until(lambda: len(beats) > 3, 'heartbeats')
        run.going_on.set()
        seen.wait_for('a')
        idle(worker)
        count = len(beats)
        the_clock.wait(.3)
        assert len(beats) <= count + 1
        assert seen.look(lambda schedule: [
            claim.lease for claim in schedule.claims.values()]) == [.3]

    @pytest.mark.parametrize('away, lines', [
        (False, ['A heartbeat was lost.']), (True, [])])
    def test_one_that_is_lost_is_told_unless_the_database_is_away(
            self, seen, start, lasting, log, monkeypatch, short_leases, away,
            lines):
        def fail(self):
            beats.append(self)
            raise OSError('no answer')

        beats = []
        monkeypatch.setattr(ClaimHeartbeat, 'beat', fail)
        monkeypatch.setattr(worker_module, 'CHECK_INTERVAL', .005)
        monkeypatch.setattr(
            worker_module, 'is_storage_failure', lambda error: away)
        run = lasting('a')
        seen.add(Hooked('a'))
        start(lease=self.LEASE)
        run.wait()
        wait_until(lambda: len(beats) > 1, 'heartbeats')
        run.going_on.set()
        seen.wait_for('a')
        assert log('A heartbeat')[:1] == lines


# -- Claims of others, and our own


def leave_behind(seen, holder, name='', lease=None):
    """A claim that holds what is due."""
    with seen.transaction() as schedule:
        claim = schedule.claims['theirs'] = Claim(name, holder, 0, lease)
        turn.exchange(schedule, claim, 10, None, at(10),
                      lambda instant, task: True)


class TestRecovering:

    @EVERYWHERE
    def test_what_a_process_held_that_is_gone_is_taken_at_once(
            self, seen, start):
        seen.add(Note('a'), Note('b'))
        leave_behind(seen, this()._replace(started='1'))
        start()
        seen.wait_for('a', 'b')
        assert len(seen.claims()) == 1

    @EVERYWHERE
    def test_one_elsewhere_is_believed_for_its_lease(
            self, seen, start, monkeypatch):
        monkeypatch.setattr(stale, 'SURVEY_INTERVAL', .05)
        seen.add(Note('a'))
        leave_behind(seen, ELSEWHERE, lease=.3)
        idle(start())
        seen.wait_for('a')
        assert len(seen.claims()) == 1

    def test_and_no_shorter(self, seen, start, monkeypatch):
        monkeypatch.setattr(stale, 'SURVEY_INTERVAL', .01)
        seen.add(Note('a'))
        leave_behind(seen, ELSEWHERE, lease=1000)
        idle(start())
        seen.add(Note('b'))
        seen.wait_for('b')
        assert seen.ran() == ['b']

    def test_who_runs_is_suspected(self, seen, start):
        seen.add(Note('a'), Note('b', at(1)))
        for _ in range(3):
            leave_behind(seen, this()._replace(started='1'))
            with seen.transaction() as schedule:
                schedule.pause()
            worker = start()
            seen.wait(lambda schedule: 'theirs' not in schedule.claims)
            assert worker.stop()
            with seen.transaction() as schedule:
                schedule.resume()
        assert seen.names() == ['b']
        assert seen.look(lambda schedule: [
            entry.description for entry in schedule.parked]) == ['a']

    @pytest.mark.parametrize('holder, lease, evidence', [
        (this()._replace(started='1'), None, 'its process has ended'),
        (ELSEWHERE, .05, r'it was silent for \d+ s')])
    def test_what_is_said_is_what_was_seen(
            self, seen, start, log, monkeypatch, holder, lease, evidence):
        monkeypatch.setattr(stale, 'SURVEY_INTERVAL', .01)
        seen.add(Note('a'), Note('b', at(1)), Note('c', at(1)))
        with seen.transaction() as schedule:
            task = next(iter(schedule))
            schedule.crashes[oid_of(task)] = 2, task
        leave_behind(seen, holder, lease=lease)
        start()
        seen.wait_for('b', 'c')
        [reason] = seen.look(lambda schedule: [
            entry.reason for entry in schedule.parked])
        assert re.fullmatch(
            f'3 runs of it ended their process, or were believed to; the last '
            f'one, by , while nothing else ran in that process: {evidence}',
            reason)
        assert [one[:2] for one in seen.endings() if one[2]] == [
            ('a', 'failed')]
        [line] = log('The claim theirs')
        assert re.search(
            rf'was recovered: {evidence}\. Tasks that are back in their '
            r"places: 2\. It was running task .* 'a' \(.*Note\), due at ",
            line)

    def test_one_of_a_namesake_is_recovered_at_once(
            self, seen, start, log):
        seen.add(Note('a'))
        leave_behind(seen, ELSEWHERE, 'a name')
        start(name='a name')
        seen.wait_for('a')
        assert log('Worker a name recovers') == [
            'Worker a name recovers the claim theirs of an earlier one of '
            'this name.']
        assert 'recovered: another worker of its name has begun. Tasks' in (
            log('The claim theirs')[0])

    @pytest.mark.parametrize('given', [True, False])
    def test_not_if_that_is_known_to_live_nor_if_no_name_was_given(
            self, seen, start, given):
        parent = os.getppid()
        name = 'a name' if given else f'{socket.gethostname()}:{os.getpid()}'
        seen.add(Note('a'))
        leave_behind(seen, this()._replace(
            pid=parent, started=started(parent)) if given else ELSEWHERE,
            name)
        start(name=name if given else None)
        seen.add(Note('b'))
        seen.wait_for('b')
        assert seen.ran() == ['b']
        assert seen.claims() == [name, name]

    def test_two_of_one_name_do_not_recover_each_other_again_and_again(
            self, seen, start):
        worker = start(name='a name')
        idle(worker)
        seen.add(Note('a'))
        seen.wait_for('a')
        with seen.transaction() as schedule:
            schedule.schedule(Note('b'))
        seen.wait_for('b')
        # The other begins, and recovers ours.
        with seen.transaction() as schedule:
            schedule.pause()
            schedule.schedule(Note('c'))
        leave_behind(seen, ELSEWHERE, 'a name')
        with seen.transaction() as schedule:
            schedule.resume()
            mine, = set(schedule.claims) - {'theirs'}
            turn.withdraw(schedule, mine, schedule.claims[mine], NOON)
            schedule.schedule(Note('d'))
        seen.wait_for('d')
        assert seen.ran() == ['a', 'b', 'd']
        assert seen.claims() == ['a name', 'a name']

    @EVERYWHERE
    def test_a_claim_that_is_lost_is_followed_by_another(
            self, seen, start, lasting, log):
        run = lasting('a')
        seen.add(Hooked('a'), Note('b', at(1)))
        worker = start()
        run.wait()
        with seen.transaction() as schedule:
            assert schedule.recover(worker.name) == 2
        run.going_on.set()
        seen.wait_for('a', 'b')
        assert sorted(seen.ran()) == ['a', 'b']
        lines = log(f'Worker {worker.name}: The claim')
        assert len(lines) == 1
        assert lines[0].endswith('It goes on with another claim.')

    def test_an_idle_one_has_lost_nothing(self, seen, start, log):
        worker = start()
        idle(worker)
        with seen.transaction() as schedule:
            assert schedule.recover(worker.name) == 0
        seen.add(Note('a'))
        seen.wait_for('a')
        assert not log(f'Worker {worker.name}:')


# -- Errors that are not a task's


class TestErrors:

    @pytest.fixture
    def fail(self, monkeypatch):
        """Have turns in one schedule fail."""
        def exchange(schedule, *args):
            if schedule._p_oid in failing:
                raise failing[schedule._p_oid]
            return original(schedule, *args)

        failing = {}
        original = own_claim.exchange
        monkeypatch.setattr(own_claim, 'exchange', exchange)
        return failing

    def test_one_is_logged_and_keeps_it_from_no_other_schedule(
            self, database, seen, start, log, fail):
        with seen.root() as root:
            root['other'] = Schedule()
        other = Onlooker(database, 'other')
        fail[seen.schedule._p_oid] = ValueError('a fault of ours')
        seen.add(Note('a'))
        worker = start('schedule', 'other')
        wait_until(lambda: log('The schedule at'), 'the error')
        other.add(Note('b'))
        other.wait_for('b')
        assert not worker.healthy
        # Each try hands back what it has begun with.
        wait_until(lambda: seen.claims() == [], 'no claim')
        fail.clear()
        seen.wait_for('a')
        wait_until(lambda: worker.healthy, 'health')
        assert log('The schedule at')[0].startswith(
            "The schedule at schedule: an error that is not a task's.")

    def test_it_is_over_before_the_first_run_is(
            self, seen, start, log, fail, lasting):
        run = lasting('a')
        fail[seen.schedule._p_oid] = ValueError('a fault of ours')
        seen.add(Hooked('a'))
        worker = start()
        wait_until(lambda: log('The schedule at'), 'the error')
        assert not worker.healthy
        fail.clear()
        run.wait()
        assert worker.healthy
        run.going_on.set()
        seen.wait_for('a')

    def test_nothing_that_changes_makes_it_fail_more_often(
            self, seen, start, log, fail, monkeypatch):
        monkeypatch.setattr(
            holdoff, 'pause_after', lambda failures, longest: 1000)
        fail[seen.schedule._p_oid] = ValueError('a fault of ours')
        seen.add(Note('a'))
        worker = start()
        for name in 'bc':
            wait_until(lambda: log('The schedule at'), 'the error')
            idle(worker)
            seen.add(Note(name))
        idle(worker)
        assert len(log('The schedule at')) == 1

    def test_what_it_cannot_hand_back_then_it_recovers_later(
            self, seen, start, log, fail, monkeypatch):
        def withdraw(self):
            raise ValueError('another')

        monkeypatch.setattr(Consumer, 'withdraw', withdraw)
        fail[seen.schedule._p_oid] = ValueError('a fault of ours')
        seen.add(Note('a'))
        start()
        wait_until(lambda: log('The schedule at'), 'the error')
        monkeypatch.undo()
        fail.clear()
        seen.wait_for('a')
        assert len(seen.claims()) == 1
        assert seen.look(lambda schedule: dict(schedule.crashes)) == {}


class TestOutage:

    @pytest.fixture
    def away(self, monkeypatch):
        """Whoever makes a turn or withdraws gets no answer."""
        class Away(Exception):
            """The database is away."""

        def fails(original):
            def call(*args):
                if where['is']:
                    raise Away('no answer')
                return original(*args)
            return call

        where = {'is': False}
        monkeypatch.setattr(Consumer, 'turn', fails(Consumer.turn))
        monkeypatch.setattr(Consumer, 'withdraw', fails(Consumer.withdraw))
        for module in loop_module, thread_module:
            monkeypatch.setattr(
                module, 'is_storage_failure',
                lambda error: isinstance(error, Away))
        return where

    def test_it_is_told_once_and_what_was_held_is_not_lost(
            self, seen, start, log, away):
        worker = start()
        idle(worker)
        away['is'] = True
        seen.add(Note('a'))
        wait_until(lambda: worker._threads[0].failures > 2, 'tries')
        assert not worker.healthy
        away['is'] = False
        seen.wait_for('a')
        idle(worker)
        assert log('The database') == [
            'The database is away: no answer', 'The database is back.']
        assert len(seen.claims()) == 1
        assert worker.healthy
        assert worker.stop()

    def test_it_is_over_before_the_first_run_is(
            self, seen, start, log, away, lasting):
        run = lasting('a')
        worker = start()
        idle(worker)
        away['is'] = True
        seen.add(Hooked('a'))
        wait_until(lambda: worker._threads[0].failures, 'tries')
        away['is'] = False
        run.wait()
        assert worker.healthy
        assert log('The database')[1:] == ['The database is back.']
        run.going_on.set()

    def test_what_it_cannot_hand_back_is_left_to_others(
            self, seen, start, log, away):
        worker = start()
        idle(worker)
        away['is'] = True
        assert not worker.stop()
        assert log(f'Worker {worker.name} could not hand back what it held')
        assert seen.claims() == [worker.name]

    def test_that_it_fails_after_an_error_is_told(
            self, seen, start, log, away, monkeypatch):
        def look(self, is_there):
            away['is'] = True
            raise ValueError('a fault of ours')

        worker = start()
        idle(worker)
        with monkeypatch.context() as patches:
            patches.setattr(Consumer, 'look', look)
            seen.add(Note('a'))
            wait_until(lambda: log('The database is away'), 'the outage')
        away['is'] = False
        seen.wait_for('a')

    def test_a_server_that_is_killed_and_started_again(
            self, tmp_path, log, lasting):
        server = ZEOServer(tmp_path)
        database = Database(
            'ZEO', f'zeo://127.0.0.1:{server.port}?wait_timeout=1')
        database.db
        worker = Worker(database.db)
        worker.start()
        idle(worker)
        server.kill()
        wait_until(lambda: not worker.healthy, 'the outage')
        server.start()
        wait_until(lambda: worker.healthy, 'health')
        seen = Onlooker(database)
        seen.add(Note('a'))
        seen.wait_for('a')
        assert worker.stop()
        assert seen.claims() == []
        lines = [line.split(':')[0] for line in log('The database')]
        assert lines == ['The database is away', 'The database is back.']
        database.close()
        server.stop()


class TestHealth:

    def test_an_answer_is_one_for_a_watcher_that_waits_for_its_own(
            self, database):
        worker = Worker(database.db)
        one, = worker._threads
        one.watcher = object()
        for source in one, one.watcher:
            worker._availability.away(source, 'no answer')
        one._answered()
        assert worker._availability.answers

    def test_it_is_healthy_while_it_works(
            self, database, seen, lasting, monkeypatch):
        monkeypatch.setattr(worker_module, 'SILENT', .02)
        worker = Worker(database.db)
        assert not worker.healthy
        with worker:
            wait_until(lambda: worker.healthy, 'health')
            run = lasting('a')
            seen.add(Hooked('a'))
            run.wait()
            the_clock.wait(.1)
            # A run that lasts is healthy.
            assert worker.healthy
            run.going_on.set()
        assert not worker.healthy

    def test_a_database_that_says_nothing_is_away(
            self, seen, start, log, lasting, monkeypatch):
        def exchange(*args):
            assert going_on.wait(60)
            return original(*args)

        going_on = threading.Event()
        original = own_claim.exchange
        monkeypatch.setattr(worker_module, 'SILENT', .1)
        monkeypatch.setattr(own_claim, 'exchange', exchange)
        run = lasting('a')
        seen.add(Hooked('a'))
        worker = start()
        wait_until(lambda: log('The database'), 'the silence')
        assert not worker.healthy
        monkeypatch.setattr(worker_module, 'SILENT', 1000)
        going_on.set()
        # Before the run has ended.
        wait_until(lambda: worker.healthy, 'health')
        run.going_on.set()
        assert log('The database') == [
            'The database is away: it has not answered for 0 seconds',
            'The database is back.']

    def test_and_so_is_one_that_says_nothing_to_the_watcher(
            self, database, seen, start, log, monkeypatch):
        going_on = threading.Event()
        monkeypatch.setattr(worker_module, 'SILENT', .1)
        worker = start()
        idle(worker)
        assert worker.healthy
        with monkeypatch.context() as patches:
            patches.setattr(
                worker._threads[0].watcher.probe, 'look', going_on.wait)
            wait_until(lambda: not worker.healthy, 'the silence')
        monkeypatch.setattr(worker_module, 'SILENT', 1000)
        going_on.set()
        wait_until(lambda: len(log('The database')) == 2, 'an answer')
        assert worker.healthy


# -- When to look again, though nothing has changed


class TestShouldLook:

    @pytest.fixture
    def consumer(self):
        """One that has just looked at the claims of others."""
        others = stale.OtherClaims(surveyed=time.monotonic())
        return SimpleNamespace(
            others=others, gives_way=bool, schedule=None,
            claim=SimpleNamespace(portion={}))

    @pytest.fixture
    def one(self, consumer):
        config = SimpleNamespace(name='w', inherits=False, warned={})
        found = loop_module.ScheduleLoop(
            'schedule', None, None, config, bool, int)
        found.consumer = consumer
        found.hold_off = HoldOff(Reason.IDLE)
        return found

    def test_at_first(self, one):
        one.hold_off = None
        assert one.should_look()
        assert one.pause() == holdoff.SLICE

    def test_by_itself_one_that_is_idle_does_not(self, one):
        assert not one.should_look()
        assert one.pause() == holdoff.SLICE

    def test_without_a_claim_it_does(self, one):
        one.consumer = None
        assert one.should_look()

    def test_when_something_comes_due(self, one, clock):
        clock.set(NOON)
        due = NOON + timedelta(seconds=.25)
        one.hold_off = HoldOff(Reason.IDLE, due)
        assert not one.should_look()
        assert one.pause() == .25
        clock.set(due)
        assert one.should_look()
        clock.set(at(1))
        assert one.pause() == 0

    def test_that_it_will_is_seen_by_a_look(self, one, consumer):
        consumer.over = True
        consumer.recover_all = list
        consumer.look = lambda is_there: WorkToDo(
            ClaimsToRecover([], []), False, at(1), True)
        assert not one.attend()
        assert one.hold_off == HoldOff(Reason.IDLE, at(1))

    def test_while_another_thread_is_to_run_alone_it_does_not(
            self, one, consumer):
        consumer.gives_way = lambda: True
        assert not one.attend()
        assert one.hold_off.reason is Reason.GIVING_WAY

    @pytest.mark.parametrize('reason', ['one is due', 'a look was left out'])
    def test_when_the_claims_of_others_are_to_be_surveyed_but_not_earlier(
            self, one, consumer, reason):
        # Earlier it would look in vain, again and again.
        if reason == 'one is due':
            consumer.others.again['theirs'] = 0
        else:
            consumer.others.left_out = True
        assert not one.should_look()
        consumer.others.surveyed -= stale.SURVEY_INTERVAL
        assert one.should_look()

    def test_when_a_process_has_ended(self, one, consumer):
        consumer.others.known['theirs'] = this()._replace(started='1')
        assert one.should_look()

    @pytest.mark.parametrize('reason', [
        Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED])
    def test_after_a_while_if_it_was_not_attended_to(
            self, one, consumer, clock, reason):
        consumer.others.known['theirs'] = this()._replace(started='1')
        one.hold_off = HoldOff(reason, time.monotonic() + 1000)
        assert not one.should_look()
        one.hold_off = HoldOff(reason, time.monotonic())
        assert one.should_look()


# -- How many tasks a turn takes


class TestShare:

    def test_at_first_some(self):
        assert PortionSize().tasks() == FIRST

    @pytest.mark.parametrize('seconds, limit', [
        (0, PORTION), (1e-9, PORTION), (.001, PORTION), (.01, 25), (.05, 5),
        (.2, 1), (10, 1)])
    def test_as_many_as_make_a_portion_of_work(
            self, monkeypatch, seconds, limit):
        monkeypatch.setattr(loop_module, 'WORK', .25)
        size = PortionSize()
        size.note(seconds)
        assert size.tasks() == limit

    def test_it_follows_how_long_runs_last(self):
        size = PortionSize()
        size.note(.001)
        size.note(10)
        assert size.tasks() == 1
        for _ in range(50):
            size.note(.001)
        assert size.tasks() == PORTION
