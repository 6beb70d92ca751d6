##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""Which errors may pass: conflicts, and failures of the storage."""

from collections.abc import Iterator
from traceback import walk_tb
from types import TracebackType

import transaction
import ZODB._compat
import ZODB.Connection
import ZODB.ExportImport
import ZODB.serialize
from transaction.interfaces import TransientError
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import TransactionTooLargeError
from ZODB.POSException import Unsupported


# What a load or a two-phase commit raises although the storage works.
NOT_OF_STORAGE = (POSKeyError, ReadOnlyError, TransactionTooLargeError,
                  Unsupported, ConflictError)

# What a connection raises for a new object whose oid another object has.
DUPLICATE_OID = ('A different object already has the same oid',)

# The files of a connection.  It also imports during its commit; then the
# imported file may be at fault.
_CONNECTION = (
    ZODB.Connection.Connection.setstate.__code__.co_filename,
    ZODB.ExportImport.ExportImport.importFile.__code__.co_filename)
# What a connection calls that is not a storage: it pickles, and it joins.
_NOT_STORAGE = (
    ZODB.serialize.ObjectWriter.serialize.__code__.co_filename,
    ZODB._compat.dumps.__code__.co_filename,
    transaction.TransactionManager.get.__code__.co_filename,
    transaction.Transaction.join.__code__.co_filename)


def is_transient(error: BaseException) -> bool:
    """Whether *error*, or what caused it, is a conflict or the like."""
    return any(isinstance(cause, TransientError) for cause in _causes(error))


def is_storage_failure(error: BaseException) -> bool:
    """Whether *error*, or what caused it, means that the storage fails.

    Storages then raise all kinds of errors, even bare errors of a database
    driver.  So the traceback decides: the error was raised below a connection
    of ZODB that loads or commits, but not while a state is pickled or
    unpickled, which runs code of the application.
    """
    return any(
        not isinstance(cause, NOT_OF_STORAGE)
        and (_is_raised_in_storage(cause.__traceback__)
             or _is_duplicate_oid(cause))
        for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error itself, and each that led to the one before."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_raised_in_storage(traceback: TracebackType | None) -> bool:
    """Whether the last call of a connection was one of its storage."""
    files = [frame.f_code.co_filename for frame, _ in walk_tb(traceback)]
    callee = None
    for file in reversed(files):
        if file in _CONNECTION:
            return callee is not None and callee not in _NOT_STORAGE
        callee = file
    return False


def _is_duplicate_oid(error: BaseException) -> bool:
    """Whether the storage has given out an oid twice.

    A ZEO server does that after it is started again, see
    `zodbschedule.transactions.workarounds`.
    """
    return isinstance(error, ValueError) and error.args == DUPLICATE_OID
