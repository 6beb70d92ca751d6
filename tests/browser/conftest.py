"""A real browser, and a shop that is open: ZEO, a worker, the pages."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain

import pytest
from browsed_shop import open_shop
from browsed_shop import wait_until_open
from databases import Client
from databases import ZEOServer
from databases import needs
from databases import wait_until

from zodbschedule.store.inspection import task_id


# It reaches nobody but the pages, as in a place without a network.
FLAGS = (
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync')


PLACE = re.compile(r'The pages are at http://127.0.0.1:(\d+)/')

# How long a page may take, on a machine that is busy, in milliseconds.
PATIENCE = 60_000


@pytest.fixture(scope='session')
def chromium():
    """A browser."""
    needs(find_spec('axe_playwright_python'), 'Playwright with axe',
          'pip install --group browser')
    program = shutil.which('chromium')
    needs(program, 'Chromium',
          'apt-get install chromium, or put it on the PATH')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """Makes contexts of the browser, each a new visitor."""
    made = []

    def make(**options):
        made.append(chromium.new_context(**options))
        made[-1].set_default_timeout(PATIENCE)
        return made[-1]

    yield make
    for each in made:
        each.close()


class Shop:
    """What is looked at: a database, and the address of its pages."""

    def __init__(self, client, url):
        self.client = client
        self.url = url

    def id_of(self, description):
        """The id of the first task with that description."""
        with self.client.db.transaction() as connection:
            schedule = connection.root()['schedule']
            held = (each.task for each in schedule.claimed())
            return next(task_id(task) for task in chain(schedule, held)
                        if task.description == description)


@contextmanager
def running(*command, log=None):
    """Inside this context that command runs; then it ends in order."""
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, '-m', 'zodbschedule', *command], stderr=log,
        env={**os.environ, 'PYTHONPATH': path})
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait() == 0


@contextmanager
def pages_of(uri, folder, *options):
    """Inside this context the pages are served; the value is the address."""
    said = folder / 'pages.log'
    with (open(said, 'w') as log,
          running('web', '--db', uri, '--bind', '127.0.0.1:0', *options,
                  log=log) as process):
        wait_until(lambda: PLACE.search(said.read_text()), 'the pages',
                   process)
        yield f'http://localhost:{PLACE.search(said.read_text())[1]}'


@pytest.fixture
def zeo(tmp_path):
    """A server of its own, so that nothing else is in the database."""
    server = ZEOServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def client(zeo):
    """A client of that database."""
    client = Client(zeo.uri)
    yield client
    client.close()


@pytest.fixture
def shop(client, tmp_path):
    """A shop that is open, with a worker and pages that may change it."""
    open_shop(client)
    with (running('worker', '--db', client.uri(), '--threads', '2',
                  '--name', 'till', '--grace', '0'),
          pages_of(client.uri(), tmp_path, '--allow-changes') as url):
        wait_until_open(client)
        yield Shop(client, url)
