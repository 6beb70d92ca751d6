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
"""What GET tells: each function needs the permission to look."""

from datetime import timedelta
from typing import Any

from zodbschedule import clock
from zodbschedule import reading
from zodbschedule.reading import Filter
from zodbschedule.reading import to_json
from zodbschedule.reading.workers import all_workers
from zodbschedule.zope.contributions import contributed
from zodbschedule.zope.plone.restapi.items import Json
from zodbschedule.zope.plone.restapi.items import page_of
from zodbschedule.zope.plone.restapi.items import task_item
from zodbschedule.zope.plone.restapi.refusals import not_found
from zodbschedule.zope.plone.restapi.visit import Visit


#: what waits, and then what workers hold
WAITING = 'waiting', 'paused'
HELD = 'claimed', 'running'

#: until when the timeline goes by default
WEEK = timedelta(days=7)

#: how many objects of the history are loaded for one task
LOADS = 100

#: what `health` tells of tasks, for which there are lists
OF_TASKS = 'task', 'unable', 'paused_tasks'

PARTS = ('tasks', 'parked', 'recurring', 'history', 'timeline', 'workers')


def overview(visit: Visit) -> Json:
    """How it works, and where there is more."""
    found: Json = to_json(reading.health(visit.schedule, glance=True))
    for name in OF_TASKS:
        found[name] = _linked(visit, found[name])
    return {'@id': visit.url(), **found,
            'links': {name: visit.url(name) for name in PARTS}}


def _linked(visit: Visit, told: Any) -> Any:
    """A task, or a list of tasks, by no more than its address."""
    if isinstance(told, list):
        return [_linked(visit, each) for each in told]
    return told and {
        '@id': visit.url('tasks', told['id']), 'id': told['id'],
        'time': told['time']}


def tasks(visit: Visit) -> Json:
    """Those that wait, by time; with a state of `HELD`, those of workers."""
    query = visit.query
    query.refuse_others('state', 'from', 'cursor', 'b_size')
    state = query.word('state', (*WAITING, *HELD))
    start = query.instant('from')
    page = reading.upcoming(
        visit.schedule, *query.page, start=start, filter=Filter(state=state)
    ) if state not in HELD else reading.running(visit.schedule, *query.page)
    rows = [task_item(visit, each) for each in page.items
            if state in (None, each.state)]
    return page_of(visit, rows, page.cursor, 'tasks')


def task(visit: Visit) -> Json:
    """All that is known of one that waits, or that a worker holds."""
    found = reading.task(visit.schedule, visit.name, loads=LOADS)
    if not isinstance(found, reading.TaskDetails):
        raise not_found(f'Task {visit.name} is not here: it has ended, is '
                        f'parked, or never was.')
    return task_item(visit, found)


def parked(visit: Visit) -> Json:
    """What is parked, the newest first; without the tracebacks."""
    visit.query.refuse_others('cursor', 'b_size')
    page = reading.parked(visit.schedule, *visit.query.page)
    rows = [task_item(visit, each) for each in page.items]
    for row in rows:
        del row['traceback']
    return page_of(visit, rows, page.cursor, 'parked')


def parked_entry(visit: Visit) -> Json:
    """All that is known of one, with its traceback."""
    if visit.schedule.parked.get(visit.name) is None:
        raise not_found(f'{visit.name} is not parked.')
    found = reading.task(visit.schedule, visit.name, loads=LOADS)
    assert isinstance(found, reading.ParkedDetails)
    return task_item(visit, found)


def recurring(visit: Visit) -> Json:
    """The tasks that add-ons contribute, by name; there are few."""
    visit.query.refuse_others()
    return {'@id': visit.url('recurring'), 'items': [
        {'@id': visit.url('recurring', each.name),
         'task': {'@id': visit.url('tasks', each.id)}, **to_json(each)}
        for each in contributed(visit.site)], 'links': {}}


def history(visit: Visit) -> Json:
    """How runs have ended, and what people decided, the newest first."""
    query = visit.query
    query.refuse_others(
        'task', 'outcome', 'since', 'text', 'cursor', 'b_size')
    page = reading.history(
        visit.schedule, *query.page, task=query.text('task'),
        outcome=query.text('outcome'), since=query.instant('since'),
        text=query.text('text'))
    return page_of(visit, [
        {'task': {'@id': visit.url('tasks', each.id)}, **to_json(each)}
        for each in page.items], page.cursor, 'history')


def timeline(visit: Visit) -> Json:
    """What is to run until then, by default within a week, task by task."""
    query = visit.query
    query.refuse_others('from', 'until', 'cursor', 'b_size')
    found = reading.timeline(
        visit.schedule, query.instant('from'),
        query.instant('until') or clock.now() + WEEK, *query.page)
    told: Json = to_json(found)
    del told['tasks'], told['cursor']
    return {**told, **page_of(
        visit, [task_item(visit, each) for each in found.tasks],
        found.cursor, 'timeline')}


def workers(visit: Visit) -> Json:
    """The workers, and what each one runs."""
    visit.query.refuse_others()
    return {'@id': visit.url('workers'), 'items': [
        {**to_json(each), 'task': each.task and {
            '@id': visit.url('tasks', each.task)}}
        for each in all_workers(visit.schedule)], 'links': {}}
