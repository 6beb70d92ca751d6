"""Pages of tasks: bounded, resumed by a cursor, none left out."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import ZODB
from cold import cold_loads
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from zodbschedule import CallTask
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTime
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading import paging
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import left_slots
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id
from zodbschedule.store.timetable import LEAF


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MOST_LOADS = 200


def all_pages(schedule, limit, **options):
    """Each page, from the first to the last."""
    cursor = None
    while True:
        page = reading.upcoming(schedule, cursor, limit, **options)
        yield page.items
        cursor = page.cursor
        if cursor is None:
            return


def ids(pages):
    return [row.id for page in pages for row in page]


def fill(schedule, minutes):
    """A task at each of so many minutes from `BEGIN`."""
    return [schedule.call(print, time=BEGIN + minute * MINUTE)
            for minute in minutes]


@settings(max_examples=30, deadline=None)
@given(minutes=st.lists(st.integers(0, 3), max_size=3 * LEAF),
       limit=st.integers(1, 7))
def test_the_pages_are_the_whole(minutes, limit):
    with ZODB.DB(None).transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        connection.add(schedule)
        fill(schedule, minutes)
        connection.transaction_manager.savepoint()
        found = list(all_pages(schedule, limit))
        assert ids(found) == [
            task_id(task) for task in schedule.tasks()]
        assert all(len(page) == limit for page in found[:-1])


def test_a_crowd_at_one_instant_is_shown_once(schedule, commit):
    tasks = fill(schedule, (3 * LEAF + 1) * [0])
    commit()
    assert ids(all_pages(schedule, 7)) == [*map(task_id, tasks)]


def test_so_much_of_the_history_is_read_for_the_last_errors(
        schedule, commit, clock, monkeypatch):
    task = schedule.call(fail, time=BEGIN, retry=Retry(9, delay=MINUTE))
    commit()
    schedule.process(BEGIN)
    [row] = reading.upcoming(schedule).items
    assert row.error == 'RuntimeError: nobody opens'
    for _ in range(5):
        schedule.run_now(task, by='zoe')
    commit()
    monkeypatch.setattr(paging, 'LOOKED_AT', 5)
    [row] = reading.upcoming(schedule).items
    assert row.error is None


def test_what_stays_is_not_left_out_when_others_leave(schedule, commit):
    tasks = fill(schedule, 5 * [0])
    commit()
    page = reading.upcoming(schedule, None, 2)
    schedule.unschedule(tasks[1])  # the last one of that page
    commit()
    rest = reading.upcoming(schedule, page.cursor, 10)
    assert {row.id for row in rest.items} >= {*map(task_id, tasks[2:])}


def test_a_page_is_bounded_by_two_times(schedule, commit):
    fill(schedule, range(5))
    commit()
    found = reading.upcoming(
        schedule, start=BEGIN + MINUTE, until=BEGIN + 3 * MINUTE)
    assert [row.time for row in found.items] == [
        BEGIN + number * MINUTE for number in (1, 2, 3)]
    assert found.cursor is None


def test_a_filter_looks_at_so_many_and_goes_on(schedule, commit, monkeypatch):
    monkeypatch.setattr(paging, 'LOOKED_AT', 3)
    for number in range(8):
        schedule.call(print, time=BEGIN + number * MINUTE,
                      key='last' if number == 7 else None)
    commit()
    chosen = reading.Filter(key='last')
    found = list(all_pages(schedule, 5, filter=chosen))
    assert [len(page) for page in found] == [0, 0, 1]


def test_no_page_is_larger_than_the_most(schedule, commit, monkeypatch):
    monkeypatch.setattr(paging, 'MOST', 3)
    fill(schedule, range(9))
    commit()
    assert len(reading.upcoming(schedule, limit=1000).items) == 3


@pytest.mark.parametrize('cursor', [
    '', 'x', '1', '1_2', '1_2_3_4', '9' * 18 + '__1', '1__' + '9' * 21,
    '1__-1'])
def test_a_cursor_of_nobody_is_refused(schedule, cursor):
    with pytest.raises(reading.InvalidCursor, match='one that a page has'):
        reading.upcoming(schedule, cursor)


def test_a_lost_list_is_stepped_over(schedule, commit):
    fill(schedule, [0] * (2 * LEAF + 1))
    commit()
    [_, second, third] = [
        leaf for _, leaf in schedule.timetable.lists_at(BEGIN)]
    schedule._p_jar.db().storage._data.pop(second._p_oid)
    schedule._p_jar.cacheMinimize()
    assert len(reading.upcoming(schedule).items) == LEAF + len(third)


@pytest.fixture
def crowded(schedule, commit):
    """10,000 tasks at one instant, and some at others."""
    schedule.timetable.add(BEGIN, [CallTask(print) for _ in range(10_000)])
    fill(schedule, range(1, 300))
    commit()
    return schedule


@pytest.mark.parametrize('number', [0, 50])
def test_a_page_loads_few_objects_in_the_midst_of_a_crowd(crowded, number):
    cursor = None
    for _ in range(number):
        cursor = reading.upcoming(crowded, cursor).cursor
    crowded._p_jar.cacheMinimize()
    loads = cold_loads(
        crowded, lambda schedule: reading.upcoming(schedule, cursor))
    assert loads <= MOST_LOADS


@pytest.mark.parametrize('hours', [0, 24 * 365 * 100], ids=['late', 'early'])
def test_a_glance_loads_few_objects_in_the_midst_of_a_crowd(crowded, hours):
    """Whether all of it is due, or all of it waits for long."""
    now = BEGIN + timedelta(days=1) - timedelta(hours=hours)
    crowded._p_jar.cacheMinimize()
    assert cold_loads(crowded, lambda schedule: reading.health(
        schedule, now, glance=True)) <= MOST_LOADS


def test_what_workers_hold_is_paged_too(schedule, commit):
    tasks = fill(schedule, 3 * [0])
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 9, None, BEGIN, lambda *task: True)
    commit()
    first = reading.running(schedule, limit=2)
    second = reading.running(schedule, first.cursor)
    assert ids([first.items, second.items]) == [*map(task_id, tasks)]
    assert second.cursor is None
    with pytest.raises(reading.InvalidCursor):
        reading.running(schedule, 'x')


# -- the others


def followed(read, schedule, limit, **options):
    """The items of all pages."""
    cursor = None
    found = []
    while True:
        page = read(schedule, cursor, limit, **options)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.fixture
def failed(schedule, commit, clock):
    """Tasks that are parked, one a minute; the order in which that was."""
    for number in range(5):
        schedule.call(fail, time=clock.now(), description=f'{number}')
        commit()
        schedule.process(clock.now())
        clock.advance(MINUTE)
    return schedule


def fail():
    raise RuntimeError('nobody opens')


def test_parked_tasks_are_shown_newest_first(failed):
    found = followed(reading.parked, failed, 2)
    assert [row.description for row in found] == ['4', '3', '2', '1', '0']
    chosen = followed(reading.parked, failed, 2,
                      filter=reading.Filter(text='no such text'))
    assert chosen == []


def test_the_record_is_shown_newest_first(failed, commit):
    found = followed(reading.history, failed, 2)
    assert [row.description for row in found] == ['4', '3', '2', '1', '0']
    assert {row.outcome for row in found} == {'failed'}
    [one] = followed(reading.history, failed, 2, task=found[1].id)
    assert one == found[1]
    assert followed(reading.history, failed, 2, outcome='expired') == []
    assert followed(
        reading.history, failed, 2, since=found[1].ended) == found[:2]


def test_what_no_turn_has_collected_is_on_the_first_page(schedule, commit):
    fill(schedule, 2 * [0])
    commit()
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 9, None, BEGIN, lambda *task: True)
    for slot in left_slots(claim):
        if slot.waiting:
            slot.settle(SUCCEEDED, record(
                slot.oid, to_micros(BEGIN), SUCCEEDED, to_micros(BEGIN),
                'told', '', began=0))
    commit()
    page = reading.history(schedule, limit=1)
    assert [row.description for row in page.items] == ['told', 'told']
    assert page.cursor is None


def test_the_tasks_of_a_principal_wherever_they_are(schedule, commit):
    for number in range(5):
        schedule.call(print, time=BEGIN + number * MINUTE, principalId='zoe')
    schedule.call(print, time=BEGIN)
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    commit()
    turn.exchange(schedule, claim, 1, None, BEGIN, lambda *task: True)
    commit()
    found = followed(reading.tasks_of, schedule, 2, principalId='zoe')
    assert len(found) == 5
    assert {row.state for row in found} == {'waiting', 'running'}


def test_what_is_paused_is_told_with_who_and_why(schedule, commit):
    tasks = fill(schedule, range(5))
    for task in tasks[1:]:
        schedule.pause(task, by='zoe', reason='we move house')
    commit()
    found = followed(reading.paused, schedule, 2)
    assert [row.id for row in found] == [*map(task_id, tasks[1:])]
    assert {(row.by, row.reason, row.since) for row in found} == {
        ('zoe', 'we move house', BEGIN)}


@pytest.mark.parametrize('read, options', [
    (reading.parked, {}), (reading.paused, {}), (reading.history, {}),
    (reading.running, {}), (reading.tasks_of, {'principalId': 'zoe'})])
def test_a_cursor_of_nobody_is_refused_everywhere(schedule, read, options):
    for cursor in '', 'x y', '1_2_3', '9' * 40:
        with pytest.raises(reading.InvalidCursor):
            read(schedule, cursor, **options)


def test_what_was_collected_late_is_found_behind_what_was_not(
        schedule, commit):
    """The pages follow when turns have collected, not when runs have ended."""
    for ended, collected in (2, 2), (1, 3):
        schedule.history.add([record(
            7, 0, SUCCEEDED, to_micros(BEGIN + ended * MINUTE), f'{ended}', '',
            began=0)], BEGIN + collected * MINUTE, 'worker')
    commit()
    since = BEGIN + 2 * MINUTE
    assert [row.description for row in reading.history(
        schedule, since=since).items] == ['2']
    assert [row.description for row in reading.history(
        schedule, since=since + MINUTE).items] == []


def test_what_has_no_id_is_of_no_task(schedule, commit):
    schedule.history.add([record(
        -1, 0, SUCCEEDED, 0, 'of the original', '', began=0)], BEGIN, 'worker')
    commit()
    assert len(reading.history(schedule).items) == 1
    assert reading.history(schedule, task='').items == ()


def test_a_moment_has_to_be_aware(schedule):
    with pytest.raises(InvalidTime):
        reading.history(schedule, since=BEGIN.replace(tzinfo=None))


def test_all_pages_are_followed_only_as_far_as_they_are_read(failed):
    read = []

    def page(cursor):
        read.append(cursor)
        return reading.parked(failed, cursor, 2)

    rows = paging.followed(page)
    assert [next(rows).description for _ in range(3)] == ['4', '3', '2']
    assert len(read) == 2
    assert [row.description for row in rows] == ['1', '0']
