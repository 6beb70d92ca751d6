"""What has moved of late is held for a while, where that is needed."""

from datetime import timedelta

import pytest
import ZODB
from BTrees.LOBTree import LOBTree
from persistent import Persistent
from transaction import TransactionManager

from zodbschedule.store import moved
from zodbschedule.store.moved import Moved
from zodbschedule.transactions.workarounds import loses_what_moves


class Base:
    """A storage that keeps no history, below one that compresses."""

    keep_history = False


@pytest.fixture
def connection():
    manager = TransactionManager(explicit=True)
    manager.begin()
    db = ZODB.DB(None)
    db.storage.base = Base
    found = db.open(manager)
    yield found
    manager.abort()
    found.close()
    db.close()


@pytest.fixture
def stored(connection):
    """A `Moved` that was stored."""
    found = connection.root()['moved'] = Moved()
    commit(connection)
    return found


def commit(connection):
    connection.transaction_manager.commit()
    connection.transaction_manager.begin()


def new(connection, count=1):
    """Some objects that were stored."""
    lists = [Persistent() for _ in range(count)]
    connection.root()['lists'] = lists
    commit(connection)
    return lists


def held(found):
    return {one for part in found.parts
            for objects in [part.last, *(old for _, old in part.before)]
            for one in objects}


def test_nothing_is_held_where_nothing_is_lost():
    assert not loses_what_moves(ZODB.DB(None).storage)
    found = Moved()
    found.note([Persistent()])
    assert found.parts == ()


def test_the_parts_are_stored_with_it(stored):
    assert len(stored.parts) == moved.PARTS
    assert {part._p_serial for part in stored.parts} == {stored._p_serial}


def test_that_of_another_storage_gets_its_parts_when_they_are_needed(
        connection):
    del connection.db().storage.base
    found = connection.root()['moved'] = Moved()
    commit(connection)
    assert found.parts == ()
    connection.db().storage.base = Base
    one, another = new(connection, 2)
    found.note([one])
    found.note([another])
    commit(connection)
    assert held(found) == {one, another}


def test_what_moves_is_held_but_not_what_is_new(stored, connection):
    old, = new(connection)
    connection.add(added := Persistent())
    stored.note([old, Persistent(), added, None])
    assert held(stored) == {old}


def test_a_transaction_writes_one_part(stored, connection):
    for one in new(connection, 10):
        stored.note([one])
    assert sum(bool(part._p_changed) for part in stored.parts) == 1


def test_it_is_held_for_a_while(stored, connection, monkeypatch):
    first, second, third = new(connection, 3)
    part = stored.parts[0]
    for one in first, second:
        part.add((one,))
        commit(connection)
    part._p_deactivate()
    part.add((third,))
    assert held(stored) == {first, second, third}
    commit(connection)
    # All that is not of the last transaction is too old.
    monkeypatch.setattr(moved, 'HELD', timedelta(0))
    part.add((first,))
    assert held(stored) == {first, third}


class TestInserting:
    """What an insertion into a tree moves is held."""

    def fill(self, connection, count):
        tree = connection.root()['tree'] = LOBTree()
        for number in range(count):
            tree[2 * number] = Persistent()
        commit(connection)
        return tree

    def test_nothing_if_there_is_room(self, stored, connection):
        for count in 0, 1, 2 * LOBTree.max_leaf_size:
            tree = self.fill(connection, count)
            stored.note_insert(tree, 1)
            assert held(stored) == set()

    def test_all_of_the_only_bucket(self, stored, connection):
        tree = self.fill(connection, LOBTree.max_leaf_size)
        stored.note_insert(tree, 1)
        assert held(stored) == set(tree.values())

    def test_a_full_bucket_and_the_one_behind_it(self, stored, connection):
        tree = self.fill(connection, 2 * LOBTree.max_leaf_size)
        bucket = tree.__getstate__()[0][0]
        while len(bucket) < LOBTree.max_leaf_size:
            tree[min(tree) - 2] = Persistent()
        commit(connection)
        stored.note_insert(tree, 1)
        assert held(stored) == {*bucket.values(), bucket.__getstate__()[1]}

    def test_a_bucket_below_several_nodes(
            self, stored, connection, monkeypatch):
        monkeypatch.setattr(LOBTree, 'max_leaf_size', 2)
        monkeypatch.setattr(LOBTree, 'max_internal_size', 2)
        tree = self.fill(connection, 40)
        assert type(tree.__getstate__()[0][0]) is LOBTree
        stored.note_insert(tree, 1)
        tree[1] = Persistent()
        stored.note_insert(tree, 1)
        assert held(stored) >= set(tree.values(0, 0))
