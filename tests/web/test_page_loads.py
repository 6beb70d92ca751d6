"""What a page loads, however many tasks there are: a bounded number."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import ZODB
from browsing import look
from cold import loads_of_all
from holding import hold
from in_memory import BEGIN
from sample_tasks import MINUTE
from transaction import TransactionManager

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import clock as the_clock
from zodbschedule.testing import SettableClock


MOST_LOADS = 200

DAY = timedelta(days=1)


@pytest.fixture(scope='module')
def crowded():
    """10,000 tasks at one instant that is due, some that repeat, some far.
    """
    db = ZODB.DB(None)
    manager = TransactionManager()
    with the_clock.use(SettableClock(BEGIN)):
        root = db.open(manager).root()
        schedule = root['schedule'] = Schedule()
        manager.commit()
        schedule.timetable.add(
            BEGIN, [CallTask(print) for _ in range(10_000)])
        for number in range(60):
            schedule.call(print, recurrence=Every(MINUTE),
                          description=f'ping {number}')
        for number in range(300):
            schedule.call(print, time=BEGIN + 900 * DAY + number * MINUTE)
        manager.commit()
        yield schedule
    manager.abort()
    db.close()


def loads_of(schedule, address):
    """How many objects that page loads."""
    return loads_of_all(
        schedule._p_jar.db(), lambda: look(schedule, address))


@pytest.mark.parametrize('address', [
    '/', '/upcoming', '/upcoming?text=nothing', '/timeline',
    '/timeline?span=week', '/timeline?text=nothing', '/running', '/workers'])
def test_a_page_loads_few_objects(crowded, address):
    assert 0 < loads_of(crowded, address) <= MOST_LOADS


def test_a_page_in_the_midst_of_a_crowd_loads_few_objects(crowded):
    page = look(crowded, '/upcoming')
    for _ in range(10):
        [more] = [link for link in page.links if 'cursor=' in link
                  and page.html.count(f'rel="next" href="{escaped(link)}"')]
        page = look(crowded, more)
    assert 0 < loads_of(crowded, more) <= MOST_LOADS


def escaped(link):
    """As it stands in the page."""
    return link.replace('&', '&amp;')


@pytest.fixture
def forty_threads(schedule, commit, clock):
    """So many that work, each at one task."""
    schedule.timetable.add(BEGIN, [CallTask(print) for _ in range(40)])
    for number in range(40):
        hold(schedule, commit, most=1, name=f'night {number}')
    clock.set(datetime.now(UTC))  # They have just given a sign of life.
    return schedule


@pytest.mark.parametrize('address', [
    '/', '/upcoming', '/timeline', '/history', '/running', '/workers'])
def test_few_objects_are_loaded_for_each_thread(forty_threads, address):
    assert 0 < loads_of(forty_threads, address) <= MOST_LOADS
