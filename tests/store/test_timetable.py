"""The timetable by itself: what waits, in order, and what is taken."""

import random
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from BTrees.LOBTree import LOBTree
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
from persistent.list import PersistentList
from sample_work import NOON
from sample_work import Alike
from sample_work import ListTask
from sample_work import Note
from sample_work import Unlike
from sample_work import at
from sample_work import commit

from zodbschedule.store import timetable as timetable_module
from zodbschedule.store.timetable import LEAF
from zodbschedule.store.timetable import Timetable


def anything(instant, task):
    return True


def everything(timetable):
    """Each instant with what waits there."""
    return {instant: list(timetable.at(instant))
            for instant in timetable.times()}


def notes(count):
    return [Note(f'{number}') for number in range(count)]


def husks(timetable):
    return list(timetable.instants.values()).count(None)


class TestAdding:

    def test_a_new_one_is_empty(self):
        assert list(Timetable().times()) == []

    @pytest.mark.parametrize('count', [
        1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 2 * LEAF + 1, 1000])
    def test_tasks_wait_in_order_of_arrival(self, count):
        together, one_by_one = Timetable(), Timetable()
        tasks = notes(count)
        together.add(NOON, tasks)
        for task in tasks:
            one_by_one.add(NOON, [task])
        assert everything(together) == {NOON: tasks}
        assert everything(one_by_one) == {NOON: tasks}

    def test_an_instant_holds_a_list_until_that_is_full(self):
        timetable = Timetable()
        timetable.add(NOON, notes(LEAF))
        assert type(timetable.instants[NOON]) is PersistentList
        timetable.add(NOON, notes(1))
        assert type(timetable.instants[NOON]) is LOBTree

    @pytest.mark.parametrize('counts', [
        [LEAF + 1], [LEAF, 1], [LEAF, LEAF], [1] * 50, [5, 40, 3], [1000]])
    def test_no_leaf_is_larger_than_it_may_be(self, counts):
        timetable = Timetable()
        for count in counts:
            timetable.add(NOON, notes(count))
        sizes = [len(leaf) for leaf in timetable.instants[NOON].values()]
        assert max(sizes) <= LEAF
        assert sum(sizes) == sum(counts)

    def test_a_leaf_is_filled_before_there_is_another(self):
        timetable = Timetable()
        for task in notes(3 * LEAF):
            timetable.add(NOON, [task])
        assert len(timetable.instants[NOON]) == 3

    def test_apart_from_what_is_there_they_get_a_leaf_of_their_own(self):
        timetable = Timetable()
        tasks = notes(7)
        timetable.add(NOON, tasks[:2], apart=True)
        assert type(timetable.instants[NOON]) is PersistentList
        timetable.add(NOON, tasks[2:5], apart=True)
        timetable.add(NOON, tasks[5:], apart=True)
        leaves = timetable.instants[NOON]
        assert [len(leaf) for leaf in leaves.values()] == [2, 3, 2]
        assert everything(timetable) == {NOON: tasks}

    def test_leaves_stand_in_the_order_of_arrival_whatever_their_lot(
            self, monkeypatch):
        lots = iter([2 ** 24 - 1, 0, 2 ** 24 - 1, 5])
        monkeypatch.setattr(random, 'getrandbits', lambda bits: next(lots))
        timetable = Timetable()
        tasks = notes(4)
        for task in tasks:
            timetable.add(NOON, [task], apart=True)
        assert everything(timetable) == {NOON: tasks}

    def test_an_emptied_instant_is_used_again(self):
        timetable = Timetable()
        first, second = notes(2)
        timetable.add(NOON, [first])
        timetable.remove(NOON, first)
        assert husks(timetable) == 1
        timetable.add(NOON, [second])
        assert everything(timetable) == {NOON: [second]}
        assert husks(timetable) == 0


class TestIdentity:
    """A task is found by what it is, not by what it equals."""

    @pytest.mark.parametrize('count', [3, LEAF + 3])
    @pytest.mark.parametrize('cls', [Note, Alike, Unlike, ListTask])
    def test_the_very_task_is_removed(self, cls, count):
        timetable = Timetable()
        tasks = [cls() for _ in range(count)]
        timetable.add(NOON, tasks)
        assert timetable.holds(NOON, tasks[1])
        assert timetable.remove(NOON, tasks[1])
        left = list(timetable.at(NOON))
        assert [id(task) for task in left] == [
            id(task) for task in tasks if task is not tasks[1]]
        assert not timetable.holds(NOON, tasks[1])
        assert not timetable.remove(NOON, tasks[1])

    @pytest.mark.parametrize('cls', [Alike, Unlike, ListTask])
    def test_the_very_tasks_are_taken(self, cls):
        timetable = Timetable()
        tasks = [cls() for _ in range(LEAF + 3)]
        unwanted = {id(task) for task in tasks[::2]}
        timetable.add(NOON, tasks)
        portion = timetable.take(
            1000, None, NOON, lambda instant, task: id(task) not in unwanted)
        assert [id(task) for _, task in portion.tasks] == [
            id(task) for task in tasks[1::2]]
        assert {id(task) for task in timetable.at(NOON)} == unwanted

    def test_a_task_that_is_a_list_is_no_leaf(self):
        timetable = Timetable()
        task = ListTask(['not', 'tasks'])
        timetable.add(NOON, [task])
        assert list(timetable.at(NOON)) == [task]
        assert timetable.take(5, None, NOON, anything).tasks == [
            (NOON, task)]
        assert task == ['not', 'tasks']

    def test_a_task_is_found_by_looking_everywhere(self):
        timetable = Timetable()
        tasks = notes(5)
        for number, task in enumerate(tasks):
            timetable.add(at(number), [task])
        assert timetable.find(tasks[3]) == at(3)
        assert timetable.find(Note()) is None


    @pytest.mark.parametrize('cls', [Alike, Unlike, ListTask])
    def test_such_tasks_run_once_each_and_are_found(self, schedule, cls):
        tasks = [cls() for _ in range(LEAF + 3)]
        for task in tasks:
            assert task not in schedule
            schedule.schedule(task)
            assert task in schedule
        commit(schedule)
        schedule.unschedule(tasks.pop(5))
        commit(schedule)
        assert schedule.process(NOON) == (LEAF + 2, 0, 0, 0, 0)
        assert list(schedule) == []


class TestRemoving:

    @pytest.mark.parametrize('count', [1, LEAF + 1, 3 * LEAF])
    def test_an_emptied_instant_is_listed_no_more(self, count):
        timetable = Timetable()
        tasks = notes(count)
        timetable.add(NOON, tasks)
        for task in tasks:
            assert list(timetable.times()) == [NOON]
            assert timetable.remove(NOON, task)
        assert everything(timetable) == {}
        assert list(timetable.at(NOON)) == []

    def test_what_is_not_there_is_not_removed(self):
        timetable = Timetable()
        assert not timetable.remove(NOON, Note())


class TestTimes:

    @pytest.fixture
    def timetable(self):
        timetable = Timetable()
        for number in (3, 1, 2, 0, 4):
            timetable.add(at(number), notes(1))
        for task in list(timetable.at(at(2))):
            timetable.remove(at(2), task)
        return timetable

    def test_they_ascend(self, timetable):
        assert list(timetable.times()) == [at(0), at(1), at(3), at(4)]

    def test_both_bounds_are_inclusive(self, timetable):
        assert list(timetable.times(at(1), at(3))) == [at(1), at(3)]
        assert list(timetable.times(min=at(1.5))) == [at(3), at(4)]
        assert list(timetable.times(max=at(2))) == [at(0), at(1)]

    def test_they_are_lazy(self, timetable):
        times = timetable.times()
        assert next(times) == at(0)
        timetable.add(at(0.5), notes(1))
        for task in list(timetable.at(at(1))):
            timetable.remove(at(1), task)
        assert list(times) == [at(0.5), at(3), at(4)]

    def test_tasks_of_an_instant_are_lazy(self):
        timetable = Timetable()
        tasks = notes(3 * LEAF)
        timetable.add(NOON, tasks)
        found = timetable.at(NOON)
        assert next(found) is tasks[0]
        for task in tasks[LEAF:2 * LEAF]:
            timetable.remove(NOON, task)
        new = Note('new')
        timetable.add(NOON, [new])
        assert list(found) == tasks[1:LEAF] + tasks[2 * LEAF:] + [new]


class TestTaking:

    def test_by_time_and_then_by_arrival(self):
        timetable = Timetable()
        tasks = notes(5)
        for task, minute in zip(tasks, (1, 0, 1, 2, 0), strict=True):
            timetable.add(at(minute), [task])
        portion = timetable.take(1000, None, at(1), anything)
        assert portion.tasks == [
            (at(0), tasks[1]), (at(0), tasks[4]),
            (at(1), tasks[0]), (at(1), tasks[2])]
        assert everything(timetable) == {at(2): [tasks[3]]}

    @pytest.mark.parametrize('limit', [1, 7, LEAF, LEAF + 1, 50])
    def test_in_portions_of_the_limit_until_all_is_taken(self, limit):
        timetable = Timetable()
        tasks = notes(3 * LEAF + 5)
        for number, task in enumerate(tasks):
            timetable.add(at(number // 20), [task])
        taken, cursor = [], None
        while True:
            portion = timetable.take(limit, cursor, at(1000), anything)
            assert len(portion.tasks) <= limit
            taken += [task for _, task in portion.tasks]
            if len(portion.tasks) < limit:
                break
            cursor = portion.cursor
        assert taken == tasks
        assert everything(timetable) == {}

    def test_the_cursor_is_inclusive_for_what_is_left_there(self):
        timetable = Timetable()
        timetable.add(at(1), notes(3))
        portion = timetable.take(2, None, at(5), anything)
        assert portion.cursor == at(1)
        assert len(timetable.take(2, at(1), at(5), anything).tasks) == 1

    def test_what_is_before_the_cursor_stays(self):
        timetable = Timetable()
        timetable.add(at(1), notes(1))
        assert timetable.take(2, at(2), at(5), anything).tasks == []
        assert list(timetable.times()) == [at(1)]

    def test_what_is_not_wanted_stays_where_it_is(self):
        timetable = Timetable()
        tasks = notes(2 * LEAF)
        timetable.add(NOON, tasks)
        portion = timetable.take(
            1000, None, NOON, lambda instant, task: task in tasks[3:20])
        assert [task for _, task in portion.tasks] == tasks[3:20]
        assert everything(timetable) == {NOON: tasks[:3] + tasks[20:]}

    def test_nothing_is_taken_of_nothing(self):
        portion = Timetable().take(5, None, NOON, anything)
        assert portion.tasks == []
        assert portion.cursor is None

    def test_has_tells_whether_anything_would_be_taken(self):
        timetable = Timetable()
        assert not timetable.has(at(5), anything)
        timetable.add(at(1), notes(1))
        assert timetable.has(at(1), anything)
        assert not timetable.has(at(0.5), anything)
        assert not timetable.has(at(5), lambda instant, task: False)
        assert list(timetable.times()) == [at(1)]


class TestSweeping:

    def test_has_tells_of_many_husks_where_nothing_waits(
            self, swept, monkeypatch):
        for minute, task in enumerate(
                [task for time in swept.times() for task in swept.at(time)]):
            swept.remove(at(minute), task)
        assert husks(swept) == 300
        monkeypatch.setattr(timetable_module, 'SWEEP', 301)
        assert not swept.has(at(1000), anything)
        monkeypatch.setattr(timetable_module, 'SWEEP', 300)
        assert swept.has(at(1000), anything)

    @pytest.fixture
    def swept(self):
        timetable = Timetable()
        for minute in range(300):
            timetable.add(at(minute), notes(1))
        return timetable

    def test_taking_counts_the_husks_that_it_leaves(self, swept):
        portion = swept.take(200, None, at(1000), anything)
        assert portion.husks == husks(swept) > 0

    def test_taking_counts_the_husks_that_it_passes(self, swept):
        before = swept.take(200, None, at(1000), anything).husks
        portion = swept.take(1, None, at(1000), anything)
        assert portion.husks == before + husks(swept) - before

    def test_it_deletes_the_husks_and_nothing_else(self, swept):
        swept.take(200, None, at(1000), anything)
        swept.sweep(at(1000))
        assert husks(swept) == 0
        assert list(swept.instants) == [at(n) for n in range(200, 300)]

    def test_it_leaves_what_is_later(self, swept):
        swept.take(300, None, at(1000), anything)
        before = husks(swept)
        swept.sweep(at(100))
        assert 0 < husks(swept) < before
        assert all(instant > at(100) for instant in swept.instants)


#: in several trees, and some of them in one
INSTANTS = strategies.integers(0, 40).map(
    lambda number: at(number) + timedelta(microseconds=number % 7))

STEPS = strategies.lists(max_size=60, elements=strategies.one_of(
    strategies.tuples(
        strategies.just('add'), INSTANTS, strategies.integers(1, 40),
        strategies.booleans()),
    strategies.tuples(
        strategies.just('remove'), strategies.integers(0, 10 ** 6)),
    strategies.tuples(
        strategies.just('take'), strategies.integers(1, 60),
        strategies.none() | INSTANTS, INSTANTS),
    strategies.tuples(strategies.just('sweep'), INSTANTS)))


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_it_behaves_as_a_dict_of_lists(steps):
    timetable = Timetable()
    model = {}
    for step, *args in steps:
        if step == 'add':
            instant, count, apart = args
            tasks = notes(count)
            timetable.add(instant, tasks, apart)
            model.setdefault(instant, []).extend(tasks)
        elif step == 'remove':
            waiting = [(instant, task) for instant in sorted(model)
                       for task in model[instant]]
            if waiting:
                instant, task = waiting[args[0] % len(waiting)]
                assert timetable.remove(instant, task)
                model[instant].remove(task)
        elif step == 'take':
            limit, after, until = args
            expected = [
                (instant, task) for instant in sorted(model)
                if (after is None or after <= instant) and instant <= until
                for task in model[instant]][:limit]
            taken = timetable.take(limit, after, until, anything).tasks
            assert taken == expected
            for instant, task in taken:
                model[instant].remove(task)
        else:
            timetable.sweep(args[0])
        model = {instant: tasks for instant, tasks in model.items() if tasks}
        for tree in timetable.instants.trees:
            tree._check()
    assert everything(timetable) == model


def test_keys_are_in_utc_and_microseconds_count(schedule):
    zone = datetime.fromisoformat('2003-04-01T14:00:00.000001+02:00')
    schedule.schedule(Note('a', zone))
    schedule.schedule(Note('b', NOON + timedelta(microseconds=1)))
    schedule.schedule(Note('c', NOON))
    instants = list(schedule.timetable.instants)
    assert instants == [NOON, NOON + timedelta(microseconds=1)]
    assert {instant.tzinfo for instant in instants} == {UTC}


@pytest.mark.storages('FileStorage')
def test_taking_a_task_neither_loads_nor_writes_it(database):
    schedule = database.schedule()
    for task in notes(LEAF + 5):
        schedule.schedule(task)
    commit(schedule)
    other = database.schedule()
    portion = other.timetable.take(1000, None, NOON, anything)
    assert {task._p_changed for _, task in portion.tasks} == {None}


def test_the_samples_would_notice_a_comparison_by_value():
    assert Alike('one') == Note('another')
    assert hash(Alike('one')) == hash(Alike('another'))
    with pytest.raises(AssertionError):
        Unlike('one') == Unlike('one')
