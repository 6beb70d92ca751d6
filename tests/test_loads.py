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
"""What a page costs, at 100,000 tasks over ZEO, when nothing is cached."""

from datetime import timedelta
from itertools import islice

import pytest
import ZODB
from cold import loads_of_all
from databases import ZEOServer
from sample_work import NOON
from webob import Request
from ZODB.FileStorage import FileStorage
from ZODB.utils import u64
from zodburi import resolve_uri

from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading.paging import place_of
from zodbschedule.store.history import record
from zodbschedule.store.inspection import stamp
from zodbschedule.store.labels import codes_of
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import Pause
from zodbschedule.web import application


pytestmark = pytest.mark.slow

TASKS = 100_000
PAUSED = 5_000
PARKED = 3_000
PAGE = 50

# Loads, at the most.
BOUND = 200


class Page(Task):
    """A task for an object of which there are a few others."""


def fill(path):
    """Tasks of 100 principals, half of them of one, and for 30,000 pages."""
    storage = FileStorage(str(path))
    db = ZODB.DB(storage, cache_size=5_000)
    connection = db.open()
    manager = connection.transaction_manager
    schedule = connection.root()['schedule'] = Schedule()
    manager.commit()
    for first in range(0, TASKS, 20_000):
        for number in range(first, first + 20_000, 4):
            instant = NOON + timedelta(microseconds=number * 7_919_000_037)
            schedule.timetable.add(instant, [
                new(schedule, number + more, instant) for more in range(4)])
        manager.commit()
        connection.cacheMinimize()
    fill_history(schedule)
    manager.commit()
    connection.close()
    db.close()


def new(schedule, number, instant):
    """A task, of which is noted what there is to be found."""
    principal = 'system' if number % 2 else f'u{number % 200}'
    task = Page(instant, principalId=principal, description=f'task {number}')
    task.uuid = f'page {number % 30_000}'
    schedule._p_jar.add(task)
    schedule.labels.add(codes_of(task))
    stamp(task, instant, schedule)
    oid = u64(task._p_oid)
    if number < PAUSED:
        schedule.pauses.begin(oid, Pause(NOON, 'edi', 'why'), task)
    elif number < PAUSED + PARKED:
        schedule.parked.add(ParkedTask(
            f'{oid:x}-20260101T000000Z', task, NOON, NOON, 'why', '',
            task.description, occurrence=0))
    return task


def fill_history(schedule):
    """A nightly task, and one that has filled the history since."""
    for oid, times in ((1, 3), (2, 10_500)):
        for number in range(times):
            ended = NOON + timedelta(seconds=number)
            schedule.history.add([record(
                oid, number, SUCCEEDED, to_micros(ended), 'x', 'x',
                began=to_micros(ended))], ended, 'worker')
    schedule.history.trim(NOON)


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp('loads')
    fill(folder / 'Data.fs')
    server = ZEOServer(folder)
    yield server
    server.stop()


LOOKS = {
    'about how many wait': lambda schedule: [
        schedule.estimate()],
    'of one page': lambda schedule: list(
        schedule.tasks_of(uuid='page 7')),
    'of one principal': lambda schedule: page(
        schedule.tasks_of('u8')),
    'of a busy principal': lambda schedule: page(
        schedule.tasks_of('system', after='20000')),
    'of a principal and a page': lambda schedule: list(
        schedule.tasks_of('system', 'page 7')),
    'what is paused': lambda schedule: page(
        paused.task for paused in schedule.paused_tasks('800')),
    'what is parked': lambda schedule: page(
        schedule.parked.newest_first()),
    'how much is parked': lambda schedule: [
        len(schedule.parked)],
    'what ran last': lambda schedule: page(schedule.history),
    'a page of what waits': lambda schedule: rows(
        reading.upcoming(schedule, limit=25)),
    'a page that a filter leaves empty': lambda schedule: reading.upcoming(
        schedule, filter=reading.Filter(text='no such text')).items,
    'a page of what is parked': lambda schedule: rows(
        reading.parked(schedule, limit=25)),
    'a page of what is paused': lambda schedule: rows(
        reading.paused(schedule, limit=25)),
    'a page of the tasks of a principal': lambda schedule: rows(
        reading.tasks_of(schedule, limit=25, principalId='system')),
    'a page of the history': lambda schedule: rows(
        reading.history(schedule, limit=25)),
    'a timeline': lambda schedule: rows(timeline(
        schedule, behind(schedule, PAUSED), limit=25), 'tasks'),
    'a timeline that begins with paused tasks': lambda schedule: rows(
        timeline(schedule, None), 'tasks'),
    'what happened lately': lambda schedule: reading.activity(
        schedule, NOON, 25).bins,
    'the health at a glance': lambda schedule: [
        reading.health(schedule, glance=True)],
}

FOUND = {'about how many wait': 1, 'of one page': 4, 'how much is parked': 1,
         'of a principal and a page': 4, 'the health at a glance': 1,
         'a page that a filter leaves empty': 0,
         'a timeline that begins with paused tasks': 0, 'a timeline': 25,
         **{look: 25 for look in LOOKS if look.startswith((
             'a page of', 'what happened'))}}


def page(found):
    """A page of *found*, each loaded for what a listing tells of it."""
    some = list(islice(found, PAGE))
    for one in some:
        assert one.description
    return some


def rows(found, name='items'):
    """What is on a page that has a cursor to the next."""
    assert found.cursor
    return getattr(found, name)


def timeline(schedule, cursor, **options):
    """What is to run in a thousand years."""
    return reading.timeline(
        schedule, None, NOON + timedelta(days=365_000), cursor, **options)


def behind(schedule, number):
    """The cursor to what is behind the task with that number."""
    instant = NOON + timedelta(microseconds=number * 7_919_000_037)
    [*_, task] = schedule.timetable.at(instant)
    return place_of(instant, None, task)


@pytest.mark.parametrize('look', LOOKS)
def test_a_page_takes_at_most_200_loads(server, look):
    storage, options = resolve_uri(server.uri)
    db = ZODB.DB(storage(), **options)
    with db.transaction() as connection:
        connection.cacheMinimize()
        schedule = connection.root()['schedule']
        connection.getTransferCounts(clear=True)
        found = LOOKS[look](schedule)
        loads, stores = connection.getTransferCounts()
        print(f'{look}: {loads} loads')
        assert len(found) == FOUND.get(look, PAGE)
        assert loads <= BOUND
        assert not connection._registered_objects
    db.close()


@pytest.mark.parametrize('address', [
    '/', '/upcoming', '/upcoming?from=2100-01-01', '/upcoming?text=nothing',
    '/timeline', '/timeline?span=week', '/running', '/parked', '/history',
    '/history?outcome=failed', '/workers', '/tasks/20000'])
def test_a_page_in_the_browser_takes_at_most_200_loads(server, address):
    storage, options = resolve_uri(server.uri)
    db = ZODB.DB(storage(), **options)
    app = application(db)

    def read():
        assert Request.blank(address).get_response(app).status_code in (
            200, 404)

    assert 0 < loads_of_all(db, read) <= BOUND
    db.close()


def test_the_nightly_task_is_still_in_the_history(server):
    storage, options = resolve_uri(server.uri)
    db = ZODB.DB(storage(), **options)
    with db.transaction() as connection:
        history = connection.root()['schedule'].history
        assert len(list(history.select('1'))) == 3
    db.close()


def test_the_count_is_about_right(server):
    storage, options = resolve_uri(server.uri)
    db = ZODB.DB(storage(), **options)
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        assert .9 * TASKS < schedule.estimate() < 1.1 * TASKS
        assert len(schedule.parked) == PARKED
    db.close()
