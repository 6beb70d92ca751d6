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
"""Attributes of tasks that raise, or have a value of a wrong type."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Task
from zodbschedule import reading
from zodbschedule.interfaces import ITask
from zodbschedule.reading.tasks import all_tasks
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

RAISES = object()
VALUES = {'raises': RAISES, 'number': 5, 'text': 'x', 'bytes': b'\xff'}
NAMES = ('description', 'principalId', 'key', 'recurrence', 'missed',
         'expires', 'retry')

#: attribute -> what it is by now
odd = {}
called = []


class Odd(Task):
    """A task whose attributes change, as by a deployment."""

    recurrence = Every(HOUR)

    def __call__(self):
        called.append(self)

    def __getattribute__(self, name):
        if name not in odd:
            return super().__getattribute__(name)
        if odd[name] is RAISES:
            raise KeyError(f'no {name}')
        return odd[name]


class Good(Task):

    def __call__(self):
        called.append('good')


@implementer(ITask)
class Mapping(Persistent):
    """Of another library: what is not there is a KeyError."""

    def __init__(self, time):
        self.values = {'time': time, 'description': '', 'principalId': None}

    def __getattr__(self, name):
        if name.startswith(('_p_', '__')) or name == 'values':
            raise AttributeError(name)
        return self.values[name]

    def __call__(self):
        called.append('good')

    def schedule(self):
        return None


@pytest.fixture(autouse=True)
def _usual():
    called.clear()
    odd.clear()
    yield
    odd.clear()


@pytest.mark.parametrize('value', VALUES.values(), ids=VALUES)
@pytest.mark.parametrize('name', NAMES)
def test_no_attribute_of_one_task_stops_a_schedule(
        schedule, clock, name, value):
    task = schedule.schedule(Odd(BEGIN))
    schedule.schedule(Good(BEGIN))
    transaction.commit()
    odd[name] = value
    list(schedule.forecast(BEGIN + 3 * HOUR))
    list(flaws(schedule))
    list(all_tasks(schedule))
    assert reading.task(schedule, task_id(task)).id == task_id(task)
    assert schedule.overdue(BEGIN + HOUR) == HOUR
    schedule.refresh()
    transaction.commit()
    for _ in range(3):
        schedule.process(clock.now())
    assert called.count('good') == 1
    assert len(called) <= 2
    assert list(schedule.claims) == []
    assert len(schedule.parked) <= 1


def test_what_is_not_there_may_be_any_error(schedule, clock):
    schedule.schedule(Mapping(BEGIN))
    transaction.commit()
    assert schedule.process(clock.now()).succeeded == 1
    assert called == ['good']


@pytest.mark.parametrize('retry', [None, Retry(3)])
def test_a_task_with_an_odd_principal_is_never_called(schedule, clock, retry):
    task = schedule.schedule(Odd(BEGIN, retry=retry))
    transaction.commit()
    odd['principalId'] = 5
    for _ in range(9):
        schedule.process(clock.now())
        clock.set(task.time)
    assert called == []
    assert task in schedule
    assert len(schedule.parked) > 2
    for entry in schedule.parked:
        assert 'InvalidTask: the principalId of <Odd' in entry.reason
        assert 'is 5; it has to be a str or None' in entry.reason
