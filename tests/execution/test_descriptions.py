"""A task without a description is named by its class, wherever it is told."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import zope.event
from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Every
from zodbschedule import Task
from zodbschedule.interfaces import ITask
from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.tasks import task_facts


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)


class Report(Task):
    """As in an application: nobody has thought of a description."""

    fails = False

    def __call__(self):
        if self.fails:
            raise ValueError('no')


@implementer(ITask)
class Foreign(Persistent):

    principalId = None
    description = ''
    fails = False

    def __init__(self, time):
        self.time = time

    __call__ = Report.__call__

    def schedule(self):
        """Once is enough."""


class Nameless(Foreign):

    description = None


class Described(Report):

    description = 'the monthly report'


CLASSES = pytest.mark.parametrize('cls', [Report, Foreign, Nameless])


@pytest.fixture
def run(schedule, monkeypatch):
    def run(task):
        run.events = []
        monkeypatch.setattr(zope.event, 'subscribers', [run.events.append])
        schedule.schedule(task)
        transaction.commit()
        schedule.process(NOON)

    return run


def notes(schedule):
    return [entry['description'] for entry in schedule._p_jar.db().undoLog()]


@CLASSES
def test_what_has_run_is_named_by_its_class(run, schedule, cls):
    name = f'{__name__}.{cls.__name__}'
    run(cls(NOON))
    [outcome] = schedule.history
    [event] = run.events
    assert (outcome.description, outcome.type) == (name, name)
    assert (event.description, event.type) == (name, name)
    assert name in notes(schedule)


@CLASSES
def test_so_is_what_was_parked(run, schedule, cls):
    name = f'{__name__}.{cls.__name__}'
    task = cls(NOON)
    task.fails = True
    run(task)
    [entry] = schedule.parked
    [outcome] = schedule.history
    for told in entry, outcome, *run.events:
        assert told.description == name
    assert f'parked: {name}' in notes(schedule)


@CLASSES
def test_so_is_what_waits(schedule, cls):
    name = f'{__name__}.{cls.__name__}'
    task = schedule.schedule(cls(NOON))
    facts = task_facts(task, NOON)
    assert facts.description == facts.type == label_of(task) == name


def test_so_is_what_was_cancelled(run, schedule, clock):
    task = Report(NOON, recurrence=Every(timedelta(hours=1)))
    run(task)
    clock.set(NOON + timedelta(hours=2))
    schedule.change(task, recurrence=Every(timedelta(days=1)))
    [outcome] = schedule.history.select(outcome='cancelled')
    assert outcome.description == f'{__name__}.Report'


def test_a_task_says_so_itself():
    task = Report()
    assert task.description == f'{__name__}.Report'
    assert '_description' not in vars(task)
    task.description = 'of March'
    assert task.description == 'of March'
    task.description = ''
    assert task.description == f'{__name__}.Report'
    assert f"'{__name__}.Report'" in repr(task)


@pytest.mark.parametrize('options, description', [
    ({}, 'the monthly report'), ({'description': 'of March'}, 'of March')])
def test_a_description_of_the_class_or_the_task_stays(
        run, schedule, options, description):
    run(Described(NOON, **options))
    [outcome] = schedule.history
    assert (outcome.description, outcome.type) == (
        description, f'{__name__}.Described')
