"""About how many tasks wait, and how little is loaded for it."""

import random
from datetime import timedelta
from types import SimpleNamespace

import pytest
import transaction
from losing import lose
from sample_work import NOON
from sample_work import Note

from zodbschedule.store.estimate import _children
from zodbschedule.store.timetable import Instants
from zodbschedule.store.timetable import Timetable


SECOND = timedelta(seconds=1)

lot = random.Random(1)

WAYS = {
    'each at its own instant': lambda number: NOON + timedelta(
        microseconds=lot.randrange(10 ** 12)),
    'a second apart': lambda number: NOON + number * SECOND,
    'in the same minutes': lambda number: NOON + number % 1440 * 60 * SECOND,
    'at one instant': lambda number: NOON,
    'some at one instant': lambda number: NOON + (
        number % 10 and lot.randrange(10 ** 6)) * SECOND,
    'daily': lambda number: NOON + timedelta(days=number % 300),
}


@pytest.fixture
def waiting(schedule):
    """Let so many wait, and load nothing of it."""
    def waiting(count, instant_of):
        timetable = Timetable()
        schedule.timetable = timetable
        by_instant = {}
        for number in range(count):
            instant = instant_of(number)
            by_instant.setdefault(instant, []).append(Note('', instant))
        for instant, tasks in by_instant.items():
            timetable.add(instant, tasks)
        transaction.commit()
        schedule._p_jar.cacheMinimize()
        schedule._p_jar.getTransferCounts(clear=True)
    return waiting


def loads(schedule):
    return schedule._p_jar.getTransferCounts()[0]


@pytest.mark.parametrize('count', [0, 1, 10, 60])
@pytest.mark.parametrize('way', WAYS)
def test_few_are_counted(schedule, waiting, way, count):
    waiting(count, WAYS[way])
    assert schedule.estimate() == count


@pytest.mark.parametrize('count', [300, 4_000])
@pytest.mark.parametrize('way', WAYS)
def test_many_are_estimated_by_less_than_200_loads(
        schedule, waiting, way, count):
    waiting(count, WAYS[way])
    assert .75 * count < schedule.estimate() < 1.25 * count
    assert loads(schedule) < 200


def test_a_crowd_that_is_seen_counts_once(schedule, waiting):
    waiting(3_000, WAYS['a second apart'])
    crowds = list(schedule.timetable.times())[::30]
    for instant in crowds:
        schedule.timetable.add(instant, [Note('', instant)] * 1_000)
    transaction.commit()
    assert 3_000 < schedule.estimate() < 3_000 + 1_000 * len(crowds)


def test_what_is_lost_does_not_count(schedule, waiting):
    waiting(5_000, WAYS['some at one instant'])
    some = [tree for tree in schedule.timetable.instants.trees if tree]
    lost = [some[0], schedule.timetable.held_at(NOON)]
    for tree in some[1:]:
        children = _children(tree)
        lost += children[len(children) // 2:][:1]
    lose(SimpleNamespace(db=schedule._p_jar.db()), *lost)
    assert 0 <= schedule.estimate() < 5_000


def test_a_crowd_that_is_lost_does_not_count(schedule, waiting):
    waiting(2_000, WAYS['at one instant'])
    for instant in range(1, 90):
        schedule.timetable.add(NOON + instant * SECOND, [Note('', NOON)])
    transaction.commit()
    lose(SimpleNamespace(db=schedule._p_jar.db()),
         schedule.timetable.held_at(NOON))
    assert schedule.estimate() == 89


def test_what_was_emptied_does_not_count(schedule, waiting):
    waiting(10, WAYS['a second apart'])
    for task in list(schedule):
        schedule.timetable.remove(task.time, task)
    assert schedule.estimate() == 0


def test_a_new_timetable_is_empty(schedule):
    schedule.timetable.instants = Instants()
    assert schedule.estimate() == 0
