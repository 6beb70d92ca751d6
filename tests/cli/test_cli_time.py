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
"""The command line, as far as it is about time."""

import getpass
import io
import re
import sys
from contextlib import closing
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from types import SimpleNamespace

import click
import pytest
import ZODB
from shell import MORNING
from shell import opened
from shell import schedule_one
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import current_run
from zodbschedule.cli import format
from zodbschedule.cli import show
from zodbschedule.cli import timeline
from zodbschedule.cli.commands import SECTIONS
from zodbschedule.cli.commands import commands
from zodbschedule.instant import to_micros
from zodbschedule.reading import words
from zodbschedule.reading.coming import runs_to_come
from zodbschedule.reading.facts import to_json
from zodbschedule.reading.tasks import ProgressFacts
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


BERLIN = '--timezone', 'Europe/Berlin'


@pytest.fixture(autouse=True)
def user(monkeypatch):
    """The operating system takes us for zoe."""
    monkeypatch.setattr(getpass, 'getuser', lambda: 'zoe')


def task_of(shell, id, read):
    """What *read* makes of the task with that id."""
    with opened(shell.db) as root:
        return read(root['schedule'].get(id))


def hold(shell, id):
    """A worker that is alive has taken the task."""
    with opened(shell.db) as root:
        schedule = root['schedule']
        task = schedule.get(id)
        claim = schedule.claims['a-claim'] = Claim('worker', this())
        schedule.timetable.remove(task.time, task)
        claim.fill([(to_micros(task.time), task)])


def rule_of(shell, id):
    return task_of(shell, id, lambda task: task.recurrence)


def times(shell):
    return [row['time'] for row in shell.json('list')]


# -- add: how a task repeats -------------------------------------------------


@pytest.mark.parametrize('given, period', [
    ('90s', timedelta(seconds=90)), ('15m', timedelta(minutes=15)),
    ('1.5h', timedelta(minutes=90)), ('1d', timedelta(days=1))])
def test_every_repeats_after_a_duration(shell, wall_clock, given, period):
    task = shell('add', 'shop.restock', '--every', given)
    assert rule_of(shell, task) == Every(period, MORNING + period)
    assert times(shell) == [words.iso(MORNING + period)]


def test_every_begins_when_at_says(shell, wall_clock):
    task = shell('add', 'shop.restock', '--every', '1h', '--at', '+5m')
    assert times(shell) == ['2030-01-31T08:05:00Z']
    assert rule_of(shell, task).start == MORNING + timedelta(minutes=5)


def test_every_keeps_no_fraction_of_a_second(shell, wall_clock):
    wall_clock.advance(timedelta(microseconds=987_654))
    shell('add', 'shop.restock', '--every', '15m')
    assert times(shell) == ['2030-01-31T08:15:00Z']


def test_cron_repeats_when_the_clocks_of_a_zone_match(shell, wall_clock):
    task = shell('add', 'shop.restock', '--cron', '30 2 * * *', *BERLIN)
    assert rule_of(shell, task) == Cron('30 2 * * *', 'Europe/Berlin')
    assert times(shell) == ['2030-02-01T01:30:00Z']


@pytest.mark.parametrize('options, start', [
    (('--dtstart', '2030-02-01T09:00', *BERLIN), '2030-02-01T08:00:00Z'),
    (('--dtstart', '2030-02-01T09:00Z', *BERLIN), '2030-02-01T09:00:00Z'),
    (('--dtstart', '2030-02-01T09:00-05:00',), '2030-02-01T14:00:00Z'),
    (('--dtstart', '2030-02-01', *BERLIN), '2030-01-31T23:00:00Z'),
    (BERLIN, '2030-01-31T08:00:01Z'),
])
def test_an_rrule_begins_at_dtstart(shell, wall_clock, options, start):
    task = shell('add', 'shop.restock', '--rrule', 'FREQ=DAILY', *options)
    assert times(shell) == [start]
    zone = '-05:00' if '-05:00' in options[-1] else 'Europe/Berlin'
    assert rule_of(shell, task).dtstart == datetime.fromisoformat(start)
    assert zone in shell.json('show', task)['recurrence']


def test_an_rrule_that_begins_now_counts_its_first_occurrence(
        shell, wall_clock):
    shell('add', 'shop.restock', '--rrule', 'FREQ=DAILY;COUNT=2', *BERLIN)
    assert [row['time'] for row in shell.json('forecast')] == [
        '2030-01-31T08:00:01Z', '2030-02-01T08:00:01Z']


@pytest.mark.parametrize('line, options, start', [
    ('DTSTART;TZID=Europe/Berlin:20300201T090000', (),
     '2030-02-01T08:00:00Z'),
    ('DTSTART;TZID=Europe/Berlin:20300201T090000', ('--timezone', 'UTC'),
     '2030-02-01T08:00:00Z'),
    ('DTSTART:20300201T090000', BERLIN, '2030-02-01T08:00:00Z'),
    ('DTSTART;VALUE=DATE:20300201', BERLIN, '2030-01-31T23:00:00Z'),
    ('DTSTART:20300201T090000', ('--dtstart', '2030-02-01T09:00Z'),
     '2030-02-01T09:00:00Z'),
])
def test_an_rrule_may_bring_its_start(
        shell, wall_clock, line, options, start):
    task = shell('add', 'shop.restock', '--rrule',
                 f'{line}\nRRULE:FREQ=DAILY', *options)
    assert times(shell) == [start]
    zone = {('--timezone', 'UTC'): 'UTC', ('--dtstart', '2030-02-01T09:00Z'):
            'UTC'}.get(options, 'Europe/Berlin')
    assert shell.json('show', task)['recurrence'].endswith(f'in {zone}')


@pytest.mark.parametrize('command', [('add', 'shop.restock', '--rrule'),
                                     ('explain',)])
def test_an_exdate_that_leaves_out_nothing_is_said(
        shell, wall_clock, command):
    shell(*command, 'FREQ=DAILY EXDATE:20300203T100000Z', '--dtstart',
          '2030-02-01T09:00Z')
    assert shell.err == (
        'Warning: EXDATE has 2030-02-03 10:00 in UTC, when the rule does '
        'not occur; it leaves out nothing\n')


def test_an_rrule_may_bring_its_exceptions(shell, wall_clock):
    task = shell('add', 'shop.restock', '--rrule',
                 'RRULE:FREQ=DAILY EXDATE:20300201T090000Z',
                 '--dtstart', '2030-02-01T09:00Z')
    assert rule_of(shell, task) == RRule(
        'FREQ=DAILY', datetime(2030, 2, 1, 9, tzinfo=UTC),
        exdate=datetime(2030, 2, 1, 9, tzinfo=UTC))
    assert times(shell) == ['2030-02-02T09:00:00Z']


NEEDS_ZONE = ('needs a time zone, because it names local times; give '
              '--timezone Europe/Berlin, for example, or --timezone UTC')


@pytest.mark.parametrize('options, complaint', [
    (('--every', '1h', '--cron', '* * * * *', *BERLIN),
     '--every and --cron are both given; a task has one recurrence, so give '
     'one of them'),
    (('--cron', '* * * * *', '--rrule', 'FREQ=DAILY', *BERLIN),
     '--cron and --rrule are both given; a task has one recurrence, so give '
     'one of them'),
    (('--cron', '* * * * *'), f'--cron {NEEDS_ZONE}'),
    (('--rrule', 'FREQ=DAILY'), f'--rrule without --dtstart {NEEDS_ZONE}'),
    (('--rrule', 'FREQ=DAILY', '--dtstart', '2030-02-01T09:00'),
     f'--dtstart 2030-02-01T09:00 {NEEDS_ZONE}'),
    (('--rrule', 'FREQ=DAILY', '--dtstart', 'soon', *BERLIN),
     "'soon' is not a time; write 2030-01-31T09:00Z, "
     '2030-01-31T09:00+01:00, or +10m for ten minutes from now'),
    (('--every', '1h', *BERLIN), '--timezone needs --cron or --rrule'),
    (('--every', '1h', '--dtstart', '2030-01-01'),
     '--dtstart needs --rrule; to set when a task runs first, give --at'),
    (('--every', '0s'), 'the duration 0s is zero; write 30s, 5m, 2h or 1d'),
    (('--every', 'often'), 'often is not a duration; write 30s, 5m, 2h or 1d'),
    (('--expires', '0m'), 'the duration 0m is zero; write 30s, 5m, 2h or 1d'),
    (('--every', '2 months'),
     'the duration 2 months has no fixed length, so it is no interval; give '
     "the RRULE 'FREQ=MONTHLY;INTERVAL=2'"),
    (('--rrule', 'DTSTART:20300101T090000\nRRULE:FREQ=DAILY'),
     f'DTSTART of --rrule {NEEDS_ZONE}'),
    (('--rrule', 'FREQ=DAILY\nEXRULE:FREQ=WEEKLY', *BERLIN),
     "RRULE is 'FREQ=DAILY\\nEXRULE:FREQ=WEEKLY', which has the line "
     "'EXRULE:FREQ=WEEKLY', which RFC 5545 has given up; write what it leaves "
     'out as EXDATE, or a rule without it'),
    (('--rrule', 'FREQ=DAILY\nEXDATE;TZID=Romance Standard Time:20300101',
      *BERLIN),
     "timezone is 'Romance Standard Time', which is a name of Windows; write "
     "'Europe/Paris'"),
    (('--cron', '30 25 * * *', *BERLIN),
     "hour is '25' in the cron expression '30 25 * * *'; it takes 0 to 23"),
    (('--cron', '* * * * *', '--timezone', 'Mars/Olympus'),
     "timezone is 'Mars/Olympus', which the time zone database does not "
     "know; it takes a name such as 'Europe/Berlin' or 'UTC'"),
    (('--rrule', 'FREQ=DAILY', '--timezone', 'Mars/Olympus'),
     "timezone is 'Mars/Olympus', which the time zone database does not "
     "know; it takes a name such as 'Europe/Berlin' or 'UTC'"),
    (('--rrule', 'FREQ=FOO', *BERLIN),
     "RRULE is 'FREQ=FOO', which has FREQ=FOO; it takes YEARLY, MONTHLY, "
     'WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY'),
    (('--retry-delay', '1m'),
     '--retry-delay needs --retry, the number of attempts'),
    (('--duplicate', 'keep'), '--duplicate needs --key'),
    (('--key', ''), "key is ''; it has to be a str that is not empty, or "
     'None'),
])
def test_a_recurrence_that_cannot_be_is_refused_in_a_line(
        shell, wall_clock, options, complaint):
    assert shell.refuses('add', 'shop.restock', *options) == complaint
    assert shell.ids() == []


def test_a_rule_that_has_ended_is_refused_in_a_line(shell, wall_clock):
    assert shell.refuses(
        'add', 'shop.restock', '--rrule', 'FREQ=DAILY;COUNT=3',
        '--dtstart', '2020-01-01T00:00Z').endswith(
            'names no occurrence after 2030-01-31 08:00:00+00:00; correct '
            'it, or give the task a time')
    assert shell.ids() == []


@pytest.mark.parametrize('option, given', [
    ('--missed', 'some'), ('--duplicate', 'both'), ('--retry', '0')])
def test_what_an_option_takes_is_said(shell, option, given):
    shell('add', 'shop.restock', '--key', 'hats', option, given, code=2)
    assert f"Invalid value for '{option}'" in shell.err


# -- add: missed, expires, retry ---------------------------------------------


def test_what_becomes_of_missed_occurrences_can_be_said(shell, wall_clock):
    task = shell('add', 'shop.restock', '--every', '1h', '--missed', 'all',
                 '--expires', '90m')
    assert task_of(shell, task, lambda it: (it.missed, it.expires)) == (
        'all', timedelta(minutes=90))


@pytest.mark.parametrize('options, expected', [
    (('--retry', '5'), Retry(5)),
    (('--retry', '3', '--retry-delay', '30s'),
     Retry(3, timedelta(seconds=30))),
])
def test_a_retry_can_be_declared(shell, wall_clock, options, expected):
    task = shell('add', 'shop.restock', *options)
    assert task_of(shell, task, lambda it: it.retry) == expected


# -- add: keys ---------------------------------------------------------------


def test_a_key_that_is_held_is_refused_with_the_remedy(shell, wall_clock):
    first = shell('add', 'shop.restock', '--key', 'hats')
    assert shell.refuses('add', 'shop.restock', '--key', 'hats') == (
        f"task {first} (shop.restock) already has the key 'hats', and "
        f'waits for 2030-01-31T08:00:00Z (now); give --duplicate keep to keep '
        f'that task, or --duplicate replace to replace it')
    assert shell.ids() == [first]


def test_keep_prints_the_id_of_the_task_that_stands(shell, wall_clock):
    first = shell('add', 'shop.restock', '--key', 'hats')
    assert shell('add', 'shop.restock', '--key', 'hats', '--at', '+1h',
                 '--duplicate', 'keep') == first
    assert times(shell) == ['2030-01-31T08:00:00Z']


def test_replace_prints_the_id_of_the_task_that_stands(shell, wall_clock):
    nightly = ('add', 'shop.restock', '--key', 'hats', '--duplicate',
               'replace', *BERLIN, '--cron')
    first = shell(*nightly, '0 3 * * *')
    assert shell(*nightly, '0 3 * * *') == first
    second = shell(*nightly, '0 4 * * *')
    assert second != first
    assert shell.ids() == [second]


# -- list --------------------------------------------------------------------


def test_list_shows_keys_and_recurrences_where_there_are_some(
        shell, wall_clock):
    shell('add', 'shop.restock', '--at', '+1d')
    assert shell('list').splitlines()[0].split() == [
        'id', 'time', 'state', 'description']
    task = shell('add', 'shop.restock', '--every', '1h', '--key', 'hats')
    heading, _, row, _ = shell('list').splitlines()
    assert heading.split() == [
        'id', 'time', 'state', 'key', 'description', 'recurrence']
    assert row.split() == [
        task, '2030-01-31T09:00:00Z', '(in', '1', 'h)', 'waiting', 'hats',
        'shop.restock', 'every', 'hour']
    row, _ = shell.json('list')
    assert (row['key'], row['recurrence']) == (
        'hats', 'every hour from 2030-01-31 09:00 in UTC')


@pytest.mark.parametrize('options, said', [
    (('--cron', '30 2 * * *'), 'every day at 02:30, in Europe/Berlin'),
    (('--rrule', 'FREQ=DAILY;COUNT=5'),
     'every day at 09:00:01, in Europe/Berlin')])
def test_a_list_says_in_short_how_a_task_repeats(
        shell, wall_clock, options, said):
    shell('add', 'shop.restock', *options, *BERLIN)
    assert shell('list').splitlines()[-1].endswith(said)


def test_a_narrow_list_has_more_below_what_a_task_is_for(
        shell, wall_clock, terminal, monkeypatch):
    monkeypatch.setenv('COLUMNS', '60')
    shell('add', 'shop.restock', '--every', '1h', '--key', 'hats',
          '--principal', 'zoe')
    shell('add', 'shop.deliver', '--at', '+1d')
    said = re.sub(r'\x1b\[[\d;]*m', '', shell('list')).splitlines()
    assert [line.strip() for line in said[2:6]] == [
        said[2].strip(), 'every hour', 'key hats', 'principal zoe']
    assert said[2].split()[-1] == 'shop.restock'
    assert said[6].split()[-1] == 'shop.deliver'


def test_a_rule_that_does_not_say_what_it_is_is_shown(shell, wall_clock):
    import shop
    task = shop.Errand(recurrence=shop.Mute(), time=MORNING)
    schedule_one(shell, task)
    row, = shell.json('list')
    assert row['recurrence'].startswith('<Mute instance at')


# -- pause and resume --------------------------------------------------------


def test_a_paused_task_keeps_its_place_and_says_so(shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    other = shell('add', 'shop.restock', '--args', '["shoes"]')
    assert shell('pause', task, '--reason', 'no hats') == f'{task} is paused'
    assert [(row['id'], row['state']) for row in shell.json('list')] == [
        (task, 'paused'), (other, 'waiting')]
    facts = shell.json('show', task)
    assert (facts['state'], facts['schedule_pause']) == ('paused', None)
    assert facts['pause'] == {
        'since': '2030-01-31T08:00:00Z', 'by': 'zoe', 'reason': 'no hats'}
    assert re.search(
        r'pause +since 2030-01-31T08:00:00Z \(now\) by zoe: no hats',
        shell('show', task))
    assert shell('process') == '1 succeeded'
    assert shell.ids() == [task]


def test_a_resumed_task_goes_on(shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('resume', task) == f'{task} was not paused'
    shell('pause', task)
    assert shell('resume', task) == f'{task} is resumed'
    assert shell('process') == '1 succeeded'


def test_what_is_paused_already_keeps_its_reason(shell, wall_clock):
    task = shell('add', 'shop.restock')
    for what, told in (task, task), ('--all', f'schedule in {shell.db}'):
        shell('pause', what, '--reason', 'we move')
        assert shell('pause', what, '--by', 'ada', '--reason', 'backup') == (
            f'{told} is paused already, since 2030-01-31T08:00:00Z by zoe: we '
            f'move')
    assert {row['principalId'] for row in shell.json(
        'history', '--outcome', 'paused')} == {'zoe'}


def test_a_paused_schedule_says_so_everywhere(shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('pause', '--all', '--reason', 'we move') == (
        f'schedule in {shell.db} is paused')
    line = ('the schedule has been paused since 2030-01-31T08:00:00Z (now) by '
            'zoe: we move')
    assert shell('list').splitlines()[-1] == line
    assert shell.json('list')[0]['state'] == 'waiting'
    assert shell('process').splitlines() == ['no tasks were run', line]
    assert shell('forecast').splitlines() == [
        'no runs until 2030-02-07T08:00:00Z', line]
    assert shell('check') == (
        f'OK: no task is due; no workers are registered; {line}')
    assert shell.json('show', task)['schedule_pause']['reason'] == 'we move'
    assert shell('resume', '--all') == f'schedule in {shell.db} is resumed'
    assert shell('resume', '--all') == f'schedule in {shell.db} was not paused'
    assert shell('process') == '1 succeeded'


def test_a_pause_needs_no_reason_and_no_name(shell, wall_clock):
    with opened(shell.db) as root:
        root['schedule'].pause()
    assert shell('list').splitlines()[-1] == (
        'the schedule has been paused since 2030-01-31T08:00:00Z (now)')


def test_who_decides_and_why_is_on_record(shell, wall_clock):
    task = shell('add', 'shop.restock', '--every', '1h')
    shell('pause', task, '--by', 'ada', '--note', 'we move')
    shell('resume', task, '--by', 'ada')
    shell('run-now', task, '--note', 'hats are out')
    shell('cancel', task, '--by', 'bob', '--note', 'no more hats')
    found = {(row['outcome'], row['principalId'], row['error'])
             for row in shell.json('history', '--task', task)}
    assert found == {
        ('paused', 'ada', 'we move'), ('resumed', 'ada', None),
        ('requested', 'zoe', 'hats are out'),
        ('unscheduled', 'bob', 'no more hats')}


def test_who_deals_with_a_failure_is_on_record(shell, wall_clock):
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    shell('unpark', task, '--note', 'once more')
    shell('process', code=1)
    shell('discard', task, '--by', 'ada')
    assert [(row['outcome'], row['principalId'], row['error'])
            for row in shell.json('history', '--task', task)
            if row['outcome'] != 'failed'] == [
        ('discarded', 'ada', None), ('unparked', 'zoe', 'once more')]


def test_the_undo_log_names_the_user(shell):
    shell('cancel', shell('add', 'shop.restock'), '--by', 'ada')
    with closing(ZODB.DB(FileStorage(shell.db, read_only=True))) as db:
        users = {each['description'].split()[1]: each['user_name']
                 for each in db.undoLog(0, 10) if each['description']}
    assert (users['add'], users['cancel']) == ('zoe', 'ada')


def test_a_user_without_a_name_is_known_by_number(
        shell, wall_clock, monkeypatch):
    def nobody():
        raise KeyError('uid not found')

    monkeypatch.setattr(getpass, 'getuser', nobody)
    shell('pause', '--all')
    assert re.search(r'by uid \d+$', shell('list'))


def test_a_schedule_that_is_paused_is_overdue_to_a_monitor(
        shell, wall_clock):
    task = shell('add', 'shop.restock')
    shell('pause', '--all')
    wall_clock.advance(timedelta(hours=1))
    assert shell('check', code=1) == (
        f'OVERDUE: task {task} (shop.restock) has been due for 1 h (allowed: '
        f'5 min); no workers are registered; the schedule has been paused '
        f'since 2030-01-31T08:00:00Z (1 h ago) by zoe')
    facts = shell.json('check', code=1)
    assert (facts['ok'], facts['pause']['by']) == (False, 'zoe')


def test_a_task_that_is_paused_is_not_overdue_to_a_monitor(
        shell, wall_clock):
    task = shell('add', 'shop.restock')
    shell('pause', task)
    wall_clock.advance(timedelta(hours=1))
    assert shell('check') == 'OK: no task is due; no workers are registered'


@pytest.mark.parametrize('command', ['pause', 'resume'])
@pytest.mark.parametrize('arguments, complaint', [
    ((), 'give either the ID of a task, or --all for the whole schedule'),
    (('',), 'the ID is empty'),
    (('2a', '--all'), 'give either the ID of a task, or --all')])
def test_the_whole_schedule_is_paused_only_on_purpose(
        shell, wall_clock, command, arguments, complaint):
    assert shell(command, *arguments, code=2) == ''
    assert complaint in shell.err
    assert shell.json('check')['pause'] is None


@pytest.mark.parametrize('command', ['pause', 'resume', 'run-now'])
def test_what_is_not_there_cannot_be_steered(shell, wall_clock, command):
    assert shell.refuses(command, 'fff') == (
        f'there is no task fff in schedule in {shell.db}; zodbschedule list '
        f'shows the ids')
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell.refuses(command, task) == (
        f'{task} is parked; use zodbschedule unpark or zodbschedule discard')


# -- run-now -----------------------------------------------------------------


def test_run_now_runs_once_more_and_leaves_the_next_occurrence(
        shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]', '--every', '1h')
    assert shell('run-now', task) == f'{task} is due now'
    assert shell('process') == '1 succeeded'
    assert times(shell) == ['2030-01-31T09:00:00Z']


@pytest.mark.parametrize('paused', [True, False])
def test_what_is_paused_does_not_run_now(shell, wall_clock, paused):
    task = shell('add', 'shop.restock', '--every', '1h')
    shell('pause', task if paused else '--all')
    what = task if paused else f'schedule in {shell.db}'
    assert shell.refuses('run-now', task) == (
        f'{what} is paused; resume it first, with: zodbschedule resume '
        f'{task if paused else "--all"}')


@pytest.mark.parametrize('every, said', [
    (['--every', '1h'],
     'is claimed by a worker and will run once more afterwards'),
    ([], 'is already claimed by a worker')])
def test_what_a_worker_holds_runs_afterwards(shell, wall_clock, every, said):
    task = shell('add', 'shop.restock', *every)
    hold(shell, task)
    assert shell('run-now', task) == f'{task} {said}'


# -- parked occurrences ------------------------------------------------------


@pytest.fixture
def failing(shell, wall_clock):
    """The id of a task that has failed at eight and at nine o'clock."""
    task = shell('add', 'shop.deliver', '--every', '1h', '--at', '+0s')
    shell('process', code=1)
    wall_clock.advance(timedelta(hours=1))
    shell('process', code=1)
    return task


def test_an_occurrence_that_failed_is_parked_and_the_series_goes_on(
        shell, failing):
    eight, nine = (f'{failing}-20300131T{hour}0000Z' for hour in ('08', '09'))
    heading, _, *rows = shell('parked').splitlines()
    assert heading.split() == [
        'id', 'occurrence', 'parked', 'description', 'reason']
    assert [row.split()[:2] for row in rows] == [
        [nine, '2030-01-31T09:00:00Z'], [eight, '2030-01-31T08:00:00Z']]
    assert [each['occurrence'] for each in shell.json('parked')] == [
        '2030-01-31T09:00:00Z', '2030-01-31T08:00:00Z']
    assert shell('parked', '-n', 1).splitlines()[3:] == [
        'there are more than 1; --limit 0 shows all']
    assert len(shell.json('parked', '-n', 1)) == 1
    assert times(shell) == ['2030-01-31T10:00:00Z']
    assert shell.json('show', failing)['parked'] == [eight, nine]
    assert re.search(f'parked +{eight}, {nine}', shell('show', failing))


def test_an_occurrence_can_be_looked_at(shell, failing):
    id = f'{failing}-20300131T080000Z'
    facts = shell.json('show', id)
    assert (facts['state'], facts['task'], facts['occurrence']) == (
        'parked', failing, '2030-01-31T08:00:00Z')
    assert [each['occurrence'] for each in facts['outcomes']] == [
        '2030-01-31T09:00:00Z', '2030-01-31T08:00:00Z']


def test_an_occurrence_can_be_unparked(shell, failing):
    id = f'{failing}-20300131T080000Z'
    assert shell('unpark', id) == (
        f'{id} is scheduled for 2030-01-31T08:00:00Z (1 h ago)')
    facts = shell.json('show', failing)
    assert (facts['time'], facts['occurrence']) == (
        '2030-01-31T08:00:00Z', '2030-01-31T08:00:00Z')
    assert [each['id'] for each in shell.json('parked')] == [
        f'{failing}-20300131T090000Z']


def test_an_occurrence_is_unparked_behind_another(shell, failing):
    eight, nine = (f'{failing}-20300131T{hour}0000Z' for hour in ('08', '09'))
    shell('unpark', eight)
    assert shell('unpark', nine) == (
        f'{nine} will run after the occurrence that is waiting')
    assert shell('parked') == 'no tasks are parked'
    for hour in '08', '09':
        shell('process', code=1)
        assert [each['occurrence'] for each in shell.json(
            'history', '-n', 1)] == [f'2030-01-31T{hour}:00:00Z']


def test_an_occurrence_is_unparked_while_its_task_is_held(shell, failing):
    hold(shell, failing)
    id = f'{failing}-20300131T080000Z'
    assert shell('unpark', id) == (
        f'{id} will run when the worker has finished the task')


def test_an_occurrence_can_be_discarded(shell, failing):
    id = f'{failing}-20300131T080000Z'
    assert shell('discard', id) == f'{id} was discarded'
    assert [each['id'] for each in shell.json('parked')] == [
        f'{failing}-20300131T090000Z']
    # There is one left, so that the id of the task will do.
    assert shell('discard', failing) == f'{failing} was discarded'
    assert shell('parked') == 'no tasks are parked'


@pytest.mark.parametrize('command', ['unpark', 'discard', 'show'])
def test_an_id_of_a_task_that_is_parked_more_than_once_is_refused(
        shell, failing, command):
    shell('cancel', failing)
    assert shell.refuses(command, failing) == (
        f'{failing} is parked 2 times; give one of these ids: '
        f'{failing}-20300131T080000Z, {failing}-20300131T090000Z')


def test_parked_fits_a_terminal(shell, failing, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLUMNS', '80')
    said = re.sub(r'\x1b\[[\d;]*m', '', shell('parked')).splitlines()
    assert max(map(len, said)) <= 80
    assert said[2].startswith(f'{failing}-20300131T090000Z ')
    assert said[3].strip() == 'RuntimeError: nobody opens'


# -- show --------------------------------------------------------------------


def test_show_tells_how_a_task_is_planned(shell, wall_clock):
    task = shell('add', 'shop.restock', '--every', '1h', '--key', 'hats',
                 '--expires', '90m', '--retry', '5')
    facts = shell.json('show', task)
    assert {name: facts[name] for name in (
        'key', 'recurrence', 'occurrence', 'attempt', 'missed', 'expires',
        'retry')} == {
            'key': 'hats',
            'recurrence': 'every hour from 2030-01-31 09:00 in UTC',
            'occurrence': '2030-01-31T09:00:00Z', 'attempt': 1,
            'missed': 'one', 'expires': 5400.0,
            'retry': {'attempts': 5, 'delay': 60.0, 'factor': 2,
                      'max_delay': 3600.0, 'jitter': 0.1,
                      'on': ['builtins.Exception']}}
    assert facts['attributes'] == {'func': 'shop.restock'}
    said = [line.split(None, 1) for line in shell('show', task).splitlines()]
    assert ['expires', '1 h 30 min'] in [
        [name, value.strip()] for name, value in said]
    assert ['retry', '5 attempts; delay 1 min, then 2 times as long, up to '
            '1 h'] in [[name, value.strip()] for name, value in said]
    assert ['missed', 'one'] in [
        [name, value.strip()] for name, value in said]
    assert not {'occurrence', 'attempt', 'pause', 'progress', 'parked'} & {
        name for name, _ in said}


@pytest.mark.parametrize('retry, said', [
    (Retry(3, timedelta(seconds=90), factor=1),
     '3 attempts; delay 1 min 30 s'),
    (Retry(3, timedelta(days=1), max_delay=timedelta(days=1)),
     '3 attempts; delay 1 d'),
    (Retry(2, timedelta(0), factor=1.5, on=(OSError, 'shop.Closed')),
     '2 attempts; delay 0 s, then 1.5 times as long, up to 1 h; on OSError, '
     'shop.Closed'),
])
def test_a_retry_is_told_in_words(shell, wall_clock, retry, said):
    import shop
    task = schedule_one(shell, shop.Errand(retry=retry))
    assert f'retry        {said}' in re.sub(' +$', '', shell(
        'show', task), flags=re.M).splitlines()


def test_show_tells_of_an_attempt_and_its_occurrence(shell, wall_clock):
    task = shell('add', 'shop.deliver', '--every', '1h', '--at', '+0s',
                 '--retry', '3')
    assert shell('process') == '1 to be retried'
    facts = shell.json('show', task)
    assert (facts['attempt'], facts['occurrence']) == (
        2, '2030-01-31T08:00:00Z')
    assert facts['time'] > '2030-01-31T08:00:30Z'
    assert '_attempts' not in facts['attributes']
    said = shell('show', task)
    assert re.search(r'^attempt +2 *$', said, re.M)
    assert re.search(r'^occurrence +2030-01-31T08:00:00Z', said, re.M)


def shown_while_it_runs(id):
    """A task that tells how far it is, and looks at itself."""
    current_run().progress(30, 120)
    with pytest.raises(SystemExit):
        commands(['show', id])
    with pytest.raises(SystemExit):
        commands(['show', id, '--json'])


def test_show_tells_how_far_a_running_task_is(shell, wall_clock):
    with opened(shell.db) as root:
        task = root['schedule'].call(shown_while_it_runs, 'its id')
        root._p_jar.add(task)
        task.args = (f'{int.from_bytes(task._p_oid):x}',)
    said = shell('process')
    assert re.search(r'^progress +30 of 120 \(25 %\)', said, re.M)
    assert '"progress": {\n    "done": 30.0,\n    "total": 120.0\n' in said


def test_progress_towards_nothing_is_no_part_of_it():
    assert format.progress(ProgressFacts(3.5, 0)) == '3.5 of 0'


def test_attributes_of_others_that_are_called_as_ours_are_theirs(
        shell, wall_clock):
    import shop
    task = shop.Foreign()
    task.key = 'of the door'
    id = schedule_one(shell, task)
    facts = shell.json('show', id)
    assert (facts['key'], facts['attributes']) == (
        None, {'key': 'of the door'})


# -- history -----------------------------------------------------------------


@pytest.fixture
def eventful(shell, wall_clock):
    """The ids of a task that succeeded, of one that failed, and of a pause.
    """
    good = shell('add', 'shop.restock', '--args', '["hats"]')
    shell('process')
    wall_clock.advance(timedelta(hours=1))
    bad = shell('add', 'shop.deliver', '--principal', 'yan', '--retry', '2')
    shell('process')
    wall_clock.advance(timedelta(hours=1))
    shell('process', code=1)
    shell('pause', '--all', '--reason', 'enough')
    return good, bad


def test_history_shows_the_newest_first(shell, eventful):
    good, bad = eventful
    heading, _, *rows = shell('history').splitlines()
    assert heading.split() == [
        'ended', 'task', 'occurrence', 'outcome', 'attempt', 'duration',
        'principal', 'worker', 'description', 'error']
    assert [row.split() for row in rows] == [
        ['2030-01-31T10:00:00Z', '(now)', 'all', 'paused', 'zoe', 'enough'],
        ['2030-01-31T10:00:00Z', '(now)', bad, '2030-01-31T09:00:00Z',
         'failed', '2', '0', 'ms', 'yan', 'process()', 'shop.deliver',
         'RuntimeError:', 'nobody', 'opens'],
        ['2030-01-31T09:00:00Z', '(1', 'h', 'ago)', bad,
         '2030-01-31T09:00:00Z', 'retried', '0', 'ms', 'yan', 'process()',
         'shop.deliver', 'RuntimeError:', 'nobody', 'opens'],
        ['2030-01-31T08:00:00Z', '(2', 'h', 'ago)', good,
         '2030-01-31T08:00:00Z', 'succeeded', '0', 'ms', 'process()',
         'shop.restock']]


def test_history_is_filtered_by_task_and_by_outcome(shell, eventful):
    good, bad = eventful
    assert [each['id'] for each in shell.json('history', '--task', bad)] == [
        bad, bad]
    assert [each['outcome'] for each in shell.json(
        'history', '--task', f'0x0{bad}', '--outcome', 'failed')] == [
            'failed']
    assert shell.json('history', '--outcome', 'expired') == []
    assert shell('history', '--task', 'fff') == 'no outcomes are on record'
    shell('history', '--outcome', 'splendid', code=2)
    assert "'splendid' is not one of 'succeeded'" in shell.err


def test_history_stops_at_its_limit_and_says_so(shell, eventful):
    said = shell('history', '-n', 2).splitlines()
    assert len(said) == 5
    assert said[-1] == 'there are more than 2; --limit 0 shows all'
    assert len(shell.json('history', '-n', 2)) == 2
    assert len(shell.json('history', '-n', 0)) == 4


def test_history_as_json_tells_all(shell, eventful):
    assert shell.json('history')[1] == {
        'id': eventful[1], 'outcome': 'failed',
        'time': shell.json('history')[1]['time'],
        'occurrence': '2030-01-31T09:00:00Z',
        'began': '2030-01-31T10:00:00Z', 'ended': '2030-01-31T10:00:00Z',
        'attempt': 2, 'passed': 0, 'worker': 'process()',
        'description': 'shop.deliver', 'principalId': 'yan',
        'error': 'RuntimeError: nobody opens', 'type': 'shop.deliver'}


@pytest.mark.parametrize('passed, shown', [
    (0, None), (100, 100), (101, 'more than 100')])
def test_a_count_that_was_broken_off_says_so(passed, shown):
    assert show.OUTCOME_COLUMNS['missed'](
        SimpleNamespace(passed=passed)) == shown


def test_history_counts_what_was_passed_over(shell, wall_clock):
    shell('add', 'shop.restock', '--args', '["hats"]', '--every', '1h')
    wall_clock.advance(timedelta(hours=4, minutes=30))
    shell('process')
    assert shell('history').splitlines()[2].split()[-6:] == [
        'succeeded', '3', '0', 'ms', 'process()', 'shop.restock']


def test_history_fits_a_terminal(shell, eventful, terminal):
    lines = re.sub(r'\x1b\[[\d;]*m', '', shell('history')).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == [
        'ended', 'task', 'outcome', 'attempt', 'description']
    assert [line.strip() for line in lines[4:6]] == [
        lines[4].strip(), 'RuntimeError: nobody opens']


def test_a_run_that_expired_has_not_lasted(shell, wall_clock):
    shell('add', 'shop.restock', '--expires', '1m')
    wall_clock.advance(timedelta(hours=1))
    assert shell('process') == '1 expired'
    assert 'ms' not in shell('history')


# -- forecast ----------------------------------------------------------------


def test_forecast_shows_what_is_going_to_run(shell, wall_clock):
    every = shell('add', 'shop.restock', '--every', '12h')
    once = shell('add', 'shop.deliver', '--at', '+13h')
    heading, _, *rows = shell('forecast', '--until', '+1d').splitlines()
    assert heading.split() == ['time', 'id', 'description']
    assert [row.split() for row in rows] == [
        ['2030-01-31T20:00:00Z', '(in', '12', 'h)', every, 'shop.restock'],
        ['2030-01-31T21:00:00Z', '(in', '13', 'h)', once, 'shop.deliver'],
        ['2030-02-01T08:00:00Z', '(in', '1', 'd)', every, 'shop.restock']]
    assert shell.json('forecast', '-n', 1) == [{
        'time': '2030-01-31T20:00:00Z', 'occurrence': '2030-01-31T20:00:00Z',
        'id': every, 'description': 'shop.restock', 'note': None}]
    assert len(shell.json('list')) == 2


def test_a_long_forecast_does_not_stay_in_memory(shell, wall_clock):
    with opened(shell.db) as root:
        for number in range(300):
            root['schedule'].call(
                'shop.deliver', time=MORNING + timedelta(minutes=number))
    with closing(ZODB.DB(FileStorage(shell.db), cache_size=50)) as db:
        with db.transaction() as connection:
            schedule = connection.root()['schedule']
            until = MORNING + timedelta(days=1)
            runs = runs_to_come(schedule, until, MORNING)
            assert sum(1 for _ in runs) == 300
            assert connection._cache.cache_non_ghost_count < 100


def test_forecast_notes_what_a_gap_changes(shell, wall_clock):
    wall_clock.set(datetime(2030, 3, 30, 12, tzinfo=UTC))
    shell('add', 'shop.restock', '--cron', '30 2 * * *', *BERLIN)
    heading, _, *rows = shell(
        'forecast', '--until', '+2d', *BERLIN).splitlines()
    assert heading.split() == ['time', 'id', 'description', 'note']
    assert rows[0].startswith('2030-03-31T03:00:00+02:00 (in 13 h)')
    assert rows[0].endswith('02:30 does not exist that day')
    assert rows[1].startswith('2030-04-01T02:30:00+02:00 (in 1 d)')


def test_forecast_ends_after_a_screenful(shell, wall_clock):
    shell('add', 'shop.restock', '--every', '1h')
    said = shell('forecast').splitlines()
    assert len(said) == 103
    assert said[-1] == (
        'there are more than 100; --limit 0 shows all')
    assert len(shell.json('forecast')) == 168
    assert len(shell('forecast', '--limit', 0).splitlines()) == 170


def test_forecast_leaves_out_what_is_paused_and_says_so(shell, wall_clock):
    task = shell('add', 'shop.restock', '--every', '1h')
    shell('pause', task)
    assert shell('forecast').splitlines() == [
        'no runs until 2030-02-07T08:00:00Z',
        'paused tasks are left out; zodbschedule list shows them']


def test_forecast_shows_a_task_whose_class_is_missing(shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Nameless())
    row, = shell.json('forecast')
    assert (row['id'], row['description']) == (id, 'shop.Nameless')


def test_a_drawing_is_no_json(shell):
    assert shell.refuses('forecast', '--json', '--timeline') == (
        '--timeline and --json are both given; give one')


def test_forecast_refuses_an_unknown_zone(shell):
    assert "timezone is 'Mars'" in shell.refuses(
        'forecast', '--timezone', 'Mars')


# -- forecast --timeline -----------------------------------------------------


def drawn(shell, *args):
    return [line.rstrip() for line in shell(
        'forecast', '--timeline', *args).splitlines()]


def test_a_timeline_has_days_across_and_tasks_down(shell, wall_clock):
    often = shell('add', 'shop.restock', '--every', '15m')
    nightly = shell('add', 'shop.deliver', '--cron', '30 2 * * *', *BERLIN,
                    '--description', 'nightly')
    assert drawn(shell, '--until', '+3d') == [
        'January 2030 February 2030',
        f'{"":17}│Thu 31      │Fri 1       │Sat 2       │Sun 3',
        f'{"─" * 17}┼────────────┼────────────┼────────────┼────────────',
        f'{often}  shop.restock │    ×63     │    ×96     │    ×96     │'
        f'    ×33',
        f'{nightly}  nightly      │░░░░        │●           │●           │'
        f'●    ░░░░░░░',
        '',
        '● run   ×9 number of runs   ░ outside the period   1 character is '
        '2 h',
        'time zone UTC']


def test_a_timeline_has_the_days_of_a_zone(shell, wall_clock):
    shell('add', 'shop.deliver', '--at', '2030-01-31T23:30Z')
    lines = drawn(shell, '--until', '+1d', *BERLIN)
    row, = [line for line in lines if 'shop.deliver' in line]
    assert row.split('│')[1:] == [f'{"░" * 9:24}', f'●{"":9}{"░" * 14}']
    assert lines[-1].endswith('1 character is 1 h   time zone Europe/Berlin')


def test_a_timeline_marks_runs_with_a_note(shell, wall_clock):
    wall_clock.set(datetime(2030, 3, 30, 12, tzinfo=UTC))
    shell('add', 'shop.restock', '--cron', '30 2 * * *', *BERLIN)
    lines = drawn(shell, '--until', '+2d')
    row, = [line for line in lines if 'shop.restock' in line]
    assert '│░░░░░░      │◆           │●' in row
    assert '◆ run with a note' in '\n'.join(lines)


def test_a_timeline_that_is_too_wide_goes_on_below(
        shell, wall_clock, terminal, monkeypatch):
    monkeypatch.setenv('COLUMNS', '40')
    shell('add', 'shop.restock', '--every', '6h', '--description',
          'restock all of the shelves')
    shell('add', 'shop.deliver', '--at', '+1h')
    said = re.sub(r'\x1b\[[\d;]*m', '', shell(
        'forecast', '--timeline')).splitlines()
    assert max(map(len, said)) <= 40
    headings = [line for line in said if re.match(r' +│', line)]
    assert [re.findall(r'\d+', line) for line in headings] == [
        ['31', '1', '2', '3'], ['4', '5', '6', '7']]
    assert sum('restock …' in line for line in said) == 2
    # Only where it runs.
    assert sum('shop.del' in line for line in said) == 1


def test_a_timeline_fits_the_narrowest_terminal(
        shell, wall_clock, terminal, monkeypatch):
    monkeypatch.setenv('COLUMNS', '10')
    shell('add', 'shop.restock', '--every', '1m')
    assert '│' in shell('forecast', '--timeline', '--until', '+1d')


@pytest.mark.parametrize('number, size, said', [
    (5, 3, '×5'), (96, 3, '×96'), (960, 3, '960'), (960, 4, '×960'),
    (1440, 4, '1k'), (43_200, 3, '43k'), (43_200, 6, '×43200')])
def test_a_count_fits_its_cell(number, size, said):
    frame = timeline.Frame(MORNING, MORNING + timedelta(days=1), UTC)
    rows = [timeline.Row('1', 'task')]
    sheet = timeline.Sheet(frame, rows, frame.end, 80, timeline.Marks())
    sheet.size = size
    assert sheet._count(number) == said


def test_a_timeline_shows_so_many_tasks_and_says_how_many_are_left(
        shell, wall_clock):
    for number in range(3):
        shell('add', 'shop.deliver', '--at', f'+{number}h')
    lines = drawn(shell, '--limit', '2')
    assert sum('shop.deliver' in line for line in lines) == 2
    assert lines[-1] == 'there are 3 tasks; --limit 0 shows all'
    assert sum('shop.deliver' in line for line in drawn(
        shell, '--limit', '0')) == 3


@pytest.mark.parametrize('bound, value, until', [
    ('MOST_RUNS', 30, '2030-02-01T15:00:00Z'),
    ('MOST_DAYS', 2, '2030-02-02T00:00:00Z')])
def test_a_timeline_of_very_much_is_cut_and_says_so(
        shell, wall_clock, monkeypatch, bound, value, until):
    monkeypatch.setattr(timeline, bound, value)
    shell('add', 'shop.restock', '--every', '1h')
    lines = drawn(shell)
    assert lines[-1] == f'the timeline ends at {until}; there are more runs'
    assert 'Sun' not in lines[1]


def test_a_timeline_of_nothing_says_so(shell, wall_clock):
    assert drawn(shell) == ['no runs until 2030-02-07T08:00:00Z']


def test_a_timeline_is_drawn_in_ascii_where_nothing_else_will_do(
        shell, wall_clock, monkeypatch):
    shell('add', 'shop.restock', '--every', '12h')
    ascii = io.TextIOWrapper(io.BytesIO(), 'ascii')
    monkeypatch.setattr(sys, 'stdout', ascii)
    with pytest.raises(SystemExit):
        commands(['forecast', '--timeline', '--until', '+1d'])
    ascii.flush()
    said = ascii.buffer.getvalue().decode()
    assert '|........            o   |' in said
    assert 'o run   . outside the period' in said
    assert '\\' not in said


# -- explain -----------------------------------------------------------------


def test_explain_needs_no_database(bare_shell, wall_clock, monkeypatch):
    monkeypatch.delenv('ZODBSCHEDULE_DB')
    lines = bare_shell('explain', '30 2 * * *', *BERLIN, '--from',
                       '2030-03-30T12:00Z', '-n', 2).splitlines()
    assert [' '.join(line.split()) for line in lines] == [
        'every day at 02:30, in Europe/Berlin',
        '',
        'local time UTC when note',
        lines[3],
        'Sun 2030-03-31 03:00:00+02:00 2030-03-31T01:00:00Z in 58 d 02:30 '
        'does not exist that day',
        'Mon 2030-04-01 02:30:00+02:00 2030-04-01T00:30:00Z in 59 d',
        '',
        'Next gap: 2030-03-31, 02:00 to 03:00 does not exist; 02:30 occurs '
        'once, at 03:00.',
        'Next fold: 2030-10-27, 02:00 to 03:00 comes twice; 02:30 occurs the '
        'first time only.']


def test_explain_shows_ten_from_now(bare_shell, wall_clock):
    said = bare_shell('explain', '@hourly', '--timezone', 'UTC').splitlines()
    assert said[0] == 'every hour, in UTC'
    assert [line.split()[2] for line in said[4:14]] == [
        f'{hour:02}:00:00+00:00' for hour in range(9, 19)]
    assert said[14] == ''


@pytest.mark.parametrize('expression, rule', [
    ('every 15m', 'every 15 minutes'),
    ('Every  90s', 'every 1 minute 30 seconds'),
    ('FREQ=DAILY;BYHOUR=9', 'every day at 09:00:01, from 2030-01-31, in '
     'Europe/Berlin'),
    ('freq=daily', 'every day at 09:00:01, from 2030-01-31, in '
     'Europe/Berlin'),
    ('*/5 * * * *', 'every 5 minutes, in Europe/Berlin'),
])
def test_explain_knows_all_kinds_of_rules(
        bare_shell, wall_clock, expression, rule):
    facts = bare_shell.json('explain', expression, *BERLIN)
    assert facts['rule'] == rule
    assert len(facts['occurrences']) == 10
    assert all(each['local'].endswith('+01:00')
               for each in facts['occurrences'])


def test_explain_of_a_period_needs_no_zone(bare_shell, wall_clock):
    assert bare_shell.json('explain', 'every 1h', '-n', 1) == {
        'rule': 'every hour',
        'expression': 'Every(datetime.timedelta(seconds=3600))',
        'occurrences': [{
            'time': '2030-01-31T09:00:00Z',
            'local': '2030-01-31T09:00:00+00:00', 'note': None}],
        'description': ['Elapsed time: no gap and no fold changes it.']}


def test_explain_says_where_a_rule_ends(bare_shell, wall_clock):
    rule = ('explain', 'FREQ=DAILY;COUNT=2', '--dtstart', '2030-02-01T09:00Z')
    assert 'no more occurrences: the rule ends' in bare_shell(*rule)
    assert 'no occurrences after 2031-01-01T00:00:00Z' in bare_shell(
        *rule, '--from', '2031-01-01T00:00Z')
    assert 'no more' not in bare_shell(*rule, '-n', 2)


@pytest.mark.parametrize('args, complaint', [
    (('* * * * *',), f'a cron expression {NEEDS_ZONE}'),
    (('FREQ=DAILY',), f'an RRULE without --dtstart {NEEDS_ZONE}'),
    (('every day',), 'day is not a duration; write 30s, 5m, 2h or 1d'),
    (('@every 1h30m',),
     "cron expression is '@every 1h30m', which is a period; write "
     'Every(timedelta(hours=1, minutes=30))'),
    (('every year',),
     'the duration year has no fixed length, so it is no interval; give the '
     "RRULE 'FREQ=YEARLY'"),
    (('RRULE:COUNT=3', *BERLIN),
     "RRULE is 'COUNT=3', which has no FREQ; begin with one, as in "
     'FREQ=DAILY'),
    (('FREQ = DAILY; BYHOUR = 24', *BERLIN),
     "RRULE is 'FREQ=DAILY;BYHOUR=24', which has BYHOUR=24; it takes numbers "
     'from 0 to 23'),
    (('61 * * * *', *BERLIN),
     "minute is '61' in the cron expression '61 * * * *'; it takes 0 to 59"),
    (('* * * * *', '--timezone', 'Berlin'),
     "timezone is 'Berlin', which the time zone database does not know; it "
     "takes a name such as 'Europe/Berlin' or 'UTC'"),
])
def test_explain_refuses_in_a_line(bare_shell, wall_clock, args, complaint):
    assert bare_shell.refuses('explain', *args) == complaint


# -- words -------------------------------------------------------------------


@pytest.mark.parametrize('span, said', [
    (timedelta(0), '0 ms'), (timedelta(milliseconds=12), '12 ms'),
    (timedelta(seconds=3.254), '3.25 s'), (timedelta(minutes=3), '3 min')])
def test_how_long_a_run_took_is_said_to_three_digits(span, said):
    assert words.run_time(span) == said


@pytest.mark.parametrize('span, said', [
    (timedelta(0), '0 s'), (timedelta(days=1, minutes=5), '1 d 5 min'),
    (timedelta(seconds=1.5), '1 s 500 ms')])
def test_a_duration_is_said_in_all_of_its_units(span, said):
    assert words.full_duration(span) == said


def test_what_json_cannot_say_is_an_error():
    with pytest.raises(TypeError, match='cannot be written as JSON'):
        to_json(object())


def test_help_lists_every_command_by_what_one_wants(shell):
    said = shell('--help')
    for title, section in SECTIONS.items():
        assert f'\n{title}:\n' in said
        for name in section:
            assert f'\n  {name} ' in said


def test_every_command_has_the_name_by_which_it_is_called():
    with click.Context(commands) as ctx:
        for name in commands.list_commands(ctx):
            assert commands.get_command(ctx, name).name == name
