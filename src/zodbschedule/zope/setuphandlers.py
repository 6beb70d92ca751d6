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
"""What the profiles of GenericSetup do besides."""

from typing import Any

from Acquisition import aq_parent

from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.sites import install
from zodbschedule.zope.sites import uninstall


def installed(tool: Any) -> None:
    """Give the site a schedule, with what add-ons have contributed so far."""
    site = aq_parent(tool)
    install(site)
    synchronize(site)


def uninstalled(tool: Any) -> None:
    """Remove the schedule of the site."""
    uninstall(aq_parent(tool))
