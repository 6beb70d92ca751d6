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
"""The handlers of the GenericSetup profiles."""

from typing import Any

from Acquisition import aq_parent

from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.sites import install
from zodbschedule.zope.sites import uninstall


def install_schedule(tool: Any) -> None:
    """Give the site a schedule and the tasks that add-ons contribute."""
    site = aq_parent(tool)
    install(site)
    synchronize(site)


def uninstall_schedule(tool: Any) -> None:
    """Remove the schedule of the site."""
    uninstall(aq_parent(tool))
