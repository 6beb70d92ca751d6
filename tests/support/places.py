"""Where every task stands, and what has to be noted of it for that.

`check` is for any test that leaves a schedule behind, in any state.
"""

from contextlib import contextmanager

import transaction
from sample_tasks import Stage
from sample_tasks import calls
from sample_work import commit
from ZODB.utils import u64

from zodbschedule.execution import dissolving
from zodbschedule.execution import own_claim
from zodbschedule.execution import process as processing
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.endings import running_in
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


def check(schedule):
    """The schedule is sound; else what is wrong is said, a flaw in a line."""
    found = [f'{flaw.kind} {flaw.id} {flaw.problem}'
             for flaw in flaws(schedule)]
    assert not found, '\n'.join(found)


def check_empty(schedule):
    """Nothing waits, and nothing whatever is left over."""
    check(schedule)
    assert list(schedule) == []
    assert not schedule.claims
    assert not schedule.keys.holders
    assert not schedule.keys.by_oid
    assert not schedule.keys.running
    assert not schedule.keys.without_oid
    assert not schedule.labels.entries
    assert not schedule.labels.without_oid
    assert not schedule.requests.entries
    assert not schedule.crashes
    assert not schedule.pauses.entries


def oid(task):
    return u64(task._p_oid)


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
        turn.withdraw(schedule, 'theirs', claim, self.now,
                      running_in(claim, 'it has ended', crashed=True))
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

    notify(own_claim, 'exchange', None, 'taken')
    notify(dissolving, 'withdraw', None, 'collected')
    notify(processing.Consumer, 'run', 'before the run', 'after the run')
