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
"""Who calls a command, for the record."""

import getpass
import os
from typing import Any

from zodbschedule.plain_text import text


# How much of the name is kept, in characters.
NAME = 200


def system_user() -> str:
    """The user of the operating system who calls the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the number has no name, as in a container
        return f'uid {os.getuid()}'


def user_name(by: str | None) -> str:
    """*by*, or else the user of the system, as it goes on record."""
    return text(by or system_user(), NAME)


def name_user(transaction: Any, by: str | None = None) -> None:
    """Name *by*, or else the user of the system, as that of *transaction*.

    What it changes has that name in the history, and so has the undo log of
    the database.
    """
    transaction.user = user_name(by)
