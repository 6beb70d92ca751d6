"""Which tasks rest, and for how long."""

import gc
from datetime import timedelta
from weakref import ref

import pytest
import ZODB
from sample_work import NOON

from zodbschedule.execution.backoff import LONGEST_REST
from zodbschedule.execution.backoff import REST
from zodbschedule.execution.backoff import Rest
from zodbschedule.execution.backoff import rest_of


SECOND = timedelta(seconds=1)


@pytest.fixture
def rest():
    return Rest()


def test_a_task_of_which_nothing_is_known_does_not_rest(rest):
    rest.note(1, NOON, False)
    assert not rest.rests(1, NOON)
    assert rest.ends({1, 2}, NOON) is None


def test_a_run_in_vain_is_followed_by_a_rest(rest):
    rest.note(1, NOON, True)
    assert rest.rests(1, NOON)
    assert not rest.rests(2, NOON)
    assert rest.rests(1, NOON + REST - timedelta.resolution)
    assert not rest.rests(1, NOON + REST)


def test_each_rest_is_twice_as_long_up_to_the_longest(rest):
    pauses = []
    for _ in range(20):
        rest.note(1, NOON, True)
        pauses.append(rest.ends({1}, NOON) - NOON)
    assert pauses[:3] == [REST, 2 * REST, 4 * REST]
    assert pauses[-1] == LONGEST_REST


def test_a_run_that_was_not_in_vain_ends_it(rest):
    rest.note(1, NOON, True)
    rest.note(1, NOON, False)
    assert not rest.rests(1, NOON)
    rest.note(1, NOON, True)
    assert rest.ends({1}, NOON) == NOON + REST


def test_a_clock_that_was_set_back_ends_it(rest):
    rest.note(1, NOON, True)
    assert not rest.rests(1, NOON - SECOND)


def test_the_first_end_of_some_is_known(rest):
    rest.note(1, NOON, True)
    rest.note(2, NOON + SECOND / 2, True)
    rest.note(3, NOON - SECOND, True)
    assert rest.ends({1, 2, 3}, NOON) == NOON + SECOND
    assert rest.ends({2}, NOON) == NOON + SECOND * 1.5
    # That one has rested.
    assert rest.ends({3}, NOON) is None


def test_all_who_work_on_a_database_share_it():
    db, other = ZODB.DB(None), ZODB.DB(None)
    assert rest_of(db) is rest_of(db)
    assert rest_of(db) is not rest_of(other)
    db.close()
    other.close()


def test_it_does_not_keep_a_database():
    db = ZODB.DB(None)
    rest_of(db)
    db.close()
    there = ref(db)
    del db
    gc.collect()
    assert there() is None
