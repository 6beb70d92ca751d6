"""Who relies on a task of a key by 'keep': a run of it sees what they wrote.

Whatever happens meanwhile: it is taken, begins to run, reads, ends, comes
back.  A user writes and relies at one of these moments, having seen nothing
that comes after it, and commits at the same moment or at a later one.
"""

from datetime import timedelta
from itertools import combinations_with_replacement

import pytest
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from places import announce_moments
from places import check
from places import check_empty
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import prepare
from sample_work import try_to_commit

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Task
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.timetable import LEAF
from zodbschedule.store.timetable import Timetable


#: so that all but those on a FileStorage are slow
HUNDREDS = True

MOMENTS = [
    'before', 'taken', 'before the run', 'begun', 'read', 'after the run',
    'collected', 'after']

PAIRS = list(combinations_with_replacement(MOMENTS, 2))

#: what is done at a moment, once
plans = {}


def reached(moment):
    for plan in plans.pop(moment, ()):
        plan()


class Reading(Task):
    """Notes what it has seen of the data."""

    runs = 0

    def __init__(self, kind='once'):
        super().__init__(NOON, key='k')
        self.kind = kind
        if kind == 'series':
            self.recurrence = Every(timedelta(minutes=7))
        if kind == 'fails':
            self.retry = Retry(9, timedelta(minutes=1))

    def __call__(self):
        root = self._p_jar.root()
        first = not root['seen'] and not plans.get('done')
        plans['done'] = True
        reached('begun')
        data = root['data']['data']
        reached('read')
        root['seen'].append(data)
        if first and self.kind == 'fails':
            raise ValueError
        if first and self.kind == 'returns':
            return self


KINDS = pytest.mark.parametrize(
    'kind', ['once', 'series', 'fails', 'returns'])


class User:
    """Writes, and has whoever holds the key see it."""

    def __init__(self, database):
        self.database = database
        self.conflicts = 0

    def write(self):
        """Everything but the commit."""
        self.schedule = self.database.client().schedule()
        self.schedule._p_jar.root()['data']['data'] = 'new'
        self.schedule.schedule(Reading(), duplicate='keep')

    def commit(self):
        """Again, if there is a conflict."""
        while not try_to_commit(self.schedule):
            self.conflicts += 1
            assert self.conflicts < 9
            self.write()


@pytest.fixture(autouse=True)
def moments(monkeypatch, clock):
    """Has each moment of a pass reached."""
    clock.set(NOON)

    announce_moments(monkeypatch, reached)
    plans.clear()
    yield
    plans.clear()


def play(database, kind, written, committed):
    """What the runs have seen in the end, and the user."""
    schedule = prepare(database, Reading(kind))
    root = schedule._p_jar.root()
    root['data'] = PersistentMapping(data='old')
    root['seen'] = PersistentList()
    commit(schedule)
    user = User(database)
    plans.setdefault(written, []).append(user.write)
    plans.setdefault(committed, []).append(user.commit)
    reached('before')
    begin(schedule)
    schedule.process(NOON)
    reached('after')
    assert not plans.keys() & set(MOMENTS)
    check(database.schedule())
    for minutes in 1, 3, 8, 16:
        schedule.process(at(minutes))
        check(database.schedule())
    begin(schedule)
    seen = list(root['seen'])
    for task in list(schedule):
        assert task.kind == 'series'
        schedule.unschedule(task)
    check_empty(schedule)
    commit(schedule)
    return seen, user


class TestKeep:

    @pytest.mark.storages('FileStorage')
    @KINDS
    @pytest.mark.parametrize(['written', 'committed'], PAIRS)
    def test_an_update_is_never_lost(
            self, database, kind, written, committed):
        seen, _ = play(database, kind, written, committed)
        assert 'new' in seen

    @pytest.mark.slow
    @pytest.mark.storages('ZEO', 'PostgreSQL')
    @KINDS
    @pytest.mark.parametrize('written', ['before', 'taken', 'begun'])
    @pytest.mark.parametrize('committed', ['read', 'collected'])
    def test_nor_is_it_on_a_server(self, database, kind, written, committed):
        seen, _ = play(database, kind, written, committed)
        assert 'new' in seen

    @pytest.mark.parametrize('committed', ['taken', 'before'])
    def test_who_commits_before_it_is_taken_does_not_conflict(
            self, database, committed):
        seen, user = play(database, 'once', 'before', committed)
        assert user.conflicts == 0
        assert seen == ['new']

    @pytest.mark.parametrize('committed', MOMENTS[2:6])
    def test_who_commits_when_it_is_taken_conflicts(
            self, database, committed):
        seen, user = play(database, 'once', 'before', committed)
        assert user.conflicts >= 1
        assert seen[-1] == 'new'

    @pytest.mark.parametrize('committed', ['read', 'after the run'])
    def test_without_reading_the_list_as_current_the_update_is_lost(
            self, database, committed, monkeypatch):
        monkeypatch.setattr(
            Timetable, 'read_current', lambda self, instant, task: None)
        seen, user = play(database, 'once', 'before', committed)
        assert user.conflicts == 0
        assert seen == ['old']


class TestPlacesInTheTimetable:
    """It stands anywhere among others: alone, in a list, in a leaf."""

    @pytest.mark.parametrize('first', ['user', 'turn'])
    @pytest.mark.parametrize(['before', 'behind'], [
        (0, 0), (LEAF - 1, 0), (LEAF, 0), (3, 2 * LEAF),
        (40 * LEAF, 2 * LEAF)])
    def test_keeping_conflicts_with_taking(
            self, database, before, behind, first):
        prepare(
            database, *(Note('') for _ in range(before)),
            Reading(), *(Note('') for _ in range(behind)))
        user, other = database.schedule(), database.client().schedule()
        user._p_jar.root()['data'] = 'new'
        assert user.schedule(Reading(), duplicate='keep') in user
        claim = other.claims['c'] = Claim('', this())
        turn.exchange(other, claim, 10_000, None, NOON,
                      lambda instant, task: True)
        if first == 'user':
            assert try_to_commit(user)
            assert try_to_commit(other)
        else:
            assert try_to_commit(other)
            assert not try_to_commit(user)

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_keeping_conflicts_with_unscheduling_and_moving(self, database):
        for name in 'unschedule', 'run_now':
            schedule = prepare(database, Reading())
            task = schedule.keys.get('k')
            user = database.client().schedule()
            user._p_jar.root()['data'] = 'new'
            user.schedule(Reading(), duplicate='keep')
            getattr(schedule, name)(task)
            commit(schedule)
            assert not try_to_commit(user)
            if task in schedule:
                schedule.unschedule(task)
                commit(schedule)

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_two_that_keep_do_not_conflict(self, database):
        prepare(database, Reading(), Note('0'), Note('1'))
        users = database.schedule(), database.client().schedule()
        for number, user in enumerate(users):
            user._p_jar.root()['tasks'][1 + number].runs = 7
            user.schedule(Reading(), duplicate='keep')
        assert [try_to_commit(user) for user in users] == [True, True]

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_two_that_schedule_one_key_conflict(self, database):
        users = database.schedule(), database.client().schedule()
        for user in users:
            user.schedule(Reading(), duplicate='keep')
        assert [try_to_commit(user) for user in users] == [True, False]
        assert len(list(database.schedule())) == 1

    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_behind_a_savepoint_it_is_still_relied_on(self, database):
        prepare(database, Reading())
        user, other = database.schedule(), database.client().schedule()
        user._p_jar.root()['data'] = 'new'
        user.schedule(Reading(), duplicate='keep')
        user._p_jar.transaction_manager.savepoint()
        other.unschedule(other.keys.get('k'))
        commit(other)
        assert not try_to_commit(user)
