"""Fixtures: a schedule in memory, and a clock that stands still."""

from datetime import UTC
from datetime import datetime

import pytest
import ZODB
from transaction import TransactionManager

from zodbschedule import Schedule
from zodbschedule import clock as the_clock
from zodbschedule.testing import SettableClock


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)


@pytest.fixture
def clock():
    """A clock that stands at `BEGIN`."""
    with the_clock.use(SettableClock(BEGIN)) as clock:
        yield clock


@pytest.fixture
def schedule(clock):
    """A schedule that is stored, in a connection of its own."""
    db = ZODB.DB(None)
    connection = db.open(TransactionManager())
    found = connection.root()['schedule'] = Schedule()
    connection.transaction_manager.commit()
    yield found
    connection.transaction_manager.abort()
    db.close()


@pytest.fixture
def commit(schedule):
    """Commit what was done to the schedule."""
    return schedule._p_jar.transaction_manager.commit
