"""A site whose schedule has tasks of all kinds, and what these have touched.

Needs Zope.  The site has the objects ``doc``, which may have a UUID, and
``plain``, which has none, and a user with the id ``jane``; the root has one
with the id ``root``.
"""

import base64
import threading
from collections.abc import Callable
from contextlib import closing
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from urllib.parse import urlencode

import transaction
import Zope2
from AccessControl import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from Acquisition import aq_inner
from Acquisition import aq_parent
from OFS.Folder import Folder
from ZODB.Connection import Connection
from ZODB.serialize import referencesf
from zope.component import getGlobalSiteManager
from ZPublisher.WSGIPublisher import publish_module

from zodbschedule import clock
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.zope import ContextTask
from zodbschedule.zope import contribute
from zodbschedule.zope import synchronize
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.sites import schedule_of
from zodbschedule.zope.users import SYSTEM


HOUR = timedelta(hours=1)

USERS = {'site user': 'acl_users:jane', 'root user': '/acl_users:root',
         'system': SYSTEM, 'anonymous': None}

#: of each visit: the path of the object, the id of the user, and the path of
#: the folder with that user
visits = []

#: is called once, while a task runs
meanwhile: list[Callable[[], None]] = []


def visit(context):
    """Write to the object, and tell who has."""
    user = getSecurityManager().getUser()
    context.title = f'{context.title}+'
    visits.append((path_of(context), user.getId(),
                   path_of(aq_parent(aq_inner(user)))))


def visit_meanwhile(context):
    """The same, and what is to happen while a task runs."""
    visit(context)
    while meanwhile:
        thread = threading.Thread(target=meanwhile.pop())
        thread.start()
        thread.join()


def fail(context):
    """Fail after having written."""
    visit(context)
    raise ValueError('it is to fail')


@contextmanager
def contribution():
    """An add-on contributes a task in this process."""
    contribute('visit', visit, every=HOUR)
    yield
    getGlobalSiteManager().unregisterUtility(
        provided=IContribution, name='visit')


# -- what there is


def fill(site):
    """Put tasks of all kinds into the schedule of *site*, and commit."""
    schedule, now = schedule_of(site), clock.now()
    schedule.schedule(task(site.doc, 'parked', func=fail))
    transaction.commit()
    schedule.process(now)
    schedule._p_jar.sync()
    schedule.schedule(task(site.doc, 'running', func=visit_meanwhile))
    for name, user in USERS.items():
        schedule.schedule(task(site.doc, name, principalId=user, time=now))
    schedule.schedule(task(site.plain, 'by path'))
    schedule.schedule(task(site.doc, 'waiting', time=now + HOUR))
    schedule.schedule(task(site.doc, 'keyed', key='key', time=now + HOUR))
    paused = schedule.schedule(task(site.doc, 'paused', time=now + HOUR))
    transaction.savepoint()
    schedule.pause(paused, reason='wrong figures')
    synchronize(site)
    transaction.commit()


def task(context, name, func=visit, **options):
    """A task with that description."""
    options = {'principalId': SYSTEM, 'time': clock.now(), **options}
    return ContextTask(context, func, description=name, **options)


def tasks_of(schedule):
    """The tasks, parked ones too, by description."""
    everywhere = [*schedule, *(entry.task for entry in schedule.parked)]
    return {task.description: task for task in everywhere}


def oids_below(obj):
    """The oids of all that is stored below *obj*."""
    found, left = set(), [obj._p_oid]
    while left:
        oid = left.pop()
        if oid not in found:
            found.add(oid)
            referencesf(obj._p_jar._storage.load(oid)[0], left)
    return found


# -- what happens


@contextmanager
def touched():
    """The oids of what this thread reads to write it, in any connection."""
    oids, this_thread = set(), threading.get_ident()

    def spied(method):
        def spy(connection, obj):
            if threading.get_ident() == this_thread:
                oids.add(obj._p_oid)
            method(connection, obj)

        return spy

    methods = Connection.register, Connection.readCurrent
    Connection.register, Connection.readCurrent = map(spied, methods)
    try:
        yield oids
    finally:
        Connection.register, Connection.readCurrent = methods


def process(app, site):
    """Process what is due in *site*; what was visited, and touched outside.
    """
    schedule = schedule_of(site)
    outside = oids_below(app) - oids_below(site)
    visits.clear()
    with touched() as oids:
        tally = schedule.process(clock.now())
    app._p_jar.sync()
    return SimpleNamespace(
        tally=tally, visits=visits[:], outside=oids & outside,
        flaws=list(flaws(schedule)))


# -- what happens to the site; each is given its id, and a folder for files


def paste(app, id, folder):
    app.manage_pasteObjects(app.manage_copyObjects([id]))


def move(app, id, folder):
    app._setObject('elsewhere', Folder('elsewhere'))
    transaction.savepoint()
    app.elsewhere.manage_pasteObjects(app.manage_cutObjects([id]))


def rename(app, id, folder):
    app.manage_renameObject(id, 'renamed')


def export_and_import(app, id, folder):
    file = str(folder / f'{id}.zexp')
    app._p_jar.exportFile(app._getOb(id)._p_oid, file).close()
    app._setObject('elsewhere', Folder('elsewhere'))
    transaction.savepoint()
    app.elsewhere._importObjectFromFile(file, verify=0)


def paste_in_the_zmi(app, id, folder):
    cookie = post('/manage_copyObjects', ids=id)
    post('/manage_pasteObjects', cookie=cookie)


def post(path, cookie='', **form):
    """Send a form as the user of the root; the cookie of the response."""
    body = urlencode(form).encode()
    user = base64.b64encode(b'root:secret').decode()
    environ = {
        'REQUEST_METHOD': 'POST', 'PATH_INFO': path, 'SCRIPT_NAME': '',
        'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'HTTP_AUTHORIZATION': f'Basic {user}',
        'CONTENT_TYPE': 'application/x-www-form-urlencoded',
        'CONTENT_LENGTH': str(len(body)), 'HTTP_COOKIE': cookie,
        'wsgi.url_scheme': 'http', 'wsgi.input': BytesIO(body)}
    response = []
    publish_module(environ, lambda *args: response.append(args))
    [(status, headers)] = response
    assert status < '400'
    return dict(headers).get('Set-Cookie', '').partition(';')[0]


def in_another_thread(way, id, folder):
    with closing(Zope2.app()._p_jar) as connection:
        newSecurityManager(None, system)
        way(connection.root()['Application'], id, folder)
        transaction.commit()
