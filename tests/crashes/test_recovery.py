"""Processes that are killed: all effects exactly once."""

import os
import signal
import subprocess
import sys
import threading
from ast import literal_eval
from datetime import timedelta

import pytest
from databases import SQLITE
from databases import Client
from databases import wait_until
from places import check
from places import check_empty
from sample_work import NOON
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import hooks
from sample_work import names
from sample_work import prepare
from sample_work import runs
from ZODB.POSException import StorageError

from zodbschedule import Every
from zodbschedule import clock
from zodbschedule.execution import dissolving
from zodbschedule.execution import own_claim
from zodbschedule.execution import process as processing
from zodbschedule.liveness.stale import is_abandoned
from zodbschedule.reading.selection import Filter
from zodbschedule.scheduling import turn
from zodbschedule.steering import BulkAction
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id


pytestmark = [pytest.mark.storages('FileStorage', 'ZEO'),
              pytest.mark.usefixtures('short_leases')]


# -- What the other processes do


def pause(what):
    """Say where we are, and wait for a word."""
    print(what, flush=True)
    if not sys.stdin.readline():
        signal.pause()


class Pausing(Note):
    """Tells the process that started this one, and waits for a word."""

    def __call__(self):
        super().__call__()
        pause(self.description)


class Rescheduling(Note):
    """Repeats itself until one o'clock, and leaves something new."""

    def schedule(self):
        root = self._p_jar.root()
        new = Note(f'{self.description} at {self.time:%H:%M}', at(90))
        root['tasks'] += [new]
        root['schedule'].schedule(new)
        if self.time < at(60):
            self.time += timedelta(minutes=20)
            return self


def process(uri, minutes):
    """Process; pausing tasks pause."""
    client = Client(uri)
    client.schedule().process(at(float(minutes)))
    client.close()


OWNERS = {'Consumer': processing.Consumer, 'dissolving': dissolving,
          'own_claim': own_claim}


def process_and_pause(uri, moment):
    """Process, and pause at that moment, for good."""
    owner, name, when, count = moment.split()
    calls = []
    owner = OWNERS[owner]
    original = getattr(owner, name)

    def pausing(*args, **kwargs):
        calls.append(None)
        here = len(calls) == int(count)
        if here and when == 'before':
            pause(moment)
        result = original(*args, **kwargs)
        if here and when == 'after':
            pause(moment)
        return result

    setattr(owner, name, pausing)
    processing.PORTION = 4
    process(uri, '0')


# -- Killed


@pytest.fixture
def killed(database, crew):
    """Start a process that calls a function, and kill it where it pauses."""
    def kill(function, *args, at):
        with database.released():
            started = crew.start(
                f'test_recovery.{function}', database.uri(), *args)
            started.wait_for(f'{at}\n')
            started.kill()
    return kill


def finish(database, minutes=0):
    """Process in this process; the tally."""
    schedule = database.schedule()
    tally = schedule.process(at(minutes))
    begin(schedule)
    assert not list(schedule.claims)
    assert not list(schedule.parked)
    return tally


MOMENTS = {
    'registered, and nothing taken': 'own_claim exchange before 1',
    'in the first turn, before its commit': 'own_claim exchange after 1',
    'after the first turn': 'Consumer turn after 1',
    'between two runs': 'Consumer run after 2',
    'in a turn that collects': 'own_claim exchange after 2',
    'after a turn that collects': 'Consumer turn after 2',
    'in the middle of the second portion': 'Consumer run before 7',
    'before the claim is withdrawn': 'Consumer withdraw before 1',
    'in the last transaction': 'dissolving withdraw after 1',
    'after the last transaction': 'Consumer withdraw after 1',
}


@pytest.mark.parametrize('moment', MOMENTS.values(), ids=MOMENTS)
def test_killed_at_any_moment_every_effect_happens_once(
        database, killed, moment):
    prepare(database, *(Note(f'{n}') for n in range(10)))
    killed('process_and_pause', moment, at=moment)
    finish(database)
    assert runs(database) == {f'{n}': 1 for n in range(10)}
    assert names(database.schedule()) == []
    assert sorted(one.outcome for one in database.schedule().history) in (
        [*interrupted, *['succeeded'] * 10] for interrupted in (
            [], ['interrupted']))


class Making(Note):
    """Schedules another task with the first of its runs."""

    def __call__(self):
        super().__call__()
        root = self._p_jar.root()
        if self.time == NOON:
            new = Note(f'for {self.description}', self.time)
            root['tasks'] += [new]
            root['schedule'].schedule(new)


def keyed(cls, number):
    """A task with a key that comes again each hour."""
    task = cls(f'{number}')
    task.key = f'{number}'
    task.recurrence = Every(timedelta(hours=1))
    return task


@pytest.mark.parametrize('moment', MOMENTS.values(), ids=MOMENTS)
def test_killed_at_any_moment_keys_and_series_are_as_if_it_had_not_been(
        database, killed, moment):
    prepare(database, *(
        keyed((Note, Making)[number % 2], number) for number in range(10)))
    killed('process_and_pause', moment, at=moment)
    check(database.schedule())
    finish(database)
    check(database.schedule())
    finish(database)
    schedule = database.schedule()
    check(schedule)
    assert list(schedule.keys) == [f'{number}' for number in range(10)]
    assert {task.time for task in schedule} == {at(60)}
    assert set(runs(database).values()) == {1}
    assert len(runs(database)) == 15
    for task in list(schedule):
        schedule.unschedule(task)
    check_empty(schedule)


@pytest.mark.parametrize('moment', MOMENTS.values(), ids=MOMENTS)
def test_killed_at_any_moment_what_is_asked_for_then_happens_once(
        database, killed, moment, clock):
    clock.set(NOON)
    prepare(database, *(keyed(Note, number) for number in range(10)))
    killed('process_and_pause', moment, at=moment)
    schedule = database.schedule()
    # One that is due in its place is only hastened.
    due = [task.description for task in schedule if task.time == NOON]
    for task in schedule._p_jar.root()['tasks']:
        schedule.run_now(task)
    commit(schedule)
    check(database.schedule())
    for _ in range(3):
        finish(database)
        check(database.schedule())
    schedule = database.schedule()
    assert {task.time for task in schedule} == {at(60)}
    assert runs(database) == {
        f'{n}': 1 if f'{n}' in due else 2 for n in range(10)}
    assert not schedule.requests.entries


class Planning(Note):
    """Schedules two others: one that is due at once, and one for later."""

    def __call__(self):
        super().__call__()
        root = self._p_jar.root()
        new = [Note(f'{self.description} at {minute}', at(minute))
               for minute in (0, 60)]
        for task in new:
            root['schedule'].schedule(task)
        root['tasks'] += new


@pytest.mark.parametrize('moment', MOMENTS.values(), ids=MOMENTS)
def test_killed_at_any_moment_what_tasks_schedule_is_there_once(
        database, killed, moment):
    prepare(database, *(Planning(f'{n}') for n in range(10)))
    killed('process_and_pause', moment, at=moment)
    check(database.schedule())
    for _ in range(2):
        finish(database)
        check(database.schedule())
    assert {task.time for task in database.schedule()} == {at(60)}
    finish(database, 60)
    counts = runs(database)
    assert len(counts) == 30
    assert set(counts.values()) == {1}
    check_empty(database.schedule())


@pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL', SQLITE)
def test_killed_in_a_run_every_effect_happens_once(
        database, killed, monkeypatch):
    prepare(database, Note('a'), Pausing('b'), Note('c'))
    killed('process', '0', at='b')
    schedule = database.schedule()
    claim, = schedule.claims.values()
    assert [slot.task.description for slot in claim.held()] == ['b', 'c']
    monkeypatch.setattr(sys.modules[__name__], 'pause', lambda what: None)
    assert finish(database).succeeded == 2
    assert runs(database) == {'a': 1, 'b': 1, 'c': 1}
    # It has an outcome: its crash is forgotten.
    assert not database.schedule().crashes


def test_killed_again_and_again_what_tasks_schedule_happens_once(
        database, killed):
    prepare(database, *(Rescheduling(f'{n}', at(n)) for n in range(-3, 0)))
    for moment in ('Consumer run after 1', 'dissolving withdraw after 1',
                   'Consumer turn after 1'):
        killed('process_and_pause', moment, at=moment)
    for minute in range(0, 100, 10):
        finish(database, minute)
    counts = runs(database)
    assert [counts.pop(f'{n}') for n in range(-3, 0)] == [5, 5, 5]
    assert len(counts) == 15
    assert set(counts.values()) == {1}
    assert names(database.schedule()) == []


@pytest.mark.storages('FileStorage')
def test_killed_between_two_portions_a_bulk_action_goes_on(database, killed):
    schedule = database.schedule()
    for number in range(120):
        schedule.schedule(Note(
            f'letter {number}', clock.now() + timedelta(days=number + 1)))
    task = schedule.schedule(BulkAction(
        'cancel', Filter(text='letter'), 'zoe', time=at(-1)))
    commit(schedule)
    killed('process_and_pause', 'Consumer run after 1',
           at='Consumer run after 1')
    schedule = database.schedule()
    assert schedule.get(task_id(task)).done == 50
    while any(schedule.process(clock.now())):
        pass
    begin(schedule)
    assert not list(schedule)
    assert len(set(schedule.history.select(outcome='unscheduled'))) == 120


@pytest.mark.storages('FileStorage')
def test_the_third_time_the_task_that_ran_is_parked(
        database, killed, caplog):
    prepare(database, Note('a'), Pausing('bad'), Note('c'), Note('d'))
    for count in range(3):
        assert names(database.schedule()) == (
            ['a', 'bad', 'c', 'd'] if count == 0 else [])
        killed('process', '0', at='bad')
    schedule = database.schedule()
    tally = schedule.process(NOON)
    assert tally.failed == 1
    entry, = schedule.parked
    assert entry.task.description == 'bad'
    assert entry.time == NOON
    assert '3 runs of it ended their process' in entry.reason
    assert 'was parked: 3 runs' in caplog.text
    assert [(one.outcome, one.worker, one.attempt, one.type)
            for one in schedule.history.select(entry.task)] == [
        (outcome, 'process()', 1, 'test_recovery.Pausing')
        for outcome in ('failed', 'interrupted', 'interrupted')]
    assert schedule.history.select(entry.task, 'interrupted').__next__(
        ).error == 'its process has ended'
    assert runs(database) == {'a': 1, 'bad': 0, 'c': 1, 'd': 1}
    assert not schedule.crashes


@pytest.mark.storages('ZEO')
def test_a_process_that_lives_keeps_its_claim(database, child):
    prepare(database, Pausing('a'), Note('b'))
    other = child('test_recovery.process', database.uri(), '0')
    assert other.line() == 'a'
    schedule = database.schedule()
    schedule.schedule(Note('mine'))
    commit(schedule)
    assert schedule.process(NOON).succeeded == 1
    begin(schedule)
    assert len(list(schedule.claims)) == 1
    other.tell()
    assert other.wait() == ('', 0)
    assert runs(database) == {'a': 1, 'b': 1}


# -- Claims of others, as they are found


ELSEWHERE = Incarnation('elsewhere', 'another boot pid:[1]', 1, '1')
LONG = timedelta(hours=1)
SHORT = timedelta(microseconds=1)


def left_behind(database, incarnation, lease=LONG):
    """A claim of that incarnation that holds two tasks; a schedule."""
    schedule = prepare(database, Note('a'), Note('b'))
    schedule.lease = lease
    claim = schedule.claims['theirs'] = Claim('process()', incarnation)
    turn.exchange(
        schedule, claim, 2, None, NOON, lambda instant, task: True)
    commit(schedule)
    return schedule


def recovers(database):
    """Whether a call recovers, and runs, what is left behind."""
    tally = database.client().schedule().process(NOON)
    left = list(database.schedule().claims)
    assert left == ([] if tally.succeeded else ['theirs'])
    assert tally.succeeded == sum(runs(database).values())
    return tally.succeeded == 2


def test_a_pid_that_is_used_again_is_another_process(database):
    left_behind(database, this()._replace(started='1'))
    assert recovers(database)


def test_a_pid_that_is_gone_is_recovered_at_once(database, child):
    with database.released():
        other = child('sample_work.say_who')
        dead = Incarnation(*literal_eval(other.line()))
        other.wait()
    assert dead.machine == this().machine
    left_behind(database, dead)
    assert recovers(database)


def test_a_claim_of_another_machine_is_believed_within_the_lease(database):
    left_behind(database, ELSEWHERE)
    assert not recovers(database)


def test_a_claim_of_another_machine_is_recovered_after_the_lease(database):
    left_behind(database, ELSEWHERE, lease=SHORT)
    assert recovers(database)


@pytest.fixture
def other():
    """Another process of this machine, which is alive and says nothing."""
    with subprocess.Popen(
            [sys.executable, '-c', 'input()'], stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def life_of(process):
    return this()._replace(
        pid=process.pid, started=incarnation.started(process.pid))


def test_a_process_at_work_here_is_not_dead_because_it_is_silent(
        database, other):
    left_behind(database, life_of(other), lease=SHORT)
    assert not recovers(database)


def test_a_process_here_that_was_stopped_is_believed_for_the_lease(
        database, other):
    other.send_signal(signal.SIGSTOP)
    wait_until(lambda: not incarnation.is_at_work(life_of(other)),
               'the stop of a process')
    left_behind(database, life_of(other), lease=SHORT)
    assert recovers(database)


def test_a_call_that_finds_no_claim_in_doubt_writes_nothing(database):
    schedule = left_behind(database, ELSEWHERE)
    before = schedule._p_jar.db().lastTransaction()
    schedule.process(NOON)
    assert schedule._p_jar.db().lastTransaction() == before


@pytest.mark.parametrize('years', [-40, 0, 40])
def test_a_wrong_clock_neither_recovers_nor_prevents_it(
        database, clock, years):
    # This clock shows the year 2003, and the storage has another.
    clock.advance(timedelta(days=years * 365))
    schedule = left_behind(database, ELSEWHERE)
    assert not recovers(database)
    begin(schedule)
    schedule.lease = SHORT
    commit(schedule)
    assert recovers(database)


def test_a_process_of_which_nothing_is_known_is_believed_for_the_lease(
        database, monkeypatch):
    monkeypatch.setattr(incarnation, 'machine', lambda: '')
    schedule = left_behind(database, this())
    assert not recovers(database)
    begin(schedule)
    schedule.lease = SHORT
    commit(schedule)
    assert recovers(database)


def test_whoever_ran_when_the_claim_was_left_counts_as_likely_cause(
        database):
    schedule = left_behind(database, this()._replace(started='1'))
    begin(schedule)
    recovering = processing.Consumer(schedule, '')
    recovering.begin(NOON)
    begin(schedule)
    schedule._p_jar.transaction_manager.abort()
    recovering.recover('theirs')
    schedule._p_jar.transaction_manager.begin()
    suspect = int(schedule._p_jar.root()['tasks'][0]._p_oid.hex(), 16)
    assert [(oid, count) for oid, (count, _) in schedule.crashes.items()] == [
        (suspect, 1)]


# -- Claims of this very process


class Interrupting(Note):
    """Ends the call of process(), as Ctrl-C does."""

    def __call__(self):
        raise KeyboardInterrupt


def test_what_could_not_be_withdrawn_is_recovered_by_the_next_call(
        database, monkeypatch, caplog):
    schedule = prepare(database, Interrupting('a'), Note('b'))
    manager = schedule._p_jar.transaction_manager

    def away(self, what):
        raise StorageError('The database is away.')

    with monkeypatch.context() as patch:
        patch.setattr(processing.Consumer, 'withdraw', away)
        with pytest.raises(KeyboardInterrupt):
            schedule.process(NOON)
    assert 'the next call recovers it' in caplog.text
    begin(schedule)
    claim_id, = schedule.claims
    # Nobody in this process works on it.
    assert is_abandoned(
        claim_id, schedule.claims[claim_id].incarnation)
    manager.abort()
    crashes = []

    def look(task):
        crashes.append(dict(schedule.crashes))
        Note.__call__(task)

    monkeypatch.setattr(Interrupting, '__call__', look)
    manager.begin()
    assert schedule.process(NOON).succeeded == 2
    begin(schedule)
    # The process goes on, and remembers which run has ended the call.
    assert [count for seen in crashes for count, _ in seen.values()] == [1]
    assert not schedule.crashes
    assert not list(schedule.claims)
    assert runs(database) == {'a': 1, 'b': 1}


def test_the_claim_of_another_thread_is_not_touched(database):
    schedule = prepare(database, Hooked('a'), Note('b'))
    inside, go_on = threading.Event(), threading.Event()
    tallies = []

    def wait():
        inside.set()
        assert go_on.wait(60)

    hooks['a'] = wait
    thread = threading.Thread(
        target=lambda: tallies.append(schedule.process(NOON)))
    thread.start()
    assert inside.wait(60)
    other = database.schedule()
    other.lease = SHORT
    other.schedule(Note('c'))
    commit(other)
    assert other.process(NOON).succeeded == 1
    go_on.set()
    thread.join()
    assert tallies[0].succeeded == 2
    assert runs(database) == {'a': 1, 'b': 1}


def fork_and_look(uri):
    """What a forked child knows of its parent's claim."""
    client = Client(uri)
    schedule = client.schedule()
    claim = schedule.claims['mine'] = Claim('process()', this())
    commit(schedule)
    parent = this()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        known = (this() == parent, this().machine == parent.machine,
                 is_abandoned('mine', claim.incarnation))
        os.write(write, repr(known).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    print(os.read(read, 1000).decode())
    client.close()


@pytest.mark.storages('FileStorage')
def test_a_forked_child_is_another_process_and_leaves_its_parent_alone(
        database, child):
    with database.released():
        forking = child('test_recovery.fork_and_look', database.uri())
        same, same_machine, abandoned = literal_eval(forking.line())
        forking.wait()
    assert not same
    assert same_machine
    # Alive, so only the age of its claim can tell.
    assert abandoned is None
