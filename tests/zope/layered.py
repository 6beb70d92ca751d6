"""What an add-on tests with our layers: run by test_testing.py."""

import unittest
from datetime import timedelta

import transaction
from OFS.Folder import Folder
from zope.component import getGlobalSiteManager

from zodbschedule import clock
from zodbschedule.testing import run_until
from zodbschedule.zope import ContextTask
from zodbschedule.zope import get_schedule
from zodbschedule.zope.testing import SCHEDULE_FIXTURE
from zodbschedule.zope.testing import SCHEDULE_FUNCTIONAL_TESTING
from zodbschedule.zope.testing import SCHEDULE_INTEGRATION_TESTING
from zodbschedule.zope.testing import STARTUP
from zodbschedule.zope.testing import FunctionalTesting
from zodbschedule.zope.testing import ScheduleLayer


HOUR = timedelta(hours=1)


def add(context):
    context._setObject('added', Folder('added'))


class TestsOfLayer:
    """They pass twice: nothing is left of the one before."""

    def test_a_task_runs(self):
        app = self.layer['app']
        self.assertNotIn('added', app.objectIds())
        schedule = get_schedule(app)
        schedule.schedule(ContextTask(app, add))
        self.commit()
        tally = run_until(schedule, clock.now(), commit=self.commits)
        self.assertEqual(tally.succeeded, 1)
        self.assertIn('added', app.objectIds())

    test_and_another_one = test_a_task_runs

    def test_time_goes_on_from_one_call_to_the_next(self):
        app = self.layer['app']
        schedule = get_schedule(app)
        schedule.schedule(ContextTask(app, add, time=clock.now() + 2 * HOUR))
        self.commit()
        for minutes, expected in (59, 0), (59, 0), (2, 1):
            tally = run_until(
                schedule, clock.now() + timedelta(minutes=minutes),
                commit=self.commits)
            self.assertEqual(tally.succeeded, expected)


class IntegrationTests(TestsOfLayer, unittest.TestCase):

    layer = SCHEDULE_INTEGRATION_TESTING
    commits = False

    def commit(self):
        """Is forbidden."""


class FunctionalTests(TestsOfLayer, unittest.TestCase):

    layer = SCHEDULE_FUNCTIONAL_TESTING
    commits = True

    def commit(self):
        transaction.commit()


class AddOnLayer(ScheduleLayer):
    """One that is derived, as an add-on does."""

    defaultBases = (SCHEDULE_FIXTURE,)

    def setUpZope(self, app, configurationContext):
        app._setObject('ours', Folder('ours'))

    def tearDownZope(self, app):
        assert 'ours' in app.objectIds()


class AddOnTests(FunctionalTests):

    layer = FunctionalTesting(bases=(AddOnLayer(),), name='ours')

    def test_what_the_layer_has_made_is_there(self):
        self.assertIn('ours', self.layer['app'].objectIds())


class BrokenLayer(ScheduleLayer):
    """One that cannot be set up."""

    def setUpZope(self, app, configurationContext):
        app._setObject('half', Folder('half'))
        raise ValueError('broken')


class AfterwardsTests(unittest.TestCase):
    """Other layers do not see what those have made."""

    layer = FunctionalTesting(name='zzz')

    def test_nothing_is_left(self):
        app = self.layer['app']
        self.assertNotIn('ours', app.objectIds())
        with self.assertRaises(LookupError):
            get_schedule(app)

    def test_nor_of_one_that_could_not_be_set_up(self):
        broken = BrokenLayer()
        before = getGlobalSiteManager()
        with self.assertRaises(ValueError):
            broken.setUp()
        self.assertIs(getGlobalSiteManager(), before)
        self.assertIs(broken.get('zodbDB'), STARTUP['zodbDB'])
