"""The zone database changes while tasks wait."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import transaction
from zone_files import ZoneDatabase

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule.outcomes import Tally
from zodbschedule.testing import run_until


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
#: an hour and two hours east of UTC, and by an hour further in summer
EARLY, LATER, SUMMER = 'XST-1', 'XST-2', 'XST-1XDT,M3.5.0,M10.5.0/3'


class Nothing(Task):

    def __call__(self):
        pass


@pytest.fixture
def zones(tmp_path_factory):
    zones = ZoneDatabase(tmp_path_factory.mktemp('zones'))
    zones.update('Island', EARLY)
    yield zones
    zones.close()


@pytest.fixture
def add(schedule, clock, zones):
    def add(recurrence):
        task = schedule.schedule(Nothing(recurrence=recurrence))
        transaction.commit()
        return task

    return add


def on_the_island(*args):
    return datetime(*args, tzinfo=ZoneInfo('Island'))


def nine_by_cron():
    return Cron('0 9 * * *', 'Island')


def nine_by_rrule():
    return RRule('FREQ=DAILY;COUNT=99', on_the_island(2003, 1, 1, 9))


def nine_by_hours():
    return RRule('FREQ=HOURLY;BYHOUR=9', on_the_island(2003, 1, 1, 0))


@pytest.mark.parametrize('nine', [
    nine_by_cron, nine_by_rrule, nine_by_hours])
def test_what_waits_follows_a_new_version_of_its_zone(
        schedule, add, zones, nine):
    task = add(nine())
    assert task.time == BEGIN + 8 * HOUR
    zones.update('Island', LATER)
    zones.restart()
    assert task.time == BEGIN + 8 * HOUR
    assert schedule.refresh() == [(task, BEGIN + 8 * HOUR, BEGIN + 7 * HOUR)]
    transaction.commit()
    assert task.time == BEGIN + 7 * HOUR
    assert schedule.refresh() == []
    run_until(schedule, BEGIN + 2 * DAY)
    assert [one.occurrence for one in schedule.history.select(task)] == [
        BEGIN + DAY + 7 * HOUR, BEGIN + 7 * HOUR]


def test_what_is_left_out_or_added_follows_the_zone(add, zones):
    rule = RRule('FREQ=WEEKLY;BYDAY=TU', on_the_island(2003, 4, 1, 9),
                 exdate=[on_the_island(2003, 4, 8, 9)],
                 rdate=[on_the_island(2003, 4, 9, 9)])
    days = [1, 9, 15]
    assert nines(rule) == [(day, 8) for day in days]
    zones.update('Island', LATER)
    zones.restart()
    assert nines(rule) == [(day, 7) for day in days]


def nines(rule):
    """The days and hours in UTC of the next occurrences."""
    return [(one.astimezone(UTC).day, one.astimezone(UTC).hour)
            for one in rule.upcoming(BEGIN, 3)]


def test_the_instants_of_elapsed_time_do_not_move(schedule, add, zones):
    task = add(Every(DAY, on_the_island(2003, 4, 1, 9)))
    zones.update('Island', LATER)
    zones.restart()
    assert schedule.refresh() == []
    assert task.time == BEGIN + 8 * HOUR


def test_what_a_zone_moves_to_the_past_runs_now(schedule, add, zones, clock):
    task = add(nine_by_cron())
    clock.advance(7.5 * HOUR)
    zones.update('Island', LATER)
    zones.restart()
    assert schedule.refresh() == [(task, BEGIN + 8 * HOUR, BEGIN + 7 * HOUR)]
    transaction.commit()
    assert run_until(schedule, clock.now()) == Tally(succeeded=1)
    assert task.time == BEGIN + DAY + 7 * HOUR


def test_summer_time_may_be_introduced_and_abolished(schedule, add, zones):
    rule = Cron('30 1 * * *', 'Island')
    add(rule)
    assert 'Next gap: none' in rule.describe(BEGIN)
    zones.update('Island', SUMMER)
    zones.restart()
    assert [move.after for move in schedule.refresh()] == [
        BEGIN + DAY - HOUR / 2]
    assert 'Next gap: 2004-03-28' in rule.describe(BEGIN)
    zones.update('Island', EARLY)
    zones.restart()
    [move] = schedule.refresh()
    assert move.after == BEGIN + HOUR / 2
    assert 'Next gap: none' in rule.describe(BEGIN)


def test_without_a_refresh_it_runs_once_more_by_the_old_zone(
        schedule, add, zones):
    task = add(nine_by_cron())
    zones.update('Island', LATER)
    zones.restart()
    run_until(schedule, BEGIN + 2 * DAY)
    assert [one.occurrence for one in schedule.history.select(task)] == [
        BEGIN + DAY + 7 * HOUR, BEGIN + 8 * HOUR]


def test_a_process_knows_the_zones_of_its_begin(schedule, add, zones):
    task = add(nine_by_cron())
    zones.update('Island', LATER)
    assert schedule.refresh() == []
    assert task.time == BEGIN + 8 * HOUR
