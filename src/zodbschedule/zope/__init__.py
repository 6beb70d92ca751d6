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
"""Tasks in the sites of a Zope: see the chapter on Zope in the docs.

Needs the extra ``zope``.  Importing this package registers the run
environment named ``zope``, so that this process can run tasks in sites.
"""

from importlib import import_module


try:
    for _name in 'AccessControl', 'Zope2', 'zope.annotation':
        import_module(_name)
except ImportError as error:
    raise ImportError(
        f'zodbschedule.zope needs Zope and zope.annotation ({error}): '
        f"pip install 'zodbschedule[zope]'",
        name=error.name, path=error.path) from error

from zodbschedule import principals
from zodbschedule.zope.context_task import ContextTask
from zodbschedule.zope.context_task import call
from zodbschedule.zope.contributions import contribute
from zodbschedule.zope.contributions import contributed
from zodbschedule.zope.contributions import contribution_states
from zodbschedule.zope.contributions import reset
from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.contributions import withdraw
from zodbschedule.zope.environment import ZopeSite
from zodbschedule.zope.permissions import current_principal
from zodbschedule.zope.restricted import RestrictedSchedule
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import get_schedule
from zodbschedule.zope.sites import install
from zodbschedule.zope.sites import uninstall
from zodbschedule.zope.users import UnknownUser
from zodbschedule.zope.workers import SitesWorker


__all__ = [
    'ContextTask',
    'RestrictedSchedule',
    'SiteSchedule',
    'SitesWorker',
    'UnknownUser',
    'call',
    'contribute',
    'contributed',
    'contribution_states',
    'current_principal',
    'get_schedule',
    'install',
    'reset',
    'synchronize',
    'uninstall',
    'withdraw',
]

principals.register(ZopeSite())
