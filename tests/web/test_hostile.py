"""What comes from tasks, people and the net keeps no page from being shown."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from webob import Request
from webob.exc import HTTPUnauthorized

from zodbschedule.reading.masking import mask_of
from zodbschedule.web import application


HOUR = timedelta(hours=1)
LISTS = ['/', '/upcoming', '/parked', '/history', '/bulk?action=cancel']
ZONES = [ZoneInfo('Asia/Tokyo'), ZoneInfo('America/New_York')]
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def ask(schedule):
    """Asks for a page, and returns the answer."""
    def ask(address, headers=(), user='zoe', **options):
        request = Request.blank(
            address, {'REMOTE_USER': user}, headers=dict(headers))
        return request.get_response(
            application(schedule._p_jar.db(), **options))

    return ask


def fail(text):
    """Quotes its argument, as errors do."""
    raise ValueError(f'no such account: {text}')


# -- what tasks and people say


@pytest.mark.parametrize('address', LISTS)
def test_what_is_no_unicode_is_shown_as_far_as_it_is(
        schedule, commit, clock, ask, address):
    schedule.call('test_hostile.fail', 'a\ud800', description='bad \ud800')
    schedule.call(print, delay=HOUR, description='bad \ud800')
    commit()
    schedule.process(clock.now())
    schedule.pause(by='zo\ud800', reason='no\ud800')
    commit()
    answer = ask(address, allow_changes=True)
    assert answer.status_code == 200
    assert 'bad ?' in answer.text or 'zo?' in answer.text


def test_arguments_that_are_no_unicode_are_shown_as_far_as_they_are(
        schedule, commit, ask):
    task = schedule.call(print, 'a\ud800', key='k\ud800', delay=HOUR)
    commit()
    id = f'{int.from_bytes(task._p_oid):x}'
    answer = ask(f'/tasks/{id}', allow_changes=True)
    assert answer.status_code == 200
    assert 'k?' in answer.text


# -- at the ends of time


@pytest.mark.parametrize('zone', ZONES)
@pytest.mark.parametrize('address', [*LISTS, '/tasks/{}', '/rules'])
def test_a_time_that_the_zone_does_not_have_is_shown_in_utc(
        schedule, commit, ask, zone, address):
    tasks = [schedule.call(print, time=time, description='far')
             for time in (END, BEGINNING)]
    commit()
    for task in tasks:
        id = f'{int.from_bytes(task._p_oid):x}'
        answer = ask(address.format(id), allow_changes=True, zone=zone)
        assert answer.status_code == 200


@pytest.mark.parametrize('rule', ['every 1d', '0 0 * * *', 'FREQ=DAILY'])
@pytest.mark.parametrize('zone', ['America/New_York', 'Asia/Tokyo'])
@pytest.mark.parametrize('after', [
    '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])
def test_a_rule_is_tried_at_the_ends_of_time(
        schedule, commit, ask, rule, zone, after):
    commit()
    rule = rule.replace(' ', '+').replace('=', '%3D')
    answer = ask(f'/rules?rule={rule}&zone={zone}&after={after}')
    assert answer.status_code == 200


# -- what a mask hides


@pytest.mark.parametrize('address', [
    '/parked?text=', '/parked?why=', '/history?text='])
def test_a_filter_does_not_tell_what_a_mask_hides(
        schedule, commit, clock, ask, address):
    schedule.call('test_hostile.fail', 'hunter2', description='log in')
    commit()
    schedule.process(clock.now())
    commit()
    assert 'log in' in ask(f'{address}hunter2').text
    hidden = {'mask': mask_of(['text'])}
    assert 'log in' not in ask(f'{address}hunter2', **hidden).text
    assert 'log in' in ask(f'{address}valueerror', **hidden).text


def test_with_a_mask_what_people_say_is_found(schedule, commit, ask):
    schedule.pause(by='zoe', reason='we move: house')
    commit()
    answer = ask('/history?text=house', mask=mask_of(['text']))
    assert 'we move: house' in answer.text


# -- what a request says


@pytest.mark.parametrize('accept', [
    'application/openmetrics-text; version=abc', 'text/plain;version=1.x',
    f'text/plain;version={"9" * 5000}.0.0'])
def test_metrics_of_no_known_version_are_those_of_the_oldest(
        schedule, commit, ask, accept):
    commit()
    answer = ask('/metrics', {'Accept': accept})
    assert answer.status_code == 200
    assert answer.content_type == 'text/plain'


@pytest.mark.parametrize('address, method', [
    ('/%ff', 'GET'), ('/?a=%ff', 'GET'), ('/healthz', 'POST'),
    ('/readyz', 'PUT')])
def test_who_may_not_look_is_told_nothing_of_the_schedule(
        schedule, commit, address, method):
    def who(request):
        raise HTTPUnauthorized('Log in.')

    commit()
    app = application(schedule._p_jar.db(), who=who)
    answer = Request.blank(address, method=method).get_response(app)
    assert answer.status_code in (400, 401, 405)
    assert 'Schedule at' not in answer.text
    assert '/upcoming' not in answer.text


@pytest.mark.parametrize('address', ['/', '/upcoming', '/timeline', '/parked'])
def test_a_task_does_not_fill_a_list_with_its_description(
        schedule, commit, clock, ask, address):
    for delay in timedelta(0), HOUR:
        schedule.call('test_hostile.fail', 'x', delay=delay,
                      description='long' * 20_000)
    commit()
    schedule.process(clock.now())
    commit()
    answer = ask(address)
    assert 'longlong' in answer.text
    assert len(answer.text) < 40_000
