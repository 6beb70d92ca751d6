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
"""What is an alarm, and when it is told."""

from datetime import timedelta

import pytest
from transaction import TransactionManager

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RetryLater
from zodbschedule import Task
from zodbschedule import alarms as the_alarms
from zodbschedule.alarms import finding
from zodbschedule.alarms import looking
from zodbschedule.alarms import telling
from zodbschedule.alarms.finding import FAILING
from zodbschedule.alarms.finding import LATE
from zodbschedule.alarms.finding import NO_WORKER
from zodbschedule.alarms.finding import PARKED
from zodbschedule.alarms.setup import looking as task_that_looks
from zodbschedule.instant import to_micros
from zodbschedule.reading import healthcheck
from zodbschedule.reading.workers import WorkerCounts
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.inspection import task_id
from zodbschedule.transactions.retrying import transact


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Moody(Task):
    """Fails as often as it is told."""

    fails = True

    def __call__(self):
        if Moody.fails:
            raise RuntimeError('nobody opens')


@pytest.fixture(autouse=True)
def moody(monkeypatch):
    """Tasks fail; what comes of a change is undone."""
    monkeypatch.setattr(Moody, 'fails', True)


@pytest.fixture
def look(schedule, alarms, clock, commit):
    """Look once, so long after the last time; what was found."""
    def look(later=timedelta(0)):
        clock.advance(later)
        found = the_alarms.look(schedule, alarms, clock.now())
        commit()
        return found
    return look


@pytest.fixture
def run(schedule, clock, commit, monkeypatch):
    """Run what is due, minute by minute; nothing is told, or looks."""
    monkeypatch.setattr(telling, 'hand_over', lambda *args: False)
    def run(minutes=1):
        for _ in range(minutes):
            clock.advance(MINUTE)
            schedule.process(clock.now())
    schedule_task = task_that_looks(schedule)
    if schedule_task is not None:
        schedule.pause(schedule_task)
        commit()
    return run


def subjects(alarms):
    return [message.subject.partition('] ')[2]
            for message in alarms.outbox.values()]


# -- failing


def test_so_many_failures_in_a_row_are_told_once(
        schedule, alarms, look, run, commit):
    alarms.parked = None
    schedule.schedule(Moody(recurrence=Every(MINUTE), description='ring'))
    commit()
    run(2)
    assert look().standing == {}
    run(1)
    (kind, _), trouble = look().standing.popitem()
    assert kind == FAILING
    assert "'ring'" in trouble.text
    assert 'has failed 3 times in a row: RuntimeError: nobody opens' in (
        trouble.text)
    run(20)
    look()
    assert subjects(alarms) == ['1 task is failing']


def test_that_it_succeeds_again_is_told_once(
        schedule, alarms, look, run, commit):
    alarms.parked = None
    schedule.schedule(Moody(recurrence=Every(MINUTE), description='ring'))
    commit()
    run(3)
    look()
    Moody.fails = False
    run(11)
    look()
    run(20)
    look()
    assert subjects(alarms) == ['1 task is failing', '1 alarm is over']
    message = list(alarms.outbox.values())[-1]
    assert 'has succeeded again' in message.text
    assert message.data['recovered'][0]['kind'] == FAILING


def test_attempts_of_one_run_count(schedule, alarms, look, run, commit):
    task = schedule.schedule(Moody(retry=Retry(9, MINUTE, 1, jitter=0)))
    commit()
    run(3)
    assert list(look().standing) == [(FAILING, task_id(task))]


class Asking(Task):

    def __call__(self):
        raise RetryLater(MINUTE, 'not there yet')


def test_to_ask_for_another_attempt_is_no_failure(
        schedule, alarms, look, run, commit):
    schedule.schedule(Asking())
    commit()
    run(5)
    assert 5 == sum(row.outcome == 'retried' for row in schedule.history)
    assert look().standing == {}


def test_a_success_between_begins_anew(schedule, alarms, look, run, commit):
    alarms.parked = None
    schedule.schedule(Moody(recurrence=Every(MINUTE)))
    commit()
    for fails in (True, True, False, True, True):
        Moody.fails = fails
        run(1)
        assert look().standing == {}
        # What is read again counts once.
        assert look().standing == {}


def test_what_is_gone_is_not_said_to_be_well(
        schedule, alarms, look, run, commit):
    alarms.parked = None
    task = schedule.schedule(Moody(recurrence=Every(MINUTE)))
    commit()
    run(3)
    look()
    schedule.unschedule(task)
    commit()
    assert look(HOUR).standing == {}
    assert alarms.told == {}
    assert subjects(alarms) == ['1 task is failing']


def test_failures_are_remembered_that_the_history_has_lost(
        schedule, alarms, look, run, commit):
    alarms.parked = None
    schedule.schedule(Moody(recurrence=Every(MINUTE)))
    commit()
    run(2)
    look()
    schedule.history.chunks.clear()
    commit()
    run(1)
    assert [kind for kind, _ in look().standing] == [FAILING]


def test_few_tasks_are_remembered_those_that_were_told_first(
        schedule, alarms, look, run, commit, monkeypatch):
    monkeypatch.setattr(finding, 'KEPT', 2)
    alarms.failures = 1
    alarms.parked = None
    first = schedule.schedule(Moody(recurrence=Every(HOUR)))
    commit()
    run(60)
    assert len(look().standing) == 1
    for _ in range(3):
        schedule.schedule(Moody(recurrence=Every(HOUR)))
    commit()
    run(61)
    assert len(look().standing) == 2
    assert finding.FAILING in {kind for kind, _ in alarms.told}
    assert the_alarms.alarms_of(schedule).streaks[
        task_id(first)]


def test_a_storm_is_read_in_part(schedule, alarms, look, run, commit,
                                 monkeypatch):
    monkeypatch.setattr(finding, 'PAGES', 2)
    monkeypatch.setattr(finding, 'MOST', 2)
    alarms.failures = 1
    alarms.parked = None
    for _ in range(10):
        schedule.schedule(Moody(recurrence=Every(MINUTE)))
    commit()
    run(1)
    assert len(look().standing) == 4


def test_it_can_be_switched_off(schedule, alarms, look, run, commit):
    alarms.parked = None
    schedule.schedule(Moody(recurrence=Every(MINUTE)))
    commit()
    run(3)
    assert look().standing
    alarms.failures = alarms.late = None
    assert look(HOUR).standing == {}
    assert alarms.streaks == {}
    assert len(subjects(alarms)) == 1


# -- parked


@pytest.fixture
def small_page(monkeypatch):
    """Twenty of those that are parked are looked at."""
    monkeypatch.setattr(finding, 'MOST', 20)


def test_many_parked_tasks_are_one_message(
        schedule, alarms, look, run, commit, small_page):
    for number in range(30):
        schedule.schedule(Moody(description=f'ring {number}'))
    commit()
    run(1)
    look()
    message, = alarms.outbox.values()
    assert message.subject == '[zodbschedule] 30 tasks are parked'
    assert message.text.count('is parked: RuntimeError') == 10
    assert '- and 10 more' in message.text
    look(HOUR)
    assert len(alarms.outbox) == 1


def test_one_that_is_parked_later_is_told_and_no_old_one(
        schedule, alarms, look, run, commit, small_page):
    for _ in range(25):
        schedule.schedule(Moody())
    commit()
    run(1)
    look()
    for entry in list(schedule.parked.newest_first())[:4]:
        schedule.discard(entry)
    commit()
    look(HOUR)
    assert len(alarms.outbox) == 1
    schedule.schedule(Moody(description='one more'))
    commit()
    run(1)
    look()
    message = list(alarms.outbox.values())[-1]
    assert len(message.data['raised']) == 1
    assert "'one more'" in message.text
    assert 'over' not in message.subject


def test_one_that_is_parked_anew_is_told_anew(
        schedule, alarms, look, run, commit):
    schedule.schedule(Moody())
    commit()
    run(1)
    look()
    schedule.unpark(next(iter(schedule.parked)))
    commit()
    run(15)
    look()
    assert subjects(alarms) == 2 * ['1 task is parked']


def test_few_parked_tasks_may_be_none(schedule, alarms, look, run, commit):
    alarms.parked = 2
    schedule.schedule(Moody())
    commit()
    run(1)
    assert look().standing == {}
    schedule.schedule(Moody())
    commit()
    run(1)
    assert [kind for kind, _ in look().standing] == 2 * [PARKED]


# -- late


def test_a_repeating_task_that_has_not_run_is_told_and_that_it_has(
        schedule, alarms, look, run, commit):
    task = schedule.schedule(Moody(recurrence=Every(HOUR), description='ring'))
    commit()
    look(HOUR + 4 * MINUTE)
    assert subjects(alarms) == []
    assert not look(2 * MINUTE).well
    assert subjects(alarms) == ['1 task is late']
    Moody.fails = False
    run(1)
    assert look(HOUR / 2).well
    assert subjects(alarms) == ['1 task is late', '1 alarm is over']
    message = list(alarms.outbox.values())[-1]
    assert "'ring'" in message.text
    assert 'is not late any more' in message.text
    assert schedule.get(message.data['recovered'][0]['task']) is task


def test_tasks_that_do_not_repeat_have_one_alarm_together(
        schedule, alarms, look, run, commit, clock):
    schedule.schedule(Moody(time=clock.now(), description='first'))
    schedule.schedule(Moody(time=clock.now() + MINUTE))
    commit()
    found = look(HOUR)
    text, = (row.text for (kind, about), row in found.standing.items()
             if (kind, about) == (LATE, ''))
    assert text.startswith('tasks that do not repeat have not begun: 2; the '
                           'first, task ')
    assert "'first'" in text
    run(1)
    look(HOUR / 2)
    assert 'tasks that do not repeat are not late any more' in list(
        alarms.outbox.values())[-1].text


def test_many_are_looked_at_in_part(schedule, alarms, look, commit, clock):
    for _ in range(finding.MOST_LOOKED_AT + 1):
        schedule.schedule(Moody(time=clock.now()))
    commit()
    assert 'begun: 100 or more;' in look(HOUR).standing[LATE, ''].text


def test_what_is_paused_is_not_late_and_a_pause_of_all_is_told(
        schedule, alarms, look, commit, clock):
    task = schedule.schedule(Moody(time=clock.now()))
    schedule.pause(task)
    alarms.late = None
    commit()
    assert look(HOUR).standing == {}
    alarms.late = MINUTE
    assert (LATE, '') not in look().standing
    schedule.resume(task)
    schedule.pause(by='zoe', reason='we move')
    commit()
    look(HOUR)
    text = list(alarms.outbox.values())[-1].text
    assert 'The whole schedule is paused since 2030-01-31T09:00:00Z by zoe: ' \
        'we move\n' in text


def hold(schedule, clock):
    """A worker of another machine takes what is due."""
    schedule.claims['w1'] = claim = Claim(
        'w1', Incarnation('there', 'a boot', 1, '1'), to_micros(clock.now()))
    turn.exchange(schedule, claim, 9, None, clock.now(), lambda *task: True)


def test_what_a_dead_worker_holds_is_late(
        schedule, alarms, look, commit, clock):
    schedule.schedule(Moody(time=clock.now(), description='held'))
    commit()
    hold(schedule, clock)
    commit()
    found = look(HOUR)
    assert 'held by w1, has been due for' in found.standing[LATE, ''].text


def test_what_tells_is_not_late_where_a_dead_worker_holds_it(
        schedule, alarms, look, run, commit, clock):
    schedule.schedule(the_alarms.Tell('gone', 'mail', 'wrong', clock.now()))
    commit()
    hold(schedule, clock)
    commit()
    assert look(HOUR).standing == {}


# -- no worker


@pytest.fixture
def workers(monkeypatch, alarms):
    """How many workers are alive; nothing is late."""
    alive = [0]
    alarms.late = None
    alarms.no_worker = 5 * MINUTE
    monkeypatch.setattr(healthcheck, 'count_workers', lambda workers: (
        WorkerCounts(alive[0], 1, 2)))
    return alive


def test_that_there_is_no_worker_is_told_and_that_there_is_one(
        schedule, alarms, look, workers):
    assert look().standing == {}
    assert look(4 * MINUTE).standing == {}
    found = look(MINUTE)
    assert list(found.standing) == [(NO_WORKER, '')]
    assert not found.well
    assert look(HOUR).standing
    workers[0] = 1
    assert look().well
    assert subjects(alarms) == ['no worker', '1 alarm is over']
    assert 'workers are here again' in list(alarms.outbox.values())[-1].text


def test_a_worker_that_is_started_anew_is_none(
        schedule, alarms, look, workers):
    look()
    workers[0] = 1
    look(4 * MINUTE)
    workers[0] = 0
    look(MINUTE)
    assert look(4 * MINUTE).standing == {}


def test_a_clock_that_was_set_back_makes_no_alarm_and_keeps_none_back(
        schedule, alarms, look, workers):
    look(HOUR)
    assert look(-HOUR).standing == {}
    look(5 * MINUTE)
    assert subjects(alarms) == ['no worker']


# -- each is told once


def test_one_message_in_ten_minutes_has_all_that_is_new(
        schedule, alarms, look, run, commit):
    for _ in range(3):
        schedule.schedule(Moody())
        commit()
        run(1)
        look()
    assert subjects(alarms) == ['1 task is parked']
    look(10 * MINUTE)
    assert subjects(alarms) == ['1 task is parked', '3 tasks are parked']
    assert len(list(alarms.outbox.values())[-1].data['raised']) == 2


def test_a_clock_that_was_ahead_keeps_no_message_back(
        schedule, alarms, look, run, commit):
    for later in (timedelta(days=9), -timedelta(days=8)):
        schedule.schedule(Moody())
        commit()
        run(1)
        look(later)
    assert sorted(subjects(alarms)) == [
        '1 task is parked', '2 tasks are parked']


def test_what_is_over_before_it_was_told_is_not_told(
        schedule, alarms, look, run, commit, clock):
    schedule.schedule(Moody())
    commit()
    run(1)
    look()
    task = schedule.schedule(Moody(
        time=clock.now() - HOUR, recurrence=Every(HOUR)))
    commit()
    assert (LATE, task_id(task)) in look().standing
    schedule.unschedule(task)
    commit()
    look(HOUR)
    assert subjects(alarms) == ['1 task is parked']


def test_two_looks_at_once_tell_once(schedule, alarms, run, commit, clock):
    schedule.schedule(Moody())
    commit()
    run(1)
    db = schedule._p_jar.db()
    managers = [TransactionManager(explicit=True) for _ in range(2)]
    others = [db.open(each) for each in managers]
    found = []

    def look(number):
        other = others[number].root()['schedule']
        the_alarms.look(other, other.alarms, clock.now())
        found.append(number)
        if found == [0]:
            transact(managers[1], lambda: look(1))
        managers[number].commit()

    transact(managers[0], lambda: look(0))
    assert found == [0, 1, 0]
    for each in others:
        each.close()
    schedule._p_jar.transaction_manager.begin()
    assert len(alarms.outbox) == 1
    assert sum('tell by' in task.description for task in schedule) == 1


def test_a_look_that_is_not_committed_has_told_nothing(
        schedule, alarms, look, run, commit, clock):
    schedule.schedule(Moody())
    commit()
    run(1)
    the_alarms.look(schedule, alarms, clock.now())
    schedule._p_jar.transaction_manager.abort()
    assert (alarms.told, len(alarms.outbox)) == ({}, 0)
    look()
    assert len(alarms.outbox) == 1


def test_nothing_is_written_while_all_is_well(schedule, alarms, look, clock):
    look()
    the_alarms.look(schedule, alarms, clock.now() + MINUTE)
    assert not schedule._p_jar._registered_objects


def test_messages_that_cannot_be_sent_are_bounded(
        schedule, alarms, look, run, commit, monkeypatch, caplog):
    monkeypatch.setattr(looking, 'MOST_KEPT', 2)
    for _ in range(3):
        schedule.schedule(Moody())
        commit()
        run(11)
        look()
    assert subjects(alarms) == ['2 tasks are parked', '3 tasks are parked']
    assert "'[zodbschedule] 1 task is parked' of" in caplog.text
    assert 'is given up: 2 newer ones wait' in caplog.text


def test_nobody_need_be_told(schedule, alarms, look, run, commit):
    alarms.mail = None
    schedule.schedule(Moody())
    commit()
    run(1)
    assert look().standing
    assert look().standing
    assert (len(alarms.outbox), len(alarms.told)) == (0, 0)


# -- the task that looks


def test_the_task_looks_each_minute_and_tells(
        schedule, alarms, commit, clock, mails):
    schedule.schedule(Moody(description='ring'))
    commit()
    for _ in range(5):
        schedule.process(clock.now())
        clock.advance(MINUTE)
    mail, = mails.received
    assert mail['Subject'] == '[zodbschedule] 1 task is parked'
    assert "'ring'" in mail.get_content()
    assert len(alarms.outbox) == 0


def test_nothing_looks_any_more_when_it_is_taken_down(
        schedule, alarms, commit, clock, mails):
    the_alarms.take_down(schedule)
    commit()
    assert list(schedule) == []
    assert schedule.alarms is None
    the_alarms.take_down(schedule)
    assert the_alarms.set_up(schedule) is not alarms


def test_what_nobody_could_be_told_is_told_as_soon_as_there_is_a_way(
        schedule, alarms, commit, clock):
    alarms.mail = None
    schedule.call('math.sqrt', -1, description='impossible')
    commit()
    schedule.process(clock.now())
    assert the_alarms.look(schedule, alarms, clock.now()).standing
    assert not alarms.outbox
    alarms.mail = 'ops@example.org'
    the_alarms.look(schedule, alarms, clock.now())
    message, = alarms.outbox.values()
    assert message.subject == '[zodbschedule] 1 task is parked'


def test_the_task_does_nothing_without_alarms(schedule, commit, clock):
    schedule.schedule(the_alarms.LookForAlarms())
    commit()
    clock.advance(MINUTE)
    assert schedule.process(clock.now()).succeeded == 1


def test_a_task_that_cannot_look_is_not_parked_each_minute(
        schedule, alarms, commit, clock, monkeypatch):
    monkeypatch.setattr(looking, 'look', None)
    for _ in range(60):
        clock.advance(MINUTE)
        schedule.process(clock.now())
    assert {row.outcome for row in schedule.history} == {'retried'}
    assert not schedule.parked


def test_the_task_is_found_where_a_worker_holds_it(
        schedule, alarms, commit, clock):
    clock.advance(MINUTE)
    hold(schedule, clock)
    commit()
    assert isinstance(task_that_looks(schedule), the_alarms.LookForAlarms)
    the_alarms.set_up(schedule)
    assert list(schedule) == []


def test_the_heartbeat_is_called_while_all_is_well(
        schedule, alarms, commit, clock, web):
    alarms.heartbeat = web.address('ping')
    commit()
    clock.advance(MINUTE)
    schedule.process(clock.now())
    assert [each[:2] for each in web.received] == [('GET', '/ping')]


def test_no_heartbeat_is_called_while_something_is_late(
        schedule, alarms, commit, clock, web):
    alarms.heartbeat = web.address('ping')
    schedule.schedule(Moody(time=clock.now()))
    clock.advance(HOUR)
    task = task_that_looks(schedule)
    schedule.change(task, time=clock.now() - 2 * HOUR)
    commit()
    schedule.process(clock.now() - 2 * HOUR)
    assert (LATE, '') in alarms.told
    assert web.received == []


def test_a_heartbeat_that_does_not_answer_is_logged(
        schedule, alarms, commit, clock, web, caplog):
    alarms.heartbeat = web.address('ping')
    web.fault = 500
    commit()
    clock.advance(MINUTE)
    assert schedule.process(clock.now()).succeeded == 1
    assert 'The heartbeat was not taken: the answer is 500' in (
        caplog.text)


def test_no_heartbeat_is_called_by_a_look_that_is_not_committed(
        schedule, alarms, commit, clock, web, monkeypatch):
    alarms.heartbeat = web.address('ping')
    commit()
    clock.advance(MINUTE)
    real = Slot.settle

    def conflict(*args, **options):
        monkeypatch.setattr(Slot, 'settle', real)
        schedule._p_jar.transaction_manager.get().join(Full())
        real(*args, **options)

    monkeypatch.setattr(Slot, 'settle', conflict)
    tally = schedule.process(clock.now())
    assert tally.retried == 1
    assert web.received == []


class Full:
    """A resource whose commit fails."""

    transaction_manager = None

    def sortKey(self):
        return '~'

    def tpc_vote(self, transaction):
        raise OSError('no room')

    def tpc_begin(self, transaction):
        """Nothing to do."""

    abort = commit = tpc_finish = tpc_abort = tpc_begin
