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
"""Recurrences that raise, stand still, or cannot be computed here."""

import logging
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from unittest import mock

import pytest
import transaction
from ZODB.POSException import ConflictError
from zope.interface import implementer

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import InvalidTask
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule.interfaces import IRecurrence
from zodbschedule.outcomes import Tally
from zodbschedule.recurrence import rules
from zodbschedule.recurrence import zones


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# Effects outside of the database, which no abort takes back.
mails = []


class Mails(Task):

    def __call__(self):
        mails.append(self.description)


class Growing(Mails):
    """Takes another recurrence in its run."""

    def __call__(self):
        super().__call__()
        self.recurrence = Every(DAY)


def fail():
    raise LookupError('the calendar has no 2003')


@implementer(IRecurrence)
class Workdays:
    """A recurrence of an application, which asks its calendar."""

    #: what becomes of what it asks for: function of the moment
    answer = None
    count = 0

    def next_after(self, moment):
        return Workdays.answer(moment)

    def passed(self, start, end, limit):
        return Workdays.count

    def anchored(self, first):
        return self

    def note(self, occurrence):
        return None


ODD = {
    'raises': lambda moment: fail(),
    'stands still': lambda moment: moment,
    'goes back': lambda moment: moment - HOUR,
    'has no zone': lambda moment: moment.replace(tzinfo=None) + HOUR,
    'is text': lambda moment: '2003-04-02',
}


@pytest.fixture(autouse=True)
def _healthy():
    mails.clear()
    Workdays.answer = staticmethod(lambda moment: moment + HOUR)
    Workdays.count = 0


def answers(answer):
    Workdays.answer = staticmethod(answer)


@pytest.fixture
def add(schedule, clock):
    """Schedule a task that mails, and commit."""
    def add(recurrence, cls=Mails, **options):
        task = schedule.schedule(cls(recurrence=recurrence, **options))
        transaction.commit()
        return task

    return add


class Gone:
    """A zone that the zone database of this process does not know."""

    def __init__(self):
        self.patch = mock.patch.object(zones, 'ZoneInfo', self.find)
        self.real = zones.ZoneInfo

    def find(self, name):
        if name == 'Europe/Kyiv':
            raise KeyError(name)
        return self.real(name)

    def __enter__(self):
        self.patch.start()
        forget()

    def __exit__(self, *error):
        self.patch.stop()
        forget()


def forget():
    for cached in (zones.zone_of, rules._times_of_cron,
                   rules._times_of_rrule):
        cached.cache_clear()


def in_kyiv():
    kyiv = BEGIN.astimezone(zones.ZoneInfo('Europe/Kyiv'))
    return [Cron('0 * * * *', 'Europe/Kyiv'), RRule('FREQ=HOURLY', kyiv),
            Every(HOUR, kyiv)]


# -- A recurrence of an application


@pytest.mark.parametrize('answer', ODD.values(), ids=ODD)
def test_a_recurrence_that_makes_no_sense_is_parked_before_the_call(
        add, schedule, clock, answer):
    task = add(Workdays(), description='bad')
    add(Every(HOUR), description='good')
    answers(answer)
    clock.set(BEGIN + HOUR)
    assert schedule.process(clock.now()) == Tally(succeeded=1, failed=1)
    assert schedule.process(clock.now()) == Tally()
    assert mails == ['good']
    [entry] = schedule.parked
    assert (entry.task, entry.occurrence) == (task, None)
    # When it is mended it runs for the occurrence that was not run.
    answers(lambda moment: moment + HOUR)
    schedule.unpark(entry)
    transaction.commit()
    clock.set(BEGIN + 3 * HOUR)
    assert schedule.process(clock.now()).succeeded == 2
    assert BEGIN + HOUR in [one.occurrence for one in schedule.history
                            if one.description == 'bad']


def test_the_reason_says_what_is_wrong(add, schedule, clock):
    add(Workdays())
    answers(lambda moment: moment)
    clock.set(BEGIN + HOUR)
    schedule.process(clock.now())
    [entry] = schedule.parked
    assert 'has to return a later instant, or None' in entry.reason


def test_a_count_that_is_no_number_parks_before_the_call(
        add, schedule, clock):
    add(Workdays())
    Workdays.count = 'many'
    clock.set(BEGIN + 9 * HOUR)
    assert schedule.process(clock.now()) == Tally(failed=1)
    [entry] = schedule.parked
    assert "returned 'many'; it has to return an int" in entry.reason
    assert mails == []


@pytest.mark.parametrize('answer', ODD.values(), ids=ODD)
def test_it_is_refused_where_it_is_scheduled(schedule, clock, answer):
    answers(answer)
    with pytest.raises((LookupError, InvalidTask)):
        schedule.schedule(Mails(recurrence=Workdays()))
    assert list(schedule) == []


def test_what_it_is_anchored_to_has_to_be_a_recurrence(schedule, clock):
    task = Mails(BEGIN, recurrence=Workdays())
    with mock.patch.object(Workdays, 'anchored', lambda self, first: 'no'):
        with pytest.raises(InvalidTask, match="^recurrence is 'no'"):
            schedule.schedule(task)
    assert isinstance(task.recurrence, Workdays)


def test_a_run_may_take_another_recurrence(add, schedule, clock):
    task = add(Every(HOUR), Growing)
    clock.set(BEGIN + HOUR)
    schedule.process(clock.now())
    assert task.time == BEGIN + HOUR + DAY


def test_a_recurrence_is_asked_once_for_a_run(add, schedule, clock):
    add(Workdays())
    asked = []
    answers(lambda moment: asked.append(moment) or moment + HOUR)
    clock.set(BEGIN + HOUR)
    schedule.process(clock.now())
    assert asked == [BEGIN + HOUR]


# -- A zone that is unknown to this process


@pytest.mark.parametrize('retry', [None, Retry(3)], ids=['once', 'retry'])
@pytest.mark.parametrize('number', range(3), ids=['Cron', 'RRule', 'Every'])
def test_nothing_is_called_whose_next_occurrence_is_unknown_here(
        add, schedule, clock, number, retry):
    task = add(in_kyiv()[number], retry=retry)
    due = task.time
    clock.set(due)
    with Gone():
        for _ in range(30):
            assert schedule.process(clock.now()) == Tally(left=1)
            clock.advance(2 * MINUTE)
        # It has been left for longer than import_grace.
        clock.advance(MINUTE)
        assert schedule.process(clock.now()) == Tally(failed=1)
    assert mails == []
    [entry] = schedule.parked
    assert (entry.time, entry.occurrence) == (due, None)
    assert 'Europe/Kyiv' in entry.reason
    schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert next(iter(schedule.history)).occurrence == due


def test_a_forecast_goes_on_for_the_others_and_says_so(add, schedule, clock):
    add(in_kyiv()[0], description='unknown')
    add(Every(HOUR), description='known')
    add(Workdays(), description='odd')
    with Gone():
        answers(lambda moment: fail())
        told = [(one.task.description, one.time, one.note)
                for one in schedule.forecast(BEGIN + 2 * HOUR)]
    assert [(name, time) for name, time, _ in told] == [
        ('unknown', BEGIN + HOUR), ('known', BEGIN + HOUR),
        ('odd', BEGIN + HOUR), ('known', BEGIN + 2 * HOUR)]
    notes = {name: note for name, _, note in told}
    assert notes['known'] is None
    assert notes['unknown'].startswith('what comes after it cannot be told: ')
    assert 'Europe/Kyiv' in notes['unknown']
    assert notes['odd'].startswith('what comes after it cannot be told: ')
    assert 'LookupError' in notes['odd']


def conflict(moment):
    raise ConflictError('of the calendar')


def test_a_conflict_in_a_forecast_is_the_caller_s(add, schedule, clock):
    add(Workdays())
    answers(conflict)
    with pytest.raises(ConflictError):
        list(schedule.forecast(BEGIN + HOUR))


# -- refresh()


def test_a_refresh_goes_on_for_the_others_and_says_so(
        add, schedule, clock, caplog):
    add(in_kyiv()[0])
    odd = add(Workdays())
    known = add(Cron('0 * * * *', 'UTC'))
    known.recurrence = Cron('30 * * * *', 'UTC')
    transaction.commit()
    answers(lambda moment: fail())
    with Gone(), caplog.at_level(logging.WARNING, 'zodbschedule'):
        assert [move.task for move in schedule.refresh()] == [known]
    assert [one.levelname for one in caplog.records] == ['WARNING'] * 2
    assert 'Europe/Kyiv' in caplog.records[0].getMessage()
    assert f'Task {int.from_bytes(odd._p_oid):x} ' in (
        caplog.records[1].getMessage())


def test_a_conflict_in_a_refresh_is_the_caller_s(add, schedule, clock):
    add(Workdays())
    answers(conflict)
    with pytest.raises(ConflictError):
        schedule.refresh()


def test_a_refresh_mends_what_a_clock_that_was_ahead_has_placed(
        add, schedule, clock):
    task = add(Cron('0 3 * * *', 'UTC'))
    given = add(Every(HOUR), time=BEGIN + 9_000 * DAY)
    clock.set(BEGIN + 5_000 * DAY)
    schedule.process(clock.now())
    assert task.time > BEGIN + 5_000 * DAY
    clock.set(BEGIN + DAY)
    [move] = schedule.refresh()
    assert (move.task, move.after) == (task, BEGIN + DAY + 3 * HOUR)
    assert task.time == BEGIN + DAY + 3 * HOUR
    assert given.time == BEGIN + 9_000 * DAY
    assert schedule.refresh() == []


def test_a_refresh_repeats_nothing_after_a_clock_was_a_little_ahead(
        add, schedule, clock):
    task = add(Every(HOUR))
    schedule.process(BEGIN + 20 * HOUR)
    assert task.time == BEGIN + 21 * HOUR
    assert schedule.refresh() == []


# -- What is dropped when it is due


def cancelled(schedule):
    return [(one.outcome, one.occurrence, one.error)
            for one in schedule.history if one.outcome == 'cancelled']


def test_a_new_recurrence_leaves_a_record_of_what_was_due(
        add, schedule, clock):
    task = add(Cron('0 3 * * *', 'UTC'))
    clock.set(BEGIN + 3 * HOUR + 5 * MINUTE)
    schedule.change(task, recurrence=task.recurrence)
    transaction.commit()
    assert cancelled(schedule) == [
        ('cancelled', BEGIN + 3 * HOUR,
         'its recurrence was changed before it ran')]
    assert task.time == BEGIN + DAY + 3 * HOUR


def test_so_does_one_that_waits_for_its_part_of_the_spread(
        add, schedule, clock):
    schedule.spread = 20 * HOUR
    task = add(Cron('0 3 * * *', 'UTC'))
    clock.set(BEGIN + 3 * HOUR)
    assert task.time > clock.now()
    schedule.change(task, recurrence=task.recurrence)
    assert [occurrence for _, occurrence, _ in cancelled(schedule)] == [
        BEGIN + 3 * HOUR]


def test_a_replacement_leaves_a_record_of_what_was_due(add, schedule, clock):
    nightly = Cron('0 3 * * *', 'UTC')
    add(nightly, key='nightly', description='old')
    clock.set(BEGIN + 3 * HOUR + 5 * MINUTE)
    schedule.schedule(Mails(recurrence=nightly, key='nightly'),
                      duplicate='replace')
    transaction.commit()
    assert cancelled(schedule) == [
        ('cancelled', BEGIN + 3 * HOUR,
         'another took its place before it ran')]


@pytest.mark.parametrize('minutes', [-5, 5])
def test_nothing_is_recorded_of_what_still_runs(
        add, schedule, clock, minutes):
    nightly = Cron('0 3 * * *', 'UTC')
    task = add(nightly, key='nightly')
    clock.set(BEGIN + 3 * HOUR + minutes * MINUTE)
    if minutes < 0:
        # It is not due yet.
        schedule.change(task, recurrence=nightly)
    # What comes instead is due at once.
    schedule.schedule(Mails(clock.now(), key='nightly'), duplicate='replace')
    assert cancelled(schedule) == []


def test_nothing_is_recorded_where_no_history_is_kept(add, schedule, clock):
    schedule.history.keep = 0
    task = add(Cron('0 3 * * *', 'UTC'))
    clock.set(BEGIN + 3 * HOUR)
    schedule.change(task, recurrence=task.recurrence)
    assert cancelled(schedule) == []


# -- A rule that cannot be made


def test_a_rule_of_an_unknown_zone_is_refused(schedule, clock):
    rule = in_kyiv()[0]
    with Gone(), pytest.raises(InvalidRecurrence, match='Europe/Kyiv'):
        schedule.schedule(Mails(recurrence=rule))
