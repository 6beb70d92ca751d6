"""Where every task stands, and what has to be noted of it for that.

`check` is for any test that leaves a schedule behind, in any state.
"""

from collections import Counter
from contextlib import contextmanager

import transaction
from sample_tasks import Stage
from sample_tasks import calls
from sample_work import commit
from ZODB.broken import Broken
from ZODB.utils import p64
from ZODB.utils import u64

from zodbschedule.execution import consumer as holding
from zodbschedule.execution import process as processing
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


def check(schedule):
    """Each task in one place; of keys and requests nothing more or less.

    Derived from the timetable, the claims and what is parked.
    """
    waiting = [oid(task) for task in schedule]
    slots = [slot for claim in schedule.claims.values()
             for slot in claim.slots if not slot.is_free]
    held = [slot.oid for slot in slots]
    coming = [oid(slot.following[1]) for slot in slots if slot.following]
    scheduled = [oid(task) for slot in slots for _, task in slot.scheduled]
    parked = [oid(entry.task) for entry in schedule.parked
              if entry.occurrence is None]
    running = [slot.oid for slot in slots if slot.waiting]
    places = Counter(
        waiting + running + coming + scheduled + parked)
    assert set(places.values()) <= {1}, f'in two places: {places}'

    keys = schedule.keys
    noted = {**{one: key for one, (key, _) in keys.by_oid.items()}, **{
        oid(task): key for task, key in keys.without_oid if task._p_oid}}
    here = {*waiting, *held}
    assert here >= noted.keys(), 'a key of a task that is not here'
    keyed = {one: key_of(schedule, one) for one in [*waiting, *running]
             if key_of(schedule, one)}
    assert noted.items() >= keyed.items(), 'the key of a task is not noted'
    for key, task in keys.holders.items():
        assert oid(task) in waiting, f'{key} is held by one that is not there'
        assert noted[oid(task)] == key
    # Of one that was unscheduled in a claim, and then perhaps was given
    # another key, the key is busy or not.
    now = {noted[one]: one for one in held if one in noted}
    assert dict(keys.running).items() <= now.items(), (
        'a key is busy for nothing')
    assert {key for key, one in now.items()
            if one in {*running, *coming}} <= set(keys.running)

    for one in schedule.requests.entries:
        assert one in {*held, *parked, *waiting, *scheduled}


def check_empty(schedule):
    """Nothing waits, and nothing whatever is left over."""
    check(schedule)
    assert list(schedule) == []
    assert not schedule.claims
    assert not schedule.keys.holders
    assert not schedule.keys.by_oid
    assert not schedule.keys.running
    assert not schedule.keys.without_oid
    assert not schedule.requests.entries
    assert not schedule.crashes


def oid(task):
    return u64(task._p_oid)


def key_of(schedule, oid):
    """What the task with that oid says of its key, as far as it can."""
    task = schedule._p_jar.get(p64(oid))
    return None if isinstance(task, Broken) else getattr(task, 'key', None)


# -- A stage


class Watched(Stage):
    """A stage that other connections look at, and work on, in any state."""

    def __init__(self, database, clock):
        super().__init__(
            database.db, transaction.TransactionManager(explicit=True), clock)
        self.database = database
        #: what went wrong in runs, which may have been in vain
        self.problems = []

    def make(self, description, call=None, **options):
        task = super().make(description, **options)
        if call is not None:
            calls[description] = lambda task: self._watch(call, task)
        return task

    def _watch(self, call, task):
        try:
            return call(task)
        except AssertionError as problem:
            self.problems.append(problem)
            raise

    def on(self, function, *args, **options):
        """Do something with the schedule, through another connection."""
        schedule = self.database.schedule()
        result = getattr(schedule, function)(*args, **options)
        commit(schedule)
        return result

    def held(self):
        """Who holds which key, as it is committed; all is checked."""
        schedule = self.database.schedule()
        check(schedule)
        return {key: schedule.keys.get(key).description
                for key in schedule.keys}

    def busy(self):
        """Which keys belong to tasks in claims."""
        return list(self.database.schedule().keys.running)

    def over(self):
        """Whether nothing is left over."""
        check_empty(self.database.schedule())
        return True

    def leave_behind(self):
        """What is due is in the claim of a process that is no more."""
        schedule = self.database.schedule()
        dead = this()._replace(started='1')
        claim = schedule.claims['theirs'] = Claim('process()', dead)
        turn.exchange(schedule, claim, 100, None, self.now,
                      lambda instant, task: True)
        commit(schedule)
        check(schedule)

    def crash(self):
        """A process takes what is due, and dies; its claim is recovered."""
        self.leave_behind()
        schedule = self.database.schedule()
        claim = schedule.claims['theirs']
        suspect = next((index for index, slot in enumerate(claim.slots)
                        if slot.waiting), None)
        turn.withdraw(schedule, 'theirs', claim, self.now, suspect)
        commit(schedule)
        check(schedule)


@contextmanager
def watching(database, clock):
    """A `Watched`; in the end all is as it should be."""
    stage = Watched(database, clock)
    yield stage
    stage.close()
    assert stage.problems == []
    check(database.schedule())


# -- The moments of a pass


def announce_moments(monkeypatch, reached):
    """Call *reached* with the name of each moment of a pass."""
    def notify(owner, name, before, after):
        original = getattr(owner, name)

        def noting(*args, **kwargs):
            reached(before)
            result = original(*args, **kwargs)
            reached(after)
            return result

        monkeypatch.setattr(owner, name, noting)

    notify(holding, 'exchange', None, 'taken')
    notify(holding, 'withdraw', None, 'collected')
    notify(processing.Consumer, 'run', 'before the run', 'after the run')
