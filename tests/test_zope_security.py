##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""Tasks run inside an interaction of zope.security, with their principal."""

import importlib
import sys
import threading
from contextvars import ContextVar
from contextvars import copy_context
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import ZODB
from persistent.mapping import PersistentMapping
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from zope.authentication.interfaces import IAuthentication
from zope.authentication.interfaces import PrincipalLookupError
from zope.component import getGlobalSiteManager
from zope.component import hooks
from zope.interface import provider
from zope.interface.registry import Components
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject
from zope.principalregistry.principalregistry import PrincipalRegistry
from zope.security.interfaces import IParticipation
from zope.security.interfaces import ISecurityPolicy
from zope.security.interfaces import NoInteraction
from zope.security.interfaces import Unauthorized
from zope.security.management import checkPermission
from zope.security.management import endInteraction
from zope.security.management import getInteraction
from zope.security.management import newInteraction
from zope.security.management import queryInteraction
from zope.security.management import restoreInteraction
from zope.security.management import setSecurityPolicy
from zope.security.management import system_user
from zope.security.management import thread_local
from zope.security.simplepolicies import ParanoidSecurityPolicy

from zodbschedule import CallTask
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import principals
from zodbschedule.interfaces import IPrincipals
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.zope_security import Participation
from zodbschedule.zope_security import ZopeSecurity


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

# For how long a thread waits for another before the test fails.
PATIENCE = 30


@provider(ISecurityPolicy)
class Grants(ParanoidSecurityPolicy):
    """Each of those who take part has to be bob.

    With nobody that is true, as in every policy of zope.security.
    """

    def checkPermission(self, permission, object):
        return all(participation.principal.id == 'bob'
                   for participation in self.participations)


@pytest.fixture(autouse=True)
def _no_trace(monkeypatch):
    """Each test begins with, and leaves behind, a clean thread and process."""
    vars(thread_local).clear()
    monkeypatch.setattr(principals, '_known', dict(principals._known))
    policy = setSecurityPolicy(Grants)
    yield
    setSecurityPolicy(policy)
    vars(thread_local).clear()


@pytest.fixture
def registry():
    """The authentication utility, which knows alice, bob and an anybody."""
    registry = PrincipalRegistry()
    registry.definePrincipal('alice', 'Alice', login='alice')
    registry.definePrincipal('bob', 'Bob', login='bob')
    registry.defineDefaultPrincipal('anybody', 'Anybody')
    provide(registry)
    yield registry
    withdraw()


def provide(authentication):
    getGlobalSiteManager().registerUtility(authentication, IAuthentication)


def withdraw():
    getGlobalSiteManager().unregisterUtility(provided=IAuthentication)


def who():
    """The ids of the principals in the current interaction; None without."""
    interaction = queryInteraction()
    if interaction is None:
        return None
    return [p.principal.id for p in interaction.participations]


@pytest.fixture
def request_of_alice(registry):
    """An interaction that is active, as in a request."""
    newInteraction(Participation(registry.getPrincipal('alice')))
    return getInteraction()


# -- The adapter -------------------------------------------------------------


def test_it_provides_its_interface():
    assert verifyClass(IPrincipals, ZopeSecurity)
    assert verifyObject(IPrincipals, ZopeSecurity())
    assert verifyClass(IParticipation, Participation)
    assert verifyObject(IParticipation, Participation(None))


def test_it_is_registered_by_hand():
    adapter = ZopeSecurity()
    assert principals.register(adapter) is None
    assert principals.find('zope.security') is adapter


def test_inside_is_an_interaction_with_the_principal_alone(registry):
    with ZopeSecurity().adopt('bob', None):
        [participation] = getInteraction().participations
        assert participation.principal is registry.getPrincipal('bob')
        assert participation.interaction is getInteraction()
        assert checkPermission('approve', None)
    assert vars(thread_local) == {}


def test_each_run_has_an_interaction_of_its_own(registry):
    adapter, seen = ZopeSecurity(), []
    for _ in range(2):
        with adapter.adopt('bob', None):
            seen.append(getInteraction())
    assert seen[0] is not seen[1]


def test_somebody_else_may_not_do_it(registry):
    with ZopeSecurity().adopt('alice', None):
        assert not checkPermission('approve', None)


def test_the_system_user_may_do_everything(registry, monkeypatch):
    # Not every utility knows it, so that none is asked.
    monkeypatch.setattr(registry, 'getPrincipal', None)
    setSecurityPolicy(ParanoidSecurityPolicy)
    with ZopeSecurity().adopt(system_user.id, object()):
        [participation] = queryInteraction().participations
        assert participation.principal is system_user
        assert checkPermission('any.permission', object())


def test_nobody_is_the_unauthenticated_principal(registry):
    with ZopeSecurity().adopt(None, None):
        assert who() == ['anybody']
        assert not checkPermission('approve', None)


@pytest.mark.parametrize('principal_id', ['eve', '', 'Bob', 'bob '])
def test_an_unknown_principal_is_an_error_and_no_fallback(
        registry, principal_id):
    with pytest.raises(PrincipalLookupError):
        ZopeSecurity().adopt(principal_id, None).__enter__()
    assert vars(thread_local) == {}


def test_an_interaction_without_participation_is_trusted_with_everything():
    # This is why "nobody" may not be an interaction of nobody.
    newInteraction()
    assert checkPermission('approve', None)
    endInteraction()
    setSecurityPolicy(ParanoidSecurityPolicy)
    newInteraction()
    assert checkPermission('anything', None)


def test_nobody_is_refused_where_no_unauthenticated_principal_is(registry):
    registry._clear()
    with pytest.raises(PrincipalLookupError, match='no principalId.*has no '
                                                   'unauthenticated'):
        ZopeSecurity().adopt(None, None).__enter__()
    assert vars(thread_local) == {}


@pytest.mark.parametrize('given', ['alice', None])
def test_a_utility_that_gives_another_principal_is_not_believed(
        registry, monkeypatch, given):
    other = given and registry.getPrincipal(given)
    monkeypatch.setattr(registry, 'getPrincipal', lambda id: other)
    with pytest.raises(PrincipalLookupError, match=f"'bob'.*gave {given!r}"):
        ZopeSecurity().adopt('bob', None).__enter__()


def test_the_system_user_is_adopted_only_by_its_name(registry):
    setSecurityPolicy(ParanoidSecurityPolicy)
    with ZopeSecurity().adopt(system_user.id, None):
        assert checkPermission('anything', None)
    with ZopeSecurity().adopt('bob', None):
        assert not checkPermission('anything', None)


def test_whom_the_utility_finds_does_not_depend_on_who_asks(
        registry, request_of_alice, monkeypatch):
    asking = []

    def find(id, found=registry.getPrincipal):
        asking.append(who())
        return found(id)

    monkeypatch.setattr(registry, 'getPrincipal', find)
    with ZopeSecurity().adopt('bob', None):
        pass
    assert asking == [None]


def test_the_utility_of_the_current_site_is_asked(registry):
    local = PrincipalRegistry()
    local.definePrincipal('carol', 'Carol', login='carol')
    components = Components(bases=(getGlobalSiteManager(),))
    components.registerUtility(local, IAuthentication)

    class Site:
        def getSiteManager(self):
            return components

    adapter = ZopeSecurity()
    hooks.setHooks()
    try:
        with hooks.site(Site()), adapter.adopt('carol', None):
            assert who() == ['carol']
        with pytest.raises(PrincipalLookupError):
            adapter.adopt('carol', None).__enter__()
    finally:
        hooks.resetHooks()


def test_it_is_ready_where_there_is_a_utility(registry):
    ZopeSecurity().ready()


def test_it_is_not_ready_where_there_is_none():
    with pytest.raises(PrincipalsMissing, match='IAuthentication.*load the '
                                                'configuration'):
        ZopeSecurity().ready()
    with pytest.raises(PrincipalsMissing):
        ZopeSecurity().adopt('bob', None).__enter__()


@pytest.mark.parametrize('missing', [
    'zope.authentication.interfaces', 'zope.component',
    'zope.security.management'])
def test_without_the_extra_the_import_names_it(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, 'zodbschedule.zope_security')
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError) as caught:
        importlib.import_module('zodbschedule.zope_security')
    assert "pip install 'zodbschedule[security]'" in str(caught.value)
    assert missing in str(caught.value)
    assert caught.value.name == missing


# -- What was there before ---------------------------------------------------


@pytest.mark.parametrize('error', [
    None, ValueError, StopIteration, GeneratorExit, KeyboardInterrupt,
    SystemExit, ConflictError])
def test_the_interaction_always_ends_and_the_error_goes_through(
        registry, error):
    if error is None:
        with ZopeSecurity().adopt('bob', None):
            pass
    else:
        raised = error()
        with pytest.raises(error) as caught:
            with ZopeSecurity().adopt('bob', None):
                raise raised
        assert caught.value is raised
    assert vars(thread_local) == {}


@pytest.mark.parametrize('error', [None, ValueError, SystemExit])
def test_the_interaction_of_a_request_is_put_back(
        request_of_alice, error):
    try:
        with ZopeSecurity().adopt('bob', None):
            assert who() == ['bob']
            if error:
                raise error
    except (ValueError, SystemExit):
        pass
    assert getInteraction() is request_of_alice
    assert who() == ['alice']
    assert vars(thread_local) == {'interaction': request_of_alice}


def test_it_is_put_back_if_the_principal_is_unknown(request_of_alice):
    with pytest.raises(PrincipalLookupError):
        ZopeSecurity().adopt('eve', None).__enter__()
    assert getInteraction() is request_of_alice


def test_it_is_put_back_if_the_policy_fails(request_of_alice):
    def broken(*participations):
        raise RuntimeError('no policy')

    setSecurityPolicy(broken)
    with pytest.raises(RuntimeError, match='no policy'):
        ZopeSecurity().adopt('bob', None).__enter__()
    assert getInteraction() is request_of_alice


def end():
    endInteraction()


def end_twice():
    endInteraction()
    endInteraction()


def end_and_restore():
    endInteraction()
    restoreInteraction()


def another():
    endInteraction()
    newInteraction()


def another_and_fail():
    another()
    raise ValueError


meddling = pytest.mark.parametrize(
    'meddle', [end, end_twice, end_and_restore, another, another_and_fail])


@meddling
def test_it_is_put_back_whatever_the_task_does_with_interactions(
        request_of_alice, meddle):
    try:
        with ZopeSecurity().adopt('bob', None):
            meddle()
    except ValueError:
        pass
    assert vars(thread_local) == {'interaction': request_of_alice}


@meddling
def test_where_none_was_there_is_none_whatever_the_task_does(
        registry, meddle):
    try:
        with ZopeSecurity().adopt('bob', None):
            meddle()
    except ValueError:
        pass
    assert vars(thread_local) == {}


def test_a_task_cannot_restore_the_interaction_of_the_caller(
        request_of_alice):
    endInteraction()  # as a caller does who wants none for a while
    with ZopeSecurity().adopt('bob', None):
        restoreInteraction()
        assert who() is None
    assert who() is None
    restoreInteraction()
    assert getInteraction() is request_of_alice


def test_the_caller_cannot_restore_the_interaction_of_a_task(registry):
    with ZopeSecurity().adopt('bob', None):
        pass
    restoreInteraction()
    assert who() is None


def test_one_may_be_adopted_inside_another(registry):
    adapter = ZopeSecurity()
    with adapter.adopt('alice', None):
        outer = getInteraction()
        with adapter.adopt('bob', None):
            assert who() == ['bob']
        assert getInteraction() is outer
        with pytest.raises(PrincipalLookupError):
            adapter.adopt('eve', None).__enter__()
        assert getInteraction() is outer
    assert who() is None


# -- Threads and contexts ----------------------------------------------------


def in_threads(*calls):
    """Make the calls in a thread each, at once; what they raised, if any."""
    raised = []

    def guarded(call):
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(call,))
               for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return raised


def test_two_threads_with_one_adapter_do_not_see_each_other(registry):
    adapter = ZopeSecurity()
    barrier = threading.Barrier(2)
    seen = {}

    def as_principal(id):
        def run():
            with adapter.adopt(id, None):
                barrier.wait(PATIENCE)
                seen[id] = who(), checkPermission('approve', None)
                barrier.wait(PATIENCE)
            seen[id] += who(),
        return run

    assert in_threads(as_principal('alice'), as_principal('bob')) == []
    assert seen == {'alice': (['alice'], False, None),
                    'bob': (['bob'], True, None)}


def test_a_thread_that_a_task_starts_has_no_interaction(registry):
    with ZopeSecurity().adopt('bob', None):
        [error] = in_threads(lambda: checkPermission('approve', None))
    assert isinstance(error, NoInteraction)


def test_it_can_be_adopted_and_seen_in_a_copied_context(registry):
    adapter = ZopeSecurity()
    variable = ContextVar('variable', default='before')

    def adopt():
        with adapter.adopt('bob', None):
            variable.set('inside')
            assert copy_context().run(who) == ['bob']
            return who(), variable.get()

    assert copy_context().run(adopt) == (['bob'], 'inside')
    assert who() is None
    assert variable.get() == 'before'


def test_it_may_end_in_another_context_than_it_began_in(
        request_of_alice):
    adopted = ZopeSecurity().adopt('bob', None)
    copy_context().run(adopted.__enter__)
    assert who() == ['bob']
    copy_context().run(adopted.__exit__, None, None, None)
    assert getInteraction() is request_of_alice


# -- Through Schedule.process ------------------------------------------------


class Journal(PersistentMapping):
    """What tasks write to; says as whom it is read for a commit."""

    _v_pickled_as = None

    def __getstate__(self):
        self._v_pickled_as = who()
        return super().__getstate__()


class Series(Task):
    """Notes as whom each of its methods is called."""

    def __init__(self, journal, **options):
        super().__init__(NOON, **options)
        self.journal = journal

    def __call__(self):
        self.journal['call'] = who()

    def schedule(self):
        self.journal['schedule'] = who()


def write(journal, key='done'):
    journal[key] = who()


def tighten(journal):
    journal['done'] = who()
    journal._p_jar.root()['schedule'].principals = 'zope.security'


def loosen(journal):
    journal['done'] = who()
    withdraw()


def approve(journal):
    journal['done'] = who()
    if not checkPermission('approve', journal):
        raise Unauthorized


def write_and_raise(journal, error):
    journal['done'] = who()
    raise error


def write_in_hook(journal):
    def hook():
        journal['hook'] = who()

    journal['done'] = who()
    journal._p_jar.transaction_manager.get().addBeforeCommitHook(hook)


def write_and_end(journal):
    journal['done'] = who()
    end_twice()


#: in which interactions `conflict_at_first` was called
interactions = []


def conflict_at_first(journal):
    interactions.append(getInteraction())
    journal['done'] = who()
    if len(interactions) == 1:
        raise ConflictError


#: where two threads wait for each other, inside of their runs
meeting = threading.Barrier(2)


def meet_and_write(journal):
    meeting.wait(PATIENCE)
    journal['done'] = who()
    journal['may'] = checkPermission('approve', journal)
    meeting.wait(PATIENCE)


@pytest.fixture
def db(tmp_path):
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    yield db
    db.close()


@pytest.fixture
def root(db):
    connection = db.open()
    root = connection.root()
    root['schedule'] = Schedule(principals='zope.security')
    root['journal'] = Journal()
    transaction.commit()
    yield root
    transaction.abort()
    connection.close()


@pytest.fixture
def schedule(root):
    return root['schedule']


@pytest.fixture
def journal(root):
    return root['journal']


@pytest.fixture
def able(registry):
    """This process can run tasks with zope.security."""
    principals.register(ZopeSecurity())


def call(root, func, *args, principalId='bob', time=NOON):
    task = root['schedule'].schedule(CallTask(
        func, (root['journal'], *args), time=time, principalId=principalId))
    transaction.commit()
    return task


def test_a_schedule_records_what_its_tasks_need(db, root):
    with db.transaction() as connection:
        assert connection.root()['schedule'].principals == 'zope.security'


def test_a_task_is_called_and_asked_for_the_next_as_its_principal(
        able, schedule, journal):
    schedule.schedule(Series(journal, principalId='bob'))
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    assert dict(journal) == {'call': ['bob'], 'schedule': ['bob']}
    assert vars(thread_local) == {}


def test_each_task_of_a_pass_runs_as_its_own_principal(
        able, root, schedule, journal):
    for id in ('alice', 'bob', None):
        call(root, write, str(id), principalId=id)
    assert schedule.process(NOON).succeeded == 3
    assert dict(journal) == {
        'alice': ['alice'], 'bob': ['bob'], 'None': ['anybody']}


def test_a_task_may_do_what_its_principal_may(able, root, schedule, journal):
    call(root, approve)
    assert schedule.process(NOON).succeeded == 1
    assert journal['done'] == ['bob']


@pytest.mark.parametrize('principal_id', ['alice', None])
def test_a_task_may_not_do_what_its_principal_may_not(
        able, root, schedule, journal, principal_id):
    call(root, approve, principalId=principal_id)
    assert schedule.process(NOON).failed == 1
    [entry] = schedule.parked
    assert 'Unauthorized' in entry.reason
    assert dict(journal) == {}


def test_a_task_of_an_unknown_principal_is_parked_and_never_called(
        able, root, schedule, journal, request):
    request.getfixturevalue('request_of_alice')
    task = call(root, write, principalId='eve')
    good = call(root, write, 'good')
    tally = schedule.process(NOON)
    assert (tally.failed, tally.succeeded) == (1, 1)
    [entry] = schedule.parked
    assert entry.task is task
    assert entry.principalId == 'eve'
    assert entry.reason.endswith('PrincipalLookupError: eve')
    assert 'getPrincipal' in entry.traceback
    assert dict(journal) == {'good': ['bob']}
    assert good not in schedule
    assert who() == ['alice']


def test_a_parked_task_runs_when_its_principal_is_known(
        able, registry, root, schedule, journal):
    call(root, write, principalId='eve')
    schedule.process(NOON)
    registry.definePrincipal('eve', 'Eve', login='eve')
    [entry] = schedule.parked
    schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    assert journal['done'] == ['eve']


def test_a_task_of_nobody_is_parked_where_there_is_no_such_principal(
        able, registry, root, schedule, journal):
    registry._clear()
    call(root, write, principalId=None)
    assert schedule.process(NOON).failed == 1
    [entry] = schedule.parked
    assert 'no unauthenticated principal' in entry.reason
    assert dict(journal) == {}


@pytest.mark.parametrize('error', [ValueError, StopIteration])
def test_the_interaction_ends_after_a_failure(
        able, root, schedule, journal, error):
    call(root, write_and_raise, error)
    assert schedule.process(NOON).failed == 1
    assert vars(thread_local) == {}
    assert dict(journal) == {}


@pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt])
def test_the_interaction_ends_when_the_process_is_told_to(
        able, root, schedule, journal, error):
    task = call(root, write_and_raise, error)
    with pytest.raises(error):
        schedule.process(NOON)
    assert vars(thread_local) == {}
    assert task in schedule
    assert dict(journal) == {}


@pytest.mark.parametrize('func', [write, write_and_end])
def test_the_interaction_of_the_request_that_processes_is_put_back(
        able, root, schedule, journal, request, func):
    interaction = request.getfixturevalue('request_of_alice')
    call(root, func)
    call(root, write_and_raise, ValueError)
    tally = schedule.process(NOON)
    assert (tally.succeeded, tally.failed) == (1, 1)
    assert journal['done'] == ['bob']
    assert getInteraction() is interaction


def test_a_run_is_committed_inside_the_interaction(
        able, root, schedule, journal):
    call(root, write_in_hook)
    assert schedule.process(NOON).succeeded == 1
    assert dict(journal) == {'done': ['bob'], 'hook': ['bob']}
    assert journal._v_pickled_as == ['bob']


def test_a_run_that_conflicts_is_tried_again_in_a_new_interaction(
        able, root, schedule, journal):
    interactions.clear()
    call(root, conflict_at_first)
    assert schedule.process(NOON).succeeded == 1
    first, second = interactions
    assert first is not second
    assert journal['done'] == ['bob']
    assert vars(thread_local) == {}


def test_a_conflict_while_the_principal_is_looked_up_is_tried_again(
        able, registry, root, schedule, journal, monkeypatch):
    asked = []

    def find(id, found=registry.getPrincipal):
        asked.append(id)
        if len(asked) == 1:
            raise ConflictError
        return found(id)

    monkeypatch.setattr(registry, 'getPrincipal', find)
    call(root, write)
    assert schedule.process(NOON).succeeded == 1
    assert asked == ['bob', 'bob']
    assert journal['done'] == ['bob']


def test_two_threads_run_as_different_principals_at_once(able, db, root):
    for id in ('alice', 'bob'):
        root[id] = PersistentMapping(
            schedule=Schedule(principals='zope.security'), journal=Journal())
        call(root[id], meet_and_write, principalId=id)

    def process(id):
        def run():
            manager = transaction.TransactionManager()
            connection = db.open(manager)
            try:
                schedule = connection.root()[id]['schedule']
                assert schedule.process(NOON).succeeded == 1
                assert vars(thread_local) == {}
            finally:
                manager.abort()
                connection.close()
        return run

    meeting.reset()
    assert in_threads(process('alice'), process('bob')) == []
    transaction.begin()
    assert dict(root['alice']['journal']) == {
        'done': ['alice'], 'may': False}
    assert dict(root['bob']['journal']) == {'done': ['bob'], 'may': True}


def test_tasks_are_processed_in_a_copied_context(
        able, root, schedule, journal):
    call(root, write)
    assert copy_context().run(schedule.process, NOON).succeeded == 1
    assert journal['done'] == ['bob']


# -- A process that cannot ---------------------------------------------------


def assert_refused_untouched(db, schedule, journal, **expected):
    """`process()` refuses; and not a byte is written."""
    before = db.storage.getSize(), db.lastTransaction()
    with pytest.raises(PrincipalsMissing, **expected):
        schedule.process(NOON)
    assert (db.storage.getSize(), db.lastTransaction()) == before
    assert len(schedule.parked) == 0
    assert dict(journal) == {}


def test_a_process_without_the_adapter_refuses_to_run(
        registry, db, root, schedule, journal):
    task = call(root, write)
    assert_refused_untouched(
        db, schedule, journal, match="'zope.security'.*knows: 'plain'")
    assert list(schedule) == [task]


def test_a_process_without_the_adapter_may_look_cancel_and_discard(
        able, root, schedule, journal):
    call(root, write, principalId='eve')
    schedule.process(NOON)
    late = call(root, write)
    later = call(root, write, time=NOON + timedelta(hours=1))
    principals.unregister('zope.security')
    with pytest.raises(PrincipalsMissing):
        schedule.process(NOON)
    assert list(schedule) == [late, later]
    assert list(schedule.getTaskTimes()) == [late.time, later.time]
    assert late in schedule
    assert schedule.overdue(NOON + timedelta(hours=2)) == timedelta(hours=2)
    schedule.unschedule(late)
    [entry] = schedule.parked
    schedule.discard(entry)
    more = call(root, write, time=NOON + timedelta(days=1))
    assert list(schedule) == [later, more]
    assert list(schedule.parked) == []
    principals.register(ZopeSecurity())
    assert schedule.process(later.time).succeeded == 1


def test_a_process_without_a_utility_refuses_and_parks_nothing(
        able, db, root, schedule, journal):
    task = call(root, write)
    withdraw()
    assert_refused_untouched(db, schedule, journal, match='IAuthentication')
    assert list(schedule) == [task]


def test_a_process_that_cannot_refuses_even_if_nothing_is_due(
        db, schedule, journal):
    assert_refused_untouched(db, schedule, journal)


def test_a_schedule_that_asks_for_more_in_the_middle_of_a_pass_gets_it(
        able, root, schedule, journal):
    schedule.principals = 'plain'
    call(root, tighten)
    task = call(root, write, 'second', principalId='eve')
    with pytest.raises(PrincipalsMissing):
        schedule.process(NOON)
    assert 'done' in journal and 'second' not in journal
    assert list(schedule) == [task]
    assert not schedule.claims
    assert schedule.process(NOON).failed == 1


def test_a_utility_that_goes_away_in_the_middle_of_a_pass_parks_nothing(
        able, root, schedule, journal):
    call(root, loosen)
    task = call(root, write, 'second')
    with pytest.raises(PrincipalsMissing):
        schedule.process(NOON)
    assert 'second' not in journal
    assert list(schedule) == [task] and not schedule.parked
