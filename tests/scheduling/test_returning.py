"""What can be had of a task that comes back."""

import pytest
from persistent import Persistent
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError

from zodbschedule import Task
from zodbschedule.store.inspection import loads


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
    assert loads(Task())


def test_a_conflict_says_nothing_of_the_task():
    task = Hard()
    task.error = ConflictError()
    with pytest.raises(ConflictError):
        loads(task)
