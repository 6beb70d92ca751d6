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

import errno
import sqlite3
from collections.abc import Iterable
from traceback import walk_tb
from types import TracebackType

import transaction
import ZODB._compat
import ZODB.Connection
import ZODB.ExportImport
import ZODB.serialize
from transaction.interfaces import TransientError
from ZODB.FileStorage.FileStorage import FileStorageQuotaError
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import TransactionTooLargeError
from ZODB.POSException import Unsupported

from zodbschedule.errors.chain import causes
from zodbschedule.errors.chain import is_a
from zodbschedule.errors.chain import traceback_of
from zodbschedule.errors.verdict import verdict


# What a load or a two-phase commit raises although the storage works.
NOT_OF_STORAGE = (POSKeyError, ReadOnlyError, TransactionTooLargeError,
                  Unsupported, ConflictError)

# How systems and database drivers say that there is no room: the attribute of
# their errors, and its values.
NO_ROOM = {
    'errno': (errno.ENOSPC, errno.EDQUOT),
    'pgcode': ('53100',),
    'sqlite_errorcode': (sqlite3.SQLITE_FULL,)}

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
    return any(is_a(cause, TransientError) for cause in _reasons(error))


def is_storage_failure(error: BaseException) -> bool:
    """Whether *error*, or what caused it, means that the storage fails.

    Storages then raise all kinds of errors, even bare errors of a database
    driver.  So the traceback decides: the error was raised below a connection
    of ZODB that loads or commits, but not while a state is pickled or
    unpickled, which runs code of the application.
    """
    return any(
        not is_a(cause, NOT_OF_STORAGE)
        and (_is_raised_in_storage(traceback_of(cause))
             or _is_duplicate_oid(cause))
        for cause in _reasons(error))


def is_full(error: BaseException) -> bool:
    """Whether a storage has refused what it has no room for.

    Not by what is asked of the database: it may still take what is small.
    """
    return is_storage_failure(error) and any(
        map(_has_no_room, causes(error)))


def _has_no_room(error: BaseException) -> bool:
    """By its class, or by the codes of systems and of database drivers."""
    if is_a(error, FileStorageQuotaError):
        return True
    try:
        return any(getattr(error, name, None) in codes
                   for name, codes in NO_ROOM.items())
    except Exception:
        # An error of the application may raise anything when it is asked.
        return False


def _reasons(error: BaseException) -> Iterable[BaseException]:
    """The error itself, and all that led to it.

    None if the task has said what is to become of it: that comes first.
    """
    return causes(error) if verdict(error) is None else ()


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
    return type(error) is ValueError and error.args == DUPLICATE_OID
