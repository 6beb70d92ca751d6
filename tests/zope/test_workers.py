"""Workers for the sites of a Zope, in threads of this process."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from functools import partial
from urllib.request import urlopen

import pytest
import transaction
from conftest import make_site
from instances import wait_until
from prometheus_client.parser import text_string_to_metric_families
from ZODB.POSException import StorageError
from zope.component.hooks import getSite

from zodbschedule import CallTask
from zodbschedule.execution import signals
from zodbschedule.execution.interruption import ENDING
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.worker.thread import WorkerThread
from zodbschedule.zope import SitesWorker
from zodbschedule.zope import contribute
from zodbschedule.zope import contribution_states
from zodbschedule.zope import install
from zodbschedule.zope import uninstall
from zodbschedule.zope import workers
from zodbschedule.zope.settings import Settings
from zodbschedule.zope.workers import Draining


def mark():
    getSite().marked = threading.current_thread().name


@pytest.fixture
def start(zope):
    made = []

    def start(*paths, **options):
        made.append(SitesWorker(zope.DB, *paths, **options))
        made[-1].start()
        return made[-1]

    yield start
    for worker in made:
        worker.stop()


def see(app):
    """What others have committed."""
    transaction.abort()
    transaction.begin()
    return app


class TestSites:

    def test_all_that_have_a_schedule(self, app, site, schedule, start):
        worker = start(name='one', threads=2)
        schedule.schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).site, 'marked'), 'a run')
        assert 'one' in app.site.marked
        other = make_site(app, 'other')
        transaction.savepoint()
        install(other).schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).other, 'marked'), 'a run')
        # The other thread may just have begun.
        wait_until(lambda: worker.healthy, 'health')

    def test_one_that_loses_it_is_left_alone(
            self, app, site, schedule, start):
        start()
        schedule.schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).site, 'marked'), 'a run')
        uninstall(app.site)
        transaction.commit()
        other = make_site(app, 'other')
        transaction.savepoint()
        install(other).schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).other, 'marked'), 'a run')

    def test_one_that_is_mounted(self, app, mounted, start):
        start()
        site = make_site(mounted, 'there')
        transaction.savepoint()
        schedule = install(site)
        transaction.commit()
        schedule.schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).mounted.there, 'marked'), 'a run')

    def test_one_that_is_not_there_yet(self, app, start, caplog):
        start('/other/')
        wait_until(lambda: 'There is no schedule at the site /other yet.'
                   in caplog.text, 'a line of log')
        other = make_site(app, 'other')
        transaction.savepoint()
        install(other).schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).other, 'marked'), 'a run')

    def test_a_site_is_given_what_is_contributed(
            self, app, site, start, schedule):
        contribute('a', mark_site, every=timedelta(days=1))
        start()
        wait_until(lambda: [state.name for state in contribution_states(
            see(app).site)] == ['a'], 'a task')

    def test_not_if_nothing_may_run(
            self, app, site, start, monkeypatch, caplog):
        contribute('a', mark_site, every=timedelta(days=1))
        monkeypatch.setenv('ZODBSCHEDULE_OFF', '1')
        start()
        wait_until(lambda: 'ZODBSCHEDULE_OFF is set' in caplog.text,
                   'a line of log')
        assert list(contribution_states(see(app).site)) == []

    def test_and_what_is_contributed_later(
            self, app, site, start, schedule, monkeypatch):
        monkeypatch.setattr(workers, 'SYNCHRONIZE_INTERVAL', 0)
        schedule.schedule(CallTask(mark))
        transaction.commit()
        start()
        wait_until(lambda: hasattr(see(app).site, 'marked'), 'a run')
        contribute('a', mark_site, every=timedelta(days=1))
        app.site.title = 'another'  # so that it looks
        transaction.commit()
        wait_until(lambda: [state.name for state in contribution_states(
            see(app).site)] == ['a'], 'a task')

    def test_a_site_that_cannot_be_entered_is_tried_now_and_then(
            self, app, site, start, schedule, caplog):
        schedule.url = 'nonsense'
        schedule.schedule(CallTask(mark))
        transaction.commit()
        tids = set()
        start()
        wait_until(lambda: 'cannot be entered' in caplog.text, 'a line')
        storage = app._p_jar.db().storage
        for _ in range(300):
            tids.add(storage.lastTransaction())
            threading.Event().wait(.005)
        assert len(tids) < 25
        assert len([record for record in caplog.records
                    if 'cannot be entered' in record.message]) == 1

    def test_what_is_contributed_wrongly_keeps_no_task_from_running(
            self, app, site, schedule, start, monkeypatch, caplog):
        def fail(site):
            raise ValueError('no such thing')

        monkeypatch.setattr(workers, 'synchronize', fail)
        start()
        schedule.schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).site, 'marked'), 'a run')
        assert 'Tasks could not be contributed to the site /site' \
            in caplog.text

    def test_a_database_that_is_away_is_tried_again(
            self, app, site, schedule, start, monkeypatch):
        def fail(manager, work):
            if work.func.__name__ == '_synchronize' and not failed:
                failed.append(1)
                raise StorageError('away')
            return transact(manager, work)

        failed = []
        transact = workers.transact
        monkeypatch.setattr(workers, 'transact', fail)
        monkeypatch.setattr(
            workers, 'is_storage_failure',
            lambda error: isinstance(error, StorageError))
        start()
        schedule.schedule(CallTask(mark))
        transaction.commit()
        wait_until(lambda: hasattr(see(app).site, 'marked'), 'a run')
        assert failed
        assert issubclass(workers.SitesWorkerThread, WorkerThread)


@pytest.mark.parametrize('arguments, message', [
    (lambda db, site: [site], 'db is <Folder at /site>; it has to be an open '
     'ZODB.DB, such as connection.db(), or a callable that opens one'),
    (lambda db, site: [db, site], 'the site <Folder at /site> is not a str; '
     "write its path from the application root, for instance '/Plone'"),
    (lambda db, site: [db, None], 'the site None is not a str')])
def test_a_worker_is_given_a_database_and_paths(
        zope, site, arguments, message):
    with pytest.raises(InvalidSetting) as caught:
        SitesWorker(*arguments(zope.DB, site))
    assert str(caught.value).startswith(message)


def mark_site(site):
    """Never called here."""


class Recorded:
    """A worker that does nothing but remember."""

    name = 'recorded'

    def __init__(self):
        self.calls = []
        self.ended = threading.Event()

    def start(self):
        self.calls.append('start')

    def finish(self):
        self.calls.append('finish')

    def abort(self):
        self.calls.append('abort')
        self.ended.set()

    def stop(self):
        assert self.ended.wait(60)
        self.calls.append('stop')


@pytest.fixture
def handlers():
    """Have handlers note the signals that they get; they are returned."""
    def listen():
        for number in ENDING:
            signal.signal(number, lambda number, frame: heard.append(number))
        return heard

    heard = []
    before = {number: signal.getsignal(number) for number in ENDING}
    yield listen
    for number, handler in before.items():
        signal.signal(number, handler)


class TestFilter:

    @pytest.fixture
    def worker(self, zope, monkeypatch):
        worker = Recorded()
        monkeypatch.setattr(workers, 'make_worker', lambda settings: worker)
        return worker

    def test_it_passes_requests_through(self, worker, handlers):
        app = object()
        assert workers.workers(app, {}) is app
        assert worker.calls == ['start']

    @pytest.mark.parametrize('number', ENDING)
    def test_it_is_drained_by_a_signal_which_is_then_sent_on(
            self, worker, handlers, number):
        heard = handlers()
        workers.workers(object(), {})
        os.kill(os.getpid(), number)
        wait_until(lambda: worker.calls == ['start', 'finish'], 'a drain')
        assert heard == []
        worker.ended.set()
        wait_until(lambda: heard, 'an end')
        assert worker.calls == ['start', 'finish', 'stop']
        assert heard == [number]

    def test_a_second_signal_cuts_off_and_the_first_is_sent_on(
            self, worker, handlers):
        heard = handlers()
        workers.workers(object(), {})
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: heard, 'an end')
        assert worker.calls == ['start', 'finish', 'abort', 'stop']
        assert heard == [signal.SIGINT]

    def test_the_same_signal_cuts_off_unless_it_is_an_echo(
            self, worker, handlers, monkeypatch):
        heard = handlers()
        workers.workers(object(), {})
        monkeypatch.setattr(signals, 'ECHO', 3600)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert worker.calls == ['start', 'finish']
        monkeypatch.setattr(signals, 'ECHO', 0)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: heard, 'an end')
        assert worker.calls == ['start', 'finish', 'abort', 'stop']

    def test_after_that_each_signal_does_as_without_it(
            self, worker, handlers):
        heard = handlers()
        workers.workers(object(), {})
        os.kill(os.getpid(), signal.SIGHUP)
        worker.ended.set()
        wait_until(lambda: heard, 'an end')
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM]
        assert worker.calls == ['start', 'finish', 'stop']

    def test_a_signal_that_is_ignored_stays_so(self, worker, handlers):
        handlers()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
        workers.workers(object(), {})
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert worker.calls == ['start']

    def test_a_child_does_as_without_it(self, worker, handlers):
        heard = handlers()
        workers.workers(object(), {})
        signal.getsignal(signal.SIGTERM).__self__.pid = 0  # of a parent
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        assert worker.calls == ['start']

    def test_not_in_another_thread(self, worker, handlers, caplog):
        thread = threading.Thread(target=workers.workers, args=(object(), {}))
        thread.start()
        thread.join()
        assert worker.calls == ['start']
        assert 'not started in the main thread' in caplog.text
        assert not isinstance(
            getattr(signal.getsignal(signal.SIGTERM), '__self__', None),
            Draining)

    def test_none_with_no_threads(self, worker, caplog):
        caplog.set_level('INFO')
        app = object()
        assert workers.workers(app, {}, threads='0') is app
        assert worker.calls == []
        assert 'threads is 0' in caplog.text

    def test_it_is_made_by_the_settings(self, zope):
        found = workers.make_worker(Settings(
            3, 'named', timedelta(seconds=5), timedelta(seconds=2)))
        assert found.name == 'named'
        assert len(found._threads) == 3
        assert found.grace == timedelta(seconds=2)
        assert workers.make_worker(Settings()).grace == timedelta(seconds=8)


class TestMetrics:
    """The filter serves the metrics of its worker."""

    @pytest.fixture
    def serve(self, zope, handlers, monkeypatch):
        """Start the filter; what the end of the process does is done."""
        handlers()
        at_the_end = []
        monkeypatch.setattr(atexit, 'register', at_the_end.append)
        yield partial(workers.workers, object(), {})
        for end in reversed(at_the_end):
            end()

    @pytest.fixture
    def port(self):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            return probe.getsockname()[1]

    def test_a_site_is_named_by_its_path(
            self, app, site, schedule, serve, port):
        schedule.schedule(CallTask(mark))
        transaction.commit()
        serve(name='one', metrics_port=str(port))
        labels = dict(schedule='/site', worker='one', outcome='succeeded',
                      type='test_workers.mark')
        wait_until(lambda: value(port, 'runs_total', **labels) == 1, 'a run')
        assert value(port, 'up', schedule='/site') == 1
        assert value(port, 'worker_healthy', worker='one') == 1

    def test_nothing_is_imported_for_it_unless_it_is_asked_for(
            self, site, serve, monkeypatch):
        monkeypatch.setitem(sys.modules, 'zodbschedule.metrics.server', None)
        serve()

    def test_a_port_in_use_is_refused_and_no_worker_is_started(
            self, serve, port, monkeypatch):
        monkeypatch.setattr(
            workers, 'make_worker', lambda settings: made.append(
                SitesWorker(workers.Zope2.DB)) or made[-1])
        made = []
        with socket.socket() as other:
            other.bind(('127.0.0.1', port))
            other.listen()
            with pytest.raises(InvalidSetting) as caught:
                serve(metrics_port=str(port))
        assert str(caught.value) == (
            f'metrics_port is {port}: the worker cannot listen there, at '
            f'127.0.0.1: Address already in use; choose another port or '
            f'metrics_address')
        assert not made[0]._begun
        assert not isinstance(getattr(
            signal.getsignal(signal.SIGTERM), '__self__', None), Draining)

    def test_without_the_library_it_says_what_to_install(
            self, serve, monkeypatch):
        monkeypatch.setitem(sys.modules, 'prometheus_client', None)
        for name in list(sys.modules):
            if name.startswith('zodbschedule.metrics'):
                monkeypatch.delitem(sys.modules, name)
        with pytest.raises(InvalidSetting) as caught:
            serve(metrics_port='0')
        assert str(caught.value) == (
            "metrics_port is 0: metrics need prometheus_client; install it "
            "with: pip install 'zodbschedule[metrics]'")


def value(port, name, **labels):
    """The value of a metric, as a scrape tells it; None if there is none."""
    with urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
        text = answer.read().decode()
    return next((
        sample.value for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f'zodbschedule_{name}'
        and sample.labels == labels), None)


def test_without_zope_it_says_what_to_install():
    done = subprocess.run(
        [sys.executable, '-c', 'import sys; sys.modules["Zope2"] = None; '
         'import zodbschedule.zope'], capture_output=True, text=True)
    assert "pip install 'zodbschedule[zope]'" in done.stderr
