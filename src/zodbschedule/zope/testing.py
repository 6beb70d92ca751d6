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
"""Layers for the tests of add-ons of Zope; needs plone.testing.

`SCHEDULE_FIXTURE` is Zope with a schedule in the application root.  Name it
as a base of your own layer, or derive that from `ScheduleLayer`::

    class MyLayer(ScheduleLayer):

        def setUpZope(self, app, configurationContext):
            super().setUpZope(app, configurationContext)
            xmlconfig.file('configure.zcml', my.addon, configurationContext)
            install(make_my_site(app))

In tests, let time pass by `zodbschedule.testing.run_until`; in those of
integration layers with ``commit=False``.  For Plone there is
`zodbschedule.zope.plone_testing`.
"""

from typing import Any

import zope.component.hooks
from zope.configuration import xmlconfig

import zodbschedule.zope


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


class ScheduleLayer(Layer):
    """Zope with this package, and a schedule in the application root."""

    defaultBases = (STARTUP,)

    def setUp(self) -> None:
        """Have a database and components that go with this layer."""
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
            # Nobody tears down what was not set up.
            self._unstack()
            raise

    def setUpZope(self, app: Any, configurationContext: Any) -> None:
        """Load our configuration, and give the application root a schedule.

        What is written to *app* is committed afterwards.
        """
        xmlconfig.file(
            'configure.zcml', zodbschedule.zope, configurationContext)
        zodbschedule.zope.install(app)

    def tearDown(self) -> None:
        """Leave database and components as they were."""
        with zopeApp() as app:
            self.tearDownZope(app)
        self._unstack()

    def _unstack(self) -> None:
        zca.popGlobalRegistry()
        del self['configurationContext']
        self['zodbDB'].close()
        del self['zodbDB']

    def tearDownZope(self, app: Any) -> None:
        """For what is neither in the database nor a component."""


SCHEDULE_FIXTURE = ScheduleLayer()

SCHEDULE_INTEGRATION_TESTING = IntegrationTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule.zope:integration')
SCHEDULE_FUNCTIONAL_TESTING = FunctionalTesting(
    bases=(SCHEDULE_FIXTURE,), name='zodbschedule.zope:functional')
