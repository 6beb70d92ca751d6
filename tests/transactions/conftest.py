"""A connection whose manager is explicit, and whose storage may go away."""

import pytest
import transaction
import ZODB
from persistent import Persistent
from ZODB.FileStorage import FileStorage

from zodbschedule.transactions.retrying import abort


@pytest.fixture
def connection(tmp_path):
    """A connection with an explicit manager that is not begun."""
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    manager = transaction.TransactionManager(explicit=True)
    connection = db.open(manager)
    with manager:
        connection.root()['plain'] = Persistent()
    connection.cacheMinimize()
    manager.begin()  # sees what was committed
    manager.abort()
    yield connection
    abort(manager)
    connection.close()
    db.close()


@pytest.fixture
def manager(connection):
    return connection.transaction_manager


@pytest.fixture
def break_storage(connection, monkeypatch):
    """Let a method of the storage fail from now on, given its name."""
    def away(*args, **options):
        raise OSError('the database is away')

    return lambda name: monkeypatch.setattr(connection._storage, name, away)
