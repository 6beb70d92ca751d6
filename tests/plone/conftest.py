"""A Plone site, from a layer, for each test."""

import zope.pytestlayer.fixture
from plone.app.testing import PLONE_FIXTURE
from plone.app.testing import FunctionalTesting
from plone.app.testing import IntegrationTesting
from plone.app.testing import PloneSandboxLayer
from plone.app.testing import applyProfile


pytest_plugins = ['zodbschedule.testing']


class Layer(PloneSandboxLayer):
    """Plone with our package, as its add-ons are installed."""

    defaultBases = (PLONE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        import plone.app.contenttypes

        import zodbschedule.zope
        self.loadZCML(package=plone.app.contenttypes)
        self.loadZCML(package=zodbschedule.zope)

    def setUpPloneSite(self, portal):
        applyProfile(portal, 'plone.app.contenttypes:default')
        applyProfile(portal, 'zodbschedule.zope:default')


FIXTURE = Layer()
FUNCTIONAL = FunctionalTesting(
    bases=(FIXTURE,), name='zodbschedule:functional')
INTEGRATION = IntegrationTesting(
    bases=(FIXTURE,), name='zodbschedule:integration')

for layer, name in (FUNCTIONAL, 'functional'), (INTEGRATION, 'integration'):
    globals().update(zope.pytestlayer.fixture.create(
        layer, session_fixture_name=f'{name}_session',
        class_fixture_name=f'{name}_class', function_fixture_name=name))
