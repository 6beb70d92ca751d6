"""Where every task stands, and what has to be noted of it for that.

`check` is for any test that leaves a schedule behind, in any state.
"""

from collections import Counter

from ZODB.broken import Broken
from ZODB.utils import p64
from ZODB.utils import u64


def check(schedule):
    """Each task in one place; of keys and requests nothing more or less.

    Derived from the timetable, the claims and what stands aside or is parked.
    """
    waiting = [oid(task) for task in schedule]
    slots = [slot for claim in schedule.claims.values()
             for slot in claim.slots if slot.content]
    held = [slot.oid for slot in slots]
    coming = [oid(slot.following[1]) for slot in slots if slot.following]
    aside = [oid(task) for task in schedule.aside.values()]
    aside += [oid(slot.aside) for slot in slots if slot.aside is not None]
    parked = [oid(entry.task) for entry in schedule.parked
              if entry.occurrence is None]
    running = [slot.oid for slot in slots if slot.waiting]
    places = Counter(waiting + running + coming + aside + parked)
    assert set(places.values()) <= {1}, f'in two places: {places}'

    keys = schedule.keys
    noted = {**keys.of, **{
        oid(task): key for task, key in keys._unborn if task._p_oid}}
    here = {*waiting, *held, *aside}
    assert here >= noted.keys(), 'a key of a task that is not here'
    keyed = {one: key_of(schedule, one) for one in [*waiting, *running, *aside]
             if key_of(schedule, one)}
    assert noted.items() >= keyed.items(), 'the key of a task is not noted'
    for key, task in keys.holders.items():
        assert oid(task) in waiting, f'{key} is held by one that is not there'
        assert noted[oid(task)] == key
    assert dict(keys.busy) == {
        noted[one]: one for one in held if one in noted}

    for stand_in in schedule.aside:
        assert stand_in in {*waiting, *held, *coming}
    for one in schedule.asked.entries:
        assert one in {*held, *aside, *parked, *waiting}


def check_empty(schedule):
    """Nothing waits, and nothing whatever is left over."""
    check(schedule)
    assert list(schedule) == []
    assert not schedule.claims
    assert not schedule.keys.holders
    assert not schedule.keys.of
    assert not schedule.keys.busy
    assert not schedule.keys._unborn
    assert not schedule.aside
    assert not schedule.asked.entries
    assert not schedule.crashes


def oid(task):
    return u64(task._p_oid)


def key_of(schedule, oid):
    """What the task with that oid says of its key, as far as it can."""
    task = schedule._p_jar.get(p64(oid))
    return None if isinstance(task, Broken) else getattr(task, 'key', None)
