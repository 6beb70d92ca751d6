"""A record that is lost stops nothing: the rest is read, and runs."""

import logging
from datetime import timedelta

import pytest
from BTrees.LOBTree import LOBTree
from databases import wait_until
from losing import lose
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import commit
from sample_work import runs
from ZODB.utils import u64

from zodbschedule import Worker
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.parked import ParkedTask


pytestmark = pytest.mark.storages('FileStorage')

SECOND = timedelta(seconds=1)

#: so many tasks stand in several buckets of one tree
MANY = 200


@pytest.fixture
def schedule(database, clock):
    """One with records of all kinds, more than one of each."""
    clock.set(NOON)
    schedule = database.schedule()
    tasks = []
    for number in range(MANY):
        task = Note(f'{number}', at(-30) + number * SECOND)
        task.key = f'key {number}'
        tasks.append(task)
    tasks += [Note(f'busy {n}', at(-29)) for n in range(40)]
    tasks.append(Note('apart', NOON - timedelta(milliseconds=1)))
    for task in tasks:
        schedule.schedule(task)
    for task in tasks[:3]:
        schedule.parked.add(ParkedTask(
            f'{number:x}-20300131T08000{tasks.index(task)}Z', task, NOON,
            NOON, 'once', occurrence=0))
    for _ in range(3):
        schedule.history.add(
            [record(1, 0, 1, 0, '', '', began=0)] * 3, NOON, 'w')
    schedule._p_jar.root()['tasks'] = tasks
    commit(schedule)
    return schedule


def tree(schedule):
    instants = schedule.timetable.instants
    return max(instants.trees, key=len)


def a_list(schedule):
    return schedule.timetable.held_at(at(-30))


def a_tree_of_lists(schedule):
    return schedule.timetable.held_at(at(-29))


def a_leaf(schedule):
    return list(schedule.timetable.held_at(at(-29)).values())[1]


def the_first_bucket(schedule):
    return list(remains.nodes(tree(schedule)))[1]


def a_bucket(schedule):
    return list(remains.nodes(tree(schedule)))[3]


def a_tree(schedule):
    return tree(schedule)


def a_tree_of_keys(schedule):
    return schedule.keys.holders.trees[7]


def a_part_of_the_history(schedule):
    return list(schedule.history.chunks.values())[1]


def a_parked_entry(schedule):
    return list(schedule.parked.entries.values())[1]


LOSSES = [a_list, a_tree_of_lists, a_leaf, the_first_bucket, a_bucket, a_tree,
          a_tree_of_keys, a_part_of_the_history, a_parked_entry]


@pytest.fixture(params=LOSSES)
def lost(request, database, schedule):
    """What has lost its record."""
    lost = request.param(schedule)
    lose(database, lost)
    commit(schedule)
    return lost


def test_all_that_is_left_runs(schedule, lost):
    waiting = list(schedule)
    commit(schedule)
    assert schedule.process(NOON).succeeded == len(waiting)


def test_and_in_a_worker(database, schedule, lost):
    waiting = list(schedule)
    commit(schedule)
    with Worker(database.db):
        wait_until(lambda: sum(runs(database).values()) == len(waiting),
                   'all that is left')


def test_all_that_is_left_is_listed_and_can_be_changed(schedule, lost):
    *_, last = schedule
    assert len(list(schedule.history)) in (6, 9)
    assert len(list(schedule.parked)) in (2, 3)
    schedule.unschedule(last)
    for number in range(MANY):
        schedule.schedule(Note('new', at(-30) + number * SECOND))
    commit(schedule)
    assert sum(task.description == 'new' for task in schedule) == MANY
    assert last not in schedule


def test_it_is_told_once(schedule, lost, caplog):
    remains._told.clear()
    caplog.set_level(logging.ERROR)
    for _ in range(2):
        list(schedule)
        list(schedule.keys)
        list(schedule.history)
        list(schedule.parked)
    assert caplog.text.count(f'Record {u64(lost._p_oid):x}, a') == 1


def test_the_check_of_soundness_finds_and_mends_it(schedule, lost):
    assert 'lost-record' in {flaw.kind for flaw in flaws(schedule)}
    mend(schedule)
    assert not list(flaws(schedule))
    commit(schedule)


def test_a_lost_list_is_parked_by_the_turn_that_meets_it(database, schedule):
    lost = a_list(schedule)
    lose(database, lost)
    schedule.process(NOON)
    entry = schedule.parked.get(f'{u64(lost._p_oid):x}')
    assert entry.time == at(-30)
    assert entry.task is lost
    assert 'a list of tasks is gone' in entry.reason


def test_a_lost_slot_is_parked_by_the_turn_that_meets_it(database, schedule):
    claim = schedule.claims['mine'] = Claim('a name', this())
    for slot in range(3):
        claim.slots.append(Slot())
    commit(schedule)
    turn.exchange(schedule, claim, 3, None, NOON, lambda *_: True)
    commit(schedule)
    lost, held = claim.slots[1], len(list(claim.held()))
    lose(database, lost)
    assert len(list(claim.held())) == held - 1
    turn.collect(schedule, claim, NOON)
    commit(schedule)
    entry = schedule.parked.get(f'{u64(lost._p_oid):x}')
    assert 'a slot of a claim is gone' in entry.reason
    assert not list(claim.held())


@pytest.mark.parametrize('node', [0, 1])
def test_a_tree_whose_first_records_are_gone_is_not_empty(
        database, schedule, node):
    tree = schedule._p_jar.root()['tree'] = LOBTree(
        dict.fromkeys(range(MANY)))
    commit(schedule)
    lose(database, list(remains.nodes(tree))[node])
    assert remains.holds_anything(tree)


def test_a_lost_claim_holds_nothing(database, schedule):
    claim = schedule.claims['mine'] = Claim('a name', this())
    commit(schedule)
    lose(database, claim)
    assert not list(schedule.slots())
    assert list(schedule)


def test_the_last_bucket_of_the_history_is_lost_and_it_goes_on(
        database, schedule):
    for _ in range(MANY):
        schedule.history.add(
            [record(1, 0, 1, 0, '', '', began=0)], NOON, 'w')
    commit(schedule)
    *_, lost = remains.nodes(schedule.history.chunks)
    lose(database, lost)
    left, later = len(list(schedule.history)), NOON + timedelta(days=1)
    schedule.history.add([record(1, 0, 1, 0, '', '', began=0)], later, 'w')
    schedule.history.trim(later)
    commit(schedule)
    assert len(list(schedule.history)) == left + 1


def test_a_bucket_of_the_parked_tasks_is_lost_and_the_rest_is_there(
        database, schedule):
    for number in range(MANY):
        schedule.parked.entries[f'{1000 + number}'] = ParkedTask(
            f'{1000 + number}', Note(), NOON, NOON, 'once', occurrence=0)
    commit(schedule)
    ids = list(schedule.parked.entries)
    lost = list(remains.nodes(schedule.parked.entries))[2]
    gone = set(lost)
    lose(database, lost)
    assert [entry.id for entry in schedule.parked] == [
        id for id in ids if id not in gone]
    assert all(schedule.parked.get(id) is None for id in gone)


def test_a_task_is_not_in_a_list_that_is_lost(database, schedule):
    lost, task = a_list(schedule), schedule._p_jar.root()['tasks'][0]
    lose(database, lost)
    assert not schedule.timetable.holds(at(-30), task)
