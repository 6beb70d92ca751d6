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
"""What is left of a tree, of a claim, and of a schedule, one by one."""

import pytest
from BTrees.LOBTree import LOBTree
from losing import lose
from persistent import Persistent
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import commit
from ZODB.POSException import POSKeyError
from ZODB.utils import u64

from zodbschedule.execution.consumer import Consumer
from zodbschedule.interfaces import ClaimLost
from zodbschedule.liveness.stale import OtherClaims
from zodbschedule.scheduling.soundness.parts import naming_damage
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store import moved
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.incarnation import this
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.requests import Requests


pytestmark = pytest.mark.storages('FileStorage')

MANY = 200


@pytest.fixture
def schedule(database, clock):
    clock.set(NOON)
    return database.schedule()


class Owner(Persistent):
    """An object that has a tree of several buckets."""


@pytest.fixture
def owner(schedule):
    owner = schedule._p_jar.root()['owner'] = Owner()
    owner.tree = LOBTree({n: n for n in range(MANY)})
    commit(schedule)
    return owner


def bucket(tree, index):
    return list(remains.nodes(tree))[1:][index]


# -- A tree


@pytest.mark.parametrize('lost', [0, 1, -1])
def test_every_key_can_be_removed_beside_a_lost_bucket(database, owner, lost):
    lost = bucket(owner.tree, lost)
    gone = set(lost)
    lose(database, lost)
    for key in set(range(MANY)) - gone:
        assert remains.discard(owner, 'tree', key) == key
    assert remains.discard(owner, 'tree', min(gone)) is None
    assert list(owner.tree) == []


@pytest.mark.parametrize('lost', [0, 1, -1])
def test_every_instant_can_be_removed_beside_a_lost_bucket(
        database, schedule, lost):
    instants = schedule.timetable.instants
    for second in range(MANY):
        instants[at(-59).replace(second=second % 60, microsecond=0).replace(
            minute=second // 60)] = None
    commit(schedule)
    lost = bucket(max(instants.trees, key=len), lost)
    keys, gone = list(instants), len(lost)
    lose(database, lost)
    left = [key for key in keys if key in instants]
    assert len(left) == MANY - gone
    for key in left:
        del instants[key]
    assert list(instants) == []


def test_what_is_left_is_counted(database, owner):
    lost = bucket(owner.tree, 1)
    left = MANY - len(lost)
    lose(database, lost)
    assert remains.count(owner.tree) == left
    assert len(list(remains.items(owner.tree))) == left
    assert remains.get(owner.tree, 0) == 0


def test_a_tree_that_is_gone_begins_anew(database, owner):
    lost = owner.tree
    lose(database, lost)
    assert remains.count(lost) == 0
    remains.grown(owner, 'tree', 5)[5] = 6
    assert dict(owner.tree) == {5: 6}


# -- A claim


@pytest.fixture
def claim(schedule):
    claim = schedule.claims['mine'] = Claim('a name', this())
    claim.slots.append(Slot())
    commit(schedule)
    return claim


def test_a_heartbeat_that_is_gone_is_made_anew(database, claim):
    lose(database, claim.heartbeat)
    assert claim.progress_of(claim.slots[0]) is None
    assert claim.beaten() == claim._p_serial
    assert claim.beat() is claim.heartbeat
    assert claim.heartbeat.beats == 1


def test_a_slot_that_is_gone_is_none(database, claim):
    assert claim.slot(0) is claim.slots[0]
    lose(database, claim.slots[0])
    assert claim.slot(0) is None
    lose(database, claim.slots)
    assert claim.slot(0) is None


def test_a_claim_that_is_known_and_then_lost_is_not_recovered(
        database, schedule, claim):
    away = this()._replace(machine='another')
    lost = schedule.claims['theirs'] = Claim('theirs', away)
    commit(schedule)
    others = OtherClaims()
    others.look(schedule, 'mine')
    others.idle.clear()
    lose(database, lost)
    assert others.look(schedule, 'mine') == ([], [])


# -- Our own claim, while we work with it


@pytest.fixture
def consumer(schedule):
    """One that has taken two tasks."""
    for minute in -2, -1:
        schedule.schedule(Note(f'{minute}', at(minute)))
    commit(schedule)
    schedule._p_jar.transaction_manager.abort()
    consumer = Consumer(schedule, 'mine')
    consumer.look()
    consumer.turn(2)
    schedule._p_jar.transaction_manager.begin()
    return consumer


def test_a_run_whose_slot_is_gone_does_not_begin(
        database, schedule, consumer):
    lost = schedule.claim(consumer.claim.id).slots[0]
    lose(database, lost)
    schedule._p_jar.transaction_manager.abort()
    consumer._run_portion(int, int)
    assert consumer.counts.total() == 1
    consumer.withdraw()
    schedule._p_jar.transaction_manager.begin()
    assert schedule.parked.get(f'{u64(lost._p_oid):x}') is not None
    assert list(schedule.claims) == []


def test_a_claim_whose_slots_are_gone_is_lost(database, schedule, consumer):
    claim = schedule.claim(consumer.claim.id)
    lose(database, claim.slots)
    schedule._p_jar.transaction_manager.abort()
    with pytest.raises(ClaimLost):
        consumer._run_portion(int, int)
    consumer.withdraw()
    schedule._p_jar.transaction_manager.begin()
    assert list(schedule.claims) == []
    assert schedule.parked.get(f'{u64(claim.slots._p_oid):x}') is not None


# -- A schedule


def test_the_count_of_pauses_begins_anew(database, schedule):
    schedule.pause()
    schedule.resume()
    commit(schedule)
    assert schedule.pauses.count_ended() == 1
    lose(database, schedule.pauses.ended)
    assert schedule.pauses.count_ended() == 0
    schedule.pause()
    schedule.resume()
    assert schedule.pauses.count_ended() == 1


def test_a_request_that_is_gone_is_forgotten(database, schedule):
    task = schedule.schedule(Note('', NOON))
    commit(schedule)
    oid = u64(task._p_oid)
    schedule.requests.add(task, 5)
    commit(schedule)
    lose(database, schedule.requests.entries[oid])
    assert oid not in schedule.requests
    assert schedule.requests.task(oid) is None
    schedule.requests.forget(oid)
    assert list(schedule.requests.entries) == []
    schedule.requests.forget(oid)


def test_several_parts_that_are_gone_begin_anew(database, schedule):
    lose(database, schedule.moved, schedule.history, schedule.keys)
    assert len(list(flaws(schedule))) == 3
    mend(schedule)
    commit(schedule)
    assert list(flaws(schedule)) == []
    assert schedule.history.moved is schedule.moved
    assert schedule.timetable.moved is schedule.moved


def test_another_error_stays_as_it_is(schedule):
    with pytest.raises(POSKeyError), naming_damage(schedule):
        raise POSKeyError(b'another!')


def test_what_a_pack_is_to_see_does_without_parts_that_are_gone(
        database, schedule, monkeypatch):
    monkeypatch.setattr(moved, 'loses_what_moves', lambda storage: True)
    schedule.moved.parts = moved._new_parts()
    schedule.schedule(Note('', NOON))
    commit(schedule)
    lose(database, *schedule.moved.parts)
    schedule.moved.note(list(schedule))
    assert {flaw.kind for flaw in flaws(schedule)} == {'lost-record'}
    mend(schedule)
    commit(schedule)
    assert list(flaws(schedule)) == []
    schedule.moved.note(list(schedule))
    assert any(part.last for part in schedule.moved.parts)


def test_requests_of_nothing_are_forgotten():
    requests = Requests()
    requests.forget(5)
    assert not requests.entries


def test_a_tree_of_claims_that_is_gone_begins_anew(database, schedule, claim):
    lose(database, schedule.claims)
    assert schedule.claim('mine') is None
    new = Claim('another', this())
    schedule.add_claim('new', new)
    assert list(schedule.left_claims()) == [('new', new)]
    assert schedule.history.claims is schedule.claims


def test_a_task_is_parked_whose_place_there_is_gone(database, schedule):
    for number in range(MANY):
        schedule.parked.add(ParkedTask(
            f'{number:04}', Note(), NOON, NOON, 'once', occurrence=0))
    commit(schedule)
    lose(database, bucket(schedule.parked.entries, 0))
    new = ParkedTask('0000x', Note(), NOON, NOON, 'now')
    schedule.parked.add(new)
    assert schedule.parked.get('0000x') is new
    assert len(schedule.parked) == len(list(schedule.parked))
