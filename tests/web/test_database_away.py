"""A database server that goes, and comes back."""

import pytest
from databases import ZEOServer
from databases import wait_until
from webob import Request

from zodbschedule import Schedule
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.cli.database import open_database
from zodbschedule.cli.web import application_of
from zodbschedule.cli.web import database_of


@pytest.fixture
def server(tmp_path):
    server = ZEOServer(tmp_path)
    server.uri = f'zeo://127.0.0.1:{server.port}?wait_timeout=1'
    yield server
    server.stop()


def test_pages_say_so_until_it_is_back(server):
    db = open_database(server.uri, Access.CREATE)
    with db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        schedule.call(print, description='greet')
    db.close()
    there = DatabaseLocation(server.uri, 'schedule')
    with database_of([there], False, 1) as kept:
        app = application_of(kept, [there], {})

        def status(address):
            return Request.blank(address).get_response(app).status_code

        assert status('/upcoming') == 200
        server.stop()
        kept.opened.db.cacheMinimize()
        wait_until(lambda: status('/upcoming') == 503, 'the end')
        assert status('/readyz') == 503
        assert status('/healthz') == 200
        server.start()
        wait_until(lambda: status('/upcoming') == 200, 'the server')
        wait_until(lambda: status('/readyz') == 200, 'readiness')
