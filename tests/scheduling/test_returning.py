"""What can be had of a task that comes back."""

import pytest
from persistent import Persistent
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError

from zodbschedule import Task
from zodbschedule.store.inspection import keeps_stamp
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import stamp_of


class Hard(Persistent):
    """A task that cannot be loaded."""

    error = None

    def _p_activate(self):
        raise self.error


@pytest.mark.parametrize('error', [ValueError('state'), POSKeyError(b'0' * 8)])
def test_what_cannot_be_loaded_here_is_told_from_what_can(error):
    task = Hard()
    task.error = error
    assert not loads(task)
    assert not keeps_stamp(task)
    assert loads(Task())


def test_a_conflict_says_nothing_of_the_task():
    task = Hard()
    task.error = ConflictError()
    with pytest.raises(ConflictError):
        loads(task)


class Silent(Persistent):
    """A task of which nothing can be had."""

    error = None

    def __getattr__(self, name):
        raise self.error


def test_a_task_that_says_nothing_has_no_stamp():
    task = Silent()
    task.error = KeyError('state')
    assert stamp_of(task) is None
    task.error = ConflictError()
    with pytest.raises(ConflictError):
        stamp_of(task)
