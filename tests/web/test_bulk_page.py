"""Many at once: seen before, confirmed, done by a task, on record."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from cold import cold_loads
from filling_in import stage as stage
from in_memory import clock as clock

from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.reading import paging
from zodbschedule.steering import bulk


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fail():
    raise RuntimeError('<b>nobody</b>')


@pytest.fixture
def twelve(stage, clock):
    """As many tasks that wait, and two that do not match."""
    with stage.schedule() as schedule:
        for number in range(12):
            schedule.call(print, time=BEGIN + HOUR,
                          description=f'letter <{number}>', key=f'k{number}')
        for _ in range(2):
            schedule.call(print, time=BEGIN + HOUR, description='other')
    return stage.browser().open('/bulk?action=cancel&text=letter')


def run(stage, clock):
    while any(stage.process(clock.now())):
        clock.advance(timedelta(seconds=1))


def test_what_would_be_meant_is_counted_and_the_first_are_shown(twelve):
    assert twelve.shows('12 tasks', 'The first 10:', 'letter <0>')
    assert len(twelve.rows('preview')) == 10
    assert not twelve.shows('no filter')


def test_it_is_done_by_a_task_and_on_record(stage, clock, twelve):
    twelve.press('Cancel all of them', reason='no letters any more')
    assert 'It begins when a worker is free.' in twelve.said[0]
    assert twelve.shows('cancel for zoe', 'waiting', '0 of 12')
    assert '/tasks/' in twelve.address
    run(stage, clock)
    assert twelve.open(twelve.address).shows('cancel for zoe: 12 of 12')
    with stage.schedule() as schedule:
        assert [task.description for task in schedule] == ['other', 'other']
    assert stage.decisions() == 12 * [
        ('unscheduled', 'zoe', 'no letters any more')]


def test_between_two_portions_it_shows_how_far_it_is(
        stage, clock, twelve, monkeypatch):
    monkeypatch.setattr(bulk, 'PORTION', 5)
    twelve.press('Cancel all of them')
    stage.process(clock.now())
    twelve.open(twelve.address)
    assert twelve.shows('waiting', '5 of 12')


def test_without_a_number_it_shows_none(stage, clock, twelve):
    twelve.open('/start-bulk', POST={
        'token': twelve.field('token'), 'action': 'pause', 'expected': 'x'})
    assert twelve.shows('pause for zoe')
    assert not twelve.page.findall('.//progress')


def test_it_can_be_cancelled_before_it_has_ended(stage, clock, twelve):
    twelve.press('Cancel all of them')
    twelve.press('Cancel')
    assert 'was cancelled' in twelve.said[0]
    run(stage, clock)
    with stage.schedule() as schedule:
        assert len(list(schedule)) == 14


@pytest.mark.parametrize('action', ['unpark', 'discard'])
def test_parked_tasks_too(stage, clock, action):
    with stage.schedule() as schedule:
        for _ in range(3):
            schedule.call(fail, time=BEGIN)
    stage.process(BEGIN)
    shown = stage.browser().open('/parked?why=nobody')
    shown.follow('try all again' if action == 'unpark' else 'discard all')
    assert shown.shows('3 tasks', 'RuntimeError: <b>nobody')
    shown.press('Try again all' if action == 'unpark' else 'Discard all')
    run(stage, clock)
    assert len(stage.decisions()) == 3


def test_the_filter_is_changed_before(twelve):
    twelve.press('Look again', key='k1*', text='', state='waiting')
    assert twelve.shows('3 tasks')
    twelve.press('Look again', text='', key='', state='')
    assert twelve.shows('14 tasks', 'no filter is given, so all are meant')
    twelve.press('Look again', text='nothing')
    assert twelve.shows('0 tasks', 'Nothing is like that.')
    assert 'Cancel all of them' not in twelve.buttons()
    twelve.press('Look again', text='letter <7>')
    assert twelve.shows('1 task')
    assert 'Cancel it' in twelve.buttons()


def test_more_than_were_counted_are_told(twelve, monkeypatch):
    monkeypatch.setattr(bulk, 'PREVIEWED', 1)
    monkeypatch.setattr(paging, 'LOOKED_AT', 5)
    twelve.open('/bulk?action=pause&text=letter')
    assert twelve.shows('At least 5 tasks', 'Only the first were counted.')
    twelve.open('/bulk?action=pause')
    assert twelve.shows('About 14 tasks: no filter')
    twelve.open('/bulk?action=pause&text=other')
    assert twelve.shows('None was found among the first.')


def test_all_that_is_parked_is_counted(stage, clock, monkeypatch):
    with stage.schedule() as schedule:
        for _ in range(3):
            schedule.call(fail, time=BEGIN)
    stage.process(BEGIN)
    monkeypatch.setattr(bulk, 'PREVIEWED', 1)
    monkeypatch.setattr(paging, 'LOOKED_AT', 2)
    assert stage.browser().open('/bulk?action=discard').shows(
        '3 tasks: no filter is given, so all are meant')


def test_a_preview_loads_few_objects(stage, clock):
    with stage.schedule() as schedule:
        for number in range(300):
            schedule.call(print, time=BEGIN + number * HOUR)
    with stage.schedule() as schedule:
        loads = cold_loads(schedule, lambda again: steering.preview(
            again, 'cancel', reading.Filter(text='no such text')))
    print(f'{loads} loads')
    assert loads <= 200
    with stage.schedule() as schedule:  # all is in the cache
        assert all(task.description for task in schedule)
        found = steering.preview(schedule, 'cancel', reading.Filter())
        assert found.number == 300


@pytest.mark.parametrize('query', [
    '', '?action=delete', '?action=cancel&state=x'])
def test_another_action_is_refused(twelve, query):
    assert twelve.open(f'/bulk{query}').status == 400
