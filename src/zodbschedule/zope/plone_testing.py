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
"""Test layers for add-ons of Plone; needs plone.app.testing.

`SCHEDULE_FIXTURE` is a Plone with a schedule in the site.  Use it as a base of
your own layer, or derive that from `ScheduleLayer`::

    class MyLayer(ScheduleLayer):

        def setUpZope(self, app, configurationContext):
            super().setUpZope(app, configurationContext)
            self.loadZCML(package=my.addon)

        def setUpPloneSite(self, portal):
            super().setUpPloneSite(portal)
            applyProfile(portal, 'my.addon:default')

In tests, `zodbschedule.testing.run_until` lets time pass.  The clock stands
still otherwise.  In the tests of
`SCHEDULE_INTEGRATION_TESTING` call it with ``commit=False``: each test is one
transaction, which is aborted.  In those of `SCHEDULE_FUNCTIONAL_TESTING` tests
and tasks commit, to a database that is thrown away after the test.
"""

from typing import Any

import zodbschedule.zope
from zodbschedule.zope.sites import PROFILE


try:
    from plone.app.testing import PLONE_FIXTURE
    from plone.app.testing import FunctionalTesting
    from plone.app.testing import IntegrationTesting
    from plone.app.testing import PloneSandboxLayer
    from plone.app.testing import applyProfile
except ImportError as error:
    raise ImportError(
        f'zodbschedule.zope.plone_testing needs plone.app.testing ({error}): '
        f'pip install plone.app.testing',
        name=error.name, path=error.path) from error

from zodbschedule.zope.testing import ClockLayer


class ScheduleLayer(ClockLayer, PloneSandboxLayer):
    """A Plone with this package and a schedule in the site."""

    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app: Any, configurationContext: Any) -> None:
        """Load the ZCML of this package.  *app* is the application root."""
        self.loadZCML(package=zodbschedule.zope)

    def setUpPloneSite(self, portal: Any) -> None:
        """Install the profile of this package in *portal*, the Plone site.

        What is written is committed afterwards.
        """
        applyProfile(portal, PROFILE)


SCHEDULE_FIXTURE = ScheduleLayer()

SCHEDULE_INTEGRATION_TESTING = IntegrationTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule:integration')
SCHEDULE_FUNCTIONAL_TESTING = FunctionalTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule:functional')
