"""Probes get in without a password, and are told little."""

import logging
import sys

import pytest
import ZODB
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from webob import Request
from webob.exc import HTTPUnauthorized

from zodbschedule import Schedule
from zodbschedule.web import application
from zodbschedule.web.site import DatabaseAway


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield db
    db.close()


class Away:
    """A database that cannot be opened."""

    def open(self, transaction_manager):
        raise DatabaseAway('host db.example.com')


def nobody(request):
    raise HTTPUnauthorized()


def get(app, address, **options):
    return Request.blank(address, **options).get_response(app)


@pytest.mark.parametrize('address', ['/healthz', '/readyz'])
def test_it_is_well_without_a_password(db, address):
    answer = get(application(db, who=nobody), address)
    assert (answer.status_code, answer.text) == (200, 'ok\n')


def test_it_is_alive_without_a_database():
    assert get(application(Away()), '/healthz').status_code == 200


def test_without_a_database_it_is_not_ready():
    answer = get(application(Away()), '/readyz')
    assert answer.status_code == 503
    assert answer.text == 'not ready: the database does not answer\n'


def test_without_a_schedule_it_is_not_ready(db):
    answer = get(application(db, 'shop'), '/readyz')
    assert answer.status_code == 503
    assert answer.text == (
        'not ready: there is no schedule where one should be\n')


def test_who_asks_again_and_again_does_not_keep_the_database_busy(
        db, monkeypatch):
    app = application(db)
    assert get(app, '/readyz').status_code == 200
    db.close()
    assert get(app, '/readyz').status_code == 200
    monkeypatch.setattr(app.readiness, 'until', 0)
    assert get(app, '/readyz').status_code == 503


@pytest.mark.parametrize('address', ['/healthz', '/readyz', '/metrics'])
def test_they_only_read(db, address):
    answer = get(application(db), address, method='POST')
    assert answer.status_code == 405
    assert answer.headers['Allow'] == 'GET, HEAD'


def up(answer):
    return {sample.labels['schedule']: sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples if sample.name == 'zodbschedule_up'}


def test_metrics_are_of_each_schedule(db):
    app = application(db, places=lambda connection: {
        '/here': 'schedule', 'there': 'there'})
    answer = get(app, '/metrics')
    assert answer.content_type == 'text/plain'
    assert up(answer) == {'here': 1, 'there': 0}


def test_metrics_come_in_the_format_that_is_asked_for_and_say_the_same(db):
    app = application(db)
    plain, opened = (
        get(app, '/metrics', accept=accept) for accept in (
            'text/plain;version=0.0.4',
            'application/openmetrics-text;version=1.0.0,*/*;q=0.1'))
    assert plain.headers['Content-Type'].startswith('text/plain; version=')
    assert opened.headers['Content-Type'].startswith(
        'application/openmetrics-text; version=')
    found, again = (
        [(family.name, family.samples) for family in parse(answer.text)]
        for parse, answer in (
            (text_string_to_metric_families, plain),
            (openmetrics.text_string_to_metric_families, opened)))
    assert found == again
    assert len(found) == 8


def test_metrics_have_the_path_as_the_command_line_says_it(db):
    assert up(get(application(db, '/schedule/'), '/metrics')) == {
        'schedule': 1}


def test_metrics_of_a_database_that_is_away_say_so(caplog):
    caplog.set_level(logging.DEBUG)
    assert up(get(application(Away()), '/metrics')) == {'schedule': 0}


def test_metrics_are_read_once_in_some_seconds(db):
    app = application(db)
    first = get(app, '/metrics').text
    db.close()
    assert get(app, '/metrics').text == first


def test_metrics_need_a_password_as_pages_do(db):
    assert get(application(db, who=nobody), '/metrics').status_code == 401


def test_without_the_extra_a_message_says_what_to_install(db, monkeypatch):
    monkeypatch.setitem(sys.modules, 'zodbschedule.metrics.database', None)
    answer = get(application(db), '/metrics')
    assert answer.status_code == 404
