"""A short storm: see `storm`, which is also a program that runs for hours."""

import pytest
import storm
from databases import SQLITE


pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def forking():
    """For workers of all storms."""
    process = storm.forking_process()
    yield process
    process.wait()


@pytest.fixture(scope='module')
def postgresql():
    """A server of their own, since it is killed."""
    server = storm.server_for('PostgreSQL', None)
    yield server
    server.stop()


@pytest.fixture
def server(storage, request, tmp_path):
    if storage == SQLITE:
        yield None
    elif storage == 'ZEO':
        server = storm.server_for(storage, tmp_path)
        yield server
        server.stop()
    else:
        yield request.getfixturevalue('postgresql')


@pytest.mark.parametrize('storage', storm.STORAGES)
def test_nothing_is_lost_doubled_or_stopped(
        storage, server, forking, tmp_path, unmeasured):
    counts, problems = storm.run(
        storm.new_database(storage, server, tmp_path), server, forking,
        tmp_path, seconds=2)
    print(counts)
    assert not problems, '\n'.join(problems)
    assert counts['kills'] and counts['batches'] and counts['edits']
