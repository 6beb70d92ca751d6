"""Two transactions at once, in both orders of commits: nothing is lost.

Each test that names a hazard is followed by one without its mitigation.
"""

from datetime import timedelta
from itertools import chain

import pytest
from BTrees.LOBTree import LOBTree
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import names
from sample_work import prepare
from sample_work import try_to_commit

from zodbschedule import Task
from zodbschedule.instant import to_micros
from zodbschedule.store import spread
from zodbschedule.store import timetable
from zodbschedule.store.history import History
from zodbschedule.store.spread import TREES
from zodbschedule.store.timetable import LEAF


FIRST = pytest.mark.parametrize('first', ['one first', 'other first'])


def race(database, one, other, first):
    """Do *one* and *other* at once; who did commit, True or False for each.

    Both are functions of a schedule, which each has in a client of its own.
    They have done all, and seen nothing of the other's, before the first
    commits.
    """
    schedules = database.schedule(), database.client().schedule()
    one(schedules[0])
    other(schedules[1])
    committed = [None, None]
    for index in (0, 1) if first == 'one first' else (1, 0):
        committed[index] = try_to_commit(schedules[index])
    return committed


def second(number):
    """Twice as many seconds after noon; all of that hour are in one tree."""
    return NOON + timedelta(seconds=2 * number)


def tree_at_noon(schedule):
    return schedule.timetable.instants.tree(to_micros(NOON))


def notes(count, time=NOON, prefix='old'):
    return [Note(f'{prefix} {number}', time) for number in range(count)]


def adder(*names, time=NOON):
    def add(schedule):
        for name in names:
            schedule.schedule(Note(name, time))
    return add


def take(schedule, limit=1000, until=NOON):
    """Take, and put what was taken where a test finds it again."""
    taken = schedule.timetable.take(
        limit, None, until, lambda instant, task: True).tasks
    root = schedule._p_jar.root()
    root['taken'] = [task for _, task in taken]


def taker(limit=1000, until=NOON):
    return lambda schedule: take(schedule, limit, until)


def everything(database):
    """The names of all tasks, waiting or taken, in any order."""
    root = database.schedule()._p_jar.root()
    taken = [task.description for task in root.get('taken', ())]
    return sorted(names(root['schedule']) + taken)


def retry(database, committed, *operations):
    """What users do after a conflict: all of it again."""
    for done, operation in zip(committed, operations, strict=True):
        if not done:
            schedule = database.schedule()
            operation(schedule)
            commit(schedule)


class TestAppendAgainstTake:
    """Whoever detaches a list, or a leaf, writes it."""

    SHAPES = pytest.mark.parametrize('count', [
        1,              # a list that gets longer
        LEAF,           # a list that becomes an inner tree
        LEAF + 1,       # the last leaf of an inner tree gets longer
        2 * LEAF,       # an inner tree gets a new leaf
        40 * LEAF,      # and that is a tree of several buckets
    ])

    @FIRST
    @SHAPES
    def test_an_append_is_never_lost_when_all_is_taken(
            self, database, count, first):
        prepare(database, *notes(count))
        operations = adder('new'), taker()
        committed = race(database, *operations, first)
        assert True in committed
        retry(database, committed, *operations)
        assert everything(database) == sorted(
            ['new', *(task.description for task in notes(count))])

    @FIRST
    @SHAPES
    def test_an_append_is_never_lost_when_some_are_taken(
            self, database, count, first):
        prepare(database, *notes(count))
        operations = adder('new'), taker(limit=max(1, count - 3))
        committed = race(database, *operations, first)
        assert True in committed
        retry(database, committed, *operations)
        assert everything(database) == sorted(
            ['new', *(task.description for task in notes(count))])

    @pytest.mark.storages('FileStorage', 'ZEO')
    @FIRST
    @pytest.mark.parametrize('count', [1, LEAF + 1])
    def test_without_writing_what_is_detached_an_append_is_lost(
            self, database, count, first):
        def careless(schedule):
            held = schedule.timetable.instants[NOON]
            if isinstance(held, LOBTree):
                leaves = list(held.values())
                for key in list(held):
                    del held[key]
            else:
                leaves = [held]
            schedule._p_jar.root()['taken'] = [
                task for leaf in leaves for task in leaf]
            del schedule.timetable.instants[NOON]

        prepare(database, *notes(count))
        committed = race(database, adder('new'), careless, first)
        assert committed == [True, True]
        assert 'new' not in everything(database)

    @FIRST
    @pytest.mark.parametrize('count', [1, LEAF + 1, 2 * LEAF])
    def test_an_append_is_never_lost_when_the_last_is_unscheduled(
            self, database, count, first):
        prepare(database, *notes(count))

        def unschedule_all(schedule):
            for task in list(schedule):
                if task.description.startswith('old'):
                    schedule.unschedule(task)

        operations = adder('new'), unschedule_all
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert everything(database) == ['new']


@pytest.mark.storages('FileStorage', 'ZEO')
class TestHusks:
    """Instants that were emptied, and are not yet swept."""

    @pytest.fixture
    def husks(self, database):
        prepare(database, *notes(1), *notes(1, at(1)))
        schedule = database.schedule()
        take(schedule, until=at(1))
        schedule.timetable.instants[at(1)] = None
        commit(schedule)
        assert set(schedule.timetable.instants.values()) == {None}

    @FIRST
    def test_a_task_added_to_a_husk_that_is_swept_is_not_lost(
            self, database, husks, first):
        operations = adder('new'), lambda schedule: (
            schedule.timetable.sweep(at(5)))
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert 'new' in names(database.schedule())

    @FIRST
    def test_a_task_added_beside_husks_that_are_swept_is_not_lost(
            self, database, husks, first):
        operations = adder('new', time=at(2)), lambda schedule: (
            schedule.timetable.sweep(at(5)))
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert names(database.schedule()) == ['new']

    @FIRST
    def test_a_task_added_into_a_bucket_that_is_swept_is_not_lost(
            self, database, first):
        schedule = database.schedule()
        for number in range(200):
            schedule.timetable.instants[second(number)] = None
        commit(schedule)
        operations = adder('new', time=second(20.5)), lambda schedule: (
            schedule.timetable.sweep(second(100)))
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert names(database.schedule()) == ['new']
        schedule = database.schedule()
        tree_at_noon(schedule)._check()
        assert list(schedule.timetable.instants) == [
            second(20.5), *map(second, range(101, 200))]

    @FIRST
    def test_a_task_added_at_a_key_that_is_deleted_is_not_lost(
            self, database, first):
        prepare(database, *(Note(f'old {n}', at(n)) for n in range(3)))
        operations = adder('new', time=at(2)), taker(until=at(2))
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert everything(database) == ['new', 'old 0', 'old 1', 'old 2']


class TestUsersAgainstTurns:
    """Taking leaves the shape of the tree alone."""

    SECONDS = 400

    def fill(self, database):
        """All in one tree."""
        prepare(database, *(
            Note(f'old {n}', second(n)) for n in range(self.SECONDS)))

    def taker(self, schedule):
        take(schedule, 256, at(1000))

    @FIRST
    @pytest.mark.parametrize('seconds', [
        -1,      # before the first
        1.5,     # in the first bucket, from which all is taken
        100.5,   # among those that are taken
        300.5,   # among those that are not
        399.5,   # in the last bucket
        1200,    # behind the last
    ])
    def test_an_insert_does_not_conflict_with_a_turn_that_takes(
            self, database, seconds, first):
        self.fill(database)
        committed = race(
            database, adder('new', time=second(seconds)), self.taker, first)
        assert committed == [True, True]
        assert len(everything(database)) == self.SECONDS + 1

    @pytest.mark.parametrize('seconds', [300.5, 1200])
    def test_without_the_husks_an_insert_conflicts(
            self, database, seconds, monkeypatch):
        monkeypatch.setattr(timetable, '_smallest_keys', lambda *args: ())
        self.fill(database)
        committed = race(
            database, adder('new', time=second(seconds)), self.taker,
            'other first')
        assert committed == [False, True]

    @pytest.mark.storages('FileStorage', 'PostgreSQL')
    def test_taking_writes_no_interior_node_of_the_tree(self, database):
        self.fill(database)
        # So many that there are nodes between root and leaf.
        schedule = database.schedule()
        for number in range(1, 32_000):
            tree_at_noon(schedule)[
                to_micros(second(1_000)) + TREES * number] = None
        commit(schedule)
        schedule = database.schedule()
        root = tree_at_noon(schedule)

        def interior(node):
            children = node.__getstate__()[0][::2]
            if type(children[0]) is not type(node):
                return [node]
            return [node, *chain(*map(interior, children))]

        before = {node._p_oid: node._p_serial for node in interior(root)}
        assert len(before) > 1
        self.taker(schedule)
        commit(schedule)
        list(root)
        assert before == {
            node._p_oid: node._p_serial for node in interior(root)}

    def test_the_husks_that_turns_leave_are_few(self, database):
        self.fill(database)
        schedule = database.schedule()
        portion = schedule.timetable.take(
            256, None, at(1000), lambda instant, task: True)
        husks = list(schedule.timetable.instants.values()).count(None)
        assert husks == portion.husks
        assert 0 < husks < 256 / 10


@pytest.mark.storages('FileStorage', 'ZEO')
class TestUsersAgainstUsers:
    """Inserts of users do not meet, even if buckets are split."""

    #: so many at once split a bucket for certain
    MANY = 70

    #: by a clock, at about the same time, and in trees of their own
    ONE = NOON + timedelta(microseconds=123_456)
    OTHER = ONE + timedelta(microseconds=1)

    def many(self, time, prefix):
        """Insert many that a clock has timed, all into one tree."""
        def insert(schedule):
            for number in range(self.MANY):
                schedule.schedule(Note(
                    f'{prefix}{number}', time + timedelta(seconds=number)))
        return insert

    @FIRST
    def test_in_trees_of_their_own_inserts_do_not_conflict(
            self, database, first):
        prepare(database, *notes(1))
        assert race(database, self.many(self.ONE, 'a'),
                    self.many(self.OTHER, 'b'), first) == [True, True]
        assert len(everything(database)) == 2 * self.MANY + 1

    @FIRST
    def test_in_one_tree_they_conflict(self, database, first, monkeypatch):
        monkeypatch.setattr(spread.Spread, 'count', 1)
        prepare(database, *notes(1))
        operations = self.many(self.ONE, 'a'), self.many(self.OTHER, 'b')
        committed = race(database, *operations, first)
        assert sorted(committed) == [False, True]
        retry(database, committed, *operations)
        assert len(everything(database)) == 2 * self.MANY + 1

    @FIRST
    def test_of_the_first_two_inserts_of_all_none_is_lost(
            self, database, first):
        operations = (adder('a', time=self.ONE), adder('b', time=self.OTHER))
        committed = race(database, *operations, first)
        # Both make the trees.
        assert sorted(committed) == [False, True]
        retry(database, committed, *operations)
        assert everything(database) == ['a', 'b']

    @FIRST
    def test_of_one_instant_the_order_of_arrival_is_kept(
            self, database, first):
        prepare(database, *notes(1))
        operations = (adder('a', time=self.ONE), adder('b', time=self.ONE))
        committed = race(database, *operations, first)
        assert sorted(committed) == [False, True]
        retry(database, committed, *operations)
        arrived = ['a', 'b'] if committed[0] else ['b', 'a']
        assert names(database.schedule())[1:] == arrived

    @staticmethod
    def keyed(key, minutes):
        return lambda schedule: schedule.schedule(
            Task(at(minutes), key=key))

    @FIRST
    def test_different_keys_do_not_conflict(self, database, first):
        prepare(database, *notes(1), Task(NOON, key='k'))
        for number in range(0, 2 * TREES, 2):
            assert race(
                database, self.keyed(f'key {number}', number * 60),
                self.keyed(f'key {number + 1}', number * 60 + 60), first
                ) == [True, True]

    @FIRST
    def test_the_same_key_conflicts(self, database, first):
        prepare(database, *notes(1), Task(NOON, key='k'))
        for number in range(TREES):
            one = self.keyed(f'key {number}', number * 120)
            other = self.keyed(f'key {number}', number * 120 + 60)
            assert sorted(race(database, one, other, first)) == [False, True]
        schedule = database.schedule()
        assert len(list(schedule)) == 2 + TREES
        assert len(list(schedule.keys)) == 1 + TREES


@pytest.mark.storages('FileStorage', 'ZEO')
class TestTwoTurns:

    @FIRST
    @pytest.mark.parametrize('count', [1, LEAF + 1, 3 * LEAF])
    def test_two_that_take_the_same_tasks_conflict(
            self, database, count, first):
        prepare(database, *notes(count))
        assert sorted(race(database, taker(), taker(), first)) == [
            False, True]

    @FIRST
    def test_two_turns_merge_what_they_reschedule_onto_a_busy_minute(
            self, database, first):
        prepare(database, *notes(LEAF + 1))

        def turn(name):
            return lambda schedule: schedule.timetable.add(
                NOON, [Note(name)], apart=True)

        assert race(database, turn('a'), turn('b'), first) == [True, True]
        found = names(database.schedule())
        assert len(found) == LEAF + 3
        assert found[:LEAF + 1] == [
            task.description for task in notes(LEAF + 1)]
        assert set(found[-2:]) == {'a', 'b'}

    @FIRST
    def test_without_leaves_of_their_own_they_conflict(self, database, first):
        prepare(database, *notes(LEAF + 1))
        assert sorted(race(
            database, adder('a'), adder('b'), first)) == [
                False, True]

    @FIRST
    def test_two_that_make_a_minute_busy_lose_nothing(self, database, first):
        prepare(database, *notes(LEAF))
        operations = adder('a'), adder('b')
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert len(names(database.schedule())) == LEAF + 2

    @FIRST
    def test_an_append_and_one_that_makes_the_minute_busy_lose_nothing(
            self, database, first):
        prepare(database, *notes(LEAF - 1))
        operations = adder('a'), adder('b', 'c', 'd')
        committed = race(database, *operations, first)
        retry(database, committed, *operations)
        assert len(names(database.schedule())) == LEAF + 3

    @FIRST
    def test_the_chunks_of_two_turns_in_the_history_merge(
            self, database, first, monkeypatch):
        record = 7, 0, 1, 0, '', None, None, 0

        def turn(schedule):
            schedule.history.add([record], turn.now, 'worker')
            turn.now = at(1)

        turn.now = NOON
        schedule = database.schedule()
        schedule.history.add([record], at(-1), 'worker')
        commit(schedule)
        monkeypatch.setattr(History, 'trim', lambda self, now: None)
        assert race(database, turn, turn, first) == [True, True]
        assert len(list(database.schedule().history)) == 3


class TestOneTaskTwice:

    @pytest.fixture
    def schedules(self, database):
        root = database.schedule()._p_jar.root()
        root['task'] = Note('a')
        commit(root)

    @staticmethod
    def scheduler(minutes):
        def schedule(schedule):
            task = schedule._p_jar.root()['task']
            task.time = at(minutes)
            schedule.schedule(task)
        return schedule

    @FIRST
    def test_scheduled_by_two_at_two_times_conflicts(
            self, database, schedules, first):
        committed = race(
            database, self.scheduler(1), self.scheduler(600), first)
        assert sorted(committed) == [False, True]
        assert names(database.schedule()) == ['a']

    @FIRST
    def test_scheduled_by_two_at_its_own_time_conflicts(
            self, database, schedules, first):
        def operation(schedule):
            schedule.schedule(schedule._p_jar.root()['task'])

        committed = race(database, operation, operation, first)
        assert sorted(committed) == [False, True]
        assert names(database.schedule()) == ['a']

    @pytest.mark.parametrize('first', ['one first', 'other first'])
    def test_without_the_stamp_it_stands_there_twice(
            self, database, schedules, first, monkeypatch):
        for module in ('admission', 'places'):
            monkeypatch.setattr(
                f'zodbschedule.scheduling.{module}.stamp',
                lambda task, instant, schedule=None: None)
        # Else an insert into the one bucket of a small tree conflicts.
        prepare(database, *(Note('', at(n)) for n in range(-500, 500, 10)))

        def scheduler(minutes):
            return lambda schedule: schedule.timetable.add(
                at(minutes), [schedule._p_jar.root()['task']])

        committed = race(database, scheduler(-401), scheduler(401), first)
        assert committed == [True, True]
        assert names(database.schedule()).count('a') == 2

    @FIRST
    def test_unscheduled_by_two_conflicts(self, database, first):
        prepare(database, Note('a'), Note('b'))

        def unschedule(schedule):
            schedule.unschedule(next(iter(schedule)))

        committed = race(database, unschedule, unschedule, first)
        assert sorted(committed) == [False, True]
        assert names(database.schedule()) == ['b']

    @FIRST
    def test_unscheduling_conflicts_with_taking(self, database, first):
        prepare(database, *notes(LEAF + 1))

        def unschedule(schedule):
            schedule.unschedule(list(schedule)[3])

        committed = race(database, unschedule, taker(), first)
        assert sorted(committed) == [False, True]

    def test_moved_in_one_transaction_it_stands_there_once(self, database):
        prepare(database, Note('a'))
        schedule = database.schedule()
        task = next(iter(schedule))
        schedule.unschedule(task)
        task.time = at(7)
        schedule.schedule(task)
        commit(schedule)
        assert list(database.schedule().getTaskTimes()) == [at(7)]


@pytest.mark.storages('FileStorage', 'ZEO')
class TestLazyIteration:
    """Commits and deletions between two steps lose nothing."""

    @pytest.fixture(params=['the same connection', 'another connection'])
    def other(self, database, request):
        """A schedule through which things change during the iteration."""
        def open():
            if request.param == 'the same connection':
                return self.schedule
            return database.client().schedule()
        return open

    def prepared(self, database, count=60):
        prepare(database, *(Note(str(n), at(n)) for n in range(count)))
        self.schedule = database.schedule()
        return self.schedule

    def test_times_are_all_seen_while_they_are_removed(
            self, database, other):
        schedule = self.prepared(database)
        changing = other()
        seen = []
        for instant in schedule.getTaskTimes():
            seen.append(instant)
            changing.timetable.take(
                1, instant, instant, lambda instant, task: True)
            changing.timetable.sweep(instant)
            commit(changing)
            begin(schedule)
        assert seen == [at(n) for n in range(60)]

    def test_tasks_are_all_seen_while_they_are_unscheduled(
            self, database, other):
        schedule = self.prepared(database)
        changing = other()
        seen = []
        for task in schedule:
            seen.append(task.description)
            changing.unschedule(changing._p_jar.get(task._p_oid))
            commit(changing)
            begin(schedule)
        assert seen == [str(n) for n in range(60)]

    def test_a_busy_instant_is_seen_while_it_is_emptied(
            self, database, other):
        prepare(database, *notes(3 * LEAF))
        schedule = self.schedule = database.schedule()
        changing = other()
        seen = []
        for task in schedule.tasks(NOON, NOON):
            seen.append(task.description)
            changing.unschedule(changing._p_jar.get(task._p_oid))
            commit(changing)
            begin(schedule)
        assert seen == [task.description for task in notes(3 * LEAF)]

    def test_a_list_that_becomes_an_inner_tree_is_seen_once(
            self, database, other):
        prepare(database, *notes(LEAF), Note('later', at(1)))
        schedule = self.schedule = database.schedule()
        changing = other()
        tasks = iter(schedule)
        seen = [next(tasks).description]
        for task in notes(LEAF, prefix='new'):
            changing.schedule(task)
        commit(changing)
        begin(schedule)
        seen.extend(task.description for task in tasks)
        assert seen[:LEAF] == [task.description for task in notes(LEAF)]
        assert seen[-1] == 'later'
        assert len(seen) == len(set(seen))

    def test_with_the_iterator_of_the_tree_some_are_not_seen(
            self, database, other):
        prepare(database, *(Note(str(n), second(n)) for n in range(200)))
        schedule = self.schedule = database.schedule()
        tree = tree_at_noon(schedule)
        seen = []
        for instant in tree.keys():
            seen.append(instant)
            del tree[instant]
            commit(schedule)
        assert len(seen) < 200


@pytest.mark.storages('FileStorage', 'ZEO')
class TestOrder:

    def test_arrival_is_kept_across_leaves_and_connections(self, database):
        expected = []
        clients = [database.schedule(), database.client().schedule()]
        for number in range(3 * LEAF + 5):
            schedule = clients[number % 2]
            begin(schedule)
            schedule.schedule(Note(str(number)))
            commit(schedule)
            expected.append(str(number))
        assert names(database.schedule()) == expected

    def test_taking_keeps_the_order_of_arrival(self, database):
        prepare(database, *notes(5 * LEAF))
        schedule = database.schedule()
        taken = []
        while any(schedule):
            taken.extend(
                task.description for _, task in schedule.timetable.take(
                    7, None, NOON, lambda instant, task: True).tasks)
        assert taken == [task.description for task in notes(5 * LEAF)]
