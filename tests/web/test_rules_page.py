"""A rule is tried: in words, its occurrences, or what is wrong with it."""

from urllib.parse import urlencode

import pytest
import ZODB
from filling_in import stage as stage
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from in_memory import clock as clock
from webob import Request

from zodbschedule import Schedule
from zodbschedule.web import application


@pytest.fixture
def page(stage, clock):
    return stage.browser().open('/rules')


@pytest.mark.parametrize('text, zone, words', [
    ('every 15m', 'UTC', 'every 15 minutes'),
    ('30 2 * * *', 'Europe/Berlin', 'every day at 02:30, in Europe/Berlin'),
    ('FREQ=WEEKLY;BYDAY=MO', 'Europe/Berlin', 'Monday'),
    ('DTSTART;TZID=America/New_York:20300201T090000\r\nRRULE:FREQ=DAILY',
     'UTC', 'America/New_York')])
def test_a_rule_is_told(page, text, zone, words):
    page.press('Tell', rule=text, zone=zone)
    assert page.shows(words, 'Gaps and folds', 'In Python:')
    assert len(page.rows('occurrences')) == 10
    assert page.field('zone') == zone


def test_gaps_are_noted(page):
    page.press('Tell', rule='30 2 * * *', zone='Europe/Berlin',
               after='2030-03-30T12:00')
    assert page.rows('occurrences')[0] == [
        'Sun 2030-03-31 03:00:00+02:00', 'Sun 31 Mar 01:00:00 in 58 d',
        '02:30 does not exist that day']


def test_in_our_zone_one_column_is_enough(page):
    page.press('Tell', rule='30 2 * * *', zone='UTC')
    assert page.rows('occurrences')[0] == [
        'Fri 2030-02-01 02:30:00+00:00', 'in 18 h']


def test_a_rule_that_has_ended(page):
    page.press('Tell', zone='UTC', after='2031-01-01T00:00', rule=(
        'DTSTART:20300201T090000Z\nRRULE:FREQ=DAILY;COUNT=2'))
    assert page.shows('It does not occur after that.')


def test_an_exdate_that_leaves_out_nothing(page):
    page.press('Tell', rule='FREQ=DAILY\nEXDATE:20300201T111111Z', zone='UTC')
    assert '1 of the dates to leave out is one' in page.said[0]
    page.press('Tell', zone='UTC', rule=(
        'FREQ=DAILY\nEXDATE:20300201T111111Z,20300202T111111Z'))
    assert '2 of the dates to leave out are some' in page.said[0]


@pytest.mark.parametrize('text, zone, said', [
    ('61 * * * *', 'UTC', "minute is '61'"),
    ('every day', 'UTC', 'day is not a duration'),
    ('FREQ=OFTEN', 'UTC', 'OFTEN'),
    ('* * * * *', 'Europe/Bonn', "timezone is 'Europe/Bonn'"),
    ('FREQ=DAILY', '../../etc/passwd', 'timezone is'),
    ('__import__("os").abort()', 'UTC', 'cron expression'),
    ('<b>', 'UTC', "'<b>'")])
def test_what_is_wrong_is_told_at_the_field(page, text, zone, said):
    page.press('Tell', rule=text, zone=zone)
    assert page.status == 200
    [problem] = page.page.findall('.//*[@id="rule-error"]')
    assert said in ''.join(problem.itertext())
    assert page.field('rule') == text


def test_a_long_text_is_not_said_again(page):
    page.press('Tell', rule='FREQ=DAILY;' + 400 * 'X', zone='UTC')
    [problem] = page.page.findall('.//*[@id="rule-error"]')
    assert len(problem.text) <= 403
    page.open('/rules?rule=' + 501 * 'x')
    assert page.status == 400


PARTS = st.sampled_from([
    'FREQ=', 'DAILY', 'SECONDLY', 'YEARLY', ';', ':', 'COUNT=', 'UNTIL=',
    '20300101T000000Z', 'INTERVAL=', '99999', 'BYDAY=', 'MO', '-1', ',', '\n',
    'BYSETPOS=', 'DTSTART', 'TZID=', 'Europe/Berlin', 'EXDATE:', 'RDATE:',
    'RRULE:', '*', '/', ' ', 'L', '#', '@', 'every ', '15', 'm', '0', '\x00',
    '\ud7ff', '1e9', 'W', '?'])


@settings(max_examples=60, deadline=None)
@given(text=st.one_of(
    st.text(max_size=60).filter(lambda text: not any(
        '\ud800' <= each <= '\udfff' for each in text)),
    st.lists(PARTS, max_size=14).map(''.join)), zone=st.sampled_from(
        ['UTC', 'Europe/Berlin', '', '/', 'x' * 300, '\x00', 'Etc/GMT+12']))
@example('DTSTART:00010101T000000\nRRULE:FREQ=DAILY', 'Etc/GMT+12')
@example('DTSTART:99991231T235959\nRRULE:FREQ=DAILY', 'Etc/GMT+12')
@example('RDATE:99991231T235959\nRRULE:FREQ=YEARLY', 'Europe/Berlin')
@example('every 999999999d', 'UTC')
def test_whatever_is_typed_is_answered(text, zone):
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    query = urlencode({'rule': text, 'zone': zone})
    answer = Request.blank(f'/rules?{query}').get_response(application(db))
    assert answer.status_code in (200, 400)
    db.close()
