"""Each button on the page of a task: done, too late, twice, not allowed."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from filling_in import stage as stage
from in_memory import clock as clock

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo('Europe/Berlin')


def fail():
    raise RuntimeError('nobody opens')


def add(stage, *args, **options):
    """The id of a new task, which is due in an hour."""
    with stage.schedule() as schedule:
        task = schedule.call(
            *(args or (print,)), **{'time': BEGIN + HOUR, **options})
        schedule._p_jar.add(task)
        return task_id(task)


def take(stage):
    """Let a worker take what is due in an hour."""
    with stage.schedule() as schedule:
        claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
        turn.exchange(schedule, claim, 9, None, BEGIN + HOUR, lambda *_: True)


@pytest.fixture
def id(stage, clock):
    return add(stage, description='count the hats')


@pytest.fixture
def browser(stage, id):
    """It shows the page of the task."""
    return stage.browser().open(f'/tasks/{id}')


@pytest.fixture
def parked(stage, clock):
    """The id of a parked task."""
    id = add(stage, fail, time=BEGIN)
    stage.process(BEGIN)
    return id


# -- the buttons


def test_a_task_is_cancelled_and_its_page_says_so(stage, browser, id):
    browser.press('Cancel', reason='no hats')
    assert browser.said == [f'Task {id} was cancelled.']
    assert browser.shows('ended', 'unscheduled', 'no hats', 'count the hats')
    assert browser.buttons() == []
    assert stage.decisions() == [('unscheduled', 'zoe', 'no hats')]


def test_a_task_runs_now(stage, browser):
    browser.press('Run now')
    assert browser.said[0].endswith('is due now.')
    assert stage.decisions()[0][:2] == ('requested', 'zoe')


def test_a_task_is_paused_and_resumed(stage, browser):
    browser.press('Pause', reason='we move')
    assert browser.said[0].endswith('is paused.')
    assert 'Paused since today 08:00:00 by zoe: we move' in browser.said
    assert 'Pause' not in browser.buttons()
    browser.press('Resume')
    assert browser.said[0].endswith('is resumed.')
    assert [each[0] for each in stage.decisions()] == ['resumed', 'paused']


def test_what_a_worker_has_taken_since_is_a_message(stage, browser):
    take(stage)
    browser.press('Change', description='count the shoes',
                  time='2030-02-01T09:00')
    assert browser.status == 200
    assert 'runs just now, or is about to' in browser.said[0]
    assert stage.decisions() == []


def test_what_a_worker_has_taken_since_can_be_cancelled(stage, browser, id):
    take(stage)
    browser.press('Cancel')
    assert 'was cancelled' in browser.said[0]


@pytest.mark.parametrize('button', ['Run now', 'Pause', 'Cancel'])
def test_what_has_moved_on_is_left_and_that_is_a_message(
        stage, browser, id, button):
    with stage.schedule() as schedule:
        schedule.change(schedule.get(id), time=BEGIN + 2 * HOUR)
    browser.press(button)
    assert browser.status == 200
    assert 'has moved on since you saw it' in browser.said[0]
    assert stage.decisions() == []


@pytest.mark.parametrize('button', ['Run now', 'Pause', 'Cancel', 'Change'])
def test_a_task_that_is_gone_is_a_message(stage, browser, id, button):
    with stage.schedule() as schedule:
        schedule.unschedule(schedule.get(id))
    filled = {'description': 'x'} if button == 'Change' else {}
    browser.press(button, **filled)
    assert browser.status == 200
    assert 'is not here any more' in browser.said[0]


def test_what_is_wrong_in_the_form_of_a_task_that_is_gone_does_not_matter(
        stage, browser, id):
    with stage.schedule() as schedule:
        schedule.unschedule(schedule.get(id))
    browser.press('Change', expires='soon')
    assert 'is not here any more' in browser.said[0]


def test_twice_is_once(stage, browser, id):
    other = stage.browser().open(f'/tasks/{id}')
    browser.press('Cancel')
    other.press('Cancel')
    assert 'is not here any more' in other.said[0]
    assert len(stage.decisions()) == 1


def test_a_parked_task_is_tried_again(stage, parked):
    browser = stage.browser().open(f'/tasks/{parked}')
    assert browser.shows('RuntimeError: nobody opens')
    browser.press('Try again', reason='somebody opens')
    assert browser.said == [f'Task {parked} is scheduled for today 08:00:00.']
    assert browser.shows('waiting')
    assert stage.decisions() == [('unparked', 'zoe', 'somebody opens')]


def test_a_parked_task_is_discarded_once(stage, parked):
    one, other = (stage.browser().open(f'/tasks/{parked}') for _ in '12')
    one.press('Discard')
    assert one.said == [f'Task {parked} was discarded.']
    other.press('Discard')
    assert 'is not parked any more' in other.said[0]
    assert len(stage.decisions()) == 1


def test_a_parked_occurrence_has_a_page_beside_that_of_its_task(
        stage, clock):
    id = add(stage, fail, time=BEGIN, recurrence=Every(HOUR))
    stage.process(BEGIN)
    with stage.schedule() as schedule:
        [entry] = schedule.parked
        entry = entry.id
    browser = stage.browser().open(f'/tasks/{id}').follow(entry)
    assert browser.shows('parked', 'the task itself, which goes on')
    browser.press('Try again')
    assert browser.address.endswith(f'/tasks/{id}')
    assert 'will run' in browser.said[0] or 'scheduled' in browser.said[0]


# -- who may


@pytest.mark.parametrize('act', [
    'cancel', 'run-now', 'pause', 'resume', 'change', 'unpark', 'discard',
    'several', 'start-bulk', 'change-settings'])
@pytest.mark.parametrize('user, options', [
    ('zoe', {'allow_changes': False}), ('', {}), ('zoe', {})])
def test_without_permission_or_a_token_nothing_happens(
        stage, id, act, user, options):
    browser = stage.browser(user, **options)
    browser.open(f'/{act}', POST={
        'id': id, 'action': 'cancel', 'chosen': f'{id} {BEGIN + HOUR}'})
    assert browser.status == 403
    assert stage.decisions() == []


@pytest.mark.parametrize('address', [
    '/tasks/{id}', '/parked', '/bulk?action=cancel', '/settings'])
def test_who_may_only_look_sees_no_button_that_changes(
        stage, id, parked, address):
    browser = stage.browser(allow_changes=False)
    browser.open(address.format(id=id))
    assert browser.status == 200
    assert not [each for each in browser.page.iter('form')
                if each.get('method') == 'post']


@pytest.mark.parametrize('fields', [
    {'seen': 'yesterday'}, {'seen': '0001-01-01T00:00+23:00'},
    {'page': 'http://elsewhere'}, {'reason': 501 * 'x'}])
def test_what_no_form_of_ours_sends_is_refused(stage, browser, id, fields):
    token = browser.field('token')
    browser.open('/pause', POST={'id': id, 'token': token, **fields})
    assert browser.status == 400
    assert stage.decisions() == []


def test_an_act_leads_back_to_its_list_as_that_was(stage, browser, id):
    token = browser.field('token')
    browser.open('/cancel', POST={
        'id': id, 'token': token, 'page': 'upcoming',
        'query': 'text=hats&message=x&id=7'})
    assert browser.address.endswith('/upcoming?text=hats')


def test_without_a_page_of_the_task_an_act_leads_to_what_comes(
        stage, browser, id):
    with stage.schedule() as schedule:
        schedule.history.keep = 0
        schedule.history.keep_each = 1
    browser.open('/pause', POST={
        'id': 'ffff', 'token': browser.field('token')})
    assert browser.address.endswith('/upcoming')
    assert 'is not here any more' in browser.said[0]


# -- the form


def task(stage, id):
    with stage.schedule() as schedule:
        return reading.task(schedule, id), schedule.get(id).recurrence


def test_what_was_changed_in_the_form_is_changed(stage, browser, id):
    browser.press('Change', description='count the shoes', expires='2h',
                  time='2030-02-01T09:30', reason='new stock')
    assert browser.said == [
        f'Task {id} was changed; it is due tomorrow 09:30:00.']
    found, _ = task(stage, id)
    assert (found.description, found.expires, found.time) == (
        'count the shoes', 2 * HOUR, datetime(2030, 2, 1, 9, 30, tzinfo=UTC))
    assert stage.decisions() == [
        ('changed', 'zoe', 'description, expires, time: new stock')]


def test_what_was_left_in_the_form_is_left(stage, browser, id):
    with stage.schedule() as schedule:
        schedule.change(schedule.get(id), description='by somebody else')
    browser.press('Change', expires='2h', time='2030-01-31T09:00')
    found, _ = task(stage, id)
    assert (found.description, found.expires) == (
        'by somebody else', 2 * HOUR)
    browser.press('Change')
    assert browser.said[0] == 'Nothing was changed in the form.'


@pytest.mark.parametrize('text, zone, rule', [
    ('every 30m', 'UTC', Every(timedelta(minutes=30))),
    ('30 2 * * *', 'Europe/Berlin', Cron('30 2 * * *', 'Europe/Berlin')),
    ('FREQ=DAILY', 'Europe/Berlin', RRule(
        'FREQ=DAILY', datetime(2030, 1, 31, 10, tzinfo=BERLIN)))])
def test_a_rule_is_given_as_text(stage, browser, id, text, zone, rule):
    browser.press('Change', recurrence=text, zone=zone)
    _, found = task(stage, id)
    assert found in (rule, getattr(rule, 'anchored', lambda _: rule)(
        BEGIN + timedelta(minutes=30)))


def test_a_rule_keeps_its_start_and_is_taken_away(stage, clock):
    id = add(stage, recurrence=RRule(
        'FREQ=DAILY', datetime(2030, 1, 31, 10, tzinfo=BERLIN)))
    browser = stage.browser().open(f'/tasks/{id}')
    assert (browser.field('recurrence'), browser.field('zone')) == (
        'FREQ=DAILY', 'Europe/Berlin')
    browser.press('Change', zone='America/New_York')
    assert task(stage, id)[1].dtstart == datetime(
        2030, 1, 31, 10, tzinfo=ZoneInfo('America/New_York'))
    browser.press('Change', recurrence='')
    assert task(stage, id)[1] is None


def test_a_zone_alone_changes_nothing(stage, browser):
    browser.press('Change', zone='Europe/Berlin')
    assert browser.said[0] == 'Nothing was changed in the form.'


@pytest.mark.parametrize('field, text, problem', [
    ('expires', 'soon', 'soon is not a duration; write 30s, 5m, 2h or 1d'),
    ('time', '', "'' is no time"),
    ('recurrence', '61 * * * *', "'61'"),
    ('recurrence', '<b>', 'cron expression')])
def test_what_is_wrong_is_said_at_the_field(
        stage, browser, id, field, text, problem):
    browser.press('Change', description='other', **{field: text})
    assert browser.status == 422
    marked = [each.get('name') for each in browser.page.iter()
              if each.get('aria-invalid')]
    assert marked == [field]
    [said] = browser.page.findall(f'.//*[@id="{field}-error"]')
    assert problem in ''.join(said.itertext())
    assert browser.field(field) == text
    assert browser.field('description') == 'other'
    assert task(stage, id)[0].description == 'count the hats'
    browser.press('Change', **{field: {
        'expires': '', 'time': '2030-01-31T09:00:00',
        'recurrence': ''}[field]})
    assert task(stage, id)[0].description == 'other'


@pytest.mark.parametrize('expires, time', [
    ('0s', '2030-01-31T09:00:00'), ('', '9999-12-31T23:59')])
def test_what_the_schedule_refuses_is_said_above_the_form(
        stage, browser, expires, time):
    browser.press('Change', expires=expires, time=time)
    if browser.status == 422:
        assert 'was left as it is' in browser.said[-1]
    assert browser.status in (200, 422)


def test_a_form_for_a_task_without_a_time(stage, clock):
    """What a run has put off is in its claim, and has no time."""
    id = add(stage)
    browser = stage.browser().open(f'/tasks/{id}')
    token = browser.field('token')
    browser.open('/change', POST={
        'id': id, 'token': token, 'recurrence': 'FREQ=DAILY', 'zone': 'UTC'})
    assert task(stage, id)[1].dtstart == BEGIN + timedelta(seconds=1)
