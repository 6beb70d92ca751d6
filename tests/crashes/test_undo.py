"""Undoing a run: its effects and its task come back together, or nothing."""

import threading

import pytest
import transaction
import zope.event
from databases import HISTORY
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from places import check
from sample_tasks import MINUTE
from sample_tasks import Stage
from ZODB.POSException import UndoError

from zodbschedule import Every
from zodbschedule import Task
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import TaskParked
from zodbschedule.outcomes import Tally


#: so that all but those on a FileStorage are slow
HUNDREDS = True


class Apart(Task):
    """Leaves its mark in an object that no other task writes."""

    again = fails = retries = False

    def __call__(self):
        self._p_jar.root()['apart'][self.description].append(1)
        if self.fails:
            raise ValueError('no')
        if self.retries:
            self.time += 60 * MINUTE
            return self

    def schedule(self):
        if self.again:
            self.time += 60 * MINUTE
            return self


KINDS = pytest.mark.parametrize(
    'kind', ['once', 'again', 'retries', 'series', 'keyed', 'keyed series'])

pytestmark = pytest.mark.storages('FileStorage', 'ZEO', HISTORY)


@pytest.fixture
def stage(database, clock, monkeypatch):
    """Three tasks that are due, on a storage that can undo."""
    # A turn after each run.
    monkeypatch.setattr(processing, 'PORTION', 1)
    manager = transaction.TransactionManager(explicit=True)
    stage = Stage(database.db, manager, clock)
    stage.client = database.client()
    with stage.transaction() as root:
        root['apart'] = PersistentMapping()
        for minutes, name in enumerate(('one', 'two', 'three')):
            root['apart'][name] = PersistentList()
            stage.schedule.schedule(
                stage.make(name, cls=Apart, minutes=9 - minutes))
    yield stage
    stage.close()
    check(database.schedule())


def prepare(stage, kind):
    """Make the first task one that comes back, or one that has a key."""
    with stage.transaction() as root:
        task = next(iter(root['schedule']))
        if kind.startswith('keyed'):
            root['schedule'].change(task, key='k')
        if kind.endswith('series'):
            # Not by `change`, which would move it.
            task.recurrence = Every(60 * MINUTE, task.time)
        if kind in ('again', 'retries', 'fails'):
            setattr(task, kind, True)


def comes_back(kind):
    """Whether the first task is there again when it has run."""
    return kind not in ('once', 'keyed')


def undo(stage, text):
    """Undo the newest transaction whose description is *text*."""
    manager = transaction.TransactionManager(explicit=True)
    log = stage.client.db.undoLog(0, 1000)
    found = next(entry for entry in log
                 if _text(entry['description']) == text)
    manager.begin()
    try:
        stage.client.db.undo(found['id'], manager.get())
        manager.commit()
    except BaseException:
        manager.abort()
        raise


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def process_and_undo(stage, text, after):
    """Process, and undo as soon as the run of *after* is committed."""
    problems = []

    def react(event):
        if event.description == after and not isinstance(event, TaskParked):
            try:
                undo(stage, text)
            except UndoError as error:
                problems.append(error)

    zope.event.subscribers.append(react)
    try:
        return stage.process(), problems
    finally:
        zope.event.subscribers.remove(react)


def effects(stage):
    """How often each task has had its effect."""
    stage.tm.begin()
    found = {name: len(marks) for name, marks
             in stage.connection.root()['apart'].items()}
    stage.tm.abort()
    return found


ONCE = {'one': 1, 'two': 1, 'three': 1}


@KINDS
def test_a_run_that_has_just_ended_is_undone_with_its_outcome(stage, kind):
    prepare(stage, kind)
    tally, problems = process_and_undo(stage, 'one', after='one')
    assert not problems
    assert effects(stage) == {**ONCE, 'one': 0}
    seen = stage.look()
    assert seen.waiting == ['one']
    assert 'one' not in dict(seen.outcomes)
    assert not seen.claims
    with stage.transaction() as root:
        [task] = root['schedule']
        assert task.time == stage.now - 9 * MINUTE
    assert sum(stage.process()) == 1
    assert effects(stage) == ONCE


@KINDS
def test_a_run_whose_outcome_was_collected_cannot_be_undone(stage, kind):
    prepare(stage, kind)
    tally, problems = process_and_undo(stage, 'one', after='two')
    assert len(problems) == 1
    assert effects(stage) == ONCE
    seen = stage.look()
    assert seen.waiting == (['one'] if comes_back(kind) else [])
    assert dict(seen.outcomes)['one'] == (
        'retried' if kind == 'retries' else 'succeeded')


@KINDS
def test_a_run_cannot_be_undone_after_its_pass(stage, kind):
    prepare(stage, kind)
    stage.process()
    before = stage.look()
    with pytest.raises(UndoError):
        undo(stage, 'one')
    assert effects(stage) == ONCE
    assert stage.look() == before
    # And not after further passes either.
    stage.process(120)
    with pytest.raises(UndoError):
        undo(stage, 'two')
    assert effects(stage)['two'] == 1


@KINDS
def test_a_run_cannot_be_undone_after_a_pack(stage, kind):
    prepare(stage, kind)
    stage.process()
    before = stage.look()
    found = [entry['id'] for entry in stage.client.db.undoLog(0, 1000)
             if _text(entry['description']) == 'one']
    stage.db.pack()
    assert not [entry for entry in stage.client.db.undoLog(0, 1000)
                if entry['id'] in found]
    assert effects(stage) == ONCE
    assert stage.look() == before


def test_without_history_a_run_is_undone_right_or_refused(stage):
    # Then two outcomes in one slot may look the same to the storage, which
    # allows to undo the first after the second.
    with stage.transaction() as root:
        root['schedule'].history.keep = 0
    tally, problems = process_and_undo(stage, 'one', after='two')
    assert tally.succeeded >= 3
    done = effects(stage)
    waiting = stage.look().waiting
    for name in ONCE:
        assert done[name] + waiting.count(name) == 1
    stage.process()
    assert effects(stage) == ONCE


def test_a_parking_that_has_just_happened_is_undone_with_its_entry(stage):
    prepare(stage, 'fails')
    tally, problems = process_and_undo(stage, 'parked: one', after='one')
    assert not problems
    seen = stage.look()
    assert seen.waiting == ['one']
    assert not seen.parked
    assert stage.process() == Tally(failed=1)


def test_a_parking_cannot_be_undone_later(stage):
    prepare(stage, 'fails')
    stage.process()
    with pytest.raises(UndoError):
        undo(stage, 'parked: one')
    seen = stage.look()
    assert seen.waiting == []
    assert list(seen.parked) == ['one']


@KINDS
def test_a_turn_cannot_be_undone_after_its_pass(stage, kind):
    prepare(stage, kind)
    stage.process()
    before = stage.look()
    with pytest.raises(UndoError):
        undo(stage, 'zodbschedule: take due tasks')
    assert stage.look() == before


@KINDS
def test_undoing_the_last_turn_of_a_pass_is_mended_by_the_next(stage, kind):
    prepare(stage, kind)
    stage.process()
    before = stage.look()
    undo(stage, 'zodbschedule: hand back')
    assert len(stage.look().claims) == 1
    stage.process()
    assert stage.look() == before
    assert effects(stage) == ONCE


def test_undone_an_occurrence_that_was_asked_for_runs_all_the_same(stage):
    with stage.transaction() as root:
        task = next(iter(root['schedule']))
        root['schedule'].change(task, time=stage.now + 30 * MINUTE)
        task.recurrence = Every(60 * MINUTE, task.time)
        root['schedule'].run_now(task)
    tally, problems = process_and_undo(stage, 'one', after='one')
    assert not problems
    assert effects(stage)['one'] == 0
    for minutes, count in (0, 1), (29, 1), (30, 2), (89, 2):
        stage.process(minutes)
        assert effects(stage)['one'] == count


@pytest.mark.storages(HISTORY)
@pytest.mark.xfail(
    raises=AssertionError,
    reason='RelStorage 4.3 looks whether it may undo before it locks')
def test_an_undo_at_the_moment_of_a_turn_is_right_or_refused(
        stage, monkeypatch):
    looked, go_on = threading.Event(), threading.Event()
    pack_undo = type(stage.client.db.storage._adapter.packundo)
    look = pack_undo.verify_undoable

    def look_and_pause(*args):
        look(*args)
        looked.set()
        go_on.wait(60)

    def react(event):
        if event.description == 'one':
            undoing.start()
            looked.wait(60)

    undoing = threading.Thread(target=undo, args=(stage, 'one'))
    monkeypatch.setattr(pack_undo, 'verify_undoable', look_and_pause)
    zope.event.subscribers.append(react)
    try:
        stage.process()
    finally:
        zope.event.subscribers.remove(react)
        go_on.set()
        undoing.join()
    assert effects(stage)['one'] + stage.look().waiting.count('one') == 1
