"""The control panel "Scheduled tasks", by a browser."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import transaction
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from plone.app.testing import setRoles
from plone.testing.zope import Browser
from zope.interface import alsoProvides

from zodbschedule import reading
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import contribute
from zodbschedule.zope import contributed
from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.plone.controlpanel.addresses import PANEL_ACTS
from zodbschedule.zope.plone.controlpanel.addresses import VIEWS
from zodbschedule.zope.plone.interfaces import IZodbscheduleLayer


LOOKERS = ['Site Administrator', 'Manager']
OTHERS = ['Member', 'Editor']
HOUR = timedelta(hours=1)


def fail():
    raise RuntimeError('<script>')


@pytest.fixture
def portal(clock, functional):
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Site Administrator'])
    transaction.commit()
    return portal


class Panel:
    """A browser of the panel."""

    def __init__(self, layer, portal, logged_in=True):
        self.portal = portal
        self.browser = Browser(layer['app'])
        self.browser.handleErrors = True
        self.browser.raiseHttpErrors = False
        self.browser.followRedirects = False
        if logged_in:
            self.browser.addHeader(
                'Authorization',
                f'Basic {TEST_USER_NAME}:{TEST_USER_PASSWORD}')

    def get(self, view='schedule-controlpanel', **query):
        self.browser.open(f'{self.portal.absolute_url()}/@@{view}' + (
            f'?{urlencode(query)}' if query else ''))
        return self.status

    def post(self, act, token=True, **fields):
        if token:
            fields['_authenticator'] = self.token
        self.browser.post(
            f'{self.portal.absolute_url()}/@@schedule-act/{act}',
            urlencode(fields, doseq=True))
        self.portal._p_jar.sync()
        return self.status

    @property
    def token(self):
        self.get('authenticator/token')
        return self.browser.contents

    @property
    def status(self):
        return int(self.browser.headers['Status'].split()[0])

    @property
    def text(self):
        return self.browser.contents


@pytest.fixture
def panel(functional, portal):
    return Panel(functional, portal)


def test_probe(panel, schedule):
    schedule.call(print, time=None, delay=HOUR, description='count the hats')
    transaction.commit()
    for view in VIEWS.values():
        print(view, panel.get(view), len(panel.text))
        open(f'/dev/shm/panel-{view}.html', 'w').write(panel.text)
    print(panel.post('pause', token=False), panel.post('pause', reason='x', page=''), panel.browser.headers.get('Location'), schedule.paused())
    panel.get(); open(f'/dev/shm/panel-paused.html', 'w').write(panel.text)
    assert 0
