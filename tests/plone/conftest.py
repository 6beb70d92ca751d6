"""A Plone site, from a layer, for each test."""

import plone.app.contenttypes
import zope.pytestlayer.fixture
from plone.app.testing import FunctionalTesting
from plone.app.testing import IntegrationTesting
from plone.app.testing import applyProfile

from zodbschedule.zope.testing import ScheduleLayer


pytest_plugins = ['zodbschedule.testing']


class Layer(ScheduleLayer):
    """Plone with our package and content types, as an add-on has it."""

    def setUpZope(self, app, configurationContext):
        super().setUpZope(app, configurationContext)
        self.loadZCML(package=plone.app.contenttypes)

    def setUpPloneSite(self, portal):
        applyProfile(portal, 'plone.app.contenttypes:default')
        super().setUpPloneSite(portal)


FIXTURE = Layer()
FUNCTIONAL = FunctionalTesting(bases=(FIXTURE,), name='tests:functional')
INTEGRATION = IntegrationTesting(bases=(FIXTURE,), name='tests:integration')

for layer, name in (FUNCTIONAL, 'functional'), (INTEGRATION, 'integration'):
    globals().update(zope.pytestlayer.fixture.create(
        layer, session_fixture_name=f'{name}_session',
        class_fixture_name=f'{name}_class', function_fixture_name=name))
