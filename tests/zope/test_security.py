"""What restricted code may do with a schedule, and the permissions."""

import pytest
from AccessControl.unauthorized import Unauthorized
from AccessControl.ZopeGuards import guarded_getattr

from zodbschedule.zope import get_schedule


TITLES = {
    'look': 'zodbschedule: Look',
    'schedule': 'zodbschedule: Schedule tasks',
    'control': 'zodbschedule: Control'}

NEEDS = {
    'look': ['overdue', 'next_due', 'forecast', 'claimed', 'tasks', 'get'],
    'schedule': ['unschedule'],
    'control': ['process', 'pause', 'resume', 'run_now', 'change', 'unpark',
                'discard', 'schedule', 'call']}


@pytest.fixture
def joe(site, login):
    site.acl_users._doAddUser('joe', 'secret', ['Editor'], [])
    site._addRole('Editor')
    login('joe')


@pytest.mark.parametrize('name, needs', [
    (name, needs) for needs, names in NEEDS.items() for name in names])
def test_each_member_asks_for_its_permission(joe, site, name, needs):
    schedule = get_schedule(site)
    for other in TITLES.values():
        site.manage_permission(other, [])
    with pytest.raises(Unauthorized):
        guarded_getattr(schedule, name)
    site.manage_permission(TITLES[needs], ['Editor'])
    assert guarded_getattr(schedule, name) is not None


@pytest.mark.parametrize('title', TITLES.values())
def test_managers_and_site_administrators_have_them(app, title):
    assert app.rolesOfPermission(title)
    roles = {each['name'] for each in app.rolesOfPermission(title)
             if each['selected']}
    assert roles == {'Manager', 'Site Administrator'} & {
        each['name'] for each in app.rolesOfPermission(title)}
    assert 'Manager' in roles
