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
"""Each kind of record is deleted from a database, and the rest goes on."""

import logging
import shutil
import sqlite3
from contextlib import closing as closing_file
from datetime import timedelta

import pytest
import transaction
import ZODB
from databases import wait_until
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import commit
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.utils import u64

from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import ScheduleDamaged
from zodbschedule import Worker
from zodbschedule import clock as the_clock
from zodbschedule.cli.commands import commands
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.parked import ParkedTask
from zodbschedule.testing import SettableClock


SECOND = timedelta(seconds=1)

#: so many of each, so that they are in several buckets of one tree
MANY = 70


class Repeating(Note):
    """A task that goes on."""

    recurrence = Every(timedelta(hours=1))


def fill(schedule):
    """Records of all kinds, and more than one of each."""
    for number in range(MANY):
        task = Note(f'{number}', at(-30) + number * SECOND)
        task.key = f'key {number}'
        task.principalId = 'edi'
        schedule.schedule(task)
    transaction.commit()
    tasks = list(schedule)
    fill_claims(schedule)
    fill_notes(schedule, tasks)
    for number in range(40):
        schedule.schedule(Note(f'busy {number}', at(-29)))
    for number in range(MANY):
        later = Repeating(f'{number}', at(number + 9))
        later.principalId = 'edi'
        schedule.schedule(later)
        schedule._p_jar.add(later)
        schedule.pause(later)
    transaction.commit()


def fill_claims(schedule):
    # Of another machine, and not silent for long.
    away = this()._replace(machine='another', started='1')
    gone = this()._replace(started='1')
    for number in range(40):
        schedule.claims[f'{number:04}'] = Claim(f'away {number}', away)
    for number in range(2):
        claim = schedule.claims[f'gone {number}'] = Claim('gone', gone)
        turn.exchange(schedule, claim, 10, None, NOON, lambda *_: True)


def fill_notes(schedule, tasks):
    for number, task in enumerate(tasks):
        schedule.parked.add(ParkedTask(
            f'{number:x}-20300131T080000Z', task, NOON, NOON, 'once',
            occurrence=0))
        schedule.history.add([record(1, 0, 1, 0, '', '', began=0)], NOON, '')
        schedule.requests.add(task, 0)
        schedule.crashes[u64(task._p_oid)] = 1, task
        schedule.keys.running[f'running {number}'] = number


# -- What is lost: a function of the schedule


def nodes(tree):
    return list(remains.nodes(tree))


def largest(spread):
    return max(spread.trees, key=len)


def first(objects):
    return next(iter(objects))


TREES = {
    'timetable': lambda s: largest(s.timetable.instants),
    'keys': lambda s: largest(s.keys.holders),
    'keys by task': lambda s: largest(s.keys.by_oid),
    'labels': lambda s: largest(s.labels.entries),
    'running': lambda s: s.keys.running,
    'claims': lambda s: s.claims,
    'crashes': lambda s: s.crashes,
    'requests': lambda s: s.requests.entries,
    'pauses': lambda s: s.pauses.entries,
    'parked': lambda s: s.parked.entries,
    'arrivals': lambda s: s.parked.arrivals,
    'history': lambda s: s.history.chunks,
}

OTHERS = {
    'a list': lambda s: s.timetable.held_at(at(-29) + SECOND),
    'a tree of lists': lambda s: s.timetable.held_at(at(-29)),
    'a leaf': lambda s: first(s.timetable.held_at(at(-29)).values()),
    'a claim': lambda s: s.claims['gone 1'],
    'a claim of another': lambda s: s.claims['0007'],
    'slots': lambda s: s.claims['gone 1'].slots,
    'a slot': lambda s: s.claims['gone 1'].slots[3],
    'a heartbeat': lambda s: s.claims['gone 1'].heartbeat,
    'a heartbeat of another': lambda s: s.claims['0007'].heartbeat,
    'a request': lambda s: first(s.requests.entries.values()),
    'a parked task': lambda s: first(s.parked.entries.values()),
    'a chunk': lambda s: first(s.history.chunks.values()),
    'count of pauses': lambda s: s.pauses.ended,
    'count of parked tasks': lambda s: s.parked.count,
}

PARTS = {
    'moved': lambda s: s.moved,
    'parked': lambda s: s.parked,
    'timetable': lambda s: s.timetable,
    'instants': lambda s: s.timetable.instants,
    'history': lambda s: s.history,
    'keys': lambda s: s.keys,
    'holders': lambda s: s.keys.holders,
    'by task': lambda s: s.keys.by_oid,
    'labels': lambda s: s.labels,
    'pauses': lambda s: s.pauses,
    'requests': lambda s: s.requests,
}


#: those that have no node but the root
SMALL = 'keys', 'keys by task', 'labels'


def in_trees():
    for name, tree in TREES.items():
        yield f'{name}: root', lambda s, tree=tree: tree(s)
        if name not in SMALL:
            yield f'{name}: node', lambda s, tree=tree: nodes(tree(s))[-1]


STEPPED_OVER = dict(in_trees()) | OTHERS
MENDED = {name: find for name, find in STEPPED_OVER.items()
          if not name.endswith('node')} | {
    f'{name}: first node': lambda s, tree=tree: nodes(tree(s))[1]
    for name, tree in TREES.items() if name not in SMALL} | {
    'entries by label': lambda s: s.labels.entries}


# -- Databases


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The path of a database that has lost nothing, and what it may lose."""
    path = f'{tmp_path_factory.mktemp("whole")}/Data.fs'
    with the_clock.use(SettableClock(NOON)), closing(path) as schedule:
        fill(schedule)
        return path, {find: find(schedule)._p_oid for find in (
            *STEPPED_OVER.values(), *MENDED.values(), *PARTS.values())}


class closing:
    """A schedule in the database at *path*, which is closed in the end."""

    def __init__(self, path):
        self.db = ZODB.DB(path)

    def __enter__(self):
        root = self.db.open().root()
        if 'schedule' not in root:
            root['schedule'] = Schedule()
            transaction.commit()
        return root['schedule']

    def __exit__(self, *error):
        transaction.abort()
        self.db.close()


def delete(path, oid):
    """Delete a record, as garbage collectors do."""
    storage = FileStorage(path)
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    storage.deleteObject(oid, storage.load(oid)[1], txn)
    storage.tpc_vote(txn)
    storage.tpc_finish(txn)
    storage.close()


@pytest.fixture
def damage(whole, tmp_path):
    """Open a copy of the database without what a function names."""
    opened = []

    def damage(find):
        source, oids = whole
        lost, path = oids[find], f'{tmp_path}/Damaged.fs'
        remains._told.clear()
        shutil.copy(source, path)
        delete(path, lost)
        opened.append(closing(path))
        return opened[0].__enter__(), lost

    with the_clock.use(SettableClock(NOON)):
        yield damage
        for each in opened:
            each.__exit__()


# -- What is stepped over


def look(schedule):
    """All that a person may look at."""
    for task in [*schedule, *schedule.keys]:
        repr(task)
    list(schedule.workers)
    list(schedule.claimed())
    list(schedule.history)
    list(schedule.parked.newest_first())
    list(schedule.tasks_of('edi'))
    len(schedule.parked)
    list(schedule.forecast(NOON + 3 * timedelta(hours=1), NOON))
    return len(list(schedule.parked)), schedule.overdue(NOON)


def use(schedule):
    """What an application does."""
    task = schedule.schedule(Note('new', at(-1)))
    for number in range(10):
        keyed = Note(f'{number}', at(-1) + number * SECOND)
        keyed.key = f'new {number}'
        schedule.schedule(keyed)
    *_, last = schedule
    schedule.resume(last)
    schedule.pause(last)
    schedule.resume(last)
    schedule.run_now(last)
    schedule.change(last, description='changed')
    schedule.unschedule(last)
    for entry in list(schedule.parked)[:1]:
        schedule.discard(entry)
    transaction.commit()
    return task


@pytest.mark.parametrize('find', STEPPED_OVER.values(), ids=STEPPED_OVER)
def test_the_rest_is_shown_and_used_and_runs(damage, caplog, find):
    schedule, lost = damage(find)
    caplog.set_level(logging.ERROR)
    look(schedule)
    new = use(schedule)
    assert new in schedule
    look(schedule)
    transaction.commit()
    while any(schedule.process(NOON)):
        """What was requested runs once more."""
    assert new.runs == 1
    assert list(schedule.timetable.times(max=NOON)) == []
    assert caplog.text.count(f'Record {u64(lost):x},') <= 1


@pytest.mark.parametrize('find', MENDED.values(), ids=MENDED)
def test_it_is_named_and_mended(damage, find):
    schedule, lost = damage(find)
    found = [flaw for flaw in flaws(schedule) if flaw.kind == 'lost-record']
    assert f'{u64(lost):x}' in {flaw.id for flaw in found}
    mend(schedule)
    assert list(flaws(schedule)) == []
    transaction.commit()
    use(schedule)
    schedule.process(NOON)
    assert list(flaws(schedule)) == []


# -- What is not


@pytest.mark.parametrize('find', PARTS.values(), ids=PARTS)
def test_what_cannot_be_stepped_over_says_so_and_is_mended(damage, find):
    schedule, lost = damage(find)
    told = f'^The database is damaged: record {u64(lost):x} is gone, that of '
    with pytest.raises(ScheduleDamaged, match=told) as raised:
        schedule.process(NOON)
    assert 'Restore the database from a backup.' in str(raised.value)
    [flaw] = flaws(schedule)
    assert flaw.id == f'{u64(lost):x}'
    assert flaw in mend(schedule)
    assert list(flaws(schedule)) == []
    assert flaw.problem in schedule.parked.get(flaw.id).reason
    transaction.commit()
    use(schedule)
    schedule.process(NOON)
    assert list(flaws(schedule)) == []


def test_a_worker_says_what_it_cannot_step_over(damage, caplog):
    schedule, lost = damage(PARTS['timetable'])
    transaction.abort()
    with Worker(schedule._p_jar.db()):
        wait_until(lambda: 'that of the timetable of a schedule'
                   in caplog.text, 'it says so')


def test_a_worker_goes_on_with_the_rest(damage):
    schedule, lost = damage(STEPPED_OVER['claims: root'])
    schedule.schedule(Note('new', at(-1)))
    transaction.commit()
    db = schedule._p_jar.db()
    with Worker(db):
        wait_until(lambda: not due(db), 'all that is due has run')
    transaction.begin()
    assert list(schedule.claims) == []


def due(db):
    with db.transaction() as connection:
        return list(connection.root()['schedule'].timetable.times(max=NOON))


# -- On the command line

LOOKS = [('list',), ('show', '1'), ('check',), ('parked',), ('workers',),
         ('history', '--limit', '5'), ('forecast', '--limit', '5')]


@pytest.fixture
def command(tmp_path, capsys):
    """What a command that only reads shows, and its exit code."""
    def command(*args):
        remains._told.clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            commands([*args, '--db', f'{tmp_path}/Damaged.fs'],
                     prog_name='zodbschedule')
        return (*capsys.readouterr(), ended.value.code)

    return command


@pytest.mark.parametrize('find', [
    find for name, find in STEPPED_OVER.items() if 'node' not in name])
def test_commands_show_the_rest_and_say_what_is_gone(damage, command, find):
    schedule, lost = damage(find)
    task = first(schedule)
    for look in *LOOKS, ('show', f'{u64(task._p_oid):x}'):
        out, err, code = command(*look)
        assert code in (0, 1) or look == ('show', '1')
        assert 'Traceback' not in err
    out, err, code = command('check', '--deep')
    assert code == 1
    assert f'lost-record: {u64(lost):x}' in out


def test_a_command_says_what_is_gone(damage, command):
    _, lost = damage(STEPPED_OVER['a list'])
    out, err, code = command('list', '--limit', '0')
    assert 'busy 1' in out
    assert f'ERROR Record {u64(lost):x}, a PersistentList of a' in err
    assert 'zodbschedule check --deep names what is lost' in err


def test_a_command_that_cannot_go_on_says_why(damage, command):
    _, lost = damage(PARTS['timetable'])
    for look in [('list',), ('check',), ('forecast',)]:
        out, err, code = command(*look)
        assert (out, code) == ('', 2)
        assert err.startswith(
            f'Error: The database is damaged: record {u64(lost):x} is gone, '
            f'that of the timetable of a schedule; ')
    out, err, code = command('check', '--deep')
    assert f'lost-record: {u64(lost):x}' in out


# -- Another storage


@pytest.mark.storages('SQLite')
@pytest.mark.parametrize('find', [
    lambda s: s.claims, lambda s: s.timetable.held_at(at(-9)),
    lambda s: s.crashes], ids=['claims', 'list', 'crashes'])
def test_a_row_is_deleted_of_a_relational_database(
        database, tmp_path, clock, find):
    clock.set(NOON)
    schedule = database.schedule()
    for minute in range(-10, 0):
        schedule.schedule(Note(f'{minute}', at(minute)))
    commit(schedule)
    lost = find(schedule)._p_oid
    database.close()
    [path] = tmp_path.rglob('main.sqlite3')
    with closing_file(sqlite3.connect(path)) as rows:
        deleted = rows.execute(
            'DELETE FROM object_state WHERE zoid = ?', (u64(lost),))
        assert deleted.rowcount == 1
        rows.commit()
    schedule = database.schedule()
    assert [flaw.id for flaw in flaws(schedule)] == [f'{u64(lost):x}']
    waiting = len(list(schedule))
    commit(schedule)
    assert schedule.process(NOON).succeeded == waiting >= 9
    mend(schedule)
    commit(schedule)
    assert list(flaws(schedule)) == []
