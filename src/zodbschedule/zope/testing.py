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
"""Test layers for add-ons of Zope; needs plone.testing.

`SCHEDULE_FIXTURE` is a Zope with a schedule in the application root.  Use it
as a base of your own layer, or derive that from `ScheduleLayer`::

    class MyLayer(ScheduleLayer):

        def setUpZope(self, app, configurationContext):
            super().setUpZope(app, configurationContext)
            xmlconfig.file('configure.zcml', my.addon, configurationContext)
            install(make_my_site(app))

In tests, `zodbschedule.testing.run_until` lets time pass.  The clock stands
still otherwise.  In the tests of
`SCHEDULE_INTEGRATION_TESTING` call it with ``commit=False``: each test is one
transaction, which is aborted.  In those of `SCHEDULE_FUNCTIONAL_TESTING` tests
and tasks commit, to a database that is thrown away after the test.

For Plone there is `zodbschedule.zope.plone_testing`.
"""

from typing import Any

import zope.component.hooks
from zope.configuration import xmlconfig

import zodbschedule.zope
from zodbschedule import clock as the_clock
from zodbschedule.testing import SettableClock


try:
    from plone.testing import Layer
    from plone.testing import zca
    from plone.testing import zodb
    from plone.testing.zope import STARTUP
    from plone.testing.zope import FunctionalTesting
    from plone.testing.zope import IntegrationTesting
    from plone.testing.zope import zopeApp
except ImportError as error:
    raise ImportError(
        f'zodbschedule.zope.testing needs plone.testing ({error}): '
        f"pip install 'plone.testing[zope]'",
        name=error.name, path=error.path) from error


class ClockLayer(Layer):
    """In each test the clock shows the time at which the test began.

    It is a `SettableClock`, which `run_until` moves: a second call in the same
    test goes on from where the first one has ended.
    """

    def testSetUp(self) -> None:
        """Use such a clock."""
        super().testSetUp()
        self._clock = the_clock.use(SettableClock(the_clock.now()))
        self._clock.__enter__()

    def testTearDown(self) -> None:
        """Use the former clock again."""
        self._clock.__exit__(None, None, None)
        super().testTearDown()


class ScheduleLayer(ClockLayer):
    """A Zope with this package and a schedule in the application root.

    Offers the resources ``zodbDB``, a database stacked on that of the base
    layers, and ``configurationContext``.
    """

    defaultBases = (STARTUP,)

    def setUp(self) -> None:
        """Stack a database and a component registry; call `setUpZope`.

        Raises what `setUpZope` raises, and leaves nothing stacked then.
        """
        self['zodbDB'] = zodb.stackDemoStorage(
            self.get('zodbDB'), name=self.__name__)
        self['configurationContext'] = context = zca.stackConfigurationContext(
            self.get('configurationContext'), name=self.__name__)
        zca.pushGlobalRegistry()
        zope.component.hooks.setHooks()
        try:
            with zopeApp() as app:
                self.setUpZope(app, context)
        except BaseException:
            # No layer is torn down that was not set up.
            self._unstack()
            raise

    def setUpZope(self, app: Any, configurationContext: Any) -> None:
        """Load the ZCML of this package; install a schedule in *app*.

        *app* is the application root.  What is written is committed
        afterwards.
        """
        xmlconfig.file(
            'configure.zcml', zodbschedule.zope, configurationContext)
        zodbschedule.zope.install(app)

    def tearDown(self) -> None:
        """Call `tearDownZope`; remove the database and the registry."""
        with zopeApp() as app:
            self.tearDownZope(app)
        self._unstack()

    def _unstack(self) -> None:
        zca.popGlobalRegistry()
        del self['configurationContext']
        self['zodbDB'].close()
        del self['zodbDB']

    def tearDownZope(self, app: Any) -> None:
        """Undo what is neither in the database nor in the registry."""


SCHEDULE_FIXTURE = ScheduleLayer()

SCHEDULE_INTEGRATION_TESTING = IntegrationTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule.zope:integration')
SCHEDULE_FUNCTIONAL_TESTING = FunctionalTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule.zope:functional')
