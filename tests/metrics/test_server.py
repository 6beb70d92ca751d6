##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""A worker serves its metrics, as long as it works."""

import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from urllib.request import Request
from urllib.request import urlopen

import pytest
import ZODB
import zope.event
from databases import wait_until
from metrics_page import documented
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from transaction import TransactionManager
from ZODB.FileStorage import FileStorage

from zodbschedule import Schedule
from zodbschedule import Worker
from zodbschedule import clock
from zodbschedule.logger import working_for
from zodbschedule.metrics import server
from zodbschedule.metrics.server import metrics_served
from zodbschedule.worker.config import Paths


@pytest.fixture
def db(tmp_path):
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield db
    db.close()


@contextmanager
def served(worker):
    """What a scrape of *worker* says, as a function."""
    registry = CollectorRegistry()
    with metrics_served(worker, 0, '127.0.0.1', registry) as port:
        yield lambda: scraped(port)


def scraped(port):
    """A scrape: name and labels, by their names -> value."""
    with urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
        assert answer.status == 200
        text = answer.read().decode()
    return {key_of(sample): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples}


def key_of(sample):
    return (sample.name.removeprefix('zodbschedule_'),
            *(text for _, text in sorted(sample.labels.items())))


@pytest.fixture
def fresh(monkeypatch):
    """Each scrape reads."""
    monkeypatch.setattr(
        server, 'DatabaseMetrics', lambda read, paths: MADE(
            read, paths, keep=0))


MADE = server.DatabaseMetrics


def test_a_worker_serves_what_it_has_done(db, fresh):
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        schedule.call('os.getcwd')
        schedule.call('math.sqrt', -1)
    worker = Worker(db, name='w1')
    with served(worker) as scrape:
        assert scrape()['worker_healthy', 'w1'] == 0
        with worker:
            done = ('runs_total', 'succeeded', 'schedule', 'os.getcwd', 'w1')
            parked = 'parked_total', 'schedule', 'math.sqrt', 'w1'
            wait_until(lambda: {done, parked} <= scrape().keys(), 'the runs')
            wait_until(
                lambda: scrape().get(('tasks_parked', 'schedule')) == 1,
                'the parked task')
            wait_until(lambda: scrape()['worker_healthy', 'w1'] == 1, 'health')
            wait_until(lambda: scrape().get(
                ('workers', 'schedule', 'alive')) == 1, 'the worker')
            said = scrape()
    assert said[done] == said[parked] == 1
    assert said['runs_total', 'failed', 'schedule', 'math.sqrt', 'w1'] == 1
    assert said['start_lag_seconds_count', 'schedule', 'w1'] == 2
    assert said['run_duration_seconds_count', 'schedule', 'os.getcwd',
                'w1'] == 1


def test_several_schedules_have_a_label_each(db, fresh):
    with db.transaction() as connection:
        connection.root()['other'] = Schedule()
        connection.root()['other'].call(
            'os.getcwd', delay=timedelta(hours=1))
    worker = Worker(db, 'schedule', 'other', 'none')
    with served(worker) as scrape:
        said = scrape()
    assert said['tasks_waiting', 'schedule'] == 0
    assert said['tasks_waiting', 'other'] == 1
    assert said['up', 'none'] == 0


class Site:
    """Finds a schedule, as in Zope."""

    path = '/Plone'

    def __call__(self, root):
        return root['schedule']


class Sites(Paths):

    def paths(self, root):
        return [Site()]


def test_a_schedule_in_zope_is_named_by_its_site(db, fresh):
    with served(Worker(db, Sites())) as scrape:
        assert scrape()['up', '/Plone'] == 1


def test_a_schedule_that_is_damaged_does_not_hide_the_others(
        db, fresh, monkeypatch):
    with db.transaction() as connection:
        connection.root()['other'] = Schedule()
    read = server.figures_of

    def fail(schedule):
        if schedule is schedule._p_jar.root()['other']:
            raise KeyError('damaged')
        return read(schedule)

    monkeypatch.setattr(server, 'figures_of', fail)
    with served(Worker(db, 'schedule', 'other')) as scrape:
        said = scrape()
    assert said['up', 'schedule'] == 1
    assert said['up', 'other'] == 0


def test_a_scrape_writes_nothing(db, fresh):
    before = db.lastTransaction()
    with served(Worker(db)) as scrape:
        assert scrape()['up', 'schedule'] == 1
        assert scrape()
    assert db.lastTransaction() == before
    assert all(not each['opened'] for each in db.connectionDebugInfo())


def test_a_database_that_is_away_is_said(db, fresh):
    with served(Worker(lambda: db, name='w1')) as scrape:
        # Nobody has opened it yet.
        said = scrape()
    assert said['up', 'schedule'] == 0
    assert said['worker_healthy', 'w1'] == 0
    assert ('tasks_due', 'schedule') not in said


def test_a_database_that_goes_away_is_said(db, fresh):
    worker = Worker(db)
    with served(worker) as scrape:
        assert scrape()['up', 'schedule'] == 1
        worker._availability.away(worker, 'a test')
        assert scrape()['up', 'schedule'] == 0
        worker._availability.back(worker)
        assert scrape()['up', 'schedule'] == 1


def test_nothing_is_left_in_the_end(db):
    subscribers = list(zope.event.subscribers)
    registry = CollectorRegistry()
    with metrics_served(Worker(db), 0, '127.0.0.1', registry) as port:
        scraped(port)
        assert zope.event.subscribers != subscribers
    assert zope.event.subscribers == subscribers
    assert list(registry.collect()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(('127.0.0.1', port)) != 0
    assert not [each for each in threading.enumerate()
                if each.name.startswith('zodbschedule metrics')]


def test_a_port_in_use_is_refused_and_nothing_is_counted(db):
    subscribers = list(zope.event.subscribers)
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        with pytest.raises(OSError), metrics_served(
                Worker(db), other.getsockname()[1], '127.0.0.1'):
            raise AssertionError
    assert zope.event.subscribers == subscribers


# -- what a server of Prometheus is told


def answer_to(accept, port):
    """The type of the content, and the text."""
    asked = Request(f'http://127.0.0.1:{port}/metrics', headers={
        'Accept': accept} if accept else {})
    with urlopen(asked) as answer:
        return answer.headers['Content-Type'], answer.read().decode()


def families_of(parse, text):
    """What a parser finds: name -> type, help, and the samples."""
    return {family.name: (family.type, family.documentation, {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for sample in family.samples
        if not sample.name.endswith('_created')})
        for family in parse(text)
        if family.name.startswith('zodbschedule_')
        and not family.name.endswith('_created')}


#: what Prometheus 2 and 3 ask for
BOTH = ('application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;'
        'q=0.5,*/*;q=0.1')
PLAIN = 'text/plain;version=0.0.4'


def test_each_format_that_is_asked_for_can_be_read_and_says_the_same(db):
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        schedule.call('os.getcwd')
        schedule.call('math.sqrt', -1)
    registry = CollectorRegistry()
    worker = Worker(db, name='a "worker" \\')
    with metrics_served(worker, 0, '127.0.0.1', registry) as port:
        connection = db.open(TransactionManager())
        with working_for(schedule_path='schedule'):
            connection.root()['schedule'].process(clock.now())
        connection.close()
        plain_type, plain = answer_to(PLAIN, port)
        open_type, opened = answer_to(BOTH, port)
        assert answer_to(None, port)[0] == plain_type
    assert plain_type.startswith('text/plain; version=')
    assert open_type.startswith('application/openmetrics-text; version=')
    assert opened.endswith('# EOF\n')
    found = families_of(text_string_to_metric_families, plain)
    assert found == families_of(
        openmetrics.text_string_to_metric_families, opened)
    assert {name + '_total' * (kind == 'counter')
            for name, (kind, *_) in found.items()} == set(documented())
    kind, _, samples = found['zodbschedule_runs']
    assert kind == 'counter'
    assert {dict(labels)['worker'] for _, *labels in samples} == {worker.name}
    assert {dict(labels)['outcome']: value
            for (_, *labels), value in samples.items()} == {
        'succeeded': 1, 'failed': 1}


# -- the page


def test_the_page_has_all_metrics_and_their_labels(db, fresh):
    with db.transaction() as connection:
        connection.root()['schedule'].call('math.sqrt', -1)
    registry = CollectorRegistry()
    worker = Worker(db, name='w1')
    with metrics_served(worker, 0, '127.0.0.1', registry), worker:
        # What conflicts cannot be had at will.
        collectors = list(registry._collector_to_names)
        collectors[0].conflicts.labels('schedule', 'w1').inc()
        collectors[0].retries.labels('schedule', 'w1', 'math.sqrt').inc()
        wait_until(lambda: registry.get_sample_value(
            'zodbschedule_runs_total', {
                'schedule': 'schedule', 'worker': 'w1', 'type': 'math.sqrt',
                'outcome': 'failed'}), 'the run')
        found = {}
        for family in registry.collect():
            name = family.name + '_total' * (family.type == 'counter')
            found[name] = {
                label for sample in family.samples for label in sample.labels}
    own = {name: labels - {'schedule', 'le'}
           for name, labels in found.items()}
    assert own == documented()
    assert [name for name, labels in found.items()
            if 'schedule' not in labels] == ['zodbschedule_worker_healthy']
