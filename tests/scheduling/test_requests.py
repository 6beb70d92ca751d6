"""Occurrences that a person asks for, wherever their task stands.

Whoever asks gets each of them once, and never beside another run; the next
occurrence is left alone, no run is wasted, and nothing is left over.
"""

from datetime import timedelta
from itertools import combinations_with_replacement

import pytest
from places import announce_moments
from places import check
from places import watching
from sample_tasks import MINUTE
from sample_tasks import calls
from sample_tasks import gone
from sample_tasks import note
from sample_work import begin
from sample_work import commit
from sample_work import try_to_commit
from ZODB.POSException import StorageError

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import current_run
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import NotScheduled
from zodbschedule.scheduling import turn


#: so that all but those on a FileStorage are slow
HUNDREDS = True

HOUR = timedelta(hours=1)

# An occurrence that is asked for while its task is held is its own.
MOMENT = timedelta(microseconds=1)

RETRY = Retry(5, MINUTE, jitter=0)

pytestmark = pytest.mark.storages('FileStorage', 'ZEO')


@pytest.fixture
def stage(database, clock):
    with watching(database, clock) as stage:
        yield stage


def occurred(task):
    """Leave in the database for which occurrence it ran."""
    note(task, current_run().occurrence)


def fails(task):
    raise ValueError('no')


def series(stage, call=occurred, **options):
    """A task that is due now, and comes each hour."""
    options.setdefault('recurrence', Every(HOUR))
    return stage.add('a', call=call, **options)


def parked_occurrence(stage, **options):
    """A series, one occurrence of which is parked; the task, what it was."""
    task = series(stage, fails, minutes=60, **options)
    failed = task.time
    assert stage.process(-60).failed == 1
    calls['a'] = occurred
    return task, failed


def unpark(stage, schedule=None, occurrence=True):
    """Unpark the only occurrence, through another connection."""
    if schedule is None:
        schedule = stage.database.schedule()
        unpark(stage, schedule)
        commit(schedule)
        return
    entry, = (entry for entry in schedule.parked if entry.occurrence)
    schedule.unpark(entry)


def ran(stage):
    """For which occurrences, in order."""
    return [text for text in stage.look().effects if text != 'a']


def away(stage, monkeypatch):
    """Process; the database is away when the claim is to be withdrawn."""
    def fail(self, *args):
        raise StorageError('The database is away.')

    with monkeypatch.context() as patch:
        patch.setattr(processing.Consumer, 'withdraw', fail)
        with pytest.raises(StorageError):
            stage.process()


def finish(stage, minutes, step=1):
    """Process each minute."""
    for minute in range(0, minutes + 1, step):
        stage.clock.set(stage.now + minute * MINUTE)
        stage.process(minute)
        stage.held()
    assert not stage.schedule.requests.entries


def end(stage, task):
    """Nothing is left when the series is gone."""
    stage.on('unschedule', task)
    assert stage.over()


class TestWaiting:

    def test_run_at_once_its_next_occurrence_is_left_alone(self, stage):
        task = series(stage, minutes=-30)
        with stage.transaction():
            stage.schedule.run_now(task)
        finish(stage, 90)
        assert ran(stage) == [
            stage.now, stage.now + HOUR / 2, stage.now + 1.5 * HOUR]
        end(stage, task)

    def test_asked_again_before_it_has_run_it_runs_once(self, stage):
        task = series(stage, minutes=-30)
        for _ in range(3):
            with stage.transaction():
                stage.schedule.run_now(task)
            stage.clock.advance(timedelta(seconds=1))
        finish(stage, 10)
        assert len(ran(stage)) == 1
        end(stage, task)

    def test_unparked_it_runs_for_that_before_its_next(self, stage):
        task, failed = parked_occurrence(stage)
        with stage.transaction():
            unpark(stage, stage.schedule)
        finish(stage, 70, 10)
        assert ran(stage) == [failed, failed + HOUR, failed + 2 * HOUR]
        end(stage, task)

    def test_unparked_and_then_asked_for_it_runs_for_that(self, stage):
        task, failed = parked_occurrence(stage)
        with stage.transaction():
            unpark(stage, stage.schedule)
            stage.schedule.run_now(task)
        finish(stage, 30)
        assert ran(stage) == [failed, failed + HOUR]
        end(stage, task)

    def test_asked_for_and_then_unparked_it_runs_for_both(self, stage):
        task, failed = parked_occurrence(stage)
        with stage.transaction():
            stage.clock.advance(-HOUR / 2)
            stage.schedule.run_now(task)
            unpark(stage, stage.schedule)
        finish(stage, 30)
        assert ran(stage) == [stage.now - HOUR / 2, failed, stage.now]
        end(stage, task)

    def test_several_occurrences_are_unparked_at_once(self, stage):
        task = series(stage, fails, minutes=180)
        failed = [stage.now - hours * HOUR for hours in (3, 2, 1)]
        for hours in 3, 2, 1:
            stage.clock.set(stage.now - hours * HOUR)
            assert stage.process(-hours * 60).failed == 1
        calls['a'] = occurred
        stage.clock.set(stage.now - MINUTE)
        with stage.transaction():
            for entry in list(stage.schedule.parked):
                stage.schedule.unpark(entry)
        finish(stage, 10)
        assert sorted(ran(stage)) == [*failed, stage.now]
        assert ran(stage)[-1] == stage.now
        end(stage, task)

    def test_as_a_retry_it_is_only_hastened_by_running_it_now(self, stage):
        task = series(stage, fails, retry=RETRY)
        assert stage.process().retried == 1
        calls['a'] = occurred
        with stage.transaction():
            stage.schedule.run_now(task)
        stage.process()
        assert ran(stage) == [stage.now]
        finish(stage, 60, 10)
        assert ran(stage) == [stage.now, stage.now + HOUR]
        end(stage, task)

    def test_as_a_retry_it_is_unparked_for_another_afterwards(self, stage):
        task, failed = parked_occurrence(stage)
        with stage.transaction():
            task.retry = RETRY
        calls['a'] = fails
        assert stage.process().retried == 1
        calls['a'] = occurred
        unpark(stage)
        finish(stage, 60)
        assert ran(stage) == [stage.now, failed, stage.now + HOUR]
        end(stage, task)

    def test_due_already_that_is_what_runs(self, stage):
        task = series(stage)
        with stage.transaction():
            stage.schedule.run_now(task)
        finish(stage, 10)
        assert ran(stage) == [stage.now]
        end(stage, task)

    def test_once_it_is_run_now_and_only_once(self, stage):
        task = stage.add('a', minutes=-30, key='k', call=occurred)
        with stage.transaction():
            stage.schedule.run_now(task)
        assert stage.held() == {'k': 'a'}
        finish(stage, 40)
        assert ran(stage) == [stage.now + HOUR / 2]
        assert stage.over()

    def test_paused_it_is_refused(self, stage):
        task = series(stage, minutes=-30)
        with stage.transaction():
            stage.schedule.pause(task)
            with pytest.raises(InvalidTask, match='paused'):
                stage.schedule.run_now(task)
            stage.schedule.resume(task)
            stage.schedule.pause()
            with pytest.raises(InvalidTask, match='paused'):
                stage.schedule.run_now(task)

    @pytest.mark.parametrize('nonsense', [None, 5, 'a', object(), Every])
    def test_what_is_not_here_cannot_be_run(self, stage, nonsense):
        with stage.transaction(), pytest.raises(NotScheduled):
            stage.schedule.run_now(nonsense)
        with stage.transaction(), pytest.raises(NotScheduled):
            stage.schedule.run_now(stage.make('a'))
        with stage.transaction(), pytest.raises(NotScheduled):
            stage.schedule.unpark(nonsense)

    def test_too_late_for_its_occurrence_it_runs_if_it_was_asked_to(
            self, stage):
        task, failed = parked_occurrence(stage, expires=MINUTE)
        unpark(stage)
        finish(stage, 10)
        assert ran(stage) == [failed, stage.now]
        end(stage, task)


def ask(stage, schedule, task, what):
    """Ask for one more run: *what* is 'run_now' or 'unpark'."""
    there = schedule._p_jar.get(task._p_oid)
    if what == 'run_now':
        schedule.run_now(there)
    else:
        unpark(stage, schedule)


WHAT = pytest.mark.parametrize('what', ['run_now', 'unpark'])


class TestHeld:

    @WHAT
    def test_claimed_and_not_begun_it_runs_for_both(self, stage, what):
        def ask_for_it(_):
            schedule = stage.database.schedule()
            ask(stage, schedule, task, what)
            commit(schedule)

        task, failed = parked_occurrence(stage)
        stage.add('before', minutes=1, call=ask_for_it)
        assert stage.process().succeeded == 2
        finish(stage, 61)
        other = failed if what == 'unpark' else stage.now + MOMENT
        assert [text for text in ran(stage) if text != 'before'] == [
            stage.now, other, stage.now + HOUR]
        end(stage, task)

    @WHAT
    def test_run_at_this_moment_it_runs_again_and_nothing_is_wasted(
            self, stage, what):
        def ask_for_it(task):
            starts.append(current_run().occurrence)
            if len(starts) == 1:
                schedule = stage.database.schedule()
                ask(stage, schedule, task, what)
                commit(schedule)
                stage.held()
            occurred(task)

        starts = []
        task, failed = parked_occurrence(stage)
        calls['a'] = lambda task: stage._watch(ask_for_it, task)
        assert stage.process().succeeded == 1
        finish(stage, 61)
        other = failed if what == 'unpark' else stage.now + MOMENT
        assert ran(stage) == starts == [
            stage.now, other, stage.now + HOUR]
        end(stage, task)

    @WHAT
    @pytest.mark.parametrize('first', ['the run', 'the request'])
    def test_whoever_commits_first_no_run_is_wasted(
            self, stage, what, first):
        def ask_for_it():
            requests.append(stage.database.client().schedule())
            ask(stage, requests[0], task, what)
            if first == 'the request':
                commit(requests[0])

        requests = []
        starts = []
        task, failed = parked_occurrence(stage)

        def run(task):
            starts.append(1)
            ask_for_it()
            occurred(task)

        calls['a'] = run
        assert stage.process().succeeded == 1
        assert len(starts) == 1
        calls['a'] = occurred
        if first == 'the run' and not try_to_commit(requests[0]):
            ask(stage, requests[0], task, what)
            commit(requests[0])
        stage.held()
        finish(stage, 61)
        other = failed if what == 'unpark' else stage.now + MOMENT
        assert sorted(ran(stage)) == sorted(
            [stage.now, other, stage.now + HOUR])
        end(stage, task)

    def test_asked_three_times_it_runs_three_times_more(self, stage):
        def ask_for_it(task):
            for _ in range(3):
                stage.clock.advance(timedelta(seconds=1))
                stage.on('run_now', task)
            calls['a'] = occurred

        task = series(stage, ask_for_it)
        stage.process()
        finish(stage, 10)
        assert len(ran(stage)) == 3
        assert task.time == stage.now + HOUR
        end(stage, task)

    def test_asked_twice_at_one_moment_it_runs_once_more(self, stage):
        def ask_for_it(task):
            for _ in range(2):
                stage.on('run_now', task)
            calls['a'] = occurred

        task = series(stage, ask_for_it)
        stage.process()
        finish(stage, 10)
        assert len(ran(stage)) == 1
        end(stage, task)

    def test_recovered_where_its_class_is_missing_it_runs_as_it_was_asked_to(
            self, stage, monkeypatch):
        task = series(stage, lambda task: stage.on('run_now', task))
        away(stage, monkeypatch)
        with gone(stage.database.db, 'Doing'):
            stage.process()
            stage.held()
        calls['a'] = occurred
        for minute in 60, 60, 60:
            stage.clock.set(stage.now + HOUR)
            stage.process(minute)
        assert ran(stage) == [stage.now + HOUR, stage.now + MOMENT]
        end(stage, task)

    def test_failing_for_good_it_still_runs_as_it_was_asked_to(self, stage):
        def ask_for_it(task):
            calls['a'] = occurred
            stage.on('run_now', task)
            fails(task)

        task = series(stage, ask_for_it)
        assert stage.process().failed == 1
        finish(stage, 10)
        assert len(ran(stage)) == 1
        assert task.time == stage.now + HOUR
        end(stage, task)

    def test_to_be_tried_again_it_does_that_first(self, stage):
        def ask_for_it(task):
            stage.on('run_now', task)
            calls['a'] = occurred
            fails(task)

        task = series(stage, ask_for_it, retry=RETRY)
        stage.clock.advance(timedelta(seconds=1))
        assert stage.process().retried == 1
        stage.clock.advance(-timedelta(seconds=1))
        finish(stage, 61)
        assert ran(stage) == [
            stage.now, stage.now + timedelta(seconds=1) + MOMENT,
            stage.now + HOUR]
        end(stage, task)

    def test_handed_back_it_runs_for_both(self, stage):
        def interrupted(_):
            calls['before'] = lambda task: None
            stage.on('run_now', task)
            raise KeyboardInterrupt

        task = series(stage)
        stage.add('before', minutes=1, call=interrupted)
        with pytest.raises(KeyboardInterrupt):
            stage.process()
        finish(stage, 10)
        assert len(ran(stage)) == 3
        end(stage, task)

    def test_recovered_it_runs_for_both(self, stage):
        task = series(stage)
        stage.leave_behind()
        stage.on('run_now', task)
        finish(stage, 10)
        assert len(ran(stage)) == 2
        end(stage, task)

    def test_asking_for_itself_it_does_not_keep_the_pass_from_ending(
            self, stage, monkeypatch):
        # One is taken while the other comes back.
        def ask_for_it(task):
            starts.append(1)
            assert len(starts) < 20
            stage.schedule.run_now(task)

        monkeypatch.setattr(processing, 'PORTION', 1)
        starts = []
        tasks = [stage.add(name, call=ask_for_it, recurrence=Every(HOUR))
                 for name in 'ab']
        assert stage.process().succeeded == 2
        assert stage.process().succeeded == 2
        for task in tasks:
            stage.on('unschedule', task)
        assert stage.over()


def crash_for_good(stage, monkeypatch):
    """Its runs end the process, and its recurrence cannot tell the next."""
    def fail(*args):
        raise ValueError('no rule')

    with monkeypatch.context() as patch:
        patch.setattr(turn.series, 'advance_in', fail)
        for _ in range(3):
            stage.crash()


class TestGone:
    """The series has ended, was unscheduled, or is parked."""

    def last(self, stage, call):
        return stage.add('a', call=call, key='k', recurrence=RRule(
            'FREQ=HOURLY;COUNT=1', stage.now))

    def test_a_series_that_ends_meanwhile_runs_once_more(self, stage):
        def ask_for_it(task):
            calls['a'] = occurred
            stage.on('run_now', task)

        self.last(stage, ask_for_it)
        stage.process()
        assert stage.held() == {'k': 'a'}
        assert stage.look().waiting == ['a']
        finish(stage, 10)
        assert len(ran(stage)) == 1
        assert stage.over()

    def test_of_a_series_that_has_ended_one_is_unparked(self, stage):
        task = self.last(stage, fails)
        assert stage.process().failed == 1
        assert stage.held() == {}
        calls['a'] = occurred
        unpark(stage)
        assert stage.held() == {'k': 'a'}
        finish(stage, 10)
        assert ran(stage) == [stage.now]
        assert stage.over()
        with stage.transaction(), pytest.raises(NotScheduled):
            stage.schedule.run_now(task)

    def test_an_unscheduled_one_is_not_run_by_what_was_asked_before(
            self, stage):
        def ask_for_it(task):
            stage.on('run_now', task)
            stage.on('unschedule', task)

        series(stage, ask_for_it)
        stage.process()
        assert stage.over()

    def test_an_unscheduled_one_cannot_be_asked_for(self, stage):
        def ask_for_it(task):
            stage.on('unschedule', task)
            with pytest.raises(NotScheduled):
                stage.on('run_now', task)

        series(stage, ask_for_it)
        stage.process()
        assert stage.over()

    def ask_for_it_twice(self, stage, monkeypatch):
        """Its last run has ended, and it is recovered without its class."""
        def ask_for_it(task):
            stage.on('run_now', task)
            stage.clock.advance(MOMENT)
            stage.on('run_now', task)

        task = self.last(stage, ask_for_it)
        away(stage, monkeypatch)
        with gone(stage.database.db, 'Doing'):
            assert stage.process().left == 1
            check(stage.database.schedule())
        calls['a'] = occurred
        return task

    def test_recovered_where_its_class_is_missing_it_waits_for_that(
            self, stage, monkeypatch):
        self.ask_for_it_twice(stage, monkeypatch)
        assert not stage.schedule.parked
        finish(stage, 10)
        assert ran(stage) == [stage.now + MOMENT, stage.now + 2 * MOMENT]
        assert stage.over()

    def test_its_class_being_missing_for_long_it_waits_for_a_person(
            self, stage, monkeypatch):
        self.ask_for_it_twice(stage, monkeypatch)
        with gone(stage.database.db, 'Doing'):
            stage.process(120)
            check(stage.database.schedule())
        with stage.transaction():
            [entry] = stage.schedule.parked
            assert 'cannot be imported' in entry.reason
            stage.schedule.unpark(entry)
        finish(stage, 10)
        assert ran(stage) == [stage.now + MOMENT, stage.now + 2 * MOMENT]
        assert stage.over()

    def test_unscheduled_without_its_class_nothing_is_left(
            self, stage, monkeypatch):
        task = self.ask_for_it_twice(stage, monkeypatch)
        end(stage, task)
        assert not stage.database.schedule().requests.unserved

    def test_unparked_it_comes_back_for_that_alone(self, stage):
        task, failed = parked_occurrence(stage)
        stage.on('unschedule', task)
        unpark(stage)
        finish(stage, 120, 10)
        assert ran(stage) == [failed]
        assert stage.over()

    def test_unparked_while_its_last_run_is_in_vain(self, stage):
        def unschedule(task):
            stage.on('unschedule', task)
            unpark(stage)
            calls['a'] = occurred

        task, failed = parked_occurrence(stage)
        calls['a'] = unschedule
        stage.process()
        finish(stage, 120, 10)
        assert ran(stage) == [failed]
        assert stage.over()

    @WHAT
    def test_scheduled_anew_and_held_by_another_it_stays_in_one_place(
            self, stage, what):
        # The first run is in vain, and lasts longer than all the others.
        def in_vain(task):
            calls['a'] = again
            schedule = stage.database.schedule()
            there = schedule._p_jar.get(task._p_oid)
            schedule.unschedule(there)
            # Not where its recurrence has placed it: that is computed anew.
            there.time = stage.now - timedelta(seconds=1)
            schedule.schedule(there)
            commit(schedule)
            other = stage.database.schedule()
            begin(other)
            other.process(stage.now)

        def again(task):
            calls['a'] = occurred
            schedule = stage.database.schedule()
            ask(stage, schedule, task, what)
            commit(schedule)
            vain = next(claim for claim in schedule.claims.values()
                        if not list(claim.held()))
            # What the first does when its run has ended.
            turn.collect(schedule, vain, stage.now)
            commit(schedule)
            stage.held()
            occurred(task)

        task, failed = parked_occurrence(stage)
        calls['a'] = lambda task: stage._watch(in_vain, task)
        stage.process()
        finish(stage, 50)
        assert len(ran(stage)) == 2
        end(stage, task)

    def test_parked_as_a_whole_it_runs_when_that_is_unparked(
            self, stage, monkeypatch):
        task, failed = parked_occurrence(stage)
        crash_for_good(stage, monkeypatch)
        assert len(stage.look().parked) == 1  # both have one description
        unpark(stage)
        with stage.transaction():
            assert list(stage.schedule.requests.entries)
        assert sum(stage.process()) == 0
        with stage.transaction():
            entry, = stage.schedule.parked
            stage.schedule.unpark(entry)
        finish(stage, 10)
        assert ran(stage) == [stage.now, failed]
        end(stage, task)

    def test_parked_as_a_whole_it_is_discarded_with_what_was_asked(
            self, stage, monkeypatch):
        parked_occurrence(stage)
        crash_for_good(stage, monkeypatch)
        unpark(stage)
        with stage.transaction():
            entry, = stage.schedule.parked
            stage.schedule.discard(entry)
        assert stage.over()


# -- Both at the same time


MOMENTS = [
    'before', 'taken', 'before the run', 'run', 'after the run', 'collected',
    'after']

# A sample of all pairs; the others are slow.
PAIRS = [
    pytest.param(*pair, marks=[] if number % 3 == 0 else pytest.mark.slow)
    for number, pair in enumerate(combinations_with_replacement(MOMENTS, 2))]


@pytest.fixture
def moments(monkeypatch):
    """Has each moment of one pass reached; what is to be done at each."""
    plans = {}

    def reached(moment):
        for plan in plans.pop(moment, ()):
            plan()

    announce_moments(monkeypatch, reached)
    return plans, reached


class Person:
    """Somebody who does something with the task, again if need be."""

    def __init__(self, stage, task, what):
        self.stage = stage
        self.oid = task._p_oid
        self.what = what
        self.done = None

    def do(self):
        self.schedule = self.stage.database.client().schedule()
        task = self.schedule._p_jar.get(self.oid)
        waits = self.schedule.waits(task)
        # What is due already is what runs at once.
        self.hastens = self.what == 'run_now' and (
            waits is not None and waits <= self.stage.clock.now())
        try:
            if self.what == 'unpark':
                unpark(self.stage, self.schedule)
            else:
                getattr(self.schedule, self.what)(task)
            self.done = True
        except NotScheduled:
            self.done = False

    def commit(self):
        while not try_to_commit(self.schedule):
            self.do()


KINDS = ['series', 'last']


def play(stage, moments, kind, plan):
    """A task that is due; *plan* is what persons do, and when."""
    plans, reached = moments
    recurrence = Every(HOUR)
    if kind == 'last':
        recurrence = RRule('FREQ=HOURLY;COUNT=2', stage.now - HOUR)
    task, failed = parked_occurrence(stage, recurrence=recurrence)

    def run(task):
        reached('run')
        occurred(task)

    calls['a'] = run
    persons = []
    for what, begun, committed in plan:
        person = Person(stage, task, what)
        persons.append(person)
        plans.setdefault(begun, []).append(person.do)
        plans.setdefault(committed, []).append(person.commit)
    reached('before')
    stage.process()
    reached('after')
    assert not plans
    check(stage.database.schedule())
    finish(stage, 59, step=7)
    return task, failed, persons


class TestRaces:
    """A person asks while a pass is made, and has not seen all of that."""

    @WHAT
    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize(['begun', 'committed'], PAIRS)
    @pytest.mark.storages('FileStorage')
    def test_each_that_is_asked_for_runs_once(
            self, stage, moments, kind, begun, committed, what):
        task, failed, (person,) = play(
            stage, moments, kind, [(what, begun, committed)])
        runs = ran(stage)
        if what == 'unpark':
            assert runs.count(failed) == 1
        assert len(runs) == len(set(runs)) or what == 'run_now'
        asked = 1 if person.done and not person.hastens else 0
        assert len(runs) == 1 + asked
        assert (task in stage.schedule) == (kind != 'last')
        if kind != 'last':
            assert task.time == stage.now + HOUR
            end(stage, task)
        assert stage.over()

    @WHAT
    @pytest.mark.slow
    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('begun', ['taken', 'run'])
    @pytest.mark.parametrize('committed', ['run', 'collected', 'after'])
    @pytest.mark.storages('ZEO', 'PostgreSQL')
    def test_also_on_a_server(
            self, stage, moments, kind, begun, committed, what):
        self.test_each_that_is_asked_for_runs_once(
            stage, moments, kind, begun, committed, what)

    @WHAT
    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('orders', [
        [('run', 'after the run'), ('run', 'collected')],
        [('run', 'collected'), ('run', 'after the run')],
        [('taken', 'run'), ('taken', 'after the run')],
        [('taken', 'after the run'), ('taken', 'run')],
        [('before', 'run'), ('before', 'after')],
        [('before', 'after'), ('before', 'after')],
        [('run', 'after'), ('run', 'run')],
        [('run', 'run'), ('run', 'after')],
    ])
    @pytest.mark.storages('FileStorage')
    def test_what_is_unscheduled_meanwhile_does_not_run(
            self, stage, moments, kind, orders, what):
        (asks, asked), (leaves, left) = orders
        task, failed, persons = play(stage, moments, kind, [
            (what, asks, asked), ('unschedule', leaves, left)])
        schedule = stage.schedule
        assert persons[1].done is not None
        if what == 'unpark' and MOMENTS.index(asked) > MOMENTS.index(left):
            # It was unparked when it had left: it runs for that alone.
            assert ran(stage).count(failed) == 1
        assert task not in schedule
        assert stage.over()
