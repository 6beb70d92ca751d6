"""Taking due tasks: several at once, and with few requests to the server."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies
from onlooker import Onlooker
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import names
from sample_work import prepare
from sample_work import runs
from ZODB.Connection import Connection

from zodbschedule.execution import crowd
from zodbschedule.execution import own_claim
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.crowd import CROWD
from zodbschedule.execution.crowd import Crowd
from zodbschedule.store.spread import TREES
from zodbschedule.store.timetable import LEAF
from zodbschedule.store.timetable import Timetable


LIMIT = 8


def anything(instant, task):
    return True


# -- Several at once


class TestCrowd:
    """A turn that conflicts chooses another portion than the first."""

    @pytest.fixture(autouse=True)
    def room(self, monkeypatch):
        """How many portions there are for each holder: none, here."""
        monkeypatch.setattr(crowd, 'ROOM', 0)

    @pytest.fixture
    def hold(self, database):
        """A new holder of a claim, with a client of its own."""
        def hold(now=at(1000), patient=True):
            schedule = database.client().schedule()
            schedule._p_jar.transaction_manager.abort()
            found = Consumer(schedule, '', patient=patient)
            found.begin(now)
            found.claim.register()
            return found

        return hold

    @pytest.fixture
    def farthest(self, monkeypatch):
        """Of the portions that it may choose, each chooses the last one."""
        monkeypatch.setattr(
            crowd.random, 'randrange', lambda count: count - 1)

    @pytest.fixture
    def meet(self, monkeypatch):
        """Have a holder make a turn before another commits its own."""
        def meet(first, second):
            meeting[second.claim.id] = first

        def exchange(schedule, claim, *args):
            portion = original(schedule, claim, *args)
            claim_id = next(one for one, other in schedule.claims.items()
                            if other is claim)
            first = meeting.pop(claim_id, None)
            if first is not None:
                first.turn(LIMIT)
            return portion

        meeting = {}
        original = own_claim.exchange
        monkeypatch.setattr(own_claim, 'exchange', exchange)
        return meet

    @pytest.fixture
    def look(self, database):
        """What a holder holds, by description."""
        onlooker = Onlooker(database)

        def look(holder):
            return onlooker.look(lambda schedule: [
                slot.task.description
                for slot in schedule.claims[holder.claim.id].held()])

        return look

    def work(self, *holders):
        """Have them run everything, turn by turn, and withdraw."""
        for holder in holders:
            holder.manager.begin()
            holder.prepare()
            holder.manager.abort()
        held = True
        while held:
            held = False
            for holder in holders:
                with holder.guard.on_duty():
                    for index, oid in holder.claim.portion.items():
                        holder.run(index, oid)
                holder.turn(LIMIT)
                held = held or bool(holder.claim.portion)
        for holder in holders:
            holder.withdraw()

    def fill(self, database, count):
        prepare(database, *(
            Note(f'{number}', at(number)) for number in range(count)))

    @pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')
    def test_two_that_meet_take_different_portions(
            self, database, hold, farthest, meet, look):
        self.fill(database, 100)
        first, second = hold(), hold()
        meet(first, second)
        second.turn(LIMIT)
        assert look(first) == [f'{number}' for number in range(8)]
        # One portion was left to yet another.
        assert look(second) == [f'{number}' for number in range(16, 24)]
        # And that is where it goes on, when nobody comes in its way.
        second.claim.crowd.size = 1
        assert second.current_pass.cursor is None
        second.turn(LIMIT)
        assert look(second) == [f'{number}' for number in range(8, 16)]
        self.work(first, second)
        assert set(runs(database).values()) == {1}
        schedule = database.schedule()
        assert names(schedule) == [] and not list(schedule.claims)

    @pytest.mark.storages('FileStorage')
    def test_several_leave_room_to_each_other_from_the_beginning(
            self, database, hold, farthest, look, monkeypatch):
        monkeypatch.setattr(crowd, 'ROOM', 3)
        self.fill(database, 100)
        first = hold()
        first.turn(LIMIT)
        assert look(first) == [f'{number}' for number in range(8)]
        second = hold()
        second.turn(LIMIT)
        # The last of six portions.
        assert look(second) == [f'{number}' for number in range(48, 56)]
        single = hold(patient=False)
        single.turn(LIMIT)
        assert look(single) == [f'{number}' for number in range(8, 16)]
        self.work(first, second, single)

    @pytest.mark.storages('FileStorage')
    def test_there_is_room_for_so_many_and_no_more(
            self, database, hold, farthest, look, monkeypatch):
        monkeypatch.setattr(crowd, 'ROOM', 3)
        monkeypatch.setattr(crowd, 'ROOMS', 2)
        self.fill(database, 100)
        *_, last = [hold() for _ in range(4)]
        last.turn(LIMIT)
        # The last of six portions, and not of twelve.
        assert look(last)[0] == '40'

    @pytest.mark.storages('FileStorage')
    def test_a_single_pass_keeps_the_order_of_time(
            self, database, hold, farthest, meet, look):
        self.fill(database, 100)
        first, second = hold(), hold(patient=False)
        meet(first, second)
        second.turn(LIMIT)
        assert look(second) == [f'{number}' for number in range(8, 16)]

    def test_each_conflict_makes_the_choice_larger_up_to_a_bound(self):
        one = Crowd()
        sizes = []
        for tries in range(1, 8):
            one.skip(tries, 1)
            sizes.append(one.size)
        assert sizes == [1, 2, 4, 8, 16, 16, 16]
        assert {one.skip(1, 1) for _ in range(1000)} == set(range(CROWD))

    @pytest.mark.storages('FileStorage')
    def test_each_turn_that_does_not_conflict_makes_it_smaller(
            self, database, hold):
        one = hold()
        one.claim.crowd.size = CROWD
        for _ in range(100):
            one.turn(0)
        assert one.claim.crowd.size == 1

    @pytest.mark.storages('FileStorage')
    def test_if_there_is_too_little_behind_it_begins_at_the_head(
            self, database, hold, farthest, look):
        self.fill(database, LIMIT + 3)
        one = hold()
        one.claim.crowd.size = 2
        one.turn(LIMIT)
        assert look(one) == [f'{number}' for number in range(LIMIT)]
        assert one.current_pass.cursor == at(LIMIT - 1)
        self.work(one)
        assert set(runs(database).values()) == {1}


@pytest.mark.storages('FileStorage')
def test_each_pass_counts_the_emptied_instants_anew(database):
    # Else a worker would sweep every few passes, and conflict with inserts.
    schedule = prepare(database, *(
        Note(f'{number}', NOON + timedelta(microseconds=number))
        for number in range(5)))
    for task in list(schedule):
        schedule.unschedule(task)
    commit(schedule)
    schedule._p_jar.transaction_manager.abort()
    one = Consumer(schedule, '', patient=True)
    for _ in range(3):
        one.begin(at(1))
        one.turn(LIMIT)
        assert one.current_pass.husks == 5
    one.withdraw()


# What each instant holds.
LISTS = strategies.lists(
    strategies.integers(1, 3 * LEAF), min_size=1, max_size=12)


@given(LISTS, strategies.integers(1, 40), strategies.integers(0, 12))
def test_whatever_is_left_to_others_nothing_is_lost(counts, limit, skip):
    timetable = Timetable()
    everything = []
    for minute, count in enumerate(counts):
        tasks = [Note(f'{minute}.{number}') for number in range(count)]
        timetable.add(at(minute), tasks)
        everything += tasks
    portion = timetable.take(limit, None, at(1000), anything, skip)
    taken = [task for _, task in portion.tasks]
    left = [task for instant in timetable.times()
            for task in timetable.at(instant)]
    # As many as if nothing had been left to others, in order.
    assert len(taken) == min(limit, len(everything))
    places = [everything.index(task) for task in taken]
    assert places == sorted(places)
    assert [task for task in everything if task not in taken] == left
    # Whoever goes on from there finds the rest.
    rest = timetable.take(
        len(everything), portion.cursor, at(1000), anything)
    assert [task for _, task in rest.tasks] == left


def test_what_is_left_to_others_is_counted_in_lists():
    timetable = Timetable()
    for minute in range(10):
        timetable.add(at(minute), [Note(), Note()])
    portion = timetable.take(4, None, at(1000), anything, 3)
    assert [instant for instant, _ in portion.tasks] == [
        at(3), at(3), at(4), at(4)]


# -- Few requests


@pytest.mark.storages('ZEO', 'PostgreSQL')
class TestFetching:

    @pytest.fixture
    def asked(self, monkeypatch):
        """What was asked for at once, request by request."""
        def prefetch(self, *args):
            found.append(list(args[0]))
            return original(self, *args)

        found = []
        original = Connection.prefetch
        monkeypatch.setattr(Connection, 'prefetch', prefetch)
        return found

    def test_lists_and_tasks_are_asked_for_together(self, database, asked):
        prepare(database, *(Note(f'{number}', at(-number))
                            for number in range(60)))
        oids = {task._p_oid for task in database.schedule()}
        client = database.client()
        schedule = client.schedule()
        schedule._p_jar.transaction_manager.abort()
        one = Consumer(schedule, '')
        asked.clear()
        one.begin(NOON)
        one.turn(60)
        tasks = [request for request in asked if set(request) & oids]
        assert set(*tasks) == oids
        # All trees; then of lists a few at first, and then more.
        trees, *lists = [
            len(request) for request in asked if request not in tasks]
        assert trees == TREES
        assert sum(lists) == 60 and len(lists) == 3
        one.withdraw()

    def test_nothing_is_asked_for_that_is_here(self, database, asked):
        schedule = prepare(database, Note('a'), Note('b', at(1)))
        for task in schedule:
            task._p_activate()
        for held in schedule.timetable.instants.values():
            held._p_activate()
        asked.clear()
        schedule.timetable.take(2, None, at(1), anything)
        assert asked == []


@pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')
def test_a_task_whose_record_is_gone_harms_no_other(database):
    schedule = prepare(database, Note('a'), Note('b'))
    connection = schedule._p_jar
    # A reference to a record that was never written.
    dangling = Note.__new__(Note)
    dangling._p_jar = connection
    dangling._p_oid = connection.new_oid()
    dangling._p_deactivate()
    assert dangling._p_changed is None
    schedule.timetable.instants[NOON].insert(1, dangling)
    commit(schedule)
    other = database.client().schedule()
    other._p_jar.cacheMinimize()
    other.process(NOON)
    begin(other)
    assert runs(database) == {'a': 1, 'b': 1}
    assert sorted(entry.outcome for entry in other.history) == [
        'failed', 'succeeded', 'succeeded']
    assert len(list(other.parked)) == 1
    assert names(other) == [] and not list(other.claims)
