"""Overview: who works, what is late, what failed, what comes, and why not."""

from datetime import timedelta

import pytest
from browsing import look
from holding import hold
from in_memory import BEGIN
from sample_tasks import MINUTE
from sample_tasks import Fading
from sample_tasks import gone

from zodbschedule import Retry
from zodbschedule import reading
from zodbschedule.reading import WorkerCounts
from zodbschedule.store.incarnation import this
from zodbschedule.web import notices
from zodbschedule.web.pages import overview
from zodbschedule.web.sparkline import HEIGHT
from zodbschedule.web.sparkline import lag_bars
from zodbschedule.web.sparkline import outcome_bars
from zodbschedule.web.wording import Words


def fail():
    raise RuntimeError('nobody opens')


def test_the_four_answers(schedule, commit, clock):
    schedule.call(fail, description='rings')
    schedule.call(fail, description='rings again',
                  retry=Retry(9, delay=MINUTE, jitter=0))
    commit()
    schedule.process(BEGIN)
    schedule.call(print, description='waits', time=BEGIN - 6 * MINUTE)
    schedule.call(print, description='comes', time=BEGIN + 30 * MINUTE)
    hold(schedule, commit, most=0)
    page = look(schedule, '/')
    assert 'Workers alive 1 1 of them idle' in page.said
    assert 'Oldest due 6 min waits' in page.said
    assert 'Parked 1 Last hour: 1 failed, 1 retried' in page.said
    assert 'Next due in 1 min' in page.said


def test_nothing_is_due_or_comes(schedule):
    page = look(schedule, '/')
    assert 'Oldest due None All that was due has begun.' in page.said
    assert 'Next due None No task waits for later.' in page.said


def test_behind_many_paused_tasks_it_is_not_known(
        schedule, commit, monkeypatch):
    monkeypatch.setattr('zodbschedule.reading.healthcheck.OVERDUE_LOADS', 0)
    schedule.pause(schedule.call(print), by='zoe')
    commit()
    page = look(schedule, '/')
    assert 'Oldest due Not known Many tasks that are due are' in page.said


def test_who_paused_it_and_why(schedule, commit):
    schedule.call(print, description='waits')
    schedule.pause(by='zoe', reason='we move house')
    commit()
    page = look(schedule, '/')
    assert ('The schedule is paused. No task begins, since today 08:00:00 by '
            'zoe: we move house.') in page.said


def test_a_pause_of_nobody(schedule, commit):
    schedule.pause(by=None)
    commit()
    assert 'since today 08:00:00.' in look(schedule, '/').said


def test_tasks_are_due_and_nobody_works(schedule, commit):
    schedule.call(print, time=BEGIN - 3 * MINUTE)
    commit()
    page = look(schedule, '/')
    assert ('Tasks are due, and no worker is alive. The first has been due '
            'for 3 min.') in page.said


def test_a_dead_worker_holds_tasks(schedule, commit):
    schedule.call(print, description='held')
    hold(schedule, commit, this()._replace(started='1'))
    page = look(schedule, '/')
    assert 'Worker night is dead, and holds tasks: 1.' in page.said
    assert '0 silent, 1 dead' in page.said


def test_due_tasks_that_are_paused(schedule, commit):
    for number in range(2):
        schedule.pause(schedule.call(print, description=f'letter {number}'),
                       by='zoe', reason='printer broken')
    commit()
    page = look(schedule, '/')
    assert 'letter 0 is due, and is paused.' in page.said
    assert ('by zoe: printer broken. So are others that are due: 1.'
            in page.said)


def test_tasks_that_cannot_run_are_told_up_to_three(schedule, commit):
    for number in range(5):
        schedule.schedule(Fading(BEGIN, description=f'fading {number}'))
    commit()
    with gone(schedule._p_jar.db(), 'Fading'):
        page = look(schedule, '/')
    assert page.said.count('cannot run here. class missing.') == 3
    assert 'That is so of others: 2.' in page.said


def test_what_is_wrong_with_settings_clocks_and_the_storage(schedule):
    words = Words(BEGIN, BEGIN.tzinfo)
    health = reading.health(schedule, BEGIN)
    fields = {**vars(health), 'unfit_settings': ('lease is -1',),
              'hints': ('set the url',), 'clock_problems': ('ahead by 1 h',),
              'packs_badly': True}
    found = notices.notices(reading.Health(**fields), words, str)
    told = ' '.join(f'{each.title} {each.text}' for each in found)
    assert 'Its default is used: lease is -1' in told
    assert 'Please note. Set the url.' in told
    assert 'A clock is wrong. ahead by 1 h' in told
    assert 'A pack can delete objects.' in told


def test_an_address_that_is_not_set(schedule):
    health = reading.Health(**{
        **vars(reading.health(schedule, BEGIN)),
        'address_unset': True, 'hints': ('no address is set',)})
    [found] = notices.notices(health, Words(BEGIN, BEGIN.tzinfo), str)
    assert (found.title, found.text) == (
        'Links that tasks make lead nowhere.', 'No address is set.')


@pytest.mark.parametrize('workers, overdue, tones', [
    ((1, 0, 0), 0, ('ok', 'ok')), ((1, 1, 0), 0, ('warning', 'ok')),
    ((1, 0, 1), 9, ('warning', 'error')), ((0, 0, 0), 9, ('error', 'error')),
    ((0, 0, 0), 0, ('', 'ok'))])
def test_how_good_it_is(schedule, workers, overdue, tones):
    health = reading.health(schedule, BEGIN)
    late = overdue and reading.OverdueTask('1', 'x', 'x', BEGIN, None)
    found = overview.tones(reading.Health(**{
        **vars(health), 'workers': WorkerCounts(*workers),
        'overdue': overdue * MINUTE, 'task': late or None}))
    assert (found.workers, found.due, found.failed) == (*tones, 'ok')


# -- the last hour


@pytest.fixture
def ended(schedule, commit, clock):
    """A run that began late, some that were in time, and one that failed."""
    schedule.call(print, time=BEGIN - timedelta(seconds=20))
    schedule.call(fail)
    commit()
    schedule.process(BEGIN)
    clock.advance(30 * MINUTE)
    for _ in range(3):
        schedule.call(print)
    commit()
    schedule.process(clock.now())
    clock.advance(10 * MINUTE)
    return schedule


def test_bars_tell_how_many_ended_and_how(ended, clock):
    bars = outcome_bars(
        reading.activity(ended), Words(clock.now(), BEGIN.tzinfo))
    assert [(bar.kind, bar.height) for bar in bars] == [
        ('ok', round(HEIGHT / 3, 2)), ('bad', round(HEIGHT / 3, 2)),
        ('ok', HEIGHT)]
    assert bars[0].title == '1 succeeded, 1 failed at 08:00'
    first, second, third = bars
    assert first.x == second.x < third.x
    assert second.y + second.height == pytest.approx(first.y)
    assert third.y == 0


def test_bars_tell_how_late_runs_began(ended, clock):
    bars = lag_bars(reading.activity(ended), Words(clock.now(), BEGIN.tzinfo))
    assert [bar.title for bar in bars] == ['20 s at 08:00', '0 ms at 08:30']
    assert bars[0].height == HEIGHT
    assert 0 < bars[1].height < HEIGHT


def test_the_last_hour_is_summed_up(ended):
    page = look(ended, '/')
    assert '4 succeeded, 1 failed' in page.said
    assert 'median 0 ms, at most 20 s' in page.said


def test_what_is_not_counted_is_said(ended, monkeypatch):
    monkeypatch.setattr(reading.recent, 'MOST_READ', 2)
    assert 'What ended before today 08:30:00 is not' in look(ended, '/').said


# -- who may change something


def may(schedule, address='/'):
    return look(schedule, address, allow_changes=True, who=lambda _: 'zoe')


def test_the_schedule_is_paused_and_resumed_from_here(schedule, commit):
    page = may(schedule)
    assert 'Pause the schedule' in page.said
    assert 'Pause the schedule' not in look(schedule, '/').said
    schedule.pause(by='zoe')
    commit()
    page = may(schedule)
    assert 'Resume the schedule' in page.said
    assert 'name="seen" value="2030-01-31T08:00:00Z"' in page.html
    assert 'Pause the schedule' not in page.said
    assert 'Resume' not in look(schedule, '/').said


def test_a_decision_about_the_whole_schedule_leads_nowhere(schedule, commit):
    schedule.pause(by='zoe')
    commit()
    page = look(schedule, '/')
    assert 'the whole schedule paused' in page.said
    assert '/tasks/0' not in page.links
