"""The settings are shown, and changed as the schedule allows."""

from datetime import timedelta

import pytest
from filling_in import stage as stage
from in_memory import clock as clock

from zodbschedule import Schedule


@pytest.fixture
def page(stage, clock):
    return stage.browser().open('/settings')


def settings(stage):
    with stage.schedule() as schedule:
        return (schedule.lease, schedule.history.keep,
                schedule.history.max_age, schedule.principals)


BEFORE = timedelta(seconds=30), 10_000, None, 'plain'


def test_they_are_told_with_their_defaults(stage, clock):
    shown = stage.browser(allow_changes=False).open('/settings')
    rows = {row[0]: row for row in shown.rows('settings')}
    assert rows['lease'][1:3] == ['30 s', '30 s']
    assert 'sign of life' in rows['lease'][3]
    assert rows['history.max_age'][1] == 'none'
    assert not shown.buttons()


def test_what_was_changed_is_set(stage, page):
    page.press('Change', **{
        'lease': '2m', 'history.keep': '500', 'history.max_age': '30d'})
    assert page.said == [
        'Changed: lease, history.keep, history.max_age.']
    assert settings(stage) == (
        timedelta(minutes=2), 500, timedelta(days=30), 'plain')
    page.press('Change', **{'history.max_age': ''})
    assert settings(stage)[2] is None
    page.press('Change')
    assert page.said == ['Nothing was changed in the form.']


@pytest.mark.parametrize('name, text, said', [
    ('lease', 'soon', 'It takes a duration'),
    ('lease', '0s', '1s or more'),
    ('lease', '', 'It takes a duration'),
    ('history.keep', '-1', 'It takes a whole number, 0 or more.'),
    ('history.keep', 'x', 'a whole number'),
    ('history.keep', 5_000 * '9', 'a whole number'),
    ('history.max_age', '0s', 'or empty for none')])
def test_what_is_wrong_is_said_at_the_field_and_nothing_is_set(
        stage, page, name, text, said):
    page.press('Change', **{'spread': '5m', name: text})
    assert page.status == 422
    [problem] = page.page.findall(f'.//*[@id="{name}-error"]')
    assert said in problem.text
    assert page.field(name) == text
    assert page.field('spread') == '5m'
    assert settings(stage) == BEFORE


def test_what_somebody_has_changed_meanwhile_is_told(stage, page):
    with stage.schedule() as schedule:
        schedule.lease = timedelta(minutes=5)
        schedule.history.max_age = timedelta(days=1)
    page.press('Change', lease='1m')
    assert page.status == 422
    assert page.shows('Somebody has changed it meanwhile: it is 5m now.')
    assert settings(stage)[0] == timedelta(minutes=5)


def test_as_whom_tasks_run_is_not_changed_from_here(stage, page):
    page.open('/change-settings', POST={
        'token': page.field('token'), 'principals': 'x',
        'was-principals': 'plain'})
    assert settings(stage)[3] == 'plain'


def test_a_stored_value_that_is_not_valid_is_told(stage, clock):
    with stage.db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        vars(schedule)['lease'] = 'long'
        vars(schedule.history)['keep'] = 'much'
    stage.db.cacheMinimize()
    shown = stage.browser().open('/settings')
    assert len(shown.said) == 2
    assert shown.field('lease') == '30s'
