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
"""What becomes of a task that a run returns."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Every
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.interfaces import ITask


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Doing(Task):
    """Does what its class attribute `does` says."""

    does = None

    def __call__(self):
        return None if self.does is None else Doing.does(self)


class Delegating(Doing):
    """Returns another task, which it makes by its class attribute `make`."""

    make = None

    def __call__(self):
        return Delegating.make()


@implementer(ITask)
class ByHand(Persistent):
    """A task that inherits nothing of ours, and returns another."""

    principalId = None
    description = 'by hand'

    def __init__(self, time):
        self.time = time

    def __call__(self):
        return Doing(self.time + HOUR, description='other', key='k')

    def schedule(self):
        """Not called, since it does not succeed."""


@pytest.fixture
def add(schedule, clock):
    clock.set(NOON)

    def add(task):
        schedule.schedule(task)
        transaction.commit()
        return task

    return add


def waiting(schedule):
    return [(task.description, task.time - NOON) for task in schedule]


def test_a_series_refuses_another_and_goes_on(schedule, add, monkeypatch):
    monkeypatch.setattr(
        Delegating, 'make', lambda: Doing(NOON, description='other'))
    task = add(Delegating(NOON, description='a', recurrence=Every(HOUR)))
    assert schedule.process(NOON).failed == 1
    entry, = schedule.parked
    assert 'schedule the other task, and return None' in entry.reason
    assert entry.task is task
    assert waiting(schedule) == [('a', HOUR)]


def test_a_series_may_return_itself_for_the_same_occurrence(
        schedule, add, monkeypatch):
    seen = []

    def later(task):
        seen.append((current_run().occurrence, current_run().attempt))
        if len(seen) == 1:
            task.time += timedelta(minutes=5)
            return task

    monkeypatch.setattr(Doing, 'does', later)
    add(Doing(NOON, description='a', recurrence=Every(HOUR)))
    assert schedule.process(NOON).retried == 1
    assert waiting(schedule) == [('a', timedelta(minutes=5))]
    assert schedule.process(NOON + timedelta(minutes=5)).succeeded == 1
    assert seen == [(NOON, 1), (NOON, 2)]
    assert waiting(schedule) == [('a', HOUR)]


@pytest.mark.parametrize('key', [None, 'k'])
def test_another_takes_the_place_of_a_task_that_does_not_repeat(
        schedule, add, monkeypatch, key):
    monkeypatch.setattr(Delegating, 'make', lambda: Doing(
        NOON + HOUR, description='other', key=key))
    task = add(Delegating(NOON, description='a', key=key))
    assert schedule.process(NOON).retried == 1
    assert waiting(schedule) == [('other', HOUR)]
    assert task not in schedule
    assert list(schedule.keys) == ([] if key is None else [key])
    assert not schedule.keys.running


def test_another_takes_the_place_of_a_task_by_hand(schedule, add):
    add(ByHand(NOON))
    assert schedule.process(NOON).retried == 1
    assert waiting(schedule) == [('other', HOUR)]
    assert schedule.keys.get('k').description == 'other'


def test_another_whose_key_is_held_is_a_failure(schedule, add):
    holder = add(Doing(NOON + HOUR, description='holder', key='k'))
    add(ByHand(NOON))
    assert schedule.process(NOON).failed == 1
    assert waiting(schedule) == [('holder', HOUR)]
    assert schedule.keys.get('k') is holder


def test_another_that_is_due_waits_for_the_next_call(
        schedule, add, monkeypatch):
    monkeypatch.setattr(
        Delegating, 'make', lambda: Doing(NOON, description='other'))
    add(Delegating(NOON, description='a'))
    tally = schedule.process(NOON)
    assert (tally.retried, tally.succeeded) == (1, 0)
    assert schedule.process(NOON).succeeded == 1


def test_one_that_unscheduled_itself_and_returns_itself_waits_anew(
        schedule, add, monkeypatch):
    def again(task):
        current_run().schedule.unschedule(task)
        task.time += HOUR
        return task

    monkeypatch.setattr(Doing, 'does', again)
    task = add(Doing(NOON, description='a', key='k'))
    schedule.process(NOON)
    assert waiting(schedule) == [('a', HOUR)]
    assert schedule.keys.get('k') is task
