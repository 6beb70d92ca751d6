"""The format of the database: what was written once opens and works today.

The databases are in `tests/data`; `tests/support/stored.py` has written them.
"""

import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import transaction
import ZODB
from click.testing import CliRunner
from places import check
from shapes import documented
from shapes import fields_on_page
from shapes import length
from shapes import records
from shapes import shapes_of
from shapes import stored_fields
from stored import ABSENT
from stored import BUSY
from stored import DAY
from stored import FILES
from stored import MINUTE
from stored import NOW
from stored import SECOND
from stored import copy
from stored import opened
from stored import uri_of
from ZODB.broken import Broken

from zodbschedule import clock as the_clock
from zodbschedule import reading
from zodbschedule.cli.commands import commands
from zodbschedule.reading.tasks import all_tasks
from zodbschedule.reading.workers import all_workers
from zodbschedule.testing import SettableClock


HERE = Path(__file__).parent
DATA = HERE / 'data'

TOGETHER = {f'together {number}' for number in range(20)}

#: a site, which needs Zope
SITE = 'site.fs'

#: the state of each task, by its description
STATES = {
    'running': 'running', 'claimed': 'claimed', 'again': 'claimed',
    'made': 'claimed', 'once': 'claimed', 'paused': 'paused',
    'crashing': 'paused',
    **dict.fromkeys(TOGETHER | {
        'absent', 'cron', 'rrule', 'retried', 'waiting', 'foreign', 'keyed',
        'of user', 'call', 'large', 'method'}, 'waiting')}

#: what has an effect when all is processed
EFFECTS = Counter(TOGETHER | {
    'running', 'claimed', 'again', 'made', 'cron', 'rrule', 'retried',
    'waiting', 'foreign', 'keyed', 'of user', 'called', 'called with much',
    'published'}) + Counter(['claimed'])

#: what had one before
BEFORE = Counter({'busy': BUSY, 'again': 1, 'ended': 1, **{
    f'first {number}': 1 for number in range(4)}})

#: where these storages differ from others: what moves is held for a pack
HELD = 'zodbschedule.store.moved'


@pytest.fixture(params=FILES)
def stored(request, tmp_path):
    """A copy of the database of each kind: the kind, and its folder."""
    copy(DATA, FILES[request.param], tmp_path)
    return request.param, tmp_path


@pytest.fixture
def root(stored):
    """The root of the copy, in a connection of the thread."""
    with opened(*stored) as db, closing(db.open()) as connection:
        yield connection.root()
        transaction.abort()


@pytest.fixture
def schedule(root):
    """The schedule of the copy, when it was last written."""
    with the_clock.use(SettableClock(NOW + 120 * MINUTE)):
        yield root['schedule']


def process(schedule, now):
    """Process all that is due, until nothing is."""
    the_clock.current().set(now)
    while any(schedule.process(now)[:-1]):
        pass
    transaction.begin()


class TestOpening:
    """All that is stored can be read."""

    def test_it_is_sound(self, schedule):
        check(schedule)

    def test_a_copy_of_the_file_is_the_same_schedule(self, schedule):
        assert schedule.is_identified
        assert not schedule.is_copied

    def test_a_deep_check_finds_no_flaw(self, stored):
        found = CliRunner().invoke(commands, [
            'check', '--deep', '--db', uri_of(*stored), '--path', 'schedule'])
        assert 'the schedule is sound' in found.output
        assert found.exit_code == 0

    def test_each_task_is_in_its_state(self, schedule):
        assert {row.description: row.state
                for row in all_tasks(schedule)} == STATES

    def test_what_runs_has_said_how_far_it_has_come(self, schedule):
        [row] = [row for row in reading.running(schedule).items
                 if row.state == 'running']
        assert (row.progress.done, row.progress.total) == (2, 5)

    def test_every_task_has_details(self, schedule):
        for row in all_tasks(schedule):
            details = reading.task(schedule, row.id)
            assert details.description == row.description
            assert reading.to_json(details)

    def test_a_missing_class_is_a_problem_of_its_task(self, schedule):
        [row] = [row for row in all_tasks(schedule) if row.problem]
        assert row.type == f'{ABSENT}.Absent'

    def test_settings_are_kept(self, schedule):
        assert (schedule.lease, schedule.catch_up, schedule.spread) == (
            MINUTE, 2 * DAY, 10 * SECOND)
        assert (schedule.history.keep, schedule.history.keep_each) == (20, 5)

    def test_what_is_paused_says_why(self, root, schedule):
        assert {row.task.description: (row.by, row.reason)
                for row in schedule.paused_tasks()} == {
            'paused': ('jane', 'wrong figures'),
            'crashing': ('joe', 'it ends processes')}
        assert root['idle'].paused().reason == 'not yet'

    def test_what_is_parked_says_why(self, schedule):
        assert [(row.description, row.reason, row.id[-17:-16])
                for row in reading.parked(schedule).items] == [
            ('once', 'ValueError: it is to fail', '-'),
            ('parked', 'ValueError: it is to fail', '')]

    def test_the_history_is_within_its_bounds(self, schedule):
        rows = reading.history(schedule, limit=1000).items
        by_task = Counter(row.description for row in rows)
        assert by_task['busy'] < BUSY
        assert {'succeeded', 'retried', 'failed', 'interrupted', 'paused',
                'requested'} == {row.outcome for row in rows}

    def test_keys_are_held(self, schedule):
        assert {key: schedule.keys.get(key).description for key in (
            'keyed', 'retried')} == {'keyed': 'keyed', 'retried': 'retried'}

    def test_crashes_are_counted(self, schedule):
        [(count, task)] = schedule.crashes.values()
        assert (count, task.description) == (1, 'crashing')

    def test_labels_find_tasks(self, schedule):
        found = reading.tasks_of(schedule, principalId='joe', uuid='5f6c')
        assert {row.description for row in found.items} >= {'of user'}

    def test_its_worker_is_not_taken_for_alive(self, schedule):
        [worker] = all_workers(schedule)
        assert (worker.host, worker.state) == ('elsewhere', 'silent')
        assert worker.claimed == 2


class TestProcessing:
    """Nothing is lost, and nothing is done twice."""

    @pytest.fixture
    def processed(self, schedule):
        process(schedule, NOW + 10 * DAY)
        return schedule

    def test_each_task_has_its_effect(self, root, processed):
        assert Counter(root['effects']) == BEFORE + EFFECTS

    def test_what_repeats_or_cannot_run_is_in_its_place(self, processed):
        assert {row.description: row.state
                for row in all_tasks(processed)} == {
            'absent': 'waiting', 'cron': 'waiting', 'rrule': 'waiting',
            'again': 'waiting', 'claimed': 'waiting', 'once': 'waiting',
            'paused': 'paused', 'crashing': 'paused'}

    def test_it_stays_sound(self, processed):
        check(processed)

    def test_nothing_is_left_in_a_claim(self, processed):
        assert not processed.claims
        assert not processed.requests.entries

    def test_outcomes_are_on_record(self, processed):
        newest = reading.history(processed).items[0]
        assert (newest.outcome, newest.ended) == (
            'succeeded', NOW + 10 * DAY)

    def test_what_was_parked_or_paused_runs_when_a_person_says_so(
            self, root, processed):
        for entry in list(processed.parked):
            processed.unpark(entry)
        for pause in list(processed.paused_tasks()):
            processed.resume(pause.task)
        transaction.commit()
        process(processed, NOW + 10 * DAY)
        assert Counter(root['effects']) == BEFORE + EFFECTS + Counter(
            ['paused', 'crashing'])
        assert len(processed.parked) == 2
        check(processed)

    def test_a_missing_class_is_parked_in_the_end(self, processed):
        process(processed, NOW + 40 * DAY)
        assert f'{ABSENT}.Absent' in {
            row.function for row in reading.parked(processed).items}


class TestWithoutZope:
    """Tasks of a site are missing code to a process that has no Zope."""

    @pytest.fixture
    def db(self, tmp_path):
        copy(DATA, SITE, tmp_path)
        with closing(ZODB.DB(str(tmp_path / SITE))) as db, (
                the_clock.use(SettableClock(NOW + DAY + MINUTE))):
            yield db

    @pytest.fixture
    def schedule(self, db):
        with closing(db.open()) as connection:
            yield connection.root()['schedule']
            transaction.abort()

    def test_every_record_can_be_loaded(self, db):
        connection = db.open()
        broken = 0
        for oid, _, _ in records(db):
            loaded = connection.get(oid)
            loaded._p_activate()
            broken += isinstance(loaded, Broken)
        connection.close()
        assert broken

    def test_they_are_listed(self, schedule):
        assert {(row.function, row.state, row.problem is None)
                for row in all_tasks(schedule)} == {
            ('zodbschedule.zope.context_task.ContextTask', 'waiting', False),
            ('zodbschedule.zope.contributions.ContributedTask', 'waiting',
             False)}

    def test_they_are_left_in_their_places(self, schedule):
        before = [task._p_oid for task in schedule]
        schedule.process(the_clock.now())
        transaction.begin()
        assert [task._p_oid for task in schedule] == before
        assert not len(schedule.parked)
        check(schedule)


# -- the format


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """The shapes of what is in the data, by kind."""
    found = {}
    for kind, name in FILES.items():
        folder = tmp_path_factory.mktemp(kind)
        copy(DATA, name, folder)
        with opened(kind, folder) as db:
            found[kind] = shapes_of(db)
    return found


def without_held(shapes):
    """Those of our classes, without what holds what has moved."""
    return {(path, name): kinds for (path, name), kinds in shapes.items()
            if path.startswith('zodbschedule.') and not path.startswith(HELD)}


def test_this_code_writes_what_is_in_the_data(shapes, tmp_path):
    """If it fails, the format has changed: read docs/compatibility.rst."""
    subprocess.run(
        [sys.executable, '-m', 'stored', tmp_path, 'FileStorage'], check=True,
        capture_output=True, env={**os.environ, 'PYTHONPATH': os.pathsep.join(
            sys.path)})
    with opened('FileStorage', tmp_path) as db:
        assert shapes_of(db) == shapes['FileStorage']


def test_nothing_in_the_data_is_of_the_machine_of_the_writer():
    files = [path for path in DATA.rglob('*') if path.is_file()]
    assert len(files) > 2
    for path in files:
        assert b'  File "' not in path.read_bytes(), path


def test_all_storages_hold_the_same(shapes):
    assert without_held(shapes['SQLite']) == (
        without_held(shapes['FileStorage']))
    assert (f'{HELD}.Moved', 'parts') in shapes['SQLite']


@pytest.mark.parametrize('path', [
    path for path in documented() if '.zope.' not in path])
def test_what_the_page_names_is_there(path, shapes):
    """Each field is stored, or has a default that is not."""
    cls = getattr(import_module(path.rpartition('.')[0]),
                  path.rpartition('.')[2])
    stored = stored_fields(shapes['SQLite']).get(path, {})
    missing = {name for name in documented()[path] if not (
        name in stored or '' in stored or hasattr(cls, name))}
    assert missing <= {'_zodbschedule'}


def test_the_page_names_all_that_is_stored(shapes):
    for path, fields in stored_fields(shapes['SQLite']).items():
        named = fields_on_page(path)
        assert set(fields) - {''} <= set(named), path
        assert max(map(length, fields.get('', ())), default=0) <= len(named)
