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
"""The text of a value never raises: it would hide the error that it is for."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from unittest import mock

import pytest
from losing import lose
from sample_work import NOON
from sample_work import Note
from sample_work import commit

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import RetryLater
from zodbschedule import RRule
from zodbschedule.recurrence import rules
from zodbschedule.recurrence import zones
from zodbschedule.store.parked import ParkedTask


HOUR = timedelta(hours=1)


def in_kyiv():
    kyiv = datetime(2003, 4, 1, tzinfo=zones.ZoneInfo('Europe/Kyiv'))
    return [Cron('0 * * * *', 'Europe/Kyiv'), Every(HOUR, kyiv),
            RRule('FREQ=HOURLY', kyiv, exdate=[kyiv], rdate=[kyiv])]


@pytest.fixture(params=in_kyiv(), ids=lambda rule: type(rule).__name__)
def rule_of_unknown_zone(request):
    """A rule whose zone the zone database does not know any more."""
    known = repr(request.param), str(request.param)

    def find(name):
        raise KeyError(name)

    caches = (zones.zone_of, rules._times_of_cron, rules._times_of_rrule)
    with mock.patch.object(zones, 'ZoneInfo', find):
        for cached in caches:
            cached.cache_clear()
        yield request.param, known
    for cached in caches:
        cached.cache_clear()


def test_a_rule_of_an_unknown_zone_is_shown(rule_of_unknown_zone):
    rule, known = rule_of_unknown_zone
    if isinstance(rule, Every):
        assert '2003, 3, 31, 21' in repr(rule)  # in UTC
        assert str(rule) == 'every hour from 2003-03-31 21:00 in UTC'
    else:
        assert (repr(rule), str(rule)) == known


def test_the_end_of_a_rule_of_an_unknown_zone_is_in_utc():
    start = datetime(2003, 4, 1, tzinfo=zones.ZoneInfo('Europe/Kyiv'))
    rule = RRule('FREQ=DAILY;UNTIL=20030501T120000Z', start)
    assert str(rule) == ('every day at 00:00, from 2003-04-01 until '
                         '2003-05-01 15:00, in Europe/Kyiv')
    vars(rule)['_spec'] = 'Europe/Nowhere'
    assert str(rule) == ('every day at 00:00, from 2003-04-01 until '
                         '2003-05-01 12:00 UTC, in Europe/Nowhere')


def test_nothing_but_the_name_of_an_unknown_zone_is_known():
    there = datetime(2003, 4, 1, tzinfo=zones.UnknownZone('Europe/Kyiv'))
    assert (there.utcoffset(), there.dst()) == (None, None)
    assert there.tzname() == 'Europe/Kyiv'


def test_a_rule_that_older_code_has_taken_is_shown():
    rule = Cron('0 5 * * *', 'UTC')
    vars(rule)['expression'] = '0 5 * * NEVER'
    assert repr(rule) == (
        "Cron('0 5 * * NEVER', 'UTC', gap='next', fold='first')")
    assert str(rule) == '0 5 * * NEVER, in UTC'


class Odd(Note):

    @property
    def description(self):
        raise LookupError('no description')

    @description.setter
    def description(self, value):
        pass


def test_a_task_with_an_odd_description_is_shown():
    assert repr(Odd()) == '<Odd (new) which cannot be read>'


def test_an_odd_reason_is_no_text():
    class Later(RetryLater):
        reason = 5

        def __init__(self):
            """Not as RetryLater."""

    assert str(Later()) == ''


@pytest.mark.storages('FileStorage')
def test_a_parked_task_whose_record_is_gone_is_shown(database, clock):
    schedule = database.schedule()
    task = schedule._p_jar.root()['task'] = Note()
    entry = ParkedTask('1f', task, NOON, datetime.now(UTC), 'it failed')
    assert repr(entry) == '<ParkedTask 1f: it failed>'
    schedule.parked.add(entry)
    commit(schedule)
    lose(database, entry, task)
    assert repr(entry).startswith('<ParkedTask ')
    assert repr(entry).endswith(', which cannot be read>')
    assert 'whose record is gone' in repr(task)
