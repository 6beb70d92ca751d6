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
"""Packing the database of a site."""

from typing import Any

from ZODB.POSException import ReadOnlyError
from ZODB.POSException import Unsupported

from zodbschedule.execution.current import current_run
from zodbschedule.zope.plone.automation.settings import automation_of
from zodbschedule.zope.plone.transitions import pause


def pack(site: Any) -> None:
    """Pack the database that has *site*, but for the last days.

    If its storage cannot be packed, the task is paused with that reason.
    """
    run: Any = current_run()
    database = site._p_jar.db()
    try:
        database.pack(days=automation_of(run.schedule).pack_days)
    except (NotImplementedError, ReadOnlyError, Unsupported) as error:
        pause(f'the storage {database.storage!r} cannot be packed: '
              f'{type(error).__name__} {error}'.rstrip())
