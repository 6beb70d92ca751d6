"""A mapping over several trees behaves as one tree with all the keys."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import ZODB
from BTrees.LOBTree import LOBTree
from hypothesis import given
from hypothesis import strategies

from zodbschedule.store.keys import ByOid
from zodbschedule.store.keys import Holders
from zodbschedule.store.spread import TREES
from zodbschedule.store.spread import Spread
from zodbschedule.store.timetable import Instants


class Numbers(Spread):

    tree_class = LOBTree

    def number(self, stored):
        return stored


def filled(spread, keys):
    for key in keys:
        spread[key] = f'of {key}'
    return spread


def used(spread, keys):
    """How many trees these keys are in."""
    return len({id(spread.tree(spread.stored(key))) for key in keys})


BOUND = strategies.none() | strategies.integers(-5, 300)


class TestAsOneTree:

    @given(strategies.sets(strategies.integers(0, 300)), BOUND, BOUND,
           strategies.booleans())
    def test_items_ascend_between_the_bounds(self, keys, low, high, exclude):
        one = LOBTree({key: f'of {key}' for key in keys})
        exclude = exclude and low is not None
        for spread, shown in ((Numbers(), int), (Instants(), minute)):
            for key in keys:
                spread[shown(key)] = f'of {key}'
            bounds = [bound if bound is None else shown(bound)
                      for bound in (low, high)]
            assert list(spread.items(*bounds, exclude)) == [
                (shown(key), value)
                for key, value in one.items(low, high, exclude)]

    @pytest.mark.parametrize('key', range(-1, 301))
    def test_one_key_is_between_itself(self, key):
        spread = filled(Numbers(), range(0, 300, 2))
        found = list(spread.items(key, key))
        assert found == ([(key, f'of {key}')] if key in spread else [])
        assert list(spread.items(key, key, True)) == []

    def test_whoever_looks_for_one_key_loads_one_tree(self):
        db = ZODB.DB(None)
        with db.transaction() as connection:
            connection.root()['spread'] = filled(Numbers(), range(300))
        with db.transaction() as connection:
            spread = connection.root()['spread']
            connection.cacheMinimize()
            connection.getTransferCounts(clear=True)
            assert list(spread.items(7, 7)) == [(7, 'of 7')]
            loads, _ = connection.getTransferCounts()
            assert loads == 2  # the spread, and the tree
        db.close()

    def test_an_empty_one(self):
        spread = Numbers()
        assert not spread
        assert list(spread) == list(spread.values()) == []
        assert list(spread.ascending()) == []
        assert spread.get(1) is None
        assert spread.get(1, 2) == spread.pop(1, 2) == 2
        assert 1 not in spread
        with pytest.raises(KeyError):
            spread[1]
        # Looking makes no trees.
        assert spread.trees == ()

    def test_one_key(self):
        spread = Numbers()
        assert spread.setdefault(1, 'one') == 'one'
        assert spread.setdefault(1, 'two') == 'one'
        assert spread and 1 in spread and spread[1] == 'one'
        spread[1 + TREES] = 'in the same tree'
        assert spread.pop(1) == 'one'
        del spread[1 + TREES]
        assert not spread

    def test_all_trees_are_made_by_the_first_insert(self):
        spread = filled(Numbers(), [5])
        trees = spread.trees
        assert len(trees) == TREES
        assert filled(spread, range(TREES)).trees is trees


class TestAscending:

    def test_in_order_between_the_bounds(self):
        spread = filled(Numbers(), range(1_000))
        assert list(spread.ascending()) == list(range(1_000))
        assert list(spread.ascending(10, 700)) == list(range(10, 701))

    def test_what_has_no_value_is_passed_over(self):
        spread = filled(Numbers(), range(10))
        spread[3] = spread[4] = None
        assert list(spread.ascending(2, 5)) == [2, 5]

    @pytest.mark.parametrize('gone', [
        lambda spread, key: spread.pop(key, None),
        lambda spread, key: spread.__setitem__(key, None)])
    def test_what_goes_meanwhile_is_not_seen(self, gone):
        spread = filled(Numbers(), range(1_000))
        seen = []
        for key in spread.ascending():
            seen.append(key)
            for later in range(key + 1, key + 3):
                gone(spread, later)
        assert seen == list(range(0, 1_000, 3))


def minute(number):
    return datetime(2003, 4, 1, tzinfo=UTC) + timedelta(minutes=number)


class TestSpreading:
    """What comes at the same time is in different trees."""

    def test_instants_by_the_fraction_of_a_second(self):
        spread = filled(Instants(), [minute(0)])
        for unit in ('microseconds', 'milliseconds'):
            clock = [minute(0) + timedelta(**{unit: number})
                     for number in range(TREES)]
            assert used(spread, clock) == TREES

    def test_instants_a_second_apart_are_together_for_an_hour(self):
        spread = filled(Instants(), [minute(0)])
        for fraction in (0, 123_456):
            start = minute(0) + timedelta(microseconds=fraction)
            seconds = [start + timedelta(seconds=number)
                       for number in range(3_600)]
            assert used(spread, seconds) == 1
            hours = [start + timedelta(hours=number)
                     for number in range(TREES)]
            assert used(spread, hours) == TREES

    def test_oids(self):
        spread = filled(ByOid(), [1])
        assert used(spread, range(TREES)) == TREES

    def test_keys(self):
        spread = filled(Holders(), ['key'])
        keys = [f'publish:{number}' for number in range(20 * TREES)]
        assert used(spread, keys) == TREES
        # Whatever the process: this is stored.
        assert [spread.number(key) for key in ('nightly', 'ü', '\udc80')] == [
            267906906, 1675192789, 1697699323]
