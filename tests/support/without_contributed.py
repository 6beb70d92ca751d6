"""Sites without the tasks that this package itself contributes."""

from contextlib import contextmanager

from zope.component import getGlobalSiteManager
from zope.component import getUtilitiesFor

from zodbschedule.zope import get_schedule
from zodbschedule.zope import install
from zodbschedule.zope import uninstall
from zodbschedule.zope.interfaces import IContribution


def unschedule_all(portal):
    """Leave none of the tasks that wait."""
    schedule = get_schedule(portal)
    for task in list(schedule):
        schedule.unschedule(task)


@contextmanager
def nothing_contributed(portal):
    """Inside this context nothing is, and the schedule of the site is new."""
    manager = getGlobalSiteManager()
    ours = list(getUtilitiesFor(IContribution))
    for name, definition in ours:
        manager.unregisterUtility(definition, IContribution, name)
    uninstall(portal)
    install(portal)
    yield
    for name, definition in ours:
        manager.registerUtility(definition, IContribution, name)
