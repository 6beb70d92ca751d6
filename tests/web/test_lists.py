"""What is parked and what is on record: filtered, paged, decided about."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from filling_in import stage as stage
from in_memory import clock as clock
from sample_tasks import Fading
from sample_tasks import gone

from zodbschedule import Every


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCRIPT = '<script>alert("x")</script>'


def fail(what=SCRIPT):
    raise RuntimeError(what)


def park(stage, number, **options):
    """Park some; their descriptions are numbers."""
    with stage.schedule() as schedule:
        for each in range(number):
            schedule.call(fail, time=BEGIN, description=f'order {each}.',
                          **options)
    stage.process(BEGIN)


@pytest.fixture
def three(stage, clock):
    park(stage, 3, principalId='edi')
    return stage.browser().open('/parked')


def test_parked_tasks_are_told_the_newest_first(three):
    rows = three.rows('parked')
    assert ['order 2.' in row[2] for row in rows] == [True, False, False]
    assert 'RuntimeError: <script>' in rows[0][2]
    assert rows[0][3] == 'edi'
    assert SCRIPT not in three.text


def test_tracebacks_are_shown_where_they_may_be(stage, three):
    assert not three.shows('Traceback')
    shown = stage.browser(tracebacks=True).open('/parked')
    assert len(shown.page.findall('.//details/pre')) == 3


def test_one_is_tried_again_and_one_is_discarded(stage, three):
    three.press('Try again order 2.')
    assert 'is scheduled for' in three.said[0]
    assert three.address.endswith('/parked')
    three.press('Discard')
    assert 'was discarded' in three.said[0]
    assert len(three.rows('parked')) == 1
    assert [each[:2] for each in stage.decisions()] == [
        ('discarded', 'zoe'), ('unparked', 'zoe')]


def boxes(browser):
    return [each.get('value') for each in browser.page.iter('input')
            if each.get('name') == 'chosen']


@pytest.mark.parametrize('button, done, decided', [
    ('Try the checked again', 'Scheduled again', 'unparked'),
    ('Discard the checked', 'Discarded', 'discarded')])
def test_those_that_are_checked_are_decided_about(
        stage, three, button, done, decided):
    three.press(button, chosen=boxes(three)[:2], reason='we know')
    assert three.said[0] == f'{done}: 2 of 2 tasks.'
    assert len(three.rows('parked')) == 1
    assert stage.decisions() == 2 * [(decided, 'zoe', 'we know')]


def test_those_that_were_decided_about_meanwhile_are_told(stage, three):
    other = stage.browser().open('/parked')
    other.press('Discard')
    three.press('Discard the checked', chosen=boxes(three))
    assert three.said[0].startswith('Discarded: 2 of 3 tasks.')
    assert 'is not parked any more' in three.said[0]


def test_nothing_is_done_if_no_box_is_checked(stage, three):
    three.press('Discard the checked')
    assert three.said == ['Nothing was chosen: check a box first.']
    assert stage.decisions() == []


@pytest.mark.parametrize('fields', [
    {'chosen': 'ffff yesterday', 'action': 'cancel'},
    {'chosen': 'ffff 2030-01-31T09:00Z', 'action': 'delete'},
    {'chosen': 'ffff 2030-01-31T09:00Z'}])
def test_what_no_box_of_ours_sends_is_refused(three, fields):
    three.open('/several', POST={**fields, 'token': three.field('token')})
    assert three.status == 400


@pytest.mark.parametrize('query, found', [
    ('text=ORDER+2', 1), ('why=alert', 3), ('function=test_lists.*', 3),
    ('text=hats', 0), ('function=shop.*', 0)])
def test_parked_tasks_are_filtered(three, query, found):
    three.open(f'/parked?{query}')
    assert len(three.rows('parked')) == found
    assert three.links('Show all') == ['/parked']
    assert found or three.shows('Nothing parked is like that.')


def test_a_filter_stays_when_something_was_done(three):
    three.open('/parked?text=order').press('Discard')
    assert three.address.endswith('/parked?text=order')


def test_parked_tasks_come_in_pages(stage, clock):
    park(stage, 53)
    shown = stage.browser().open('/parked')
    assert len(shown.rows('parked')) == 50
    assert len(shown.follow('More').rows('parked')) == 3
    shown.press('Discard')
    assert 'cursor=' in shown.address
    assert len(shown.follow('Back').rows('parked')) == 50


def test_nothing_is_parked(stage, clock):
    shown = stage.browser().open('/parked')
    assert shown.shows('Nothing is parked.')
    assert 'Discard the checked' not in shown.buttons()


def test_a_parked_occurrence_and_a_class_that_is_gone(stage, clock):
    park(stage, 1, recurrence=Every(HOUR))
    with stage.schedule() as schedule:
        schedule.import_grace = timedelta(0)
        schedule.schedule(Fading(BEGIN, description='fades'))
    with gone(stage.db, 'Fading'):
        stage.process(BEGIN + HOUR)
        shown = stage.browser().open('/parked')
        assert shown.shows('fades', 'It cannot run here: class missing')
        for row in shown.page.findall('.//table[@id="parked"]//a'):
            assert stage.browser().open(row.get('href')).status == 200


def test_a_parked_task_whose_record_is_gone(stage, three):
    with stage.schedule() as schedule:
        lost = next(iter(schedule.parked)).task._p_oid
    stage.db.storage._data.pop(lost)
    stage.db.cacheMinimize()
    shown = stage.browser().open('/parked')
    assert shown.shows('record gone')
    assert len(shown.rows('parked')) == 3


# -- the history


@pytest.fixture
def record(stage, clock):
    park(stage, 2)
    with stage.schedule() as schedule:
        schedule.pause(by='zoe', reason='backup')
    return stage.browser().open('/history')


def test_the_history_is_told_the_newest_first(record):
    rows = record.rows('history')
    assert [row[2] for row in rows] == ['paused', 'failed', 'failed']
    assert 'backup' in rows[0][1] and rows[0][4] == 'zoe'
    assert SCRIPT not in record.text


@pytest.mark.parametrize('query, found', [
    ('outcome=failed', 2), ('text=BACKUP', 1), ('since=2030-01-31T08:00', 3),
    ('since=2030-01-31T08:01', 0), ('outcome=expired', 0), ('task=zz', 0)])
def test_the_history_is_filtered(record, query, found):
    record.open(f'/history?{query}')
    assert len(record.rows('history')) == found
    assert record.links('Show all') == ['/history']
    assert found or record.shows('Nothing on record is like that.')


def test_a_filter_is_typed_in(record):
    record.press('Filter', outcome='failed', text='order 1')
    assert len(record.rows('history')) == 1
    assert (record.field('outcome'), record.field('text')) == (
        'failed', 'order 1')


def test_the_history_of_one_task(stage, record):
    with stage.schedule() as schedule:
        id = next(iter(schedule.parked)).id
    for each in id, f'{id}-20300131T080000Z':
        record.open(f'/history?task={each}')
        assert len(record.rows('history')) == 1


@pytest.mark.parametrize('query', [
    'outcome=lost', 'since=yesterday', 'cursor=x',
    'since=0001-01-01T00:00%2B23:00'])
def test_a_filter_of_nobody_is_refused(record, query):
    assert record.open(f'/history?{query}').status == 400


def test_the_history_comes_in_pages(stage, clock):
    park(stage, 53)
    shown = stage.browser().open('/history?outcome=failed')
    assert len(shown.rows('history')) == 50
    assert len(shown.follow('More').rows('history')) == 3


def test_an_empty_history(stage, clock):
    assert stage.browser().open('/history').shows('Nothing is on record.')
