"""Series, whatever is done to them: no occurrence is lost, none runs twice.

Hypothesis makes up what is done.  What must hold then needs no model of the
schedule: each task notes for which occurrence it ran, and that is held
against the history, the parked set and the rule.
"""

from collections import Counter
from contextlib import nullcontext
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from tempfile import TemporaryDirectory

import pytest
import transaction
import ZODB
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping

from zodbschedule import AlreadyScheduled
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule import current_run
from zodbschedule.scheduling.series import is_in_place
from zodbschedule.scheduling.series import series_of
from zodbschedule.testing import SettableClock


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FINAL = 'succeeded', 'failed', 'expired'

some = st.integers(0, 10_000)
keys = st.sampled_from([None, None, 'one', 'other'])
options = st.fixed_dictionaries({
    'recurrence': st.integers(1, 7).map(lambda n: Every(n * MINUTE)),
    'missed': st.sampled_from(['one', 'all']),
    'retry': st.sampled_from([None, Retry(2, delay=MINUTE, jitter=0)]),
    'expires': st.sampled_from([None, None, 3 * MINUTE]),
    'key': keys,
    'fails': st.booleans()})


class Stroke(Task):
    """Notes for which occurrence it ran."""

    fails = False

    def __init__(self, number, notes, fails, **options):
        super().__init__(**options)
        self.fails = fails
        self.number = number
        self.notes = notes

    def __call__(self):
        self.notes.append((self.number, current_run().occurrence))
        if self.fails:
            raise ValueError('it was told to')


class Machine(RuleBasedStateMachine):

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = SettableClock(BEGIN)
        self.using = the_clock.use(self.clock)
        self.using.__enter__()
        self.db = ZODB.DB(f'{self.folder.name}/Data.fs')
        root = self.db.open().root()
        self.schedule = root['schedule'] = Schedule()
        self.notes = root['notes'] = PersistentList()
        self.tasks = root['tasks'] = PersistentMapping()
        #: the numbers of those whose series a person has ended
        self.ended = set()
        transaction.commit()

    def teardown(self):
        transaction.abort()
        self.db.close()
        self.using.__exit__(None, None, None)
        self.folder.cleanup()

    # -- helpers

    def pick(self, at_random):
        return self.tasks[at_random % len(self.tasks)]

    def entry(self, at_random):
        entries = list(self.schedule.parked)
        return entries[at_random % len(entries)]

    def of(self, task):
        """The entries of its history, oldest first."""
        return list(self.schedule.history.select(task))[::-1]

    # -- what is done

    @initialize(given=st.lists(options, min_size=1, max_size=4))
    def begin_with_some(self, given):
        for one in given:
            self.add(one, 'keep')

    @rule(one=options, duplicate=st.sampled_from(['keep', 'replace']))
    def add(self, one, duplicate):
        number = len(self.tasks)
        task = Stroke(number, self.notes, **one)
        before = one['key'] and self.schedule.keys.get(one['key'])
        stands = self.schedule.schedule(
            task, duplicate=duplicate if one['key'] else 'refuse')
        if stands is task:
            self.tasks[number] = task
            if before is not None:
                self.ended.add(before.number)
        else:
            assert stands is before
        transaction.commit()

    @rule(minutes=st.integers(0, 9))
    def wait(self, minutes):
        self.clock.advance(minutes * MINUTE)

    @rule()
    def process(self):
        self.schedule.process(self.clock.now())

    @rule()
    def process_all(self):
        while sum(self.schedule.process(self.clock.now())[:4]):
            pass

    @rule(at_random=some, fails=st.booleans())
    def instruct(self, at_random, fails):
        self.pick(at_random).fails = fails
        transaction.commit()

    @rule(at_random=some)
    def run_now(self, at_random):
        task = self.pick(at_random)
        if task in self.schedule and not self.schedule.paused(task):
            self.schedule.run_now(task)
            transaction.commit()

    @rule(at_random=some)
    def unschedule(self, at_random):
        task = self.pick(at_random)
        if task in self.schedule:
            self.schedule.unschedule(task)
            self.ended.add(task.number)
            transaction.commit()

    @rule(at_random=some, pause=st.booleans())
    def pause_or_resume(self, at_random, pause):
        task = self.pick(at_random)
        if task in self.schedule:
            (self.schedule.pause if pause else self.schedule.resume)(task)
            transaction.commit()

    @precondition(lambda self: self.schedule.parked)
    @rule(at_random=some, back=st.booleans())
    def decide(self, at_random, back):
        """Unpark, or discard."""
        entry = self.entry(at_random)
        # Its series may be ended, and its key given to another.
        given = back and entry.task not in self.schedule and (
            entry.task.key in self.schedule.keys)
        act = self.schedule.unpark if back else self.schedule.discard
        with pytest.raises(AlreadyScheduled) if given else nullcontext():
            act(entry)
        (transaction.abort if given else transaction.commit)()

    # -- what must hold

    @invariant()
    def no_occurrence_runs_twice(self):
        assert len(set(self.notes)) == len(self.notes)

    @invariant()
    def what_has_run_is_on_record(self):
        on_record = Counter(
            (one.id, one.occurrence) for one in self.schedule.history
            if one.outcome == 'succeeded')
        ids = {number: f'{int.from_bytes(task._p_oid):x}'
               for number, task in self.tasks.items()}
        assert on_record == Counter(
            (ids[number], occurrence) for number, occurrence in self.notes)

    @invariant()
    def what_failed_is_parked_or_was_dealt_with_by_a_person(self):
        for entry in self.schedule.parked:
            outcomes = [
                one.outcome for one in self.of(entry.task)
                if one.occurrence == entry.occurrence
                and one.outcome in FINAL]
            assert outcomes[-1] == 'failed'

    @invariant()
    def a_task_stands_once(self):
        standing = Counter(task.number for task in self.schedule)
        assert set(standing.values()) <= {1}
        for number, task in self.tasks.items():
            assert (number in standing) == (task in self.schedule)
            assert number in standing or number in self.ended

    @invariant()
    def nothing_is_left_over(self):
        assert not self.schedule.claims
        assert len(self.schedule.requests.entries) == len([
            task for task in self.tasks.values()
            if int.from_bytes(task._p_oid) in self.schedule.requests])

    @invariant()
    def keys_are_held_by_those_who_wait(self):
        index = self.schedule.keys
        assert not index.running
        standing = {int.from_bytes(task._p_oid): task
                    for task in self.schedule if task.key}
        assert dict(index.by_oid.items()) == {
            oid: (task.key, task) for oid, task in standing.items()}
        for key, task in index.holders.items():
            assert task.key == key
            assert int.from_bytes(task._p_oid) in standing

    @invariant()
    def no_occurrence_is_lost(self):
        """Each of the rule has ended, was passed over, or is to come."""
        for number, task in self.tasks.items():
            if number in self.ended or not is_in_place(task):
                continue
            start = task.recurrence.start
            rule = {one.occurrence: one for one in self.of(task)
                    if one.outcome in FINAL and one.occurrence >= start
                    and not (one.occurrence - start) % task.recurrence.period}
            passed = sum(one.passed for one in self.of(task))
            next_one = series_of(task).occurrence or task._time
            came = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=next_one) - start) // task.recurrence.period
            asked = sum(1 for one in rule if one > start + (
                came - 1) * task.recurrence.period)
            assert len(rule) - asked + passed == came


def test_no_occurrence_is_lost_and_none_runs_twice():
    run_state_machine_as_test(Machine, settings=settings(
        derandomize=True, max_examples=30, stateful_step_count=40,
        deadline=None, suppress_health_check=list(HealthCheck)))
