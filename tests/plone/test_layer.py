"""The browser layer of a site, by real Plone."""

import pytest
import transaction
from plone.app.testing import applyProfile
from plone.browserlayer.utils import registered_layers

from zodbschedule.zope.plone.interfaces import IZodbscheduleLayer


@pytest.fixture
def portal(functional):
    return functional['portal']


def test_the_profile_installs_the_layer_and_the_other_removes_it(portal):
    assert IZodbscheduleLayer in registered_layers()
    applyProfile(portal, 'zodbschedule.zope:uninstall')
    assert IZodbscheduleLayer not in registered_layers()
    applyProfile(portal, 'zodbschedule.zope:default')
    assert IZodbscheduleLayer in registered_layers()
    transaction.abort()
