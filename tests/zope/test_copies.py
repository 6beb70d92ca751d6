"""A site that is copied, imported, moved or renamed while its tasks run."""

import base64
from contextlib import closing
from contextlib import contextmanager
from contextlib import suppress
from functools import partial
from io import BytesIO
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
import transaction
import Zope2
from Acquisition import aq_base
from conftest import application
from conftest import make_site
from full_site import HOUR
from full_site import be_manager
from full_site import contribution
from full_site import fill
from full_site import meanwhile
from full_site import process
from full_site import task
from full_site import tasks_of
from OFS.Folder import Folder
from OFS.SimpleItem import SimpleItem
from ZPublisher.WSGIPublisher import publish_module

from zodbschedule import clock
from zodbschedule.testing import SettableClock
from zodbschedule.zope import contexts
from zodbschedule.zope import install
from zodbschedule.zope.sites import schedule_of


class Document(SimpleItem):
    """Has a UUID, as content of Plone has."""

    title = ''

    def __init__(self, uuid):
        self.id = 'doc'
        self.uuid = uuid


class Catalog(SimpleItem):
    """Answers with the paths of the original, in each copy too."""

    id = 'portal_catalog'

    def unrestrictedSearchResults(self, UID):
        return [SimpleNamespace(getPath=lambda: '/site/doc')]


class Uuid:
    """Stands for `IUUID`."""

    def __call__(self, context, default):
        return getattr(aq_base(context), 'uuid', default)


# -- What happens to the site; each is given a folder for files


def paste(app, folder):
    app.manage_pasteObjects(app.manage_copyObjects(['site']))


def move(app, folder):
    app._setObject('elsewhere', Folder('elsewhere'))
    transaction.savepoint()
    app.elsewhere.manage_pasteObjects(app.manage_cutObjects(['site']))


def rename(app, folder):
    app.manage_renameObject('site', 'renamed')


def export_and_import(app, folder):
    file = str(folder / 'site.zexp')
    app._p_jar.exportFile(app.site._p_oid, file).close()
    app._setObject('elsewhere', Folder('elsewhere'))
    transaction.savepoint()
    app.elsewhere._importObjectFromFile(file, verify=0)


def paste_in_the_zmi(app, folder):
    cookie = post('/manage_copyObjects', ids='site')
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


def in_another_thread(way, folder):
    with closing(Zope2.app()._p_jar) as connection:
        be_manager()
        way(connection.root()['Application'], folder)
        transaction.commit()


# -- The life of a site


@contextmanager
def a_full_site(zope):
    """The application root, with a site that has tasks of all kinds."""
    with application(zope) as app, clock.use(SettableClock()), (
            contribution()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, 'IUUID', Uuid())
        app.acl_users._doAddUser('root', 'secret', ['Manager'], [])
        site = make_site(app, 'site')
        site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
        site._setObject('doc', Document('a'))
        site._setObject('plain', Folder('plain'))
        site._setObject('portal_catalog', Catalog())
        transaction.savepoint()
        install(site)
        fill(site)
        yield app
        with suppress(KeyError):
            app.acl_users._doDelUsers(['root'])


@pytest.fixture(scope='class', params=[
    (paste, '/copy_of_site'), (paste_in_the_zmi, '/copy_of_site'),
    (export_and_import, '/elsewhere/site')],
    ids=lambda param: param[0].__name__)
def life(request, zope, tmp_path_factory):
    """What happened to a site that was copied, and to the copy."""
    way, path = request.param
    with a_full_site(zope) as app:
        site = app.site
        meanwhile.append(partial(
            in_another_thread, way, tmp_path_factory.mktemp('copy')))
        before = process(app, site)
        copy = app.unrestrictedTraverse(path)
        if way is not export_and_import:
            copy.doc.uuid = 'b'
        arrived = tasks_of(schedule_of(copy))
        kept = schedule_of(copy).schedule(
            task(copy.doc, 'another', key='key'), duplicate='keep')
        schedule_of(copy).resume()
        transaction.commit()
        clock.current().advance(2 * HOUR)
        yield SimpleNamespace(
            path=path, site=schedule_of(site), copy=schedule_of(copy),
            before=before, arrived=arrived, kept=kept,
            in_copy=process(app, copy), in_site=process(app, site))


def visits_of(path):
    """Who visits what in a site at *path*: what ran first, and after that.
    """
    own, root = f'{path}/acl_users', '/acl_users'
    return {(f'{path}/doc', 'jane', own), (f'{path}/doc', 'root', root),
            (f'{path}/doc', None, own), (f'{path}/plain', None, own)}, {
                (f'{path}/doc', None, own), (path, None, own)}


class TestCopied:

    def test_the_tasks_of_the_original_have_run_meanwhile(self, life):
        assert set(life.before.visits) == visits_of('/site')[0]
        assert life.before.tally.succeeded == 6

    def test_those_of_the_copy_have_run_there(self, life):
        first, then = visits_of(life.path)
        assert set(life.in_copy.visits) == first | then

    def test_those_of_the_original_go_on_there(self, life):
        assert set(life.in_site.visits) == visits_of('/site')[1]
        assert life.in_site.tally.succeeded == 3

    def test_nothing_outside_was_touched(self, life):
        assert not life.before.outside
        assert not life.in_copy.outside
        assert not life.in_site.outside

    def test_no_task_is_in_both(self, life):
        assert not {one._p_oid for one in life.arrived.values()} & {
            one._p_oid for one in tasks_of(life.site).values()}

    def test_a_key_is_held_by_a_task_that_is_there(self, life):
        assert life.kept is life.arrived['keyed']


@pytest.fixture(scope='class', params=[
    (move, '/elsewhere/site'), (rename, '/renamed')],
    ids=lambda param: param[0].__name__)
def moved(request, zope, tmp_path_factory):
    """What happened to a site that was moved."""
    way, path = request.param
    with a_full_site(zope) as app:
        site = app.site
        meanwhile.append(partial(
            in_another_thread, way, tmp_path_factory.mktemp('move')))
        before = process(app, site)
        site = app.unrestrictedTraverse(path)
        schedule = schedule_of(site)
        paused = process(app, site)
        schedule.resume()
        transaction.commit()
        clock.current().advance(2 * HOUR)
        yield SimpleNamespace(
            path=path, schedule=schedule, before=before, paused=paused,
            after=process(app, site))


class TestMoved:

    def test_what_ran_meanwhile_ends_and_nothing_else_begins(self, moved):
        assert moved.before.visits == [('/site/doc', None, '/site/acl_users')]
        assert moved.before.tally.left == 5
        assert moved.paused.visits == []

    def test_all_others_run_there(self, moved):
        first, then = visits_of(moved.path)
        assert set(moved.after.visits) == first | then
        assert moved.after.tally.succeeded == 8

    def test_nothing_outside_was_touched(self, moved):
        assert not moved.before.outside
        assert not moved.after.outside

    def test_the_schedule_is_sound(self, moved):
        assert not moved.before.flaws
        assert not moved.after.flaws

    def test_what_is_left_is_what_was_paused_or_parked_or_repeats(
            self, moved):
        left = tasks_of(moved.schedule)
        assert set(left) == {'paused', 'parked', 'visit'}
        assert moved.schedule.paused(left['paused'])
        assert not moved.schedule.has_other_uuids
