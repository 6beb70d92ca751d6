"""plone.observability is told how the worker of this process is, and more."""

import json
import re
import threading
from contextlib import contextmanager
from itertools import groupby
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import transaction
from plone.observability.health.server import HealthRequestHandler
from plone.observability.health.server import HealthServer
from plone.observability.health.server import ThreadingHTTPServer
from plone.observability.health.server import run_checks
from plone.observability.interfaces import ILivenessCheck
from plone.observability.interfaces import IMetricProvider
from plone.observability.interfaces import IReadinessCheck
from plone.testing.zope import Browser
from prometheus_client.parser import text_string_to_metric_families
from without_contributed import unschedule_all
from zope.component import getAdapter
from zope.component import getUtility
from zope.event import notify
from zope.interface.verify import verifyObject

from zodbschedule.execution.conflicts import Conflict
from zodbschedule.execution.conflicts import observers
from zodbschedule.interfaces import RunEnded
from zodbschedule.zope import SitesWorker
from zodbschedule.zope import observability
from zodbschedule.zope import workers


# The formatter of plone.observability escapes nothing.
ODD = 'a "worker" \\'


@pytest.fixture
def portal(functional):
    """A site without the tasks that this package contributes."""
    portal = functional['portal']
    unschedule_all(portal)
    transaction.commit()
    return portal


@pytest.fixture
def app(functional):
    return functional['app']


@pytest.fixture
def worker(portal, monkeypatch):
    """One that was put beside the web server by our filter, and that idles."""
    worker = SitesWorker(portal._p_jar.db(), name=ODD)
    monkeypatch.setattr(workers, 'make_worker', lambda settings: worker)
    monkeypatch.setattr(worker, 'start', lambda: None)
    # Not in the main thread, so that it leaves the signals alone.
    filtering = threading.Thread(target=workers.workers, args=(object(), {}))
    filtering.start()
    filtering.join()
    yield worker
    workers.serving.remove(worker)


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    yield
    observability.counting.close()
    observability.worker_metrics.cache_clear()
    observability.database_metrics.cache_clear()


def lives():
    return run_checks(ILivenessCheck)[1]['zodbschedule']


def is_ready():
    return run_checks(IReadinessCheck)[1]['zodbschedule']


# -- probes


def test_it_has_what_it_asks_for(portal, app):
    for contract in ILivenessCheck, IReadinessCheck:
        assert verifyObject(contract, getUtility(contract, 'zodbschedule'))
    provider = getAdapter(app, IMetricProvider, 'zodbschedule')
    assert verifyObject(IMetricProvider, provider)


def test_a_process_without_a_worker_passes(portal):
    assert lives() == is_ready() == {
        'ok': True, 'message': 'no worker in this process'}


def test_a_process_with_one_passes_and_names_it(worker):
    assert lives() == is_ready() == {'ok': True, 'message': f'well: {ODD}'}


def test_a_worker_without_its_database_is_not_ready_and_lives(worker):
    worker._availability.away(worker, 'a test')
    assert is_ready() == {
        'ok': False, 'message': f'worker {ODD}: its database is away'}
    assert lives()['ok']
    worker._availability.back(worker)
    assert is_ready()['ok']


def test_a_worker_that_ends_is_not_ready_and_lives(worker):
    worker.finish()
    assert is_ready() == {'ok': False, 'message': f'worker {ODD}: it ends'}
    assert lives()['ok']


def test_a_worker_that_has_lost_a_thread_does_not_live(worker):
    worker._threads[0].error = MemoryError()
    assert lives() == {
        'ok': False, 'message': f'worker {ODD}: it has failed or has lost a '
        f'thread, as the log says'}
    # The process can show the site until it is started again.
    assert is_ready()['ok']


def test_what_is_wrong_with_tasks_is_no_reason_to_fail(
        schedule, worker, clock):
    schedule.call('math.sqrt', -1)
    transaction.commit()
    schedule.process(clock.now())
    schedule.pause()
    transaction.commit()
    assert len(schedule.parked) == 1
    assert lives()['ok'] and is_ready()['ok']


def test_no_probe_touches_the_database(worker, monkeypatch):
    for name in 'open', 'lastTransaction', 'getName':
        monkeypatch.setattr(type(worker.database), name, None)
    assert lives()['ok']
    assert is_ready()['ok']


@contextmanager
def probes():
    """Ask the server of the probes: the status, and what we have said."""
    def ask(path):
        try:
            answer = urlopen(f'http://127.0.0.1:{server.server_port}{path}')
        except HTTPError as error:
            answer = error
        with answer:
            checks = json.loads(answer.read())['checks']
            return answer.status, checks['zodbschedule']['message']

    with ThreadingHTTPServer(
            ('127.0.0.1', 0), HealthRequestHandler) as server:
        server.health_server = HealthServer()
        thread = threading.Thread(
            target=server.serve_forever, kwargs={'poll_interval': .01})
        thread.start()
        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


def test_a_probe_is_answered_over_http(worker, monkeypatch):
    check = getUtility(IReadinessCheck, 'zodb')
    monkeypatch.setattr(check, 'db', worker.database)
    monkeypatch.setenv('PLONE_OBSERVABILITY_READINESS_CACHE_TTL', '0')
    with probes() as ask:
        assert ask('/live') == ask('/ready') == (200, f'well: {ODD}')
        worker.finish()
        assert ask('/ready') == (503, f'worker {ODD}: it ends')
        worker._threads[0].error = MemoryError()
        assert ask('/live')[0] == 503


# -- metrics


def scraped(app):
    """What ``@@metrics`` tells of us: name -> labels -> value."""
    browser = Browser(app)
    browser.open(f'{app.absolute_url()}/@@metrics')
    found = {}
    for family in text_string_to_metric_families(browser.contents):
        for sample in family.samples:
            if sample.name.startswith('zodbschedule_'):
                labels = found.setdefault(
                    sample.name.removeprefix('zodbschedule_'), {})
                labels[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def labels(**given):
    return tuple(sorted(given.items()))


def test_the_schedules_of_all_sites_are_told(
        app, schedule, clock, monkeypatch):
    schedule.call('math.sqrt', -1)
    transaction.commit()
    schedule.process(clock.now())
    schedule.call('os.getcwd', time=clock.now())
    transaction.commit()
    found = scraped(app)
    here = labels(schedule='/plone', scope='global')
    assert found['up'] == found['tasks_waiting'] == {here: 1}
    assert found['tasks_parked'] == {here: 1}
    assert found['workers'][
        labels(schedule='/plone', state='alive', scope='global')] == 0
    assert not {'runs_total', 'worker_healthy'} & set(found)


def test_what_was_read_is_told_again_for_a_while(app, schedule):
    assert set(scraped(app)['tasks_waiting'].values()) == {0}
    schedule.call('os.getcwd')
    transaction.commit()
    assert set(scraped(app)['tasks_waiting'].values()) == {0}


def ended(clock, type='shop.sell'):
    return RunEnded(
        '1f', 'succeeded', clock.now(), 'sell hats', type, None, 1,
        clock.now(), None, '2e', '/plone', clock.now())


def test_the_worker_of_this_process_is_told(app, schedule, worker, clock):
    assert scraped(app)['worker_healthy'] == {
        labels(worker=ODD, scope='instance'): 0}
    notify(ended(clock))
    notify(ended(clock))
    for observer in observers:
        observer(Conflict('turn', '', *schedule.origin))
    found = scraped(app)
    of_it = dict(schedule='/plone', worker=ODD, scope='instance')
    assert found['runs_total'] == {labels(
        outcome='succeeded', type='shop.sell', **of_it): 2}
    assert found['turn_conflicts_total'] == {labels(**of_it): 1}
    # The parts of a histogram, all under their own names.
    assert found['start_lag_seconds_count'] == {labels(**of_it): 2}
    assert found['start_lag_seconds_sum'] == {labels(**of_it): 0}
    bounds = [dict(each)['le'] for each in found['start_lag_seconds_bucket']]
    assert bounds[-1] == '+Inf'
    assert len(bounds) == 18
    assert not [name for name in found if name.endswith('_created')]


def test_the_samples_of_one_name_are_told_together(
        app, schedule, worker, clock):
    scraped(app)
    for type in 'shop.sell', 'shop.pay':
        notify(ended(clock, type))
    browser = Browser(app)
    browser.open(f'{app.absolute_url()}/@@metrics')
    names = [name for name, _ in groupby(
        re.findall(r'^zodbschedule_\w+', browser.contents, re.M))]
    assert len(names) == len(set(names))
    assert 'zodbschedule_run_duration_seconds_bucket' in names


def test_nothing_is_counted_before_somebody_asks(worker):
    assert not [each for each in observers
                if type(each.__self__).__name__ == 'RunMetrics']
