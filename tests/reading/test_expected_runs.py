"""What is to run between two moments: bounded, and every task once."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import jsonschema
import pytest
from in_memory import BEGIN

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTime
from zodbschedule.reading import paging
from zodbschedule.reading.timeline import RUNS
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id


HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def shown(found):
    """The times of the runs of each task, in hours from the beginning."""
    return {row.description: [(run.time - BEGIN) / HOUR for run in row.runs]
            for row in found.tasks}


def hold(schedule, number):
    """Have a worker hold so many of the tasks."""
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, number, None, BEGIN, lambda *task: True)


def all_tasks(schedule, limit, **options):
    """The descriptions of the tasks on all pages."""
    found, cursor = [], None
    while True:
        page = reading.timeline(schedule, None, BEGIN + DAY, cursor, limit,
                                **options)
        found += [row.description for row in page.tasks]
        cursor = page.cursor
        if cursor is None:
            return found


def test_later_occurrences_are_on_it_in_line_with_the_forecast(
        schedule, commit):
    schedule.call(print, delay=HOUR, description='once')
    schedule.call(print, recurrence=Every(2 * HOUR, BEGIN),
                  description='often')
    schedule.call(print, time=BEGIN + DAY + HOUR, description='another day')
    commit()
    found = reading.timeline(schedule, None, BEGIN + 6 * HOUR)
    assert shown(found) == {'once': [1], 'often': [2, 4, 6]}
    assert (found.cursor, found.whole_until) == (None, BEGIN + 6 * HOUR)
    runs = [(run.time, row.id) for row in found.tasks for run in row.runs]
    assert sorted(runs) == [
        (run.time, task_id(run.task))
        for run in schedule.forecast(BEGIN + 6 * HOUR)]


def test_what_is_due_runs_now(schedule, commit, clock):
    schedule.call(print, recurrence=Every(DAY, BEGIN), time=BEGIN,
                  description='late')
    commit()
    clock.advance(HOUR)
    found = reading.timeline(schedule, BEGIN, BEGIN + DAY)
    assert shown(found) == {'late': [1, 24]}
    assert [run.occurrence for run in found.tasks[0].runs] == [
        BEGIN, BEGIN + DAY]
    assert (found.since, found.now) == (BEGIN, BEGIN + HOUR)


def test_it_begins_at_a_moment_to_come(schedule, commit):
    schedule.call(print, delay=HOUR, description='before')
    schedule.call(print, recurrence=Every(HOUR, BEGIN), description='often')
    commit()
    since, until = BEGIN + 50 * HOUR, BEGIN + 52 * HOUR
    assert shown(reading.timeline(schedule, since, until)) == {
        'often': [50, 51, 52]}
    schedule.spread = timedelta(minutes=30)
    [runs] = shown(reading.timeline(schedule, since, until)).values()
    delay = runs[0] - 50
    assert 0 < delay < .5 and runs == pytest.approx([50 + delay, 51 + delay])
    [again] = shown(reading.timeline(
        schedule, since + delay / 2 * HOUR, until)).values()
    assert again == runs


def test_what_is_before_it_is_not_computed_one_by_one(schedule, commit):
    asked = []

    class Counted(Every):
        def next_after(self, moment):
            asked.append(moment)
            return super().next_after(moment)

    task = schedule.call(print, recurrence=Every(timedelta(seconds=1), BEGIN))
    commit()
    vars(task)['recurrence'] = Counted(timedelta(seconds=1), BEGIN)
    later = BEGIN + 300 * DAY
    [row] = reading.timeline(schedule, later, later + HOUR, limit=50).tasks
    assert row.runs[0].time == later
    assert len(asked) == RUNS / 50 + 2


def test_a_gap_is_noted(schedule, commit, clock):
    clock.advance(datetime(2030, 3, 30, tzinfo=UTC) - BEGIN)
    schedule.call(print, recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    commit()
    [row] = reading.timeline(schedule, None, clock.now() + 3 * DAY).tasks
    assert [run.note for run in row.runs] == [
        None, '02:30 does not exist that day', None]


def test_one_that_runs_often_leaves_room_for_others(schedule, commit):
    schedule.call(print, recurrence=Every(timedelta(minutes=1), BEGIN),
                  description='often')
    schedule.call(print, delay=20 * HOUR, description='once')
    commit()
    for limit in 2, 7, 100, 1000:
        often, once = reading.timeline(
            schedule, None, BEGIN + 7 * DAY, limit=limit).tasks
        assert len(often.runs) == RUNS // min(limit, 100)
        assert often.goes_on == often.runs[-1].time + timedelta(minutes=1)
        assert once.goes_on is None and len(once.runs) == 1


@pytest.mark.parametrize('limit', [0, -1])
def test_a_page_has_at_least_one_task(schedule, commit, limit):
    for number in range(2):
        schedule.call(print, time=BEGIN, description=f'{number}')
    commit()
    assert all_tasks(schedule, limit) == ['0', '1']


def test_what_workers_hold_comes_first_and_every_task_once(schedule, commit):
    for number in range(7):
        schedule.call(print, time=BEGIN, description=f'due {number}')
    schedule.call(print, delay=HOUR, description='later')
    commit()
    hold(schedule, 3)
    commit()
    expected = [*(f'due {number}' for number in range(7)), 'later']
    for limit in 1, 2, 3, 9:
        assert all_tasks(schedule, limit) == expected
    found = reading.timeline(schedule, None, BEGIN + DAY, limit=4)
    assert [row.state for row in found.tasks] == [
        'running', 'claimed', 'claimed', 'waiting']


def test_it_says_until_when_it_is_whole(schedule, commit):
    for number in range(4):
        schedule.call(print, time=BEGIN + number * HOUR)
    commit()
    hold(schedule, 1)
    commit()
    found = [reading.timeline(schedule, None, BEGIN + DAY, limit=limit)
             for limit in range(1, 5)]
    assert [(each.whole_until - BEGIN) / HOUR for each in found] == [
        0, 1, 2, 24]


def test_what_is_late_is_not_before_now(schedule, commit, clock):
    for number in range(3):
        schedule.call(print, time=BEGIN + number * HOUR)
    commit()
    clock.advance(DAY)
    found = reading.timeline(schedule, None, clock.now() + DAY, limit=2)
    assert found.whole_until == clock.now()


def test_what_is_caught_up_runs_now(schedule, commit, clock):
    schedule.call(print, time=BEGIN, recurrence=Every(HOUR, BEGIN),
                  missed='all')
    commit()
    clock.advance(2 * HOUR)
    for since in None, BEGIN:
        [row] = reading.timeline(
            schedule, since, clock.now() + HOUR).tasks
        assert [(run.time - BEGIN) / HOUR for run in row.runs] == [2, 2, 2, 3]


def test_a_filter_selects(schedule, commit, monkeypatch):
    monkeypatch.setattr(paging, 'LOOKED_AT', 3)
    for number in range(8):
        schedule.call(print, time=BEGIN, description=f'letter {number}')
    commit()
    chosen = reading.Filter(text='letter 7')
    assert all_tasks(schedule, 5, filter=chosen) == ['letter 7']


def test_what_is_paused_is_left_out_and_that_is_told(schedule, commit):
    task = schedule.call(print, description='paused')
    schedule.call(print, description='waiting')
    commit()
    assert not reading.timeline(
        schedule, None, BEGIN + DAY).leaves_out_paused
    schedule.pause(task)
    commit()
    found = reading.timeline(schedule, None, BEGIN + DAY)
    assert shown(found) == {'waiting': [0]}
    assert found.leaves_out_paused and found.pause is None
    schedule.pause(by='zoe', reason='we move house')
    commit()
    found = reading.timeline(schedule, None, BEGIN + DAY)
    assert (found.tasks, found.pause.by) == ((), 'zoe')


def test_a_task_whose_record_is_gone_is_on_it_with_its_problem(
        schedule, commit):
    task = schedule.call(print)
    commit()
    schedule._p_jar.db().storage._data.pop(task._p_oid)
    schedule._p_jar.cacheMinimize()
    [row] = reading.timeline(schedule, None, BEGIN + DAY).tasks
    assert row.problem == 'record gone'
    assert 'its record is gone' in row.runs[0].note


def test_it_has_the_shape_of_its_schema_and_nothing_is_written(
        schedule, commit):
    schedule.call(print, recurrence=Every(HOUR, BEGIN))
    commit()
    found = reading.timeline(schedule, None, BEGIN + DAY)
    schema = reading.json_schema(reading.Timeline)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(reading.to_json(found), schema)
    assert not schedule._p_jar._registered_objects


@pytest.mark.parametrize('cursor', ['', 'h', 'h-1', 'hx', '1_2', 'h1_2_3'])
def test_a_cursor_of_nobody_is_refused(schedule, cursor):
    with pytest.raises(reading.InvalidCursor):
        reading.timeline(schedule, None, BEGIN, cursor)


def test_times_have_to_be_aware(schedule):
    with pytest.raises(InvalidTime):
        reading.timeline(schedule, BEGIN.replace(tzinfo=None), BEGIN)
