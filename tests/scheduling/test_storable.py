"""What cannot be stored is refused at the door, and named."""

import functools
import threading
from datetime import UTC
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import transaction
import ZODB
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from persistent.wref import WeakRef
from transaction import TransactionManager
from ZODB.POSException import ConflictError

from zodbschedule import InvalidTask
from zodbschedule import Task
from zodbschedule.scheduling.storable import refuse_unstorable


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
LOCK = threading.Lock()


class Note:
    """Not persistent: stored inside of whatever holds it."""

    def __init__(self, content):
        self.content = content


class Slotted:
    """Not persistent, and without a ``__dict__``."""

    __slots__ = ('content',)

    def __init__(self, content):
        self.content = content


class Basket(Persistent):

    def __init__(self, content):
        self.content = content


class SlottedTask(Task):
    """Stored as a pair of dicts."""

    __slots__ = ('extra',)


class Stubborn(Task):
    """Does not tell its state."""

    def __getstate__(self):
        raise TypeError('no state for you')


class Bare(Task):
    """Stores no dict."""

    def __getstate__(self):
        return (1, LOCK, 3)


class Unspeakable:
    """Neither stored nor shown."""

    def __reduce_ex__(self, protocol):
        raise ValueError('not me')

    def __repr__(self):
        raise RuntimeError('nor my name')


class Flaky:
    """Fails so many times."""

    failures = 0

    def __reduce_ex__(self, protocol):
        if Flaky.failures:
            Flaky.failures -= 1
            raise ValueError('not yet')
        return super().__reduce_ex__(protocol)


class Contested:
    """Conflicts while it is pickled, as what loads lazily may."""

    def __reduce_ex__(self, protocol):
        raise ConflictError


def holding(value):
    """A task with *value* in its attribute `data`."""
    task = Task(NOON)
    task.data = value
    return task


def cyclic(*values):
    found = []
    found.append(found)
    found.extend(values)
    return found


def tree(**values):
    found = OOBTree()
    found.update(values)
    return found


@pytest.fixture
def jar(schedule):
    return schedule._p_jar


def refusal(task, jar=None):
    with pytest.raises(InvalidTask) as error:
        refuse_unstorable(task, jar)
    message = str(error.value)
    assert message.startswith(f'{task!r} cannot be stored: ')
    return message.removeprefix(f'{task!r} cannot be stored: ')


def commits(jar, value):
    """Whether the ZODB of this Python can store *value*."""
    jar.root()['value'] = holding(value)
    try:
        transaction.commit()
    except Exception:
        transaction.abort()
        return False
    return True


# -- What is named


@pytest.mark.parametrize('value, path', [
    (LOCK, 'data'),
    ([1, LOCK], 'data[1]'),
    ((LOCK,), 'data[0]'),
    ({'a': {'b': LOCK}}, "data['a']['b']"),
    ({('a', 1): LOCK}, "data[('a', 1)]"),
    ({1, LOCK}, 'data{…}'),
    (frozenset([LOCK]), 'data{…}'),
    (Note([LOCK]), 'data.content[0]'),
    (Slotted(LOCK), 'data.content'),
    (Basket({'a': LOCK}), "data.content['a']"),
    (Basket(Basket(LOCK)), 'data.content.content'),
    ([Basket(1), Basket(Note(LOCK))], 'data[1].content.content'),
    (PersistentList([1, LOCK]), 'data.data[1]'),
    (PersistentMapping(a=LOCK), "data.data['a']"),
    (cyclic(LOCK), 'data[1]'),
])
def test_the_culprit_is_named_with_the_path_to_it(jar, value, path):
    message = refusal(holding(value), jar)
    assert message.startswith(f'{path} is {LOCK!r}: ')
    assert "cannot pickle '_thread.lock' object" in message
    assert not commits(jar, value)


@pytest.mark.parametrize('value', [
    tree(a=LOCK), {LOCK: 1}, functools.partial(print, LOCK)])
def test_what_is_not_looked_into_is_named_itself(jar, value):
    assert refusal(holding([0, value]), jar).startswith('data[1] is ')
    assert not commits(jar, value)


def test_the_argument_of_a_call_is_named(schedule):
    for args, kwargs, path in [
            ((1, LOCK), {}, 'args[1]'),
            ((Basket(LOCK),), {}, 'args[0].content'),
            ((), {'sep': {'b': LOCK}}, "kwargs['sep']['b']")]:
        with pytest.raises(InvalidTask) as error:
            schedule.call(print, *args, kwargs=kwargs)
        assert f'cannot be stored: {path} is {LOCK!r}: ' in str(error.value)


@pytest.mark.parametrize('name, value', [
    ('lambda', lambda: None),
    ('local class', type('Local', (), {})()),
    ('local persistent class', type('Local', (Persistent,), {})()),
    ('generator', (one for one in ())),
    ('module', threading),
    ('thread', threading.Thread()),
])
def test_whatever_the_zodb_cannot_commit_is_refused(jar, name, value):
    assert refusal(holding([value]), jar).startswith('data[0]')
    assert not commits(jar, [value])


def test_an_open_file_is_refused(jar, tmp_path):
    with open(tmp_path / 'file', 'w') as file:
        assert refusal(holding(file), jar).startswith(f'data is {file!r}: ')


def is_refused(task, jar):
    try:
        refuse_unstorable(task, jar)
    except InvalidTask:
        return True
    return False


@pytest.mark.parametrize('moment', [
    NOON, NOON.astimezone(ZoneInfo('Europe/Paris'))])
def test_a_time_with_a_zone_is_refused_where_it_cannot_be_stored(jar, moment):
    # Python 3.11 cannot store a ZoneInfo, 3.12 can: what can really be
    # committed decides.
    assert is_refused(holding(moment), jar) is not commits(jar, moment)


def test_the_zone_of_a_time_is_no_reason_to_refuse_our_own_tasks(jar):
    task = Task(NOON.astimezone(ZoneInfo('Europe/Paris')))
    assert not is_refused(task, jar)


def test_a_task_of_a_local_class_is_refused(jar):
    task = type('Local', (Task,), {})(NOON)
    assert refusal(task, jar).startswith(f'it is {object.__repr__(task)}: ')


def test_a_task_that_does_not_tell_its_state_is_refused(jar):
    assert 'no state for you' in refusal(Stubborn(NOON), jar)


def test_a_state_that_is_no_dict_is_named_as_a_whole(jar):
    assert refusal(Bare(NOON), jar).startswith('it is <')


def test_a_slot_of_a_task_is_named(jar):
    task = SlottedTask(NOON)
    task.extra = {'a': LOCK}
    assert refusal(task, jar).startswith("extra['a'] is ")


def test_a_culprit_that_cannot_be_shown_is_named_all_the_same(jar):
    assert refusal(holding(Unspeakable()), jar) == (
        'data is a Unspeakable: not me')


def test_a_long_value_is_cut(jar):
    message = refusal(holding({'x' * 1000: {LOCK}}), jar)
    assert len(message) < 1400
    value = functools.partial(print, 'x' * 1000, LOCK)
    message = refusal(holding(value), jar)
    assert len(message) < 300
    assert 'xx…: ' in message


def test_what_is_nested_too_deep_is_refused_with_a_short_path(jar):
    value = []
    for _ in range(5000):
        value = [value]
    path = refusal(holding(value), jar).partition(' is ')[0]
    # How deep the pickler goes differs from one Python to the next.
    assert path in {'data' + steps * '[0]' for steps in range(1, 20)}
    assert not commits(jar, value)


@pytest.mark.parametrize('failures, path', [(1, 'it'), (2, 'data')])
@pytest.mark.parametrize('kind', [list, set, Basket])
def test_a_failure_that_does_not_repeat_is_refused_all_the_same(
        jar, monkeypatch, kind, failures, path):
    monkeypatch.setattr(Flaky, 'failures', failures)
    message = refusal(holding(kind([Flaky()])), jar)
    assert message.startswith(f'{path} is ')
    assert message.endswith(': not yet')


def test_a_conflict_goes_through(jar):
    with pytest.raises(ConflictError):
        refuse_unstorable(holding([Contested()]), jar)


# -- What is taken


def test_what_can_be_stored_is_taken(jar):
    shared = Basket(1)
    ring = Basket(None)
    ring.content = [ring, shared, cyclic()]
    value = [
        1, 'a', b'a', 1.5, 1j, None, True, {1}, frozenset({2}), NOON, print,
        Note(shared), Slotted(shared), shared, shared, ring, tree(a=ring),
        WeakRef(shared), Basket, len, range(3), ZoneInfo.__name__]
    refuse_unstorable(holding(value), jar)
    assert commits(jar, value)


def test_what_is_stored_already_is_not_looked_into(jar):
    basket = jar.root()['basket'] = Basket(1)
    transaction.commit()
    basket.content = LOCK
    refuse_unstorable(holding(basket), jar)
    transaction.abort()


def test_what_is_referred_to_weakly_is_stored_and_so_looked_into(jar):
    basket = Basket(LOCK)
    assert 'cannot pickle' in refusal(holding(WeakRef(basket)), jar)
    assert not commits(jar, WeakRef(basket))
    stored = jar.root()['basket'] = Basket(1)
    transaction.commit()
    refuse_unstorable(holding(WeakRef(stored)), jar)


def test_a_weak_reference_to_nothing_is_taken(jar):
    refuse_unstorable(holding(WeakRef(Basket(1))), jar)


def test_without_a_connection_any_stored_object_is_taken(jar):
    refuse_unstorable(holding(jar.root()), None)
    refusal(holding(LOCK), None)


# -- Whose it is


def test_an_object_of_another_connection_is_refused_and_named(jar):
    manager = TransactionManager()
    other = jar.db().open(manager)
    try:
        message = refusal(holding([other.root()]), jar)
        assert message == (
            f'data[0] is {object.__repr__(other.root())}: it was loaded '
            f"through another connection; load it through the schedule's own")
    finally:
        other.close()


def test_an_object_of_another_database_is_refused_and_not_looked_into(
        jar, tmp_path):
    db = ZODB.DB(str(tmp_path / 'Other.fs'))
    manager = TransactionManager()
    other = db.open(manager)
    other.root()['inner'] = Basket(1)
    manager.commit()
    value = {'a': Basket([other.root()])}
    assert refusal(holding(value), jar).startswith(
        "data['a'].content[0] is <")
    with pytest.raises(InvalidTask, match='another database'):
        refuse_unstorable(holding(value), jar)
    manager.abort()
    db.close()


def test_an_object_of_another_database_of_the_same_set_is_refused(tmp_path):
    databases = {}
    first = ZODB.DB(str(tmp_path / '1.fs'), databases=databases,
                    database_name='1')
    second = ZODB.DB(str(tmp_path / '2.fs'), databases=databases,
                     database_name='2')
    manager = TransactionManager()
    connection = first.open(manager)
    theirs = connection.get_connection('2').root()
    assert 'another database' in refusal(holding(theirs), connection)
    manager.abort()
    connection.close()
    first.close()
    second.close()


# -- A trial leaves no trace


def test_a_refusal_gives_out_no_oid_and_registers_nothing(jar):
    inner, outer = Basket(LOCK), Basket(1)
    outer.content = inner
    refusal(holding([outer]), jar)
    for obj in (inner, outer):
        assert obj._p_oid is None
        assert obj._p_jar is None
    assert not jar._registered_objects
    assert not transaction.get()._resources
    inner.content = 1
    jar.root()['outer'] = outer
    transaction.commit()
    jar.cacheMinimize()
    assert jar.root()['outer'].content.content == 1


def test_an_acceptance_gives_out_no_oid_either(jar):
    basket = Basket(Basket(1))
    refuse_unstorable(holding(basket), jar)
    assert basket._p_oid is basket._p_jar is basket.content._p_oid is None
    assert not transaction.get()._resources
