"""Which tasks rest, and for how long."""

import gc
from datetime import timedelta
from weakref import ref

import pytest
import ZODB
from sample_work import NOON

from zodbschedule.execution.backoff import FIRST_PAUSE
from zodbschedule.execution.backoff import LONGEST_PAUSE
from zodbschedule.execution.backoff import NO_ROOM
from zodbschedule.execution.backoff import Backoff
from zodbschedule.execution.backoff import backoff_of


SECOND = timedelta(seconds=1)


@pytest.fixture
def backoff():
    return Backoff()


def test_a_task_of_which_nothing_is_known_does_not_pause(backoff):
    backoff.forget(1)
    assert not backoff.holds(1, NOON)
    assert backoff.next_end({1, 2}, NOON) is None


def test_a_run_in_vain_is_followed_by_a_pause(backoff):
    backoff.hold(1, NOON)
    assert backoff.holds(1, NOON)
    assert not backoff.holds(2, NOON)
    assert backoff.holds(1, NOON + FIRST_PAUSE - timedelta.resolution)
    assert not backoff.holds(1, NOON + FIRST_PAUSE)


def test_each_rest_is_twice_as_long_up_to_the_longest(backoff):
    pauses = []
    for _ in range(20):
        backoff.hold(1, NOON)
        pauses.append(backoff.next_end({1}, NOON) - NOON)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_run_that_was_not_in_vain_ends_it(backoff):
    backoff.hold(1, NOON)
    backoff.forget(1)
    assert not backoff.holds(1, NOON)
    backoff.hold(1, NOON)
    assert backoff.next_end({1}, NOON) == NOON + FIRST_PAUSE


def test_a_clock_that_was_set_back_ends_it(backoff):
    backoff.hold(1, NOON)
    assert not backoff.holds(1, NOON - SECOND)


def test_the_first_end_of_some_is_known(backoff):
    backoff.hold(1, NOON)
    backoff.hold(2, NOON + SECOND / 2)
    backoff.hold(3, NOON - SECOND)
    assert backoff.next_end({1, 2, 3}, NOON) == NOON + SECOND
    assert backoff.next_end({2}, NOON) == NOON + SECOND * 1.5
    # That one has rested.
    assert backoff.next_end({3}, NOON) is None


def test_all_who_work_on_a_database_share_it():
    db, other = ZODB.DB(None), ZODB.DB(None)
    assert backoff_of(db) is backoff_of(db)
    assert backoff_of(db) is not backoff_of(other)
    db.close()
    other.close()


def test_it_does_not_keep_a_database():
    db = ZODB.DB(None)
    backoff_of(db)
    db.close()
    there = ref(db)
    del db
    gc.collect()
    assert there() is None


def test_a_storage_without_room_holds_off_all_and_that_task_longer(backoff):
    backoff.refuse(1, NOON)
    assert backoff.holds(NO_ROOM, NOON)
    assert backoff.next_end({1, 2}, NOON) == NOON + FIRST_PAUSE
    later = NOON + FIRST_PAUSE
    assert not backoff.holds(NO_ROOM, later)
    assert backoff.holds(1, later)
    assert backoff.next_end({1, 2}, later) == NOON + 2 * FIRST_PAUSE
