"""A Plone site, from a layer, for each test."""

import os
import sys
from pathlib import Path

import plone.app.caching
import plone.app.contenttypes
import plone.app.multilingual
import plone.observability
import pytest
import transaction
import zope.pytestlayer.fixture
from plone import api
from plone.app.testing import FunctionalTesting
from plone.app.testing import IntegrationTesting
from plone.app.testing import applyProfile

from zodbschedule.zope import get_schedule
from zodbschedule.zope.plone_testing import ScheduleLayer


# Where the instances are that tests of Zope use, too.
sys.path.append(os.fspath(Path(__file__).parents[1] / 'zope'))

pytest_plugins = ['zodbschedule.testing']
pytest.register_assert_rewrite('lives')


class Layer(ScheduleLayer):
    """Plone with our package and content types, as an add-on has it."""

    def setUpZope(self, app, configurationContext):
        super().setUpZope(app, configurationContext)
        self.loadZCML(package=plone.app.contenttypes)
        self.loadZCML(package=plone.observability)

    def setUpPloneSite(self, portal):
        applyProfile(portal, 'plone.app.contenttypes:default')
        applyProfile(portal, 'plone.restapi:default')
        super().setUpPloneSite(portal)


class MultilingualLayer(Layer):
    """Such a site in English and German, whose caches are purged."""

    def setUpZope(self, app, configurationContext):
        super().setUpZope(app, configurationContext)
        self.loadZCML(package=plone.app.caching)
        self.loadZCML(package=plone.app.multilingual)

    def setUpPloneSite(self, portal):
        super().setUpPloneSite(portal)
        api.portal.set_registry_record(
            'plone.available_languages', ['en', 'de'])
        applyProfile(portal, 'plone.app.caching:default')
        applyProfile(portal, 'plone.app.multilingual:default')


FIXTURE = Layer()
MULTILINGUAL = FunctionalTesting(
    bases=(MultilingualLayer(),), name='tests:multilingual')
FUNCTIONAL = FunctionalTesting(bases=(FIXTURE,), name='tests:functional')
INTEGRATION = IntegrationTesting(bases=(FIXTURE,), name='tests:integration')

globals().update(zope.pytestlayer.fixture.create(
    FIXTURE, session_fixture_name='one_plone'))
for layer, name in (
        (FUNCTIONAL, 'functional'), (INTEGRATION, 'integration'),
        (MULTILINGUAL, 'multilingual')):
    globals().update(zope.pytestlayer.fixture.create(
        layer, class_fixture_name=f'{name}_class',
        function_fixture_name=f'{name}_function'))


# Each depends on `one_plone`, so that all tests are in one Plone: to set it up
# takes longer than they do.


@pytest.fixture
def functional(one_plone, functional_function):
    """A layer whose tests commit."""
    return functional_function


@pytest.fixture
def integration(one_plone, integration_function):
    """A layer whose tests do not commit."""
    return integration_function


@pytest.fixture
def multilingual(one_plone, multilingual_function):
    """A layer in two languages, whose tests commit."""
    return multilingual_function


@pytest.fixture
def schedule(portal):
    """The schedule of the `portal` that a module has."""
    return get_schedule(portal)


@pytest.fixture
def process(schedule, clock):
    """Schedule tasks, and process what is due."""
    def process(*tasks):
        for task in tasks:
            schedule.schedule(task)
        transaction.commit()
        tally = schedule.process(clock.now())
        schedule._p_jar.sync()
        return tally

    return process
