"""What is drawn anew by itself; who watches may stop that."""

import pytest
from browsing import look
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
