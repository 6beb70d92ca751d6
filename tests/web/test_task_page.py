"""The page of one task, whatever became of it."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import partial

import pytest
from cold import cold_loads
from filling_in import stage as stage
from in_memory import clock as clock
from sample_tasks import Fading
from sample_tasks import gone
from webob import Request

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading.masking import mask_of
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id
from zodbschedule.web import application
from zodbschedule.web.pages import task as page_of_task
from zodbschedule.web.visit import Visit


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST_LOADS = 200


class Odd(Task):
    """A task with an attribute of its own."""

    def __call__(self):
        """Do nothing."""


SAID = '<script>alert(1)</script>'


def fail(*args, **kwargs):
    raise RuntimeError(SAID)


def added(stage, *args, **options):
    """The id of a new task."""
    with stage.schedule() as schedule:
        task = schedule.call(
            *(args or (print,)), **{'time': BEGIN + HOUR, **options})
        schedule._p_jar.add(task)
        return task_id(task)


def page(stage, id, **options):
    return stage.browser(**options).open(f'/tasks/{id}')


def test_all_options_of_a_task_are_told(stage, clock):
    id = added(stage, print, 'hats', description='count', principalId='edi',
               key='hats', expires=90 * timedelta(minutes=1), missed='all',
               recurrence=Every(HOUR), retry=Retry(3, delay=HOUR, factor=2))
    assert page(stage, id).shows(
        'waiting', 'today 09:00:00', 'in 1 h', 'builtins.print', 'edi',
        'Key hats', '1 h 30 min after it is due',
        'it runs for each of them', 'args ["hats"]',
        'it is tried again, 3 times in all, after 1 h, then 2 times as long '
        'each time, up to 1 h; then it is parked')


def test_a_retry_without_growth_and_one_of_somebody_else(stage, clock):
    id = added(stage, retry=Retry(2, factor=1, on=(OSError, KeyError)))
    assert page(stage, id).shows(
        '2 times in all, after 1 min, if that is one of builtins.KeyError, '
        'builtins.OSError; then')
    with stage.schedule() as schedule:
        vars(schedule.get(id))['retry'] = 'often'
        schedule.get(id)._p_changed = True
    assert page(stage, id).shows("'often'")


def test_a_rule_is_told_in_words_and_in_its_zone(stage, clock):
    id = added(stage, time=datetime(2030, 3, 30, tzinfo=UTC),
               recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    shown = page(stage, id)
    assert shown.shows('every day at 02:30, in Europe/Berlin', '30 2 * * *',
                       'Next gap: 2030-03-31')
    rows = shown.rows('coming')
    assert len(rows) == 10
    assert rows[2] == ['Sun 31 Mar 01:00:00 in 58 d',
                       'Sun 2030-03-31 03:00:00+02:00',
                       '02:30 does not exist that day']


def test_a_rule_of_an_offset_is_told(stage, clock):
    id = added(stage, recurrence=RRule(
        'FREQ=DAILY', datetime.fromisoformat('2030-01-31T12:00+02:00')))
    assert page(stage, id).rows('coming')[0] == ['today 09:00:00 in 1 h']


def test_a_paused_task_would_run(stage, clock):
    id = added(stage, recurrence=Every(HOUR))
    with stage.schedule() as schedule:
        schedule.pause(schedule.get(id), by='zoe', reason='we <move>')
        schedule.pause(by='ada')
    shown = page(stage, id)
    assert shown.shows('Its rule', 'by zoe: we <move>',
                       'The whole schedule is paused since today 08:00:00 by '
                       'ada')
    assert len(shown.rows('coming')) == 10


def test_a_run_shows_its_progress_live(stage, clock):
    id = added(stage, description='count')
    with stage.schedule() as schedule:
        claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
        turn.exchange(schedule, claim, 9, None, BEGIN + HOUR, lambda *_: True)
        claim.heartbeat.progress = int(id, 16), 6, 15
    shown = page(stage, id)
    assert shown.shows('night', '6 of 15')
    [live] = [each for each in shown.page.iter() if each.get('id') == 'live']
    assert live.get('hx-select') == '#live'
    assert live.get('hx-get').endswith(f'/tasks/{id}')


def test_a_failed_attempt_is_told(stage, clock):
    id = added(stage, fail, time=BEGIN, retry=Retry(3))
    stage.process(BEGIN)
    assert page(stage, id).shows(
        'The last attempt failed: RuntimeError: <script>', 'Attempt 2',
        'retried')


def test_what_is_parked_tells_why(stage, clock):
    id = added(stage, fail, 'secret', time=BEGIN, principalId='edi',
               description='<script>x</script>')
    stage.process(BEGIN)
    shown = page(stage, id, tracebacks=True)
    assert shown.shows('Parked: RuntimeError: <script>', 'edi',
                       'Traceback (most recent call last)', '["secret"]')
    assert '<script>x' not in shown.text
    assert not page(stage, id).shows('Traceback')
    assert not any(each.get('id') == 'live' and each.get('hx-get')
                   for each in shown.page.iter())


def test_what_a_mask_hides_is_not_shown(stage, clock):
    id = added(stage, fail, time=BEGIN, kwargs={'password': 'tiger',
                                                'size': 7})
    stage.process(BEGIN)
    shown = page(stage, id, mask=mask_of(['password']), tracebacks=True)
    assert shown.shows('"size": 7', 'RuntimeError')
    assert 'tiger' not in shown.text
    assert 'alert(1)' not in shown.text


def test_what_has_ended_shows_its_record(stage, clock):
    id = added(stage, time=BEGIN)
    stage.process(BEGIN)
    shown = page(stage, id)
    assert shown.shows('ended', 'succeeded')
    assert shown.rows('outcomes')[0][1] == 'succeeded'
    assert shown.follow('All that is on record of it').rows('history')


@pytest.mark.parametrize('id', [
    'ffff', 'zz', '-1', '0', 'ffff-20300131T080000Z', 'f' * 300, '%3Cb%3E'])
def test_an_id_of_no_task_is_a_page_that_says_so(stage, clock, id):
    shown = page(stage, id)
    assert shown.status == 404
    assert shown.shows('There is no task', 'has ended and is not on record')


def test_other_parked_occurrences_are_linked(stage, clock):
    id = added(stage, fail, time=BEGIN, recurrence=Every(HOUR))
    stage.process(BEGIN)
    stage.process(BEGIN + HOUR)
    with stage.schedule() as schedule:
        entries = [entry.id for entry in schedule.parked]
    shown = page(stage, entries[0])
    assert shown.links(entries[1]) and shown.links(id)
    assert not shown.links(entries[0])


def test_a_task_of_a_class_that_is_gone(stage, clock):
    with stage.schedule() as schedule:
        task = schedule.schedule(Fading(BEGIN + HOUR, description='fades'))
        schedule._p_jar.add(task)
        id = task_id(task)
    with gone(stage.db, 'Fading'):
        shown = page(stage, id)
        assert shown.status == 200
        assert shown.shows('It cannot run here: class missing', 'fades')
        shown.press('Change', description='other')
        assert shown.status in (200, 422)
        assert 'cannot' in ' '.join(shown.said)
        page(stage, id).press('Cancel')


@pytest.mark.parametrize('is_parked', [False, True])
def test_a_task_whose_record_is_gone(stage, clock, is_parked):
    id = added(stage, fail, time=BEGIN + HOUR, recurrence=Every(HOUR))
    if is_parked:
        stage.process(BEGIN + HOUR)
        with stage.schedule() as schedule:
            [entry] = schedule.parked
            lost, id = entry.task._p_oid, entry.id
    else:
        with stage.schedule() as schedule:
            lost = schedule.get(id)._p_oid
    stage.db.storage._data.pop(lost)
    stage.db.cacheMinimize()
    shown = page(stage, id)
    assert shown.status in (200, 404)
    assert not is_parked or shown.shows('record gone')


def test_long_and_odd_attributes_are_cut(stage, clock):
    with stage.schedule() as schedule:
        task = schedule.schedule(Odd(BEGIN + HOUR))
        task.poem = 3_000 * 'x'
        task.sizes = {'a': [1, None]}
        schedule._p_jar.add(task)
        id = task_id(task)
    shown = page(stage, id)
    assert shown.shows('poem', 'xxx...', 'sizes {"a": [1, null]}',
                       f'{Odd.__module__}.Odd')
    assert 2_001 * 'x' not in shown.text


def test_a_long_description_of_several_lines_is_not_changed_unasked(
        stage, clock):
    id = added(stage, description=300 * 'so long\nthat ')
    shown = page(stage, id)
    shown.press('Change', expires='1h')
    with stage.schedule() as schedule:
        assert schedule.get(id).description.count('\n') == 300


@pytest.mark.parametrize('at_one_instant', [1, 1_000])
def test_the_page_of_a_task_loads_few_objects(
        stage, clock, at_one_instant):
    """Of a task among many, with a history at its bound."""
    with stage.schedule() as schedule:
        tasks = [CallTask(print, time=BEGIN)
                 for _ in range(at_one_instant)]
        for task in tasks:
            schedule.schedule(task)
        for number in range(500):
            schedule.history.add([record(
                1, number, SUCCEEDED, number, 'x', 'x', began=number)],
                BEGIN + number * HOUR, 'worker')
    site = application(stage.db, allow_changes=True).shown.site
    with stage.schedule() as schedule:
        for task in tasks[0], tasks[-1]:
            visit = partial(Visit, Request.blank('/'), site, 'tasks')
            id = task_id(task)
            loads = cold_loads(schedule, lambda again: page_of_task.body(
                visit(again, id)))
            print(f'{loads} loads')
            assert loads <= MOST_LOADS
