"""The tasks that add-ons contribute, as plain data."""

from datetime import timedelta

import jsonschema
import pytest
from in_memory import BEGIN

from zodbschedule import Every
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.reading import contributed as read
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id


HOUR = timedelta(hours=1)


@pytest.fixture
def task(schedule, commit):
    found = schedule.call(
        print, time=BEGIN, recurrence=Every(HOUR), description='stored')
    commit()
    return found


def known(task, **others):
    """What an add-on says of *task*, but for *others*."""
    return reading.Contributed('shop.clean', task, 'Clean up', None, False,
                               False, None, ())._replace(**others)


def test_it_is_told_what_is_so_and_what_the_add_on_says(schedule, task):
    [found] = read(schedule, [known(
        task, explanation='what is old', changes={'missed', 'expires'})])
    assert (found.name, found.id) == ('shop.clean', task_id(task))
    assert found.description == 'Clean up'
    assert found.explanation == 'what is old'
    assert (found.state, found.time) == ('waiting', BEGIN)
    assert found.recurrence.startswith('every hour')
    assert found.changed == ('expires', 'missed')
    assert (found.problem, found.last, found.pause) == (None, None, None)


def test_without_its_add_on_it_has_the_text_that_is_stored(schedule, task):
    [found] = read(schedule, [known(task, title=None, absent=True)])
    assert found.description == 'stored' and found.absent


def test_the_last_outcome_is_with_it(schedule, task, commit, clock):
    other = schedule.call(print, time=BEGIN)
    schedule.call(print, time=BEGIN + HOUR, description='of no add-on')
    commit()
    for _ in range(2):
        schedule.process(clock.now())
        clock.advance(HOUR)
    one, two = read(schedule, [known(task), known(other)])
    assert one.last.time == BEGIN + HOUR
    assert two.last.time == BEGIN


def test_where_it_is_and_whether_it_is_paused(schedule, task, commit):
    schedule.pause(task, by='zoe', reason='too often')
    [found] = read(schedule, [known(task, pause=schedule.paused(task))])
    assert (found.state, found.pause.by) == ('paused', 'zoe')
    schedule.resume(task)
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 1, None, BEGIN, lambda *task: True)
    commit()
    [found] = read(schedule, [known(task)])
    assert found.state == 'running'


def test_what_was_unscheduled_is_nowhere(schedule, task, commit):
    schedule.unschedule(task)
    commit()
    [found] = read(schedule, [known(task, unscheduled=True)])
    assert (found.state, found.time) == ('unscheduled', None)


def test_a_task_whose_record_is_gone_is_told_with_its_problem(
        schedule, task):
    schedule._p_jar.db().storage._data.pop(task._p_oid)
    schedule._p_jar.cacheMinimize()
    [found] = read(schedule, [known(task)])
    assert found.problem == 'record gone'


def test_it_has_the_shape_of_its_schema_and_nothing_is_written(
        schedule, task):
    [found] = read(schedule, [known(task)])
    schema = reading.json_schema(reading.ContributedFacts)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(reading.to_json(found), schema)
    assert not schedule._p_jar._registered_objects
