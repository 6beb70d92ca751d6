"""The environment of a run in Zope."""

import logging
import threading
from types import SimpleNamespace

import pytest
import transaction
import ZODB
from AccessControl import getSecurityManager
from conftest import make_site
from conftest import seen
from OFS.Folder import Folder
from ZODB.POSException import ConflictError
from zope.component import getGlobalSiteManager
from zope.component import getUtility
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from zope.interface import Interface
from zope.interface.verify import verifyObject
from zope.security.management import queryInteraction
from zope.security.management import thread_local
from zope.traversing.interfaces import IBeforeTraverseEvent
from ZPublisher.interfaces import IPubSuccess

from zodbschedule import CallTask
from zodbschedule import Schedule
from zodbschedule import current_run
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import PendingChanges
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.zope import get_schedule
from zodbschedule.zope import install
from zodbschedule.zope import uninstall
from zodbschedule.zope.environment import ZopeSite
from zodbschedule.zope.sites import application_database


class IGreeting(Interface):
    """A utility that a site has."""


def look():
    request = getRequest()
    site = getSite()
    seen.append(SimpleNamespace(
        request=request, site=site, actual_url=request['ACTUAL_URL'],
        virtual=request.get('VirtualRootPhysicalPath'),
        root=request['PARENTS'][-1]._p_jar.db(),
        parents=[one.getId() for one in request['PARENTS']],
        url=request['PUBLISHED'].absolute_url(),
        path='/'.join(request['PUBLISHED'].getPhysicalPath()),
        user=getSecurityManager().getUser(),
        interaction=queryInteraction(),
        schedule=current_run().schedule, jar=request['PUBLISHED']._p_jar))


def greet():
    seen.append(getUtility(IGreeting))


def add(name):
    getRequest()['PUBLISHED']._setObject(name, Folder(name))


def fail():
    add('not_committed')
    raise ValueError('no')


@pytest.fixture
def run(schedule, clock):
    """Run a function as a task of the site; what became of it."""
    def run(func, *args, schedule=schedule, **options):
        schedule.schedule(CallTask(func, args, **options))
        transaction.commit()
        return schedule.process(clock.now())

    return run


@pytest.fixture
def subscribed():
    """Subscribe for a test."""
    registry = getGlobalSiteManager()
    made = []

    def subscribe(handler, required):
        registry.registerHandler(handler, required)
        made.append((handler, required))

    yield subscribe
    for handler, required in made:
        registry.unregisterHandler(handler, required)


def test_it_provides_its_interface():
    assert verifyObject(IRunEnvironment, ZopeSite())


class TestSite:

    def test_it_is_the_current_one(self, run, site, schedule):
        assert run(look).succeeded == 1
        [found] = seen
        assert found.path == '/site'
        assert found.site._p_oid == site._p_oid
        assert found.schedule._p_oid == schedule._p_oid

    def test_in_a_connection_of_its_own(self, run, schedule):
        run(look)
        [found] = seen
        assert found.jar is not schedule._p_jar
        assert found.schedule._p_jar is found.jar

    def test_its_utilities_are_found(self, run, site):
        site.getSiteManager().registerUtility('hello', IGreeting)
        assert run(greet).succeeded == 1
        assert seen == ['hello']

    def test_it_is_entered_as_by_a_request_through_all_above(
            self, run, site, app, subscribed, clock):
        inner = make_site(site, 'inner')
        transaction.savepoint()
        entered = []

        def enter(site, event):
            entered.append(('/'.join(site.getPhysicalPath()),
                            event.request is getRequest()))

        subscribed(enter, (Interface, IBeforeTraverseEvent))
        assert run(look, schedule=install(inner)).succeeded == 1
        assert entered == [('/site', True), ('/site/inner', True)]
        [found] = seen
        assert found.path == '/site/inner'
        assert found.parents[:2] == ['inner', 'site']

    def test_a_task_of_the_root_has_no_site(self, run, app):
        assert run(look, schedule=install(app)).succeeded == 1
        [found] = seen
        assert found.site is None
        assert found.path == ''

    def test_a_mounted_site(self, run, mounted, zope):
        site = make_site(mounted, 'there')
        transaction.savepoint()
        assert run(look, schedule=install(site)).succeeded == 1
        [found] = seen
        assert found.path == '/mounted/there'
        assert found.root is zope.DB

    def test_it_is_not_where_it_was(self, site, schedule, clock):
        schedule.schedule(CallTask(look))
        schedule.path = '/elsewhere'
        transaction.commit()
        with pytest.raises(PrincipalsMissing, match='not at /elsewhere'):
            schedule.process(clock.now())
        assert not schedule.claims
        assert len(list(schedule)) == 1

    @pytest.mark.parametrize('address', ['nowhere', 'ftp://example.org'])
    def test_an_address_that_is_none_parks_nothing(
            self, site, schedule, clock, address):
        schedule.schedule(CallTask(look))
        schedule.url = address
        transaction.commit()
        with pytest.raises(PrincipalsMissing, match='cannot be entered.*not '
                           'an address'):
            schedule.process(clock.now())
        assert len(list(schedule)) == 1
        schedule.url = ''
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == 1

    def test_settings_that_are_wrong_park_nothing(
            self, site, schedule, clock, monkeypatch):
        schedule.schedule(CallTask(look))
        transaction.commit()
        monkeypatch.setenv('ZODBSCHEDULE_URLS', 'nonsense')
        with pytest.raises(PrincipalsMissing, match='nonsense'):
            schedule.process(clock.now())
        assert len(list(schedule)) == 1

    def test_a_site_that_cannot_be_entered_parks_nothing(
            self, site, schedule, clock, subscribed):
        def broken(site, event):
            raise ValueError('an add-on is broken')

        subscribed(broken, (Interface, IBeforeTraverseEvent))
        schedule.schedule(CallTask(look))
        transaction.commit()
        with pytest.raises(PrincipalsMissing, match='add-on is broken'):
            schedule.process(clock.now())
        assert getSite() is None
        assert getRequest() is None
        assert len(list(schedule)) == 1

    def test_also_if_it_was_entered_before(
            self, site, schedule, clock, subscribed):
        def broken(site, event):
            if tries:
                raise ValueError('an add-on is broken')

        def conflict():
            tries.append(1)
            raise ConflictError

        tries = []
        globals()['conflict'] = conflict
        conflict.__qualname__ = 'conflict'
        subscribed(broken, (Interface, IBeforeTraverseEvent))
        schedule.schedule(CallTask(conflict))
        transaction.commit()
        try:
            with pytest.raises(PrincipalsMissing):
                schedule.process(clock.now())
        finally:
            del globals()['conflict']
        assert not list(schedule.parked)
        assert len(list(schedule)) == 1

    def test_a_conflict_on_the_way_is_tried_again(
            self, run, subscribed):
        def conflict(site, event):
            if not tries:
                tries.append(1)
                raise ConflictError

        tries = []
        subscribed(conflict, (Interface, IBeforeTraverseEvent))
        assert run(look).succeeded == 1

    def test_one_that_conflicts_always_has_its_tasks_left(
            self, site, schedule, clock, subscribed):
        def conflict(site, event):
            raise ConflictError

        subscribed(conflict, (Interface, IBeforeTraverseEvent))
        schedule.schedule(CallTask(look))
        transaction.commit()
        assert schedule.process(clock.now()).left == 1
        assert len(list(schedule)) == 1

    def test_what_an_add_on_has_written_on_the_way_is_forgotten(
            self, site, schedule, clock, subscribed):
        def broken(site, event):
            site.title = 'half'
            raise ValueError('an add-on is broken')

        subscribed(broken, (Interface, IBeforeTraverseEvent))
        schedule.schedule(CallTask(look))
        transaction.commit()
        with pytest.raises(PrincipalsMissing, match='add-on is broken'):
            schedule.process(clock.now())
        transaction.begin()
        assert site.title == ''

    def test_another_schedule_in_its_place_is_not_it(
            self, site, schedule, clock):
        schedule.schedule(CallTask(look))
        uninstall(site)
        install(site)
        transaction.commit()
        with pytest.raises(PrincipalsMissing, match='not at /site'):
            schedule.process(clock.now())
        assert seen == []

    def test_what_it_changes_is_committed(self, run, site):
        assert run(add, 'new').succeeded == 1
        assert 'new' in site.objectIds()

    def test_what_a_failed_one_has_changed_is_not(self, run, site):
        assert run(fail).failed == 1
        assert 'not_committed' not in site.objectIds()


class TestAfterwards:

    @pytest.mark.parametrize('func', [look, fail])
    def test_all_is_as_it_was(self, run, site, func, login):
        login('jane')
        request = object()
        manager, interaction = getSecurityManager(), object()
        thread_local.interaction = interaction
        setSite(site)
        setRequest(request)
        try:
            run(func)
            assert getRequest() is request
            assert getSite() is site
            assert getSecurityManager() is manager
            assert vars(thread_local) == {'interaction': interaction}
        finally:
            del thread_local.interaction
            setRequest(None)

    @pytest.mark.parametrize('func', [look, fail])
    def test_no_connection_is_left_open(self, run, schedule, zope, func):
        before = len(zope.DB.connectionDebugInfo())
        opened = [one for one in zope.DB.connectionDebugInfo()
                  if one['opened']]
        run(func)
        assert len([one for one in zope.DB.connectionDebugInfo()
                    if one['opened']]) == len(opened)
        assert len(zope.DB.connectionDebugInfo()) <= before + 1

    def test_a_conflict_gives_the_next_attempt_all_of_it_anew(self, run):
        tries = []

        def conflict():
            tries.append((getRequest(), transaction.get()))
            if len(tries) < 3:
                raise ConflictError

        globals()['conflict'] = conflict
        conflict.__qualname__ = 'conflict'
        try:
            assert run(conflict).succeeded == 1
        finally:
            del globals()['conflict']
        requests, transactions = zip(*tries, strict=True)
        assert len(set(map(id, requests))) == 3
        assert len(set(map(id, transactions))) == 3


class TestTransactions:

    def test_a_run_is_on_the_manager_of_the_thread(self, run):
        found = []

        def joins():
            found.append(transaction.get())
            current = current_run().schedule._p_jar.transaction_manager.get()
            found.append(current)

        globals()['joins'] = joins
        joins.__qualname__ = 'joins'
        try:
            assert run(joins).succeeded == 1
        finally:
            del globals()['joins']
        assert found[0] is found[1]

    def test_it_is_refused_while_the_manager_of_the_thread_holds_changes(
            self, zope, schedule, clock):
        manager = transaction.TransactionManager()
        connection = zope.DB.open(manager)
        there = connection.get(schedule._p_oid)
        schedule.import_grace *= 2
        with pytest.raises(PendingChanges):
            there.process(clock.now())
        transaction.abort()
        assert not any(there.process(clock.now()))
        manager.abort()
        connection.close()

    def test_turns_on_a_manager_of_their_own(self, zope, schedule, clock):
        schedule.schedule(CallTask(look))
        transaction.commit()
        manager = transaction.TransactionManager(explicit=True)
        connection = zope.DB.open(manager)
        manager.begin()
        there = connection.get(schedule._p_oid)
        assert there.process(clock.now()).succeeded == 1
        manager.abort()
        connection.close()
        assert len(seen) == 1


class TestAddress:

    def test_without_a_word_it_is_that_of_this_machine(self, run):
        run(look)
        assert seen[0].url == 'http://localhost/site'

    @pytest.mark.parametrize('url, expected', [
        ('https://example.org', 'https://example.org'),
        ('http://example.org:8080/a/b/', 'http://example.org:8080/a/b')])
    def test_as_the_site_says(self, run, schedule, url, expected):
        schedule.url = url
        run(look)
        assert seen[0].url == expected
        assert seen[0].actual_url == expected
        assert seen[0].virtual == ('', 'site')

    def test_as_the_process_is_configured(self, run, app):
        site = make_site(app, 'set')
        below = make_site(site, 'below')
        transaction.savepoint()
        for one in site, below:
            run(look, schedule=install(one))
        assert [found.url for found in seen] == [
            'https://www.example.org', 'http://example.org:8080/a/b']


class TestSuccess:
    """What was queued on the request is done after the commit."""

    @pytest.fixture
    def notified(self, subscribed):
        notified = []

        def purge(event):
            notified.append((event.request, getSite(), getRequest(),
                         'new' in event.request['PUBLISHED'].objectIds()))

        subscribed(purge, (IPubSuccess,))
        return notified

    def test_subscribers_are_notified_in_the_site(self, run, notified, site):
        assert run(add, 'new').succeeded == 1
        [(request, there, current, committed)] = notified
        assert current is request
        assert there._p_oid == site._p_oid
        assert committed

    def test_not_if_the_commit_has_failed(self, run, notified, schedule):
        def conflict():
            transaction.get().addBeforeCommitHook(cancel)

        def cancel():
            # From another connection, as another process does.
            manager = transaction.TransactionManager()
            connection = schedule._p_jar.db().open(manager)
            there = connection.get(schedule._p_oid)
            [claimed] = there.claimed()
            there.unschedule(claimed.task)
            manager.commit()
            connection.close()

        globals()['conflict'] = conflict
        conflict.__qualname__ = 'conflict'
        try:
            assert run(conflict).succeeded == 0
        finally:
            del globals()['conflict']
        assert notified == []

    def test_not_if_it_has_failed(self, run, notified):
        assert run(fail).failed == 1
        assert notified == []

    @pytest.mark.parametrize('explicit', [True, False])
    @pytest.mark.parametrize('begins', [True, False])
    def test_whoever_hears_it_may_write_and_commit(
            self, run, site, subscribed, schedule, zope, clock, explicit,
            begins):
        def scale(event):
            if begins:
                transaction.begin()
            event.request['PUBLISHED']._setObject('scale', Folder('scale'))
            transaction.commit()
            event.request['PUBLISHED'].title = 'forgotten'

        subscribed(scale, (IPubSuccess,))
        if explicit:
            # As in a worker: the thread's own manager is, and turns have
            # another.
            schedule.schedule(CallTask(look))
            transaction.commit()
            manager = transaction.TransactionManager(explicit=True)
            connection = zope.DB.open(manager)
            transaction.manager.explicit = True
            manager.begin()
            there = connection.get(schedule._p_oid)
            try:
                assert there.process(clock.now()).succeeded == 1
                assert transaction.manager.explicit
            finally:
                transaction.manager.explicit = False
                manager.abort()
                connection.close()
        else:
            assert run(look).succeeded == 1
        transaction.begin()
        assert 'scale' in site.objectIds()
        assert site.title == ''

    def test_an_error_there_harms_nothing(self, run, site, subscribed, caplog):
        def broken(event):
            raise ValueError('no purger')

        subscribed(broken, (IPubSuccess,))
        with caplog.at_level(logging.WARNING):
            assert run(add, 'new').succeeded == 1
        assert 'no purger' in caplog.text
        assert 'new' in site.objectIds()


def test_threads_do_not_share_the_environment(app, schedule, zope, clock):
    """Another thread has neither the site nor the request of a run."""
    found = []

    def elsewhere():
        thread = threading.Thread(
            target=lambda: found.append((getSite(), getRequest())))
        thread.start()
        thread.join()

    globals()['elsewhere'] = elsewhere
    elsewhere.__qualname__ = 'elsewhere'
    try:
        schedule.schedule(CallTask(elsewhere))
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == 1
    finally:
        del globals()['elsewhere']
    assert found == [(None, None)]


def test_a_database_that_is_none_of_zope_is_its_own():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        connection.add(schedule)
        assert application_database(schedule) is db
    db.close()


def test_the_schedule_of_the_context_is_that_of_the_run(run):
    def finds():
        seen.append(get_schedule() is current_run().schedule)

    globals()['finds'] = finds
    finds.__qualname__ = 'finds'
    try:
        assert run(finds).succeeded == 1
    finally:
        del globals()['finds']
    assert seen == [True]
