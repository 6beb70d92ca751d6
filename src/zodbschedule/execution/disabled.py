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
"""What keeps a process from running anything, whatever is due."""

import os
from typing import Any


#: the variable of the environment that stops all runs, on a staging copy of
#: production for instance; 0 or nothing stops none
OFF = 'ZODBSCHEDULE_OFF'


def barred(connection: Any) -> str:
    """Why nothing runs here; '' if nothing is in the way."""
    if os.environ.get(OFF, '0') not in ('', '0'):
        return f'{OFF} is set in the environment of this process'
    if _is_there(connection) and connection.isReadOnly() and (
            _is_there(connection)):
        return 'the database is read-only'
    return ''


def _is_there(connection: Any) -> bool:
    """Whether the server answers: one of ZEO that is away is read-only too."""
    is_connected = getattr(connection.db().storage, 'is_connected', None)
    return is_connected is None or is_connected()
