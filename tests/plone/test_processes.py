"""Workers of a Plone, in real processes over ZEO."""

import signal

import pytest
from instances import Instance
from instances import end
from instances import wait_until


MAKE = """
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from Products.CMFPlone.factory import addPloneSite
from Testing.makerequest import makerequest
from zope.globalrequest import setRequest

app = makerequest(app)
setRequest(app.REQUEST)
newSecurityManager(None, system)
addPloneSite(app, 'Plone', title='A site', extension_ids=(
    'plone.app.contenttypes:default', 'zodbschedule.zope:default'))
app.Plone.acl_users.userFolderAddUser(
    'jane', 'a-long-secret', ['Contributor'], [])
transaction.commit()
"""

SCHEDULE = """
import transaction
from zodbschedule.zope import ContextTask, get_schedule

schedule = get_schedule(app.Plone)
for number in range({start}, {stop}):
    schedule.schedule(ContextTask(
        app.Plone, 'instances.add_document', [number],
        principalId='acl_users:jane'))
transaction.commit()
"""


@pytest.fixture(scope='module')
def instance(tmp_path_factory):
    """An instance with a Plone site that has a schedule."""
    folder = tmp_path_factory.mktemp('plone')
    found = Instance(folder, include=False)
    script = folder / 'make.py'
    script.write_text(MAKE)
    found.run('zconsole', 'run', found.conf, script)
    yield found
    found.close()


def schedule(instance, start, stop):
    script = instance.folder / 'schedule.py'
    script.write_text(SCHEDULE.format(start=start, stop=stop))
    instance.run('zconsole', 'run', instance.conf, script)


def documents(instance):
    with instance.root() as root:
        plone = root['Application'].Plone
        return {name: plone._tree[name].creators
                for name in plone._tree if name.startswith('document')}


def outcomes(instance):
    with instance.root() as root:
        annotations = root['Application'].Plone.__annotations__
        # What is off from the beginning is on record, too.
        return [each.outcome for each in annotations['zodbschedule'].history
                if each.outcome != 'paused']


def test_in_the_serving_process_and_in_one_of_its_own(instance):
    schedule(instance, 0, 10)
    processes = [instance.serve(), instance.work()]
    wait_until(lambda: len(outcomes(instance)) == 10, 'runs')
    assert {end(process) for process in processes} == {-signal.SIGTERM, 0}
    assert outcomes(instance) == 10 * ['succeeded']
    assert documents(instance) == {
        f'document-{number}': ('jane',) for number in range(10)}
    with instance.root() as root:
        annotations = root['Application'].Plone.__annotations__
        assert not annotations['zodbschedule'].claims


def test_commands_find_the_only_site(instance):
    assert 'instances.add_document' in instance.run(
        'zodbschedule', 'history', '--zope', instance.conf)
