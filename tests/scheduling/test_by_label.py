##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""The tasks of a principal, and those for an object, always equal a scan."""

from datetime import timedelta

import pytest
import transaction
import ZODB
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import rule
from losing import lose
from places import check
from places import check_empty
from sample_tasks import Noting
from sample_tasks import Stage
from sample_tasks import gone
from sample_work import NOON
from ZODB.DemoStorage import DemoStorage
from ZODB.MappingStorage import MappingStorage
from zope.interface.verify import verifyObject

from zodbschedule import Every
from zodbschedule import GiveUp
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule import current_run
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IScheduledTask
from zodbschedule.interfaces import IScheduleReading
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store import labels
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import SettableClock


HOUR = timedelta(hours=1)
PRINCIPALS = 'edi', 'man', '\ud800', None
UUIDS = 'a' * 32, 'b' * 32, None


class Labeled(Task):
    """Does what its `deed` says, and is for an object."""

    deed = ''

    def __init__(self, deed='', uuid=None, **options):
        super().__init__(**options)
        self.deed = deed
        if uuid is not None:
            self.uuid = uuid

    def __call__(self):
        return getattr(self, self.deed or 'nothing')()

    def nothing(self):
        pass

    def fail(self):
        raise GiveUp('once')

    def fail_always(self):
        raise ValueError('again and again')

    def again(self):
        self.deed = ''
        self.time = current_run().now + HOUR
        return self

    def replaced(self):
        self.recurrence = None
        return Labeled(principalId='man', time=NOON + 9 * HOUR)

    def more(self):
        run = current_run()
        run.schedule.schedule(Labeled(
            principalId=self.principalId, uuid=self.uuid,
            time=run.now + HOUR))

    def more_with_a_key(self):
        run = current_run()
        run.schedule.schedule(Labeled(
            principalId=self.principalId, time=run.now + HOUR,
            key=f'{run.token}'))

    def leave(self):
        current_run().schedule.unschedule(self)

    def leave_and_come_back(self):
        schedule = current_run().schedule
        schedule.unschedule(self)
        self.time = current_run().now + HOUR
        self.deed = ''
        schedule.schedule(self)

    def cancel(self):
        current_run().cancel('why not')

    def become_another(self):
        self.principalId = 'man'

    def change_itself(self):
        current_run().schedule.change(self, principalId='man')


DEEDS = [name for name in vars(Labeled) if not name.startswith('_')
         and name != 'deed']


def scan(schedule, principal=None, uuid=None):
    """The ids of the tasks that are here, by looking at all."""
    here = {task_id(task): task for task in [
        *schedule, *(claimed.task for claimed in schedule.claimed())]}
    return sorted((
        id for id, task in here.items()
        if (principal is None or task.principalId == principal)
        and (uuid is None or task.uuid == uuid)), key=lambda id: int(id, 16))


def ids(tasks):
    return [task_id(task) for task in tasks]


class Everything(RuleBasedStateMachine):
    """All that can happen to tasks that have labels, or none."""

    def __init__(self):
        super().__init__()
        self.clock = SettableClock(NOON)
        self.using = the_clock.use(self.clock)
        self.using.__enter__()
        self.db = ZODB.DB(MappingStorage())
        self.tm = transaction.TransactionManager()
        root = self.db.open(self.tm).root()
        self.schedule = root['schedule'] = Schedule()
        self.claims = 0

    def teardown(self):
        self.tm.abort()
        self.db.close()
        self.using.__exit__(None, None, None)

    @rule(deed=st.sampled_from(DEEDS), principal=st.sampled_from(PRINCIPALS),
          uuid=st.sampled_from(UUIDS), key=st.sampled_from(['k', None, None]),
          every=st.booleans(), retry=st.booleans(), commit=st.booleans())
    def come(self, deed, principal, uuid, key, every, retry, commit):
        self.schedule.schedule(Labeled(
            deed, uuid, principalId=principal, key=key,
            recurrence=Every(HOUR) if every else None,
            retry=Retry(2, jitter=0) if retry else None,
            time=self.clock.now()),
            duplicate='refuse' if key is None else 'replace')
        if commit:
            self.tm.commit()

    def some(self, number):
        """A task that waits or is claimed, if there is one."""
        tasks = [*self.schedule, *(
            claimed.task for claimed in self.schedule.claimed())]
        return tasks[number % len(tasks)] if tasks else None

    @rule(number=st.integers(0, 9), again=st.booleans())
    def leave(self, number, again):
        task = self.some(number)
        if task is not None:
            self.schedule.unschedule(task)
            if again and self.schedule.keys.get(task.key or '') is None:
                self.schedule.schedule(task)

    @rule(number=st.integers(0, 9), principal=st.sampled_from(PRINCIPALS))
    def change(self, number, principal):
        task = self.some(number)
        if task is not None:
            self.schedule.change(task, principalId=principal)

    @rule(number=st.integers(0, 9))
    def move(self, number):
        task = self.some(number)
        if task is not None and self.schedule.waits(task) is not None:
            self.schedule.change(task, time=self.clock.now() + HOUR)

    @rule(number=st.integers(0, 9))
    def run_now(self, number):
        self.tm.commit()
        task = self.some(number)
        if task is not None:
            self.schedule.run_now(task)

    @rule(number=st.integers(0, 9), discard=st.booleans())
    def unpark(self, number, discard):
        entries = list(self.schedule.parked)
        if entries:
            entry = entries[number % len(entries)]
            if discard:
                self.schedule.discard(entry)
            elif self.schedule.keys.get(entry.task.key or '') is None:
                self.schedule.unpark(entry)

    @rule(hours=st.integers(0, 2))
    def process(self, hours):
        self.tm.commit()
        self.clock.advance(hours * HOUR)
        self.schedule.process(self.clock.now())

    @rule(limit=st.integers(1, 3))
    def take(self, limit):
        """Some tasks are in a claim, which is not worked on."""
        self.claims += 1
        claim = Claim('taken', this())
        self.schedule.claims[f'{self.claims}'] = claim
        self.tm.commit()
        turn.exchange(self.schedule, claim, limit, None, self.clock.now(),
                      lambda *_: True)
        self.tm.commit()

    @rule()
    def give_back(self):
        self.tm.commit()
        for id, claim in list(self.schedule.claims.items()):
            turn.withdraw(self.schedule, id, claim, self.clock.now())
        self.tm.commit()

    @invariant()
    def a_look_equals_a_scan(self):
        self.tm.commit()
        for principal in filter(None, PRINCIPALS):
            assert ids(self.schedule.tasks_of(principal)) == scan(
                self.schedule, principal)
            assert ids(self.schedule.tasks_of(principal, UUIDS[0])) == scan(
                self.schedule, principal, UUIDS[0])
        for uuid in filter(None, UUIDS):
            assert ids(self.schedule.tasks_of(uuid=uuid)) == scan(
                self.schedule, None, uuid)
        check(self.schedule)


Everything.TestCase.settings = settings(
    max_examples=10, stateful_step_count=15, deadline=None,
    suppress_health_check=list(HealthCheck))


class TestEverything(Everything.TestCase):
    """See `Everything`."""


@pytest.fixture
def add(schedule, clock):
    """Schedule a task, and commit."""
    def add(*args, **options):
        task = schedule.schedule(Labeled(*args, time=NOON, **options))
        transaction.commit()
        return task
    return add


def test_the_contract_is_kept(schedule, add):
    assert verifyObject(IScheduleReading, schedule)
    assert verifyObject(IScheduledTask, add(uuid='u'))


def test_tasks_are_given_page_by_page_in_the_order_of_their_ids(
        schedule, add):
    tasks = [add(principalId='edi') for _ in range(80)]
    add(principalId='man')
    add()
    assert list(schedule.tasks_of('edi')) == tasks
    for number in (0, 31, 79):
        assert list(schedule.tasks_of(
            'edi', after=task_id(tasks[number]))) == tasks[number + 1:]


def test_what_leaves_during_an_iteration_is_no_obstacle(schedule, add):
    tasks = [add(principalId='edi') for _ in range(5)]
    found = []
    for task in schedule.tasks_of('edi'):
        found.append(task)
        schedule.unschedule(task)
        transaction.commit()
    assert found == tasks


@pytest.mark.parametrize('wanted', [{}, {'uuid': ''}, {'principalId': ''},
                                    {'uuid': 'a', 'after': 'x'}])
def test_it_has_to_be_said_whose_tasks(schedule, wanted):
    with pytest.raises(ValueError):
        schedule.tasks_of(**wanted)


def test_a_task_without_labels_writes_and_loads_no_entry(schedule, add):
    add()
    schedule._p_jar.cacheMinimize()
    schedule.schedule(Labeled(time=NOON))
    assert schedule.labels._p_changed is None
    transaction.abort()


def test_of_two_labels_with_one_hash_each_has_its_own(
        schedule, add, monkeypatch):
    monkeypatch.setattr(labels, '_hash_of', lambda label: 7)
    task, other = add(principalId='edi'), add(principalId='man')
    assert list(schedule.tasks_of('edi')) == [task]
    assert list(schedule.tasks_of('man')) == [other]
    check(schedule)


def test_in_a_schedule_that_is_stored_nowhere_nothing_is_found_yet(clock):
    schedule = Schedule()
    task, other = [schedule.schedule(Labeled(principalId='edi', time=NOON))
                   for _ in range(2)]
    assert list(schedule.tasks_of('edi')) == []
    schedule.unschedule(other)
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = schedule
    with db.transaction() as connection:
        assert len(list(connection.root()['schedule'].tasks_of('edi'))) == 1
        check(connection.root()['schedule'])
    connection = db.open()
    stored = connection.root()['schedule']
    assert stored.process(NOON).succeeded == 1
    check_empty(stored)
    transaction.abort()
    connection.close()
    db.close()


def test_a_task_whose_class_is_missing_is_found(schedule, clock):
    stage = Stage(schedule._p_jar.db(), transaction.TransactionManager(),
                  clock)
    task = stage.add('it', cls=Noting, principalId='edi')
    with gone(stage.db, 'Noting'), stage.transaction():
        [found] = stage.schedule.tasks_of('edi')
        assert task_id(found) == task_id(task)
        check(stage.schedule)
        stage.schedule.unschedule(found)
        check(stage.schedule)
    stage.close()


@pytest.mark.storages('FileStorage')
def test_a_task_whose_record_is_gone_is_left_out(database):
    schedule = database.schedule()
    task = schedule.schedule(Labeled(time=NOON, principalId='edi'))
    schedule._p_jar.transaction_manager.commit()
    lose(database, task)
    assert list(schedule.tasks_of('edi')) == []
    fresh = database.schedule()
    assert list(fresh.tasks_of('edi')) == []


@pytest.fixture
def claim(schedule):
    """A claim that nobody works on."""
    claim = schedule.claims['1'] = Claim('taken', this())
    transaction.commit()
    return claim


def ended(schedule, claim, **what):
    """The slot of a task that has run, and is not collected."""
    turn.exchange(schedule, claim, 1, None, NOON, lambda *_: True)
    [slot] = claim.slots
    slot.label(what.get('added', ()), labels.codes_of(slot.task))
    slot.settle(SUCCEEDED, oid_of(slot.task))
    transaction.commit()
    return slot


def collect(schedule, claim):
    turn.withdraw(schedule, '1', claim, NOON)
    transaction.commit()
    check(schedule)


def test_one_that_has_run_is_found_until_it_is_collected(
        schedule, add, claim):
    add(principalId='edi', uuid='u')
    ended(schedule, claim)
    check(schedule)
    collect(schedule, claim)
    check_empty(schedule)


def test_one_that_comes_back_before_it_is_collected_is_found(
        schedule, add, claim):
    task = add(principalId='edi')
    ended(schedule, claim)
    schedule.schedule(task)
    transaction.commit()
    check(schedule)
    collect(schedule, claim)
    assert list(schedule.tasks_of('edi')) == [task]


@pytest.fixture
def made(schedule, add, claim):
    """A task that a run has scheduled, which is not collected."""
    add()
    task = Labeled(time=NOON + HOUR, principalId='edi')
    schedule._p_jar.add(task)
    slot = ended(schedule, claim, added=labels.codes_of(task))
    slot.schedule(to_micros(task.time), task)
    stamp(task, task.time, schedule)
    transaction.commit()
    check(schedule)
    return task


def test_what_a_run_has_scheduled_is_found_when_it_is_collected(
        schedule, claim, made):
    assert list(schedule.tasks_of('edi')) == []
    collect(schedule, claim)
    assert list(schedule.tasks_of('edi')) == [made]


@pytest.mark.parametrize('change, found', [
    ({'principalId': 'man'}, 1), ({'time': NOON + 2 * HOUR}, 0),
    ({'principalId': 'man', 'time': NOON + 2 * HOUR}, 1)])
def test_it_may_be_changed_before_that(schedule, claim, made, change, found):
    schedule.change(made, **change)
    transaction.commit()
    collect(schedule, claim)
    assert [len(list(schedule.tasks_of(principal)))
            for principal in ('edi', 'man')] == [1 - found, found]


def test_it_may_leave_before_that(schedule, claim, made):
    schedule.unschedule(made)
    transaction.commit()
    collect(schedule, claim)
    check_empty(schedule)


def test_what_disagrees_is_found_and_mended(schedule, add):
    task, other = add(principalId='edi'), add(uuid='u')
    task.principalId = 'man'
    schedule.labels.remove(labels.codes_of(other))
    # That of the principal it has, that of the one it had, and the missing.
    assert sorted((flaw.kind, flaw.id) for flaw in flaws(schedule)) == sorted(
        ('wrong-index', task_id(one)) for one in (task, task, other))
    mend(schedule)
    check(schedule)
    assert list(schedule.tasks_of('man')) == [task]
    assert list(schedule.tasks_of('edi')) == []
    assert list(schedule.tasks_of(uuid='u')) == [other]


@pytest.mark.parametrize('every', [None, Every(HOUR, NOON)])
@pytest.mark.parametrize('deed', DEEDS)
def test_after_each_run_a_look_equals_a_scan(
        schedule, add, clock, deed, every):
    add(deed, 'u', principalId='edi', recurrence=every, retry=Retry(2))
    clock.set(NOON)
    for _ in range(3):
        schedule.process(clock.now())
        clock.advance(2 * HOUR)
        for principal in ('edi', 'man'):
            assert ids(schedule.tasks_of(principal)) == scan(
                schedule, principal)
        assert ids(schedule.tasks_of(uuid='u')) == scan(schedule, None, 'u')
        check(schedule)


def test_one_that_changes_its_own_principal_leaves_nothing(schedule, add):
    task = add('change_itself', principalId='edi')
    schedule.process(NOON)
    assert task not in schedule
    check_empty(schedule)


def test_a_failed_read_is_not_taken_for_no_label():
    class Away(Labeled):
        @property
        def principalId(self):
            raise ZODB.POSException.ReadConflictError()

    with pytest.raises(ZODB.POSException.ReadConflictError):
        labels.labels_of(Away.__new__(Away))


def test_an_attribute_that_cannot_be_read_is_no_label():
    class Odd(Labeled):
        @property
        def uuid(self):
            raise ValueError('odd')

    odd = Odd.__new__(Odd)
    odd.__dict__['principalId'] = 'edi'
    assert labels.labels_of(odd) == [labels.label_of('edi')]


def test_they_are_found_by_oids_of_any_size():
    """Those of a `DemoStorage` begin anywhere."""
    db = ZODB.DB(DemoStorage())
    schedule = db.open().root()['schedule'] = Schedule()
    added = []
    for oid in 1, 1 << 48, 1 << 62, (1 << 63) - 1:
        db.storage._next_oid = oid
        added.append(schedule.schedule(Labeled(
            principalId='edi', uuid='a' * 32)))
        transaction.commit()
    oids = [oid_of(task) for task in added]
    assert oids[-1] > 1 << 62
    assert [*schedule.tasks_of('edi')] == [*schedule.tasks_of(uuid='a' * 32)]
    assert {*schedule.tasks_of('edi')} == {*added}
    db.close()
