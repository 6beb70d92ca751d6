"""What is read is plain frozen data, and has one shape in JSON."""

import json
from contextlib import closing
from dataclasses import FrozenInstanceError
from dataclasses import fields
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import jsonschema
import pytest
import ZODB
from persistent import Persistent
from ZODB.broken import find_global

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import reading
from zodbschedule.cli import format
from zodbschedule.reading.attributes import problem_of
from zodbschedule.reading.coming import runs_to_come
from zodbschedule.reading.parked import all_parked
from zodbschedule.reading.workers import all_workers
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fail():
    raise RuntimeError('nobody opens')


@pytest.fixture
def busy(schedule, commit):
    """A schedule with a task in each state; the id of each."""
    ids = {}

    def add(name, *args, **options):
        task = schedule.call(*args, **options)
        commit()
        ids[name] = reading.tasks.task_id(task)
        return task

    add('failed', fail, time=BEGIN)
    add('done', print, time=BEGIN)
    schedule.process(BEGIN)
    add('waiting', print, 'hats', time=BEGIN + HOUR, recurrence=Every(HOUR),
        retry=Retry(3), key='hats', principalId='zoe')
    schedule.pause(add('paused', print, time=BEGIN), reason='we move house')
    schedule.pause(reason='all of us')
    commit()
    return schedule, ids


def everything(schedule, ids):
    """What all functions read."""
    yield reading.health(schedule)
    yield reading.upcoming(schedule)
    yield reading.running(schedule)
    yield from (reading.task(schedule, id) for id in ids.values())
    yield from all_parked(schedule)
    yield from reading.history(schedule).items
    yield from all_workers(schedule)
    yield from reading.settings(schedule)
    yield reading.rule(Every(HOUR), BEGIN, 2)
    schedule.resume()
    yield from runs_to_come(schedule, BEGIN + HOUR, BEGIN)


def contained(found):
    """All values in *found*."""
    yield found
    if isinstance(found, reading.Facts):
        found = [getattr(found, each.name) for each in fields(found)]
    if isinstance(found, dict):
        found = found.values()
    if isinstance(found, (list, tuple, type({}.values()))):
        for each in found:
            yield from contained(each)


def test_no_task_is_handed_out(busy):
    kinds = set()
    for found in everything(*busy):
        for value in contained(found):
            assert not callable(value)
            assert not isinstance(value, Persistent)
            kinds.add(type(value).__name__)
    assert {'Health', 'Page', 'TaskDetails', 'ParkedDetails', 'EndedTask',
            'OutcomeFacts', 'SettingFacts', 'RuleFacts', 'ComingRun',
            'PauseFacts', 'RetryFacts'} <= kinds


def test_nothing_is_written(busy, commit):
    schedule, ids = busy
    for _ in everything(schedule, ids):
        break
    for found in (reading.health, reading.upcoming, reading.running,
                  reading.settings):
        found(schedule)
    for id in ids.values():
        reading.task(schedule, id)
    assert not schedule._p_jar._registered_objects


def test_what_is_read_cannot_be_changed(busy):
    schedule, _ = busy
    with pytest.raises(FrozenInstanceError):
        reading.health(schedule).parked = 0


def test_json_has_the_shape_that_its_schema_says(busy):
    seen = set()
    for found in everything(*busy):
        if not isinstance(found, reading.Page):
            schema = reading.json_schema(type(found))
            jsonschema.Draft202012Validator.check_schema(schema)
            jsonschema.validate(reading.to_json(found), schema)
            seen.add(type(found))
        json.dumps(reading.to_json(found), allow_nan=False)
    assert len(seen) == 9


def test_what_is_only_for_people_is_not_in_json(busy):
    schedule, _ = busy
    row = reading.upcoming(schedule).items[1]
    assert row.recurrence.startswith(row.short_recurrence)
    assert 'short_recurrence' not in reading.to_json(row)


def test_times_are_in_utc_and_durations_in_seconds(busy):
    schedule, ids = busy
    found = reading.to_json(reading.task(schedule, ids['waiting']))
    assert found['time'] == '2030-01-31T09:00:00Z'
    assert found['retry']['max_delay'] == 3600.0
    assert found['schedule_pause']['reason'] == 'all of us'
    assert found['attributes'] == {
        'func': 'builtins.print', 'args': ['hats']}


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match='cannot be written as JSON'):
        reading.to_json(object())


def test_a_task_that_has_had_no_such_id_is_none(schedule):
    for id in '1', '', 'zz', '-1', '0', 'f' * 40:
        assert reading.task(schedule, id) is None


def test_the_health_says_what_comes_and_what_failed(busy):
    schedule, ids = busy
    found = reading.health(schedule)
    assert found.next_due == BEGIN + HOUR
    assert found.parked == 1
    assert found.pause.reason == 'all of us'
    assert [row.id for row in found.paused_tasks] == [ids['paused']]
    assert found.first_pause.reason == 'we move house'


def test_a_retry_of_another_class_is_a_text(schedule, commit):
    task = schedule.call(print, retry=Retry(3))
    vars(task)['retry'] = 'often'
    commit()
    found = reading.task(schedule, task_id(task))
    assert found.retry == "'often'"
    assert format.readable(found)['retry'] == "'often'"


def test_a_rule_is_told_in_any_zone(busy):
    found = reading.rule(
        Every(HOUR, BEGIN), BEGIN, 1, datetime.now().astimezone().tzinfo)
    [occurrence] = found.occurrences
    assert occurrence.time == occurrence.local_time == BEGIN + HOUR


@pytest.mark.parametrize('without_code, problem', [
    (True, None),
    (False, 'no_such_shop.restock cannot be imported: ModuleNotFoundError: '
            "No module named 'no_such_shop'")])
def test_what_a_task_calls_is_not_imported_without_the_code_of_its_database(
        without_code, problem):
    def factory(connection, module, name):
        return find_global(module, name)

    factory.without_code = without_code
    with closing(ZODB.DB(None, class_factory=factory)) as db:
        with db.transaction() as connection:
            schedule = connection.root()['schedule'] = Schedule()
            task = schedule.schedule(CallTask('math.sqrt', [1]))
            task.func = 'no_such_shop.restock'
            connection.add(schedule)
            connection.add(task)
            found = problem_of(task)
    assert found == problem
