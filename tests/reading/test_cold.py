"""What pages load when nothing is in the cache, however tasks are scattered.

Each is at an instant of its own, in all of the trees of the timetable.
"""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import ZODB
from cold import cold_loads
from holding import hold
from in_memory import BEGIN

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import clock as the_clock
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading import paging
from zodbschedule.reading.workers import all_workers
from zodbschedule.scheduling import turn
from zodbschedule.store.history import record


MOST = 200
TASKS = 8_000
DAY = timedelta(days=1)
NOTHING = reading.Filter(text='no such text')


@pytest.fixture(scope='module')
def scattered():
    """Tasks over two years from `BEGIN`, and a history."""
    db = ZODB.DB(None)
    connection = db.open()
    schedule = connection.root()['schedule'] = Schedule()
    connection.transaction_manager.commit()
    for number in range(TASKS):
        instant = BEGIN + timedelta(microseconds=number * 7_919_000_037)
        schedule.timetable.add(instant, [CallTask(
            print, time=instant, recurrence=Every(DAY, instant))])
    for number in range(300):
        ended = BEGIN - timedelta(seconds=300 - number)
        schedule.history.add([record(
            2, to_micros(ended), SUCCEEDED, to_micros(ended), 'x', 'x',
            began=to_micros(ended))], ended, 'worker')
    connection.transaction_manager.commit()
    yield schedule
    connection.close()
    db.close()


def overview(schedule, now):
    """What the first page shows."""
    reading.health(schedule, now, glance=True)
    reading.upcoming(schedule, limit=10)
    reading.history(schedule, limit=10)
    reading.activity(schedule, loads=20)


READ = {
    'a timeline': lambda schedule: reading.timeline(
        schedule, None, BEGIN + 900 * DAY, limit=100),
    'a timeline of later': lambda schedule: reading.timeline(
        schedule, BEGIN + 900 * DAY, BEGIN + 901 * DAY, limit=100),
    'what waits': lambda schedule: reading.upcoming(schedule, limit=100),
    'what waits later': lambda schedule: reading.upcoming(
        schedule, limit=100, start=BEGIN + 400 * DAY),
    'what a filter does not select': lambda schedule: reading.upcoming(
        schedule, filter=NOTHING),
    'a task that no one knows': lambda schedule: reading.task(
        schedule, 'ffffff', 20),
    'the history': lambda schedule: reading.history(schedule, limit=100),
    'the health, when all is due': lambda schedule: reading.health(
        schedule, BEGIN + 900 * DAY, glance=True),
    'the health, when some is due': lambda schedule: reading.health(
        schedule, BEGIN + 30 * DAY, glance=True),
    'the health, when nothing is due': lambda schedule: reading.health(
        schedule, BEGIN - DAY, glance=True),
    'the overview, when some is due': lambda schedule: overview(
        schedule, BEGIN + 30 * DAY),
    'the overview, when nothing is due': lambda schedule: overview(
        schedule, BEGIN - 3 * DAY)}


@pytest.mark.parametrize('read', READ)
def test_a_page_loads_few_objects(scattered, clock, read):
    loads = cold_loads(scattered, READ[read])
    print(f'{read}: {loads} loads')
    assert loads <= MOST


def test_the_history_is_not_read_beyond_what_is_asked_for(scattered):
    assert cold_loads(scattered, lambda schedule: reading.history(
        schedule, since=BEGIN + DAY)) < 10


def test_few_objects_are_loaded_for_the_last_errors(scattered):
    assert cold_loads(scattered, lambda schedule: list(
        paging.newest_outcomes(schedule))) < 30


def test_few_objects_are_loaded_for_the_last_outcomes(scattered, clock):
    def read(schedule):
        task = next(schedule.timetable.at(BEGIN))
        reading.contributed(schedule, [reading.Contributed(
            'a', task, None, None, False, True, None, ())])

    assert cold_loads(scattered, read) < 150


@pytest.fixture
def paused_in_front(schedule, commit):
    """Many paused tasks that are due, and behind them one that is not."""
    for number in range(150):
        task = schedule.call(print, time=BEGIN - (200 - number) * DAY)
        if number < 149:
            schedule.pause(task)
    commit()
    return schedule


def test_a_glance_says_what_it_does_not_know(paused_in_front):
    found = []
    assert cold_loads(paused_in_front, lambda schedule: found.append(
        reading.health(schedule, glance=True))) <= MOST
    assert found[0].overdue_unknown and found[0].task is None


def test_a_monitor_looks_behind_all_that_is_paused(paused_in_front):
    found = reading.health(paused_in_front)
    assert found.overdue == 51 * DAY
    assert not found.overdue_unknown


def test_a_glance_in_vain_knows_that_nothing_is_due(scattered, clock):
    found = []
    cold_loads(scattered, lambda schedule: found.append(
        reading.health(schedule, BEGIN - DAY, glance=True)))
    assert not found[0].overdue_unknown


@pytest.fixture
def once_full(schedule, commit):
    """A claim that has held a large portion."""
    schedule.timetable.add(BEGIN, [CallTask(print) for _ in range(256)])
    return hold(schedule, commit, most=256)


def relieved(schedule, claim):
    """Its worker is at a long run."""
    turn.relieve(schedule, 'night', 200, BEGIN)
    return schedule.claimed()


def filled_anew(schedule, claim):
    """It holds a small portion now."""
    idle(schedule, claim)
    turn.exchange(schedule, claim, 3, None, BEGIN, lambda *task: True)
    return schedule.claimed()


def idle(schedule, claim):
    """It holds nothing any more."""
    turn.exchange(schedule, claim, 0, None, BEGIN, lambda *task: True)
    return schedule.claimed()


def held_id(schedule):
    """The id of a task that the claim holds, if it holds any."""
    return next((f'{slot.oid:x}' for slot in schedule.slots()), '1')


HELD = {
    'the history': lambda schedule: reading.history(schedule),
    'a task': lambda schedule: reading.task(
        schedule, held_id(schedule), 20),
    'a task that no one knows': lambda schedule: reading.task(
        schedule, 'ffffff', 20),
    'what runs': lambda schedule: reading.running(schedule),
    'the workers': lambda schedule: list(all_workers(schedule)),
    'a timeline': lambda schedule: reading.timeline(
        schedule, None, BEGIN + DAY, limit=10),
    'the overview': lambda schedule: overview(schedule, the_clock.now())}


@pytest.mark.parametrize('read', HELD)
@pytest.mark.parametrize('then, most', [
    (relieved, 1), (filled_anew, 3), (idle, 0)])
def test_slots_that_are_free_are_not_loaded(
        schedule, once_full, commit, then, most, read):
    held = list(then(schedule, once_full))
    commit()
    assert len(held) == most
    assert cold_loads(schedule, HELD[read]) <= MOST


@pytest.fixture
def threads(schedule, commit, clock, request):
    """So many that work, each at one task."""
    schedule.timetable.add(
        BEGIN, [CallTask(print) for _ in range(request.param)])
    for number in range(request.param):
        hold(schedule, commit, most=1, name=f'night {number:3}')
    clock.set(datetime.now(UTC))  # They have just given a sign of life.
    return schedule


@pytest.mark.parametrize('threads', [40], indirect=True)
@pytest.mark.parametrize('read', [
    'the history', 'a task that no one knows', 'what runs', 'the overview'])
def test_few_objects_are_loaded_for_each_thread(threads, read):
    assert cold_loads(threads, HELD[read]) <= MOST


@pytest.mark.parametrize('threads', [100], indirect=True)
def test_how_it_is_does_not_depend_on_what_workers_hold(threads):
    """One object is loaded for each thread that is at work."""
    assert cold_loads(threads, lambda schedule: reading.health(
        schedule, glance=True)) <= MOST
