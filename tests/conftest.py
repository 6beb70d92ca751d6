"""Fixtures and marks for all tests."""

import sys

import pytest
from crew import Crew
from databases import HISTORY
from databases import SQLITE
from databases import STORAGES
from databases import Child
from databases import Database
from databases import PostgreSQLServer
from databases import ZEOServer
from heeding import heed_signals
from leases import LEASES


pytest_plugins = ['zodbschedule.testing', 'shell']


def pytest_configure(config):
    heed_signals()
    config.addinivalue_line(
        'markers',
        'storages(*names): the storages that the fixture `database` is to '
        f'have for this test; by default {", ".join(STORAGES)}')


def pytest_generate_tests(metafunc):
    if 'database' in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker('storages')
        metafunc.parametrize('database', [
            pytest.param(storage, marks=marks_of(metafunc.module, storage))
            for storage in (mark.args if mark else STORAGES)], indirect=True)


def marks_of(module, storage):
    """Where there are hundreds of tests, those on servers are slow."""
    many = getattr(module, 'HUNDREDS', False) and storage != 'FileStorage'
    return [pytest.mark.slow] if many else []


@pytest.fixture
def database(request, tmp_path):
    """A new `databases.Database`, in each storage in turn."""
    if request.param == 'FileStorage':
        uri = f'file://{tmp_path}/Data.fs'
    elif request.param == 'ZEO':
        uri = request.getfixturevalue('zeo_server').uri
    elif request.param == HISTORY:
        uri = request.getfixturevalue('postgresql_server').history_uri
    elif request.param == SQLITE:
        uri = f'sqlite://?data_dir={tmp_path}/data&keep_history=0'
    else:
        uri = request.getfixturevalue('postgresql_server').uri
    found = Database(request.param, uri)
    yield found
    found.close()


@pytest.fixture(scope='session')
def zeo_server(tmp_path_factory):
    """One `databases.ZEOServer` for all tests; do not stop it."""
    server = ZEOServer(tmp_path_factory.mktemp('zeo'))
    yield server
    server.stop()


@pytest.fixture(scope='session')
def postgresql_server():
    """One `databases.PostgreSQLServer` for all tests; do not stop it."""
    server = PostgreSQLServer()
    yield server
    server.stop()


@pytest.fixture
def short_leases(monkeypatch):
    """Allow leases that no test has to wait for."""
    for field in LEASES:
        monkeypatch.setattr(field, 'min', None)


@pytest.fixture
def unmeasured():
    """Leave a test alone with coverage that takes long, and longer with it."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


@pytest.fixture
def child():
    """Start a `databases.Child`; ended, if need be, when the test ends."""
    started = []

    def start(function, *args):
        started.append(Child(function, *args))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()
        one.process.stdin.close()


@pytest.fixture(scope='session')
def forking():
    """From which the members of each `crew.Crew` are forked."""
    found = Child('crew.fork')
    assert found.line() == 'ready'
    yield found
    found.wait()


@pytest.fixture
def crew(forking, tmp_path):
    """A `crew.Crew`; whoever is left of it is killed when the test ends."""
    found = Crew(forking, tmp_path)
    yield found
    found.dismiss()
