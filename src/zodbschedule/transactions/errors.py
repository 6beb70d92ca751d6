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
"""Which errors pass: conflicts, and failures of the storage."""

from collections.abc import Iterator
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


# What a load or a two-phase commit raises although the database is there.
PERMANENT = (
    POSKeyError, ReadOnlyError, TransactionTooLargeError,
    Unsupported, ConflictError)


def is_transient(error: BaseException) -> bool:
    """Whether *error*, or what led to it, is a conflict or the like."""
    return any(isinstance(one, TransientError) for one in _chain(error))


# What a connection says of a new object whose oid another one has.
TAKEN = 'A different object already has the same oid',


def is_storage_failure(error: BaseException) -> bool:
    """Whether *error*, or what led to it, says that the database is away.

    Storages raise all kinds of errors then, bare errors of a database driver
    among them.  So it goes by where it was raised: below a connection of
    ZODB, while that loads or commits, but not while a state is pickled or
    unpickled, which runs code of the application.
    """
    return any(
        not isinstance(one, PERMANENT)
        and (_raised_in_storage(one.__traceback__) or _is_oid_taken(one))
        for one in _chain(error))


def _is_oid_taken(error: BaseException) -> bool:
    """Whether the storage has given out an oid twice.

    A ZEO server does that when it is started again, see
    `zodbschedule.transactions.workarounds`.
    """
    return isinstance(error, ValueError) and error.args == TAKEN


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _raised_in_storage(traceback: TracebackType | None) -> bool:
    files = []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    connection = [i for i, file in enumerate(files) if file in _CONNECTION]
    below = files[connection[-1] + 1:] if connection else []
    return bool(below) and below[0] not in _NO_STORAGE


# A connection imports during its commit; then the file may be at fault.
_CONNECTION = (
    ZODB.Connection.Connection.setstate.__code__.co_filename,
    ZODB.ExportImport.ExportImport.importFile.__code__.co_filename)
# What a connection calls that is no storage: it pickles, and it joins.
_NO_STORAGE = (
    ZODB.serialize.ObjectWriter.serialize.__code__.co_filename,
    ZODB._compat.dumps.__code__.co_filename,
    transaction.TransactionManager.get.__code__.co_filename,
    transaction.Transaction.join.__code__.co_filename)
