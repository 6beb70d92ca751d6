"""Whatever a form sends, it is answered: never by an error of ours."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from filling_in import Stage
from filling_in import stage as stage
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from in_memory import clock as clock

from zodbschedule import Every
from zodbschedule.store.inspection import task_id
from zodbschedule.web.acting import ACTS
from zodbschedule.web.forms import change_form
from zodbschedule.web.forms import settings_form


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)

NAMES = [
    'id', 'seen', 'reason', 'page', 'query', 'chosen', 'action', 'text',
    'function', 'key', 'state', 'why', *change_form.NAMES,
    *map('was-{}'.format, change_form.NAMES), *settings_form.NAMES,
    *map('was-{}'.format, settings_form.NAMES)]

VALUES = st.one_of(st.sampled_from([
    '', '0', '-1', 'zz', 'ffff', 'ID', 'ID-20300131T080000Z', 'SEEN',
    'ID SEEN', 'ID ', '9' * 40, '2030-01-31T09:00', '0001-01-01',
    '9999-12-31T23:59:59', '9999-12-31T23:59-23:00', 'parked', 'upcoming',
    'overview', 'cursor=x&page=1', 'cancel', 'discard', 'waiting',
    'every 1s', 'every 999999999d', '* * * * *', '0 0 29 2 *', 'FREQ=DAILY',
    'DTSTART:00010101T000000\nRRULE:FREQ=YEARLY', 'UTC', 'Europe/Berlin',
    '/', '1e400s', '99999999999d', '1s', '0s', '*', '[', '\x00', '<b>']),
    st.text(st.characters(codec='utf-8'), max_size=20))


@pytest.fixture
def browser(stage: Stage, clock):
    with stage.schedule() as schedule:
        task = schedule.call(print, time=BEGIN + HOUR, recurrence=Every(HOUR))
        schedule._p_jar.add(task)
        stage.id = task_id(task)
    found = stage.browser().open('/settings')
    found.token = found.field('token')
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])
@given(act=st.sampled_from(sorted(ACTS)), fields=st.dictionaries(
    st.sampled_from(NAMES), VALUES, max_size=8), is_there=st.booleans())
def test_whatever_a_form_sends_is_answered(
        stage, browser, act, fields, is_there):
    if is_there:
        fields.setdefault('id', 'ID')
    fields = {name: value.replace('ID', stage.id).replace(
        'SEEN', (BEGIN + HOUR).isoformat()) for name, value in fields.items()}
    answer = browser._send(f'/{act}', POST={
        **fields, 'token': browser.token})
    assert answer.status_code in (303, 400, 409, 422)
    if answer.status_code == 303:
        assert answer.location.startswith('http://localhost/')
