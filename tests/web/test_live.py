"""What is drawn anew by itself; who watches may stop that."""

import re

import pytest
from browsing import look
from holding import hold
from in_memory import BEGIN
from sample_tasks import MINUTE
from webob import Request

from zodbschedule.web import application


LIVE = ['/', '/running', '/workers']


@pytest.mark.parametrize('address', LIVE)
def test_a_page_asks_for_a_part_of_itself(schedule, address):
    page = look(schedule, address)
    assert f'hx-get="{address}"' in page.html
    assert 'hx-select="#live"' in page.html
    assert page.html.count('id="live"') == 1


@pytest.mark.parametrize('address', LIVE)
def test_it_can_be_stopped_and_go_on(schedule, address):
    stop = f'{address}?live=off'
    assert stop in look(schedule, address).links
    stopped = look(schedule, stop)
    assert 'hx-get' not in stopped.html
    assert address in stopped.links


def test_other_parameters_stay(schedule):
    page = look(schedule, '/running?cursor=0&page=7&id=8')
    assert '/running?cursor=0&page=7&id=8&live=off' in page.links


def test_behind_a_prefix_it_asks_there(schedule):
    app = application(schedule._p_jar.db())
    answer = Request.blank(
        '/running', environ={'SCRIPT_NAME': '/jobs'}).get_response(app)
    assert 'hx-get="/jobs/running"' in answer.text
    assert 'href="/jobs/running?live=off"' in answer.text


@pytest.mark.parametrize('address', LIVE)
def test_what_has_the_focus_keeps_it(schedule, commit, address):
    schedule.call(print, description='waits')
    schedule.pause(schedule.call(print, description='is paused'), by='zoe')
    schedule.call(print, time=BEGIN + MINUTE)
    commit()
    hold(schedule, commit)
    schedule.pause(by='zoe')
    commit()
    page = look(schedule, address, allow_changes=True, who=lambda _: 'zoe')
    _, _, part = page.html.partition('id="live"')
    found = re.findall(r'<\w+\s[^>]*?(?:href|="submit"|tabindex)[^>]*',
                       part.partition('</main>')[0])
    assert found
    assert [each for each in found if ' id="' not in each] == []
