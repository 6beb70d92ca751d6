"""A pack deletes nothing that the schedule moves meanwhile.

RelStorage without history lists all objects first, and takes the snapshot of
their references later.  What is done between the two is what `pack_around`
is given.
"""

import sqlite3
import subprocess
import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from databases import SQLITE
from databases import wait_until
from persistent.list import PersistentList
from relstorage.adapters.packundo import HistoryFreePackUndo
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import hooks

from zodbschedule import Every
from zodbschedule import Worker
from zodbschedule.cli.commands import commands
from zodbschedule.execution.consumer import Consumer
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.history import record
from zodbschedule.store.timetable import LEAF
from zodbschedule.transactions.workarounds import PACK_HINT


pytestmark = pytest.mark.storages('PostgreSQL', SQLITE)

DAY = timedelta(1)


class Failing(Note):
    """A task that is parked."""

    def __call__(self):
        raise ValueError('no')


@pytest.fixture
def pack_around(database, monkeypatch):
    """Pack, and do something when the objects were listed."""
    def pack(do):
        done = []

        def first(self, *args):
            if not done:
                done.append(True)
                do()
            fill(self, *args)

        fill = HistoryFreePackUndo.fill_object_refs
        monkeypatch.setattr(HistoryFreePackUndo, 'fill_object_refs', first)
        try:
            database.client().db.pack()
        finally:
            monkeypatch.undo()
        assert done

    return pack


def change(database, do):
    """Do something with the schedule, in a transaction of its own."""
    connection = database.open()
    do(connection.root()['schedule'])
    connection.transaction_manager.commit()
    connection.close()


def process(database, time):
    connection = database.open()
    connection.transaction_manager.abort()
    try:
        return connection.root()['schedule'].process(time)
    finally:
        connection.close()


def names(database):
    """The tasks that wait, all of whose records are there."""
    schedule = database.client().schedule()
    assert list(flaws(schedule)) == []
    return sorted(task.description for task in schedule)


def fill(database, count, time=at, cls=Note, **options):
    """Schedule so many tasks, each of which has an instant of its own."""
    def add(schedule):
        for number in range(count):
            task = cls(f'{number:05}', time(number))
            for name, value in options.items():
                setattr(task, name, value)
            schedule.schedule(task)

    change(database, add)


def test_a_repeating_task_that_runs_meanwhile_is_kept(database, pack_around):
    fill(database, 40, lambda number: at(0), recurrence=Every(DAY))
    kept = names(database)
    pack_around(lambda: process(database, at(1)))
    assert names(database) == kept
    assert process(database, at(0) + DAY).succeeded == 40


def test_large_arguments_are_kept_and_what_they_refer_to(
        database, pack_around):
    def add(schedule):
        for time in at(0), at(5):
            for _ in range(5):
                schedule.call(
                    'sample_functions.note', PersistentList(), time=time,
                    kwargs={'load': 'x' * 10_000}, recurrence=Every(DAY))

    def meddle():
        assert process(database, at(1)).succeeded == 5
        change(database, lambda schedule: [
            setattr(task, 'kwargs', {'load': 'y' * 10_000})
            for task in schedule.tasks(max=at(5))])

    change(database, add)
    pack_around(meddle)
    assert len(names(database)) == 10
    tasks = list(database.client().schedule())
    assert sorted((task.kwargs['load'][0], len(task.args[0]))
                  for task in tasks) == [('x', 1)] * 5 + [('y', 0)] * 5


def test_a_task_that_is_moved_by_hand_meanwhile_is_kept(
        database, pack_around):
    fill(database, 1)

    def postpone(schedule):
        schedule.change(next(iter(schedule)), time=at(10))

    pack_around(lambda: change(database, postpone))
    assert names(database) == ['00000']


def test_tasks_are_kept_whose_instants_are_parted_meanwhile(
        database, pack_around):
    # One tree, and one bucket, which is full.
    fill(database, LOBTree.max_leaf_size)
    kept = names(database)
    pack_around(lambda: fill(database, 1, lambda number: at(29.5)))
    assert names(database) == ['00000', *kept]


def test_tasks_at_a_busy_instant_are_kept(database, pack_around):
    fill(database, LEAF, lambda number: at(0))
    kept = names(database)
    pack_around(lambda: fill(database, 1, lambda number: at(0)))
    assert names(database) == ['00000', *kept]


def test_lists_at_a_busy_instant_are_kept(database, pack_around):
    fill(database, LOBTree.max_leaf_size * LEAF, lambda number: at(0))
    kept = names(database)
    pack_around(lambda: fill(database, 1, lambda number: at(0)))
    assert names(database) == ['00000', *kept]


def test_a_task_that_is_parked_meanwhile_and_those_beside_it_are_kept(
        database, pack_around):
    fill(database, OOBTree.max_leaf_size + 1, cls=Failing)
    process(database, at(OOBTree.max_leaf_size - 1))
    pack_around(lambda: process(database, at(OOBTree.max_leaf_size)))
    schedule = database.client().schedule()
    assert list(flaws(schedule)) == []
    assert sorted(entry.task.description for entry in schedule.parked) == [
        f'{number:05}' for number in range(OOBTree.max_leaf_size + 1)]


def test_the_history_is_kept_that_is_parted_meanwhile(database, pack_around):
    count = LOBTree.max_leaf_size

    def remember(schedule):
        schedule.history.add([record(
            1, 0, SUCCEEDED, 0, 'text', 'type', began=0)], at(0), 'worker')

    for _ in range(count):
        change(database, remember)
    pack_around(lambda: change(database, remember))
    schedule = database.client().schedule()
    assert list(flaws(schedule)) == []
    assert len(list(schedule.history)) == count + 1


def test_claims_are_kept_beside_one_that_is_made_meanwhile(
        database, pack_around):
    fill(database, OOBTree.max_leaf_size)
    kept = names(database)
    consumers = [take(database) for _ in kept]
    fill(database, 1)
    pack_around(lambda: consumers.append(take(database)))
    for consumer in consumers:
        consumer.withdraw()
    assert names(database) == ['00000', *kept]


def take(database):
    """Take one task into a claim, and leave it there."""
    schedule = database.schedule()
    schedule._p_jar.transaction_manager.abort()
    consumer = Consumer(schedule, 'worker')
    consumer.begin(at(60))
    consumer.turn(1)
    return consumer


def test_requests_are_kept_beside_one_that_is_made_meanwhile(
        database, pack_around):
    count = LOBTree.max_leaf_size + 1
    fill(database, count, recurrence=Every(DAY))
    schedule = database.schedule()
    tasks = list(schedule)

    def request(tasks):
        for task in tasks:
            schedule.requests.add(task, 0)
        schedule._p_jar.transaction_manager.commit()
        schedule._p_jar.transaction_manager.begin()

    request(tasks[1:])
    pack_around(lambda: request(tasks[:1]))
    entries = database.client().schedule().requests.entries
    assert [len(entry) for entry in entries.values()] == [2] * count


def test_a_task_that_a_run_schedules_meanwhile_is_kept(database, pack_around):
    """It stood elsewhere before, and goes into a new claim."""
    fill(database, 1, cls=Hooked)
    root = database.open().root()
    root['apart'] = Note('apart', at(10))
    root._p_jar.transaction_manager.commit()

    def schedule_it():
        root = running._p_jar.root()
        root['schedule'].schedule(root.pop('apart'))

    running = database.schedule()
    running._p_jar.transaction_manager.abort()
    consumer = Consumer(running, 'worker')
    consumer.begin(at(1))

    def work():
        hooks['00000'] = schedule_it
        assert consumer.look().due
        consumer.step(1)

    pack_around(work)
    consumer.withdraw()
    assert names(database) == ['apart']


def test_the_buckets_behind_one_that_is_parted_are_kept(
        database, pack_around, monkeypatch):
    """Also if the node above it is parted, so that they move as well."""
    monkeypatch.setattr(LOBTree, 'max_leaf_size', 4)
    monkeypatch.setattr(LOBTree, 'max_internal_size', 4)
    fill(database, 60)
    kept = names(database)
    times = [at(number + .5) for number in range(59)]

    def crowd():
        for time in times:
            fill(database, 1, lambda number, time=time: time)

    pack_around(crowd)
    assert names(database) == [*['00000'] * len(times), *kept]


# -- Packs in a loop

TASKS = 40


@pytest.fixture
def large(database):
    """A database whose list of objects takes a while."""
    connection = database.open()
    connection.root()['large'] = [PersistentList() for _ in range(10_000)]
    connection.transaction_manager.commit()
    connection.close()
    now = datetime.now(UTC)
    fill(database, TASKS, lambda number: now,
         recurrence=Every(timedelta(milliseconds=100)))
    return database


def from_outside(database, folder):
    """Pack by the command of RelStorage."""
    if database.storage == SQLITE:
        section = f'<sqlite3>\n data-dir {folder}/data\n</sqlite3>'
    else:
        _, _, rest = database.uri().partition('127.0.0.1:')
        section = ('<postgresql>\n dsn host=127.0.0.1 user=zodb password=zodb '
                   f'dbname=postgres port={rest.partition("/")[0]}\n'
                   '</postgresql>')
    conf = folder / 'pack.conf'
    conf.write_text(
        '%import relstorage\n<relstorage>\n keep-history false\n'
        f'{section}\n</relstorage>\n')
    return subprocess.run(
        [sys.executable, '-m', 'relstorage.zodbpack', '--days', '-1', conf],
        capture_output=True).returncode == 0


def from_inside(database):
    """Pack as an application does."""
    try:
        database.db.pack()
    except sqlite3.Error:
        # SQLite does not like writers beside it.  Nothing was deleted.
        return False
    return True


def test_packs_in_a_loop_beside_a_worker_delete_nothing(
        large, tmp_path, unmeasured):
    with Worker(large.client().db, threads=2):
        packs = [from_outside(large, tmp_path),
                 *(from_inside(large) for _ in range(5))]
    assert any(packs) if large.storage == SQLITE else all(packs)
    assert names(large) == [f'{number:05}' for number in range(TASKS)]



def test_a_worker_and_check_say_what_is_safe(
        database, caplog, capsys, no_terminal):
    with Worker(database.client().db, threads=2):
        wait_until(lambda: list(database.client().schedule().workers),
                   'its beginning')
    assert caplog.messages.count(PACK_HINT) == 1
    commands(['check', '--db', database.uri()], standalone_mode=False)
    assert ' '.join(PACK_HINT.split()) in capsys.readouterr().err
