"""The timeline: a lane for each task, a mark for each run, and what is not."""

from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from browsing import ask
from browsing import look
from holding import hold
from in_memory import BEGIN
from sample_tasks import MINUTE

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule.reading import ExpectedRun
from zodbschedule.web import lanes
from zodbschedule.web.lanes import Frame
from zodbschedule.web.pages import timeline


BERLIN = ZoneInfo('Europe/Berlin')
HOUR = timedelta(hours=1)


def at(hour, minute=0):
    """Then on the day of the tests."""
    return BEGIN.replace(hour=hour, minute=minute)


# -- where a mark is


def run(instant, note=None):
    return ExpectedRun(instant, instant, note)


def test_a_place_is_a_part_of_the_days():
    frame = Frame(BEGIN.date(), 1, UTC)
    assert [frame.place(at(hour)) for hour in (0, 6, 12)] == [0, 25, 50]
    assert frame.place(at(0) - HOUR) == 0
    assert frame.place(at(0) + 48 * HOUR) == 100
    assert frame.shift == timedelta(0)


@pytest.mark.parametrize('day, hours, shift', [
    (date(2030, 3, 31), 23, HOUR), (date(2030, 10, 27), 25, -HOUR)])
def test_a_day_with_a_change_of_the_clocks(day, hours, shift):
    frame = Frame(day, 1, BERLIN)
    assert frame.until - frame.since == hours * HOUR
    assert frame.shift == shift
    [noon] = [tick for tick in lanes.ticks(frame) if tick.text == '12:00']
    assert noon.place == round(100 * (12 - shift / HOUR) / hours, 2)


def test_the_lines_are_hours_or_days():
    day, week = (Frame(BEGIN.date(), days, UTC) for days in (1, 7))
    assert [tick.text for tick in lanes.ticks(day)][:3] == [
        '00:00', '03:00', '06:00']
    assert [tick.text for tick in lanes.ticks(week)] == [
        'Thu 31', 'Fri 1', 'Sat 2', 'Sun 3', 'Mon 4', 'Tue 5', 'Wed 6']


def test_near_runs_are_one_mark():
    frame = Frame(BEGIN.date(), 1, UTC)
    runs = [run(at(9)), run(at(9, 10)), run(at(9, 20), 'late'), run(at(12))]
    near, alone = lanes.marks(runs, frame)
    assert (near.place, near.width) == (37.5, 1.39)
    assert (len(near.runs), near.noted) == (3, True)
    assert (alone.place, alone.width, alone.noted) == (50, 0, False)


def test_a_lane_has_few_marks_however_many_runs():
    frame = Frame(BEGIN.date(), 1, UTC)
    runs = [run(at(0) + minute * 19 * MINUTE) for minute in range(75)]
    assert len(lanes.marks(runs, frame)) <= 100 / lanes.NEAR + 1


# -- the page


def test_a_day_with_what_repeats(schedule, commit):
    schedule.call(print, description='backup',
                  recurrence=Cron('0 */6 * * *', 'UTC'))
    schedule.call(print, description='ping', recurrence=Every(MINUTE))
    schedule.call(print, description='letter', time=at(20))
    commit()
    page = look(schedule, '/timeline')
    assert 'Thursday 31 January 2030' in page.said
    assert 'backup 2 runs, 12:00 to 18:00' in page.said
    assert 'today 12:00:00, today 18:00:00' in page.said
    assert 'letter 20:00' in page.said
    assert 'more than 200 runs, from 08:01' in page.said
    assert 'and 176 more' in page.said
    assert '<circle class="run" cx="50.0%"' in page.html
    assert 'class="more"' in page.html
    assert 'class="now" x1="33.33%"' in page.html


def test_a_week_and_the_next_one(schedule, commit):
    schedule.call(print, description='weekly',
                  recurrence=Cron('0 9 * * 1', 'UTC'))
    commit()
    page = look(schedule, '/timeline?span=week')
    assert 'weekly Mon 4 Feb 09:00' in page.said
    assert '/timeline?span=week&from=2030-02-07' in page.links
    later = look(schedule, '/timeline?span=week&from=2030-02-07')
    assert 'weekly Mon 11 Feb 09:00' in later.said
    assert '/timeline?span=week&from=2030-01-31' in later.links
    assert '/timeline?span=week' in later.links


def test_what_a_gap_makes_of_a_run(schedule, commit, clock):
    clock.set(datetime(2030, 3, 30, 12, tzinfo=UTC))
    schedule.call(print, description='nightly',
                  recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    commit()
    page = look(schedule, '/timeline?from=2030-03-31', zone=BERLIN)
    assert 'are put forward by 1 h in this time.' in page.said
    assert 'nightly , tomorrow 03:00:00: 02:30 does not exist' in page.said
    assert '<path class="noted"' in page.html
    assert 'put back by 1 h' in look(
        schedule, '/timeline?from=2030-10-27', zone=BERLIN).said


def test_what_workers_hold_is_there(schedule, commit):
    schedule.call(print, description='held')
    commit()
    hold(schedule, commit)
    assert 'held 08:00 running' in look(schedule, '/timeline').said


def test_a_text_chooses(schedule, commit):
    for name in 'one', 'two':
        schedule.call(print, description=name, time=at(20))
    commit()
    page = look(schedule, '/timeline?text=on')
    assert 'one' in page.said
    assert 'two' not in page.said


def test_what_is_left_out_is_said(schedule, commit, monkeypatch):
    monkeypatch.setattr(timeline, 'LANES', 2)
    tasks = [schedule.call(print, description=f'letter {hour}', time=at(hour))
             for hour in (10, 11, 12, 13)]
    schedule.pause(tasks[-1], by='zoe')
    commit()
    page = look(schedule, '/timeline')
    assert 'first run today 11:00:00 or later' in page.said
    assert 'Paused tasks are left out' in page.said
    assert 'letter 12' not in page.said
    [more] = [link for link in page.links if 'cursor' in link]
    rest = look(schedule, more)
    assert 'letter 12' in rest.said
    assert 'letter 13' not in rest.said


def test_a_page_may_find_none_and_go_on(schedule, commit, monkeypatch):
    monkeypatch.setattr('zodbschedule.reading.paging.LOOKED_AT', 2)
    for hour in 10, 11, 12, 13:
        schedule.call(print, description=f'letter {hour}', time=at(hour))
    commit()
    page = look(schedule, '/timeline?text=13')
    assert 'None of the tasks that were looked at runs then.' in page.said


def test_a_paused_schedule(schedule, commit):
    schedule.call(print)
    schedule.pause(by='zoe')
    commit()
    page = look(schedule, '/timeline')
    assert 'Nothing is to run until it is resumed.' in page.said


def test_what_is_over_is_in_the_history(schedule):
    page = look(schedule, '/timeline?from=2030-01-30')
    assert 'This time is over.' in page.said
    assert '/history' in page.links


@pytest.mark.parametrize('query', [
    'from=9999-12-31', 'from=9999-12-25&span=week', 'from=x', 'span=year',
    'cursor=x'])
def test_what_cannot_be_asked_is_refused(schedule, query):
    assert ask(schedule, f'/timeline?{query}').status_code == 400


def test_before_the_first_day_there_is_none(schedule):
    assert ask(schedule, '/timeline?from=0001-01-01',
               zone=BERLIN).status_code == 400


@pytest.mark.parametrize('day', ['0001-01-02', '9000-01-01'])
def test_other_ages_have_days_too(schedule, commit, day):
    schedule.call(print, recurrence=Every(MINUTE))
    schedule.call(print, recurrence=Cron('0 2 * * *', 'Europe/Berlin'))
    commit()
    assert ask(schedule, f'/timeline?from={day}',
               zone=BERLIN).status_code == 200
