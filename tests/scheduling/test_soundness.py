"""Whether a schedule is sound; each flaw is planted, found and mended."""

import tracemalloc
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace

import mixture
import pytest
from databases import wait_until
from persistent.list import PersistentList
from places import check
from sample_tasks import Doing
from sample_tasks import Fading
from sample_tasks import gone
from sample_work import commit
from ZODB.POSException import ReadConflictError
from ZODB.utils import u64

from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness import survey as soundness
from zodbschedule.scheduling.soundness.flaw import FlawKind
from zodbschedule.scheduling.soundness.survey import Survey
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store.arguments import Arguments
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import Chunk
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import keeps_stamp
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.remains import is_gone
from zodbschedule.worker import Worker


pytestmark = pytest.mark.storages('FileStorage')

HOUR = timedelta(hours=1)

# In the docs is what 100,000 take.
SIZE = 10_000


class Named(Task):
    """Does nothing."""

    def __call__(self):
        pass


class Kind(Enum):
    """What an argument may be."""

    GOOD = 'good'


class Odd(Named):
    """Answers nothing of what the package asks, from some time on."""

    is_odd = False

    def __getattribute__(self, name):
        if name in (STAMP, 'key') and type(self).is_odd:
            raise ValueError(f'no {name}')
        return super().__getattribute__(name)


@pytest.fixture
def full(database, clock):
    """A schedule with tasks in all places, and with notes of all kinds."""
    schedule = database.schedule()
    now = clock.now()

    def add(name, time, cls=Named, **options):
        task = schedule.schedule(cls(time, description=name, **options))
        schedule._p_jar.add(task)
        return task

    here = SimpleNamespace(schedule=schedule, now=now)
    here.taken = add('taken', now, key='taken')
    here.failing = add('failing', now, Doing)
    here.done = add('done', now)
    commit(schedule)
    claim = schedule.claims['1'] = Claim('w', this())
    turn.exchange(schedule, claim, 3, None, now, lambda instant, task: True)
    slots = here.slots = claim.slots
    here.claim = claim
    here.made = Named(now + HOUR, description='made')
    stamp(here.made, now + HOUR)
    slots[2].schedule(to_micros(now + HOUR), here.made)
    slots[2].settle(1, record(u64(here.done._p_oid), 0, 1, 0, 'done', '',
                              began=0))
    slots[1].settle(2, u64(here.failing._p_oid),
                    (to_micros(now + HOUR), here.failing))
    stamp(here.failing, now + HOUR)
    here.plain = add('plain', now + HOUR)
    here.called = schedule.call(
        'sample_functions.note', 'x' * 10_000, time=now + HOUR,
        description='called')
    here.keyed = add('keyed', now + HOUR, key='keyed')
    here.busy = [add(f'busy {n}', now + 2 * HOUR) for n in range(40)]
    here.fading = add('fading', now + 3 * HOUR, Fading)
    here.odd = add('odd', now + 4 * HOUR, Odd)
    here.parked = add('parked', now + 4 * HOUR)
    schedule.unschedule(here.parked)
    schedule.parked.add(ParkedTask(
        task_id(here.parked), here.parked, now + 4 * HOUR, now, 'failed'))
    schedule.parked.add(ParkedTask(
        f'{task_id(here.plain)}-20300131T080000Z', here.plain,
        now, now, 'once', occurrence=0))
    schedule.pause(here.plain)
    schedule.pause()
    schedule.crashes[u64(here.plain._p_oid)] = 1, here.plain
    commit(schedule)
    schedule.requests.add(here.taken, 5)
    schedule.history.add(
        [record(1, 0, 1, 0, '', '', began=0)] * 3, now, 'w')
    here.new = schedule.schedule(
        Named(now + HOUR, description='new', key='new'))
    here.all = {one.description: u64(one._p_oid) for one in [
        here.taken, here.failing, here.made, here.plain, here.called,
        here.keyed, *here.busy, here.fading, here.odd, here.parked]}
    return here


def nothing_lost(here):
    survey = Survey(here.schedule)
    assert not list(survey.flaws())
    assert set(here.all.values()) <= set(survey.places), 'a task is lost'


def dangling(schedule, cls=Named):
    """A reference to a record that was never written."""
    ghost = cls.__new__(cls)
    ghost._p_jar = schedule._p_jar
    ghost._p_oid = schedule._p_jar.new_oid()
    ghost._p_deactivate()
    return ghost


def list_at(here, hours):
    return here.schedule.timetable.instants[here.now + hours * HOUR]


def test_a_sound_schedule_has_no_flaw(full):
    check(full.schedule)
    commit(full.schedule)
    before = full.schedule._p_jar.db().storage.lastTransaction()
    check(full.schedule)
    nothing_lost(full)
    assert mend(full.schedule) == []
    commit(full.schedule)
    assert full.schedule._p_jar.db().storage.lastTransaction() == before


def test_large_arguments_do_not_stay_in_memory(full):
    assert full.called.args
    assert list(flaws(full.schedule)) == []
    assert full.called._arguments._p_changed is None


def test_a_missing_class_is_not_a_flaw(full, database):
    commit(full.schedule)
    with gone(database.db, 'Fading'):
        check(database.schedule())


@pytest.mark.parametrize('large', [False, True])
def test_arguments_that_need_missing_code_are_not_a_flaw(
        full, database, large, monkeypatch):
    load = 'x' * 10_000 if large else 'little'
    full.schedule.call(
        'sample_functions.note', Kind.GOOD, load, time=full.now)
    commit(full.schedule)
    monkeypatch.delitem(Kind._value2member_map_, 'good')
    schedule = database.schedule()
    schedule._p_jar.cacheMinimize()
    assert list(flaws(schedule)) == []


def test_what_a_class_refuses_to_say_is_not_a_flaw(full, monkeypatch):
    commit(full.schedule)
    monkeypatch.setattr(Odd, 'is_odd', True)
    check(full.schedule)


def test_a_schedule_in_no_database_is_looked_at(clock):
    schedule = Schedule()
    schedule.schedule(Named(key='key'))
    check(schedule)


# -- Each flaw is planted.  Each function says which flaws there are then.


def in_two_instants(here):
    here.schedule.timetable.add(here.now + 5 * HOUR, [here.plain])
    return FlawKind.TWO_PLACES, FlawKind.WRONG_STAMP


def at_an_earlier_instant_too(here):
    here.schedule.timetable.add(here.now, [here.plain])
    return FlawKind.TWO_PLACES, FlawKind.WRONG_STAMP


def twice_in_a_list(here):
    list_at(here, 1).append(here.plain)
    list_at(here, 1).append(here.plain)
    return FlawKind.TWO_PLACES, FlawKind.TWO_PLACES


def in_three_places(here):
    here.schedule.timetable.add(here.now, [here.plain])
    here.schedule.timetable.add(here.now + 5 * HOUR, [here.plain])
    return (FlawKind.WRONG_STAMP, FlawKind.TWO_PLACES, FlawKind.TWO_PLACES,
            FlawKind.WRONG_STAMP)


def waiting_and_running(here):
    here.schedule.timetable.add(here.now, [here.taken])
    return FlawKind.TWO_PLACES,


def running_twice(here):
    slot = Slot()
    slot.hold(to_micros(here.now), here.taken)
    here.claim.slots.append(slot)
    return FlawKind.TWO_PLACES,


def waiting_and_made(here):
    here.schedule.timetable.add(here.now + HOUR, [here.made])
    return FlawKind.TWO_PLACES,


def made_twice(here):
    here.slots[2].schedule(to_micros(here.now + HOUR), here.made)
    return FlawKind.TWO_PLACES,


def going_on_twice(here):
    slot = Slot()
    slot.settle(2, u64(here.failing._p_oid), here.slots[1].following)
    here.claim.slots.append(slot)
    return FlawKind.TWO_PLACES,


def waiting_and_parked(here):
    here.schedule.timetable.add(here.now + 4 * HOUR, [here.parked])
    return FlawKind.TWO_PLACES,


def running_and_parked(here):
    here.schedule.parked.add(ParkedTask(
        task_id(here.taken), here.taken, here.now, here.now, 'failed'))
    return FlawKind.TWO_PLACES,


def another_stamp(here):
    stamp(here.plain, here.now)
    return FlawKind.WRONG_STAMP,


def no_stamp(here):
    delattr(here.keyed, STAMP)
    return FlawKind.WRONG_STAMP,


def an_empty_list(here):
    here.schedule.timetable.instants[here.now + 9 * HOUR] = PersistentList()
    return FlawKind.EMPTY_INSTANT,


def an_empty_tree(here):
    tree = type(list_at(here, 2))()
    here.schedule.timetable.instants[here.now + 9 * HOUR] = tree
    return FlawKind.EMPTY_INSTANT,


def an_empty_leaf(here):
    tree = list_at(here, 2)
    tree[tree.maxKey() + 1] = PersistentList()
    return FlawKind.EMPTY_INSTANT,


def no_note_of_a_key(here):
    here.schedule.keys.by_oid.pop(u64(here.keyed._p_oid))
    here.schedule.keys.without_oid = ()
    here.schedule.keys.holders.pop('keyed')
    return FlawKind.MISSING_KEY,


def no_note_of_a_key_that_is_held(here):
    here.schedule.keys.by_oid.pop(u64(here.keyed._p_oid))
    return FlawKind.MISSING_KEY, FlawKind.STRAY_KEY


def another_key(here):
    here.keyed.key = 'other'
    return FlawKind.MISSING_KEY,


def no_note_of_a_running_key(here):
    here.schedule.keys.by_oid.pop(u64(here.taken._p_oid))
    here.schedule.keys.running.pop('taken')
    return FlawKind.MISSING_KEY,


def a_running_key_that_is_not_busy(here):
    here.schedule.keys.running.pop('taken')
    return FlawKind.MISSING_KEY,


def a_key_of_a_task_that_is_gone(here):
    for task in (dangling(here.schedule), Named(here.now)):
        here.schedule._p_jar.root()['away'] = task
        here.schedule._p_jar.add(task)
        here.schedule.keys.by_oid[u64(task._p_oid)] = 'away', task
    return FlawKind.STRAY_KEY, FlawKind.STRAY_KEY


def a_key_that_is_held_by_one_that_runs(here):
    here.schedule.keys.holders['taken'] = here.taken
    return FlawKind.STRAY_KEY,


def a_key_that_is_held_by_one_that_has_another(here):
    here.schedule.keys.holders['more'] = here.keyed
    return FlawKind.STRAY_KEY,


def a_busy_key_of_no_claim(here):
    here.schedule.keys.running['away'] = 12345
    return FlawKind.STRAY_KEY,


def a_holder_that_is_nowhere(here):
    list_at(here, 1).remove(here.keyed)
    return FlawKind.NO_PLACE, FlawKind.STRAY_KEY


def a_holder_without_a_stamp_that_is_nowhere(here):
    list_at(here, 1).remove(here.keyed)
    delattr(here.keyed, STAMP)
    return FlawKind.NO_PLACE, FlawKind.STRAY_KEY


def a_running_task_whose_claim_is_gone(here):
    here.slots[0].free()
    here.schedule.requests.forget(u64(here.taken._p_oid))
    return FlawKind.NO_PLACE, FlawKind.STRAY_KEY


def a_pause_of_a_task_that_is_gone(here):
    here.schedule.pauses.entries[12345] = (0, None, '', here.done)
    return FlawKind.STRAY_PAUSE,


def a_crash_of_a_task_that_is_gone(here):
    here.schedule.crashes[12345] = 1, here.done
    return FlawKind.STRAY_CRASH,


def a_request_of_a_task_that_is_gone(here):
    here.gone = here.schedule.schedule(Named(here.now, description='gone'))
    here.schedule._p_jar.add(here.gone)
    here.schedule.requests.add(here.gone, 5)
    here.schedule.requests.add(here.gone, 6)
    here.schedule.timetable.remove(here.now, here.gone)
    return FlawKind.STRAY_REQUEST,


def a_chunk_of_another_length(here):
    chunks = here.schedule.history.chunks
    key = chunks.maxKey()
    chunks[key + 1] = chunks[key]
    chunks[key + 2] = chunks[key]
    return FlawKind.WRONG_COUNT, FlawKind.WRONG_COUNT


def a_lost_task(here):
    lost = dangling(here.schedule)
    list_at(here, 1).append(lost)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_task_in_a_leaf_twice(here):
    lost = dangling(here.schedule)
    tree = list_at(here, 2)
    tree[tree.minKey()].extend([lost, lost])
    here.all['lost'] = u64(lost._p_oid)
    return (FlawKind.LOST_RECORD, FlawKind.TWO_PLACES, FlawKind.LOST_RECORD)


def a_lost_task_in_a_slot(here):
    lost = dangling(here.schedule)
    slot = Slot()
    slot.hold(to_micros(here.now), lost)
    here.claim.slots.append(slot)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_task_that_a_run_has_made(here):
    lost = dangling(here.schedule)
    here.slots[2].schedule(to_micros(here.now + HOUR), lost)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def lost_arguments(here):
    here.called._arguments = dangling(here.schedule, Arguments)
    return FlawKind.LOST_RECORD,


def a_lost_list(here):
    lost = dangling(here.schedule, PersistentList)
    here.schedule.timetable.instants[here.now + 9 * HOUR] = lost
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_tree(here):
    lost = dangling(here.schedule, type(list_at(here, 2)))
    here.schedule.timetable.instants[here.now + 9 * HOUR] = lost
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_leaf(here):
    lost = dangling(here.schedule, PersistentList)
    tree = list_at(here, 2)
    tree[tree.maxKey() + 1] = lost
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_list_of_a_task_with_a_key(here):
    [tasks] = [list_at(here, 1)]
    here.schedule.timetable.add(here.now + 9 * HOUR, [
        task for task in tasks if task is not here.keyed])
    for task in tasks:
        stamp(task, here.now + 9 * HOUR)
    stamp(here.keyed, here.now + HOUR)
    lost = dangling(here.schedule, PersistentList)
    here.schedule.timetable.instants[here.now + HOUR] = lost
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD, FlawKind.NO_PLACE, FlawKind.STRAY_KEY


def a_lost_claim(here):
    lost = here.schedule.claims['2'] = dangling(here.schedule, Claim)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def lost_slots(here):
    claim = here.schedule.claims['2'] = Claim('w', this())
    lost = claim.slots = dangling(here.schedule, PersistentList)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_slot(here):
    lost = dangling(here.schedule, Slot)
    here.claim.slots.append(lost)
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_heartbeat(here):
    here.claim.heartbeat = dangling(here.schedule, type(here.claim.heartbeat))
    return FlawKind.LOST_RECORD,


def lost_entry(here, id):
    """Put one there, in the place of another if there is one."""
    parked = here.schedule.parked
    before, lost = parked.get(id), dangling(here.schedule, ParkedTask)
    if before is None:
        parked.count.change(1)
        parked.arrivals[parked._newest() + 1] = lost
    else:
        parked.arrivals[before.position] = lost
    parked.entries[id] = lost
    return lost


def a_lost_entry(here):
    lost_entry(here, task_id(here.parked))
    return FlawKind.LOST_RECORD,


def lost_entries_of_occurrences(here):
    for part in ('20300131T080000Z', '20300131T080000.000500Z'):
        lost_entry(here, f'{task_id(here.plain)}-{part}')
    return FlawKind.LOST_RECORD, FlawKind.LOST_RECORD


def a_lost_entry_of_a_lost_task(here):
    lost = lost_entry(here, 'ffff')
    here.all['lost'] = u64(lost._p_oid)
    return FlawKind.LOST_RECORD,


def a_lost_request(here):
    here.schedule.requests.entries[u64(here.keyed._p_oid)] = dangling(
        here.schedule, PersistentList)
    return FlawKind.LOST_RECORD,


def a_lost_chunk(here):
    here.schedule.history.chunks[0] = dangling(here.schedule, Chunk)
    return FlawKind.LOST_RECORD,


PLANTED = [
    in_two_instants, at_an_earlier_instant_too, twice_in_a_list,
    in_three_places, waiting_and_running, running_twice, waiting_and_made,
    made_twice, going_on_twice, waiting_and_parked, running_and_parked,
    another_stamp, no_stamp, an_empty_list, an_empty_tree, an_empty_leaf,
    no_note_of_a_key, no_note_of_a_key_that_is_held, another_key,
    no_note_of_a_running_key, a_running_key_that_is_not_busy,
    a_key_of_a_task_that_is_gone, a_key_that_is_held_by_one_that_runs,
    a_key_that_is_held_by_one_that_has_another, a_busy_key_of_no_claim,
    a_holder_that_is_nowhere, a_holder_without_a_stamp_that_is_nowhere,
    a_running_task_whose_claim_is_gone,
    a_pause_of_a_task_that_is_gone, a_crash_of_a_task_that_is_gone,
    a_request_of_a_task_that_is_gone, a_chunk_of_another_length, a_lost_task,
    a_lost_task_in_a_leaf_twice, a_lost_task_in_a_slot,
    a_lost_task_that_a_run_has_made, lost_arguments, a_lost_list, a_lost_tree,
    a_lost_leaf, a_lost_list_of_a_task_with_a_key, a_lost_claim, lost_slots,
    a_lost_slot, a_lost_heartbeat, a_lost_entry, lost_entries_of_occurrences,
    a_lost_entry_of_a_lost_task, a_lost_request, a_lost_chunk]


@pytest.mark.parametrize('plant', PLANTED, ids=lambda one: one.__name__)
def test_a_flaw_is_found_and_mended_and_no_task_is_lost(
        full, database, plant):
    kinds = plant(full)
    commit(full.schedule)
    full.schedule = database.schedule()
    found = list(flaws(full.schedule))
    assert sorted(flaw.kind for flaw in found) == sorted(kinds)
    assert all(flaw.mendable and flaw.problem and flaw.remedy
               for flaw in found)
    assert set(found) <= set(mend(full.schedule))
    check(full.schedule)
    commit(full.schedule)
    full.schedule = database.schedule()
    nothing_lost(full)


def test_several_flaws_of_one_task_are_mended_together(full, database):
    full.schedule.timetable.add(full.now, [full.keyed])
    full.schedule.timetable.add(full.now + 5 * HOUR, [full.keyed])
    full.keyed.key = 'other'
    full.schedule.parked.add(ParkedTask(
        task_id(full.keyed), full.keyed, full.now, full.now, 'failed'))
    assert len(mend(full.schedule)) >= 5
    nothing_lost(full)
    assert full.keyed not in full.schedule
    [entry] = [one for one in full.schedule.parked if one.task is full.keyed]
    assert entry.reason == 'failed'


@pytest.mark.parametrize('plant, instants', [
    (in_two_instants, [1]), (at_an_earlier_instant_too, [1]),
    (twice_in_a_list, [1]), (in_three_places, [1])])
def test_of_two_instants_a_task_stays_at_the_one_of_its_stamp(
        full, plant, instants):
    plant(full)
    mend(full.schedule)
    assert [instant - full.now for instant in full.schedule.getTaskTimes()
            for task in full.schedule.timetable.at(instant)
            if task is full.plain] == [HOUR]


def test_what_runs_stays_in_its_claim(full):
    waiting_and_running(full)
    running_and_parked(full)
    mend(full.schedule)
    assert full.slots[0].task is full.taken
    assert full.schedule.entry_of(full.taken) is None
    assert full.schedule.in_timetable(full.taken) is None


def test_a_task_can_be_unscheduled_when_its_stamp_is_corrected(full):
    another_stamp(full)
    assert full.schedule.in_timetable(full.plain) is None
    mend(full.schedule)
    full.schedule.unschedule(full.plain)
    check(full.schedule)


def test_a_key_is_held_again(full):
    no_note_of_a_key(full)
    mend(full.schedule)
    assert full.schedule.keys.get('keyed') is full.keyed


def test_another_key_is_held_instead(full):
    another_key(full)
    mend(full.schedule)
    assert full.schedule.keys.get('keyed') is None
    assert full.schedule.keys.get('other') is full.keyed


def test_a_key_that_another_task_holds_stays_with_that(full):
    full.plain.key = 'keyed'
    mend(full.schedule)
    assert full.schedule.keys.get('keyed') is full.keyed
    nothing_lost(full)


def test_a_task_that_is_parked_can_be_unparked(full):
    a_holder_that_is_nowhere(full)
    mend(full.schedule)
    entry = full.schedule.parked.get(task_id(full.keyed))
    assert entry.reason == 'it had a key, and was in no place'
    assert entry.time == full.now + HOUR
    full.schedule.unpark(entry)
    check(full.schedule)
    assert full.schedule.keys.get('keyed') is full.keyed


def test_a_request_is_parked_by_occurrence(full):
    a_request_of_a_task_that_is_gone(full)
    mend(full.schedule)
    assert [to_micros(entry.occurrence) for entry in full.schedule.parked
            if entry.task is full.gone] == [5, 6]


def test_a_lost_record_is_parked_and_can_be_discarded(full, caplog):
    a_lost_task(full)
    commit(full.schedule)
    mend(full.schedule)
    caplog.clear()
    commit(full.schedule)
    [logged] = caplog.records
    id = f'{full.all["lost"]:x}'
    assert logged.getMessage() == (
        f'Task {id} (test_soundness.Named) was parked: its record is gone')
    full.schedule.discard(full.schedule.parked.get(id))
    check(full.schedule)


def test_an_entry_is_not_lost_with_its_record(full, database):
    a_lost_entry(full)
    lost_entries_of_occurrences(full)
    mend(full.schedule)
    parked = full.schedule.parked
    whole = parked.get(task_id(full.parked))
    assert whole.task is full.parked and whole.occurrence is None
    assert whole.time == full.now + 4 * HOUR
    assert {str(entry.occurrence) for entry in parked
            if entry.task is full.plain} == {
        '2030-01-31 08:00:00+00:00', '2030-01-31 08:00:00.000500+00:00'}


def test_a_part_of_the_history_is_counted_anew(full):
    before = len(list(full.schedule.history))
    a_chunk_of_another_length(full)
    mend(full.schedule)
    assert len(list(full.schedule.history)) == before + 2 * 3


def test_the_stamp_of_a_missing_class_can_only_be_named(full, database):
    stamp(full.fading, full.now)
    commit(full.schedule)
    with gone(database.db, 'Fading'):
        schedule = database.schedule()
        [flaw] = flaws(schedule)
        assert flaw.kind is FlawKind.WRONG_STAMP
        assert not flaw.mendable and not flaw.remedy
        assert mend(schedule) == []


def test_a_storage_that_fails_is_not_a_flaw(full):
    class Away(Task):
        def _p_activate(self):
            raise ReadConflictError

    for look in is_gone, keeps_stamp:
        with pytest.raises(ReadConflictError):
            look(Away())


def test_a_state_that_is_refused_is_not_gone():
    class Refused(Task):
        def _p_activate(self):
            raise ValueError

    assert not is_gone(Refused())


def test_mending_ends(full, monkeypatch):
    monkeypatch.setattr(soundness, 'ROUNDS', 1)
    a_lost_list_of_a_task_with_a_key(full)
    assert len(mend(full.schedule)) == 3


# -- In other circumstances


@pytest.mark.storages('FileStorage', 'ZEO')
def test_a_database_that_moves_is_sound_at_each_look(database):
    mixture.set_up(database, mixture.one_of_each())

    def is_done():
        with mixture.looking(database) as schedule:
            check(schedule)
            return mixture.is_done(schedule)

    with Worker(database.client().db, 'schedule', threads=2):
        wait_until(is_done, 'the end of all tasks')
    mixture.check_done(database)


def test_many_tasks_take_little_memory(database, unmeasured):
    schedule = database.schedule()
    for number in range(SIZE):
        schedule.schedule(Named(
            datetime(2030, 1, 1 + number % 30, number % 24, tzinfo=UTC)))
    commit(schedule)
    schedule = database.schedule()
    tracemalloc.start()
    survey = Survey(schedule)
    assert not list(survey.flaws())
    assert len(survey.places) == SIZE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The objects that the cache may hold, and the places.
    assert peak < 6_000_000 + 250 * SIZE
