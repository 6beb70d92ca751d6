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
"""What a page is."""

from collections.abc import Callable
from typing import NamedTuple

from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


class Page(NamedTuple):
    """A page, and its place in the menu."""

    title: str
    body: Callable[[Visit], Body]
    #: whether its address goes on with the id of a task
    of_one: bool = False
    #: whether the menu leads to it
    in_menu: bool = True
