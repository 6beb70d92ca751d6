"""Tasks that call something with an object of the site."""

import ast
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import zope.event
from AccessControl import getSecurityManager
from AccessControl.class_init import InitializeClass
from AccessControl.SecurityInfo import ClassSecurityInfo
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.unauthorized import Unauthorized
from AccessControl.users import nobody
from AccessControl.users import system
from conftest import make_site
from conftest import seen
from DateTime import DateTime
from OFS.Folder import Folder
from OFS.SimpleItem import SimpleItem
from zope.globalrequest import getRequest

from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import InvalidTime
from zodbschedule.interfaces import RunEnded
from zodbschedule.zope import ContextTask
from zodbschedule.zope import call
from zodbschedule.zope import context_task as module
from zodbschedule.zope import contexts
from zodbschedule.zope import get_schedule
from zodbschedule.zope import users


class Document(SimpleItem):
    """Has an id of its own that moves with it, as content of Plone has."""

    meta_type = 'Folder'  # that may be moved and copied
    security = ClassSecurityInfo()
    uuid = None
    language = ''

    def __init__(self, id, uuid=None):
        self.id = id
        self.uuid = uuid

    @security.protected('Manage properties')
    def publish(self, *args, **kwargs):
        """Only some may."""
        seen.append((self.getId(), args, kwargs))

    #: a generator function, whose work nobody would do
    steps = ast.walk

    @security.protected('View')
    def give(self, number):
        """Takes one argument."""

    @security.private
    def hidden(self):
        """Nobody may, from restricted code."""


InitializeClass(Document)


def note(context, *args, **kwargs):
    seen.append((context.absolute_url_path(), args, kwargs,
                 getSecurityManager().getUser().getId()))


def generous(context, number):
    """Takes the object and one argument."""


def tell_language(context):
    request = getRequest()
    seen.append((request.get('LANGUAGE'),
                 request.environ.get('HTTP_ACCEPT_LANGUAGE'),
                 request.locale.id.language))


class Catalog(SimpleItem):
    """Finds what has an id by its path."""

    id = 'portal_catalog'
    paths = ()

    def unrestrictedSearchResults(self, UID):
        return [self] * bool(self.paths)

    def getPath(self):
        return self.paths[0]


@pytest.fixture
def document(site):
    site._setObject('folder', Folder('folder'))
    site.folder._setObject('doc', Document('doc'))
    transaction.commit()
    return site.folder.doc


@pytest.fixture
def uuids(monkeypatch):
    """Documents have UUIDs."""
    monkeypatch.setattr(
        contexts, 'IUUID', lambda context, default: getattr(
            context, 'uuid', default))


@pytest.fixture(autouse=True)
def manager(site, clock):
    newSecurityManager(None, system)


@pytest.fixture
def process(schedule, clock):
    def process(task=None):
        if task is not None:
            schedule.schedule(task)
        transaction.commit()
        return schedule.process(clock.now())

    return process


SYSTEM = {'principalId': users.SYSTEM}


class TestCalling:

    def test_a_function_is_called_with_the_object(self, document, process):
        task = ContextTask(document, note, [1], {'x': 2}, **SYSTEM)
        assert task.description == (
            'test_context_task.note of folder/doc')
        assert process(task).succeeded == 1
        assert seen == [('/site/folder/doc', (1,), {'x': 2}, None)]

    def test_also_by_its_dotted_name(self, document, process):
        assert process(ContextTask(
            document, 'test_context_task.note', **SYSTEM)).succeeded == 1
        assert len(seen) == 1

    def test_a_method_is_called_by_its_name(self, document, process):
        task = ContextTask(document, 'publish', [1], {'x': 2}, **SYSTEM)
        assert task.description == 'publish of folder/doc'
        assert process(task).succeeded == 1
        assert seen == [('doc', (1,), {'x': 2})]

    def test_a_description_of_its_own(self, document):
        task = ContextTask(document, note, description='what for')
        assert task.description == 'what for'

    @pytest.mark.parametrize('func', ['nothing', 'id', '_p_deactivate'])
    def test_what_is_no_method_is_refused(self, document, func):
        with pytest.raises(InvalidTask, match='has no public method'):
            ContextTask(document, func)

    @pytest.mark.parametrize('func', ['steps', ast.walk])
    def test_what_does_not_do_its_work_is_refused(self, document, func):
        with pytest.raises(InvalidTask, match='is a generator function'):
            call(document, func)

    @pytest.mark.parametrize('func, args, problem', [
        (generous, (), "missing a required argument: 'number'"),
        (generous, (1, 2), 'too many positional arguments'),
        ('give', (), "missing a required argument: 'number'"),
        ('give', (1, 2), 'too many positional arguments')])
    def test_arguments_that_it_does_not_take_are_refused(
            self, document, func, args, problem):
        with pytest.raises(InvalidTask, match=problem):
            call(document, func, *args)

    @pytest.mark.parametrize('func', [generous, 'give'])
    def test_those_that_it_takes_follow_the_object(
            self, document, process, func):
        assert process(ContextTask(
            document, func, [1], **SYSTEM)).succeeded == 1

    def test_a_text_is_no_list_of_arguments(self, document):
        with pytest.raises(InvalidTask, match="^args is 'abc'"):
            ContextTask(document, note, 'abc')

    def test_a_bound_method_is_refused(self, document):
        with pytest.raises(InvalidTask, match='pass its name'):
            ContextTask(document, document.publish)

    def test_what_has_no_path_is_refused(self):
        with pytest.raises(InvalidTask, match='not an object of a site'):
            ContextTask(object(), note)

    def test_nothing_of_the_object_is_stored(self, document, schedule):
        task = schedule.schedule(ContextTask(document, note))
        transaction.commit()
        assert task.path == 'folder/doc'
        assert all(isinstance(value, (str, int, tuple, type(None)))
                   for value in vars(task).values())


class TestPlaces:
    """The path is one in the site."""

    def test_the_site_itself(self, site, process):
        task = ContextTask(site, note, **SYSTEM)
        assert task.description == 'test_context_task.note of the site'
        assert process(task).succeeded == 1
        assert seen[0][0] == '/site'

    def test_in_a_renamed_site_it_is_the_same_object(
            self, app, document, schedule, process):
        schedule.schedule(ContextTask(document, note, **SYSTEM))
        transaction.commit()
        app.manage_renameObject('site', 'other')
        schedule.resume()
        assert process().succeeded == 1
        assert seen[0][0] == '/other/folder/doc'

    def test_in_a_copy_it_is_that_of_the_copy(
            self, app, document, schedule, clock):
        schedule.schedule(ContextTask(document, note, **SYSTEM))
        transaction.commit()
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        [name] = [name for name in app.objectIds() if 'copy' in name]
        copy = get_schedule(app._getOb(name))
        copy.resume()
        transaction.commit()
        assert copy.process(clock.now()).succeeded == 1
        assert [one[0] for one in seen] == [f'/{name}/folder/doc']

    def test_without_a_schedule_above_it_is_refused(self, app, schedule):
        site = make_site(app, 'plain')
        with pytest.raises(InvalidTask, match='no site above /plain has a '):
            ContextTask(site, note, **SYSTEM)


class TestPermission:

    @pytest.fixture
    def joe(self, site):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        transaction.commit()
        return {'principalId': 'acl_users:joe'}

    def test_who_may_not_view_it_does_nothing_with_it(
            self, document, process, schedule, joe):
        document.manage_permission('View', ['Manager'])
        assert process(ContextTask(document, note, **joe)).failed == 1
        assert seen == []
        [entry] = schedule.parked
        assert 'may not view folder/doc' in entry.reason

    def test_who_may_may(self, document, process, joe):
        assert process(ContextTask(document, note, **joe)).succeeded == 1

    def test_a_method_asks_for_its_own_permission(
            self, document, process, joe):
        assert process(ContextTask(document, 'publish', **joe)).failed == 1
        document.manage_permission('Manage properties', ['Authenticated'])
        assert process(ContextTask(document, 'publish', **joe)).succeeded == 1
        assert len(seen) == 1

    def test_a_private_one_is_called_by_nobody(
            self, document, process, joe):
        assert process(ContextTask(document, 'hidden', **joe)).failed == 1


class TestGone:

    def test_it_is_parked(self, document, process, schedule):
        task = ContextTask(document, note, **SYSTEM)
        document.aq_parent._delObject('doc')
        assert process(task).failed == 1
        [entry] = schedule.parked
        assert entry.reason == 'folder/doc is gone'

    def test_or_cancelled(
            self, document, process, schedule, caplog, monkeypatch):
        caplog.set_level('INFO')
        task = ContextTask(document, note, gone='cancel', **SYSTEM)
        document.aq_parent._delObject('doc')
        events = []
        monkeypatch.setattr(zope.event, 'subscribers', [events.append])
        process(task)
        assert not list(schedule.parked)
        assert not list(schedule)
        assert 'is cancelled: folder/doc is gone' in caplog.text
        [outcome] = schedule.history
        [event] = [each for each in events if isinstance(each, RunEnded)]
        for told in outcome, event:
            assert (told.outcome, told.error) == (
                'cancelled', 'folder/doc is gone')

    def test_anything_else_is_refused(self, document):
        with pytest.raises(InvalidTask, match="'park', 'cancel'"):
            ContextTask(document, note, gone='away')

    def test_without_a_uuid_the_path_tells(self, document, process):
        task = ContextTask(document, note, **SYSTEM)
        folder = document.aq_parent
        folder._delObject('doc')
        folder._setObject('doc', Document('doc'))
        assert process(task).succeeded == 1


@pytest.mark.usefixtures('uuids')
class TestUuid:

    @pytest.fixture
    def task(self, document):
        document.uuid = 'a'
        transaction.commit()
        return ContextTask(document, note, **SYSTEM)

    @pytest.fixture
    def catalog(self, site, document):
        site._setObject('portal_catalog', Catalog())
        return site.portal_catalog

    def test_the_object_is_found_by_its_path(self, task, process):
        assert process(task).succeeded == 1
        assert seen[0][0] == '/site/folder/doc'

    def test_moved_it_is_found_by_the_catalog(
            self, site, task, process, catalog):
        site.folder.manage_renameObject('doc', 'moved')
        catalog.paths = ['/site/folder/moved']
        assert process(task).succeeded == 1
        assert seen[0][0] == '/site/folder/moved'

    def test_another_at_its_path_is_not_taken_for_it(
            self, site, task, process, schedule):
        site.folder._delObject('doc')
        site.folder._setObject('doc', Document('doc', 'b'))
        assert process(task).failed == 1
        [entry] = schedule.parked
        assert 'no object with the UUID a' in entry.reason

    @pytest.mark.parametrize('path', ['/site/folder/x', '/site/folder/doc'])
    def test_a_catalog_that_lies_is_not_believed(
            self, site, task, process, catalog, path):
        site.folder.doc.uuid = 'b'
        catalog.paths = [path]
        assert process(task).failed == 1

    def test_a_copy_is_another_object(self, site, task, process, catalog):
        site.folder.manage_pasteObjects(
            site.folder.manage_copyObjects(['doc']))
        [copy] = [name for name in site.folder.objectIds() if 'copy' in name]
        site.folder._getOb(copy).uuid = 'b'
        assert process(task).succeeded == 1
        assert seen[0][0] == '/site/folder/doc'


class TestLanguage:

    @pytest.mark.parametrize('own, given, expected', [
        ('', None, (None, None)), ('de', None, ('de', 'de')),
        ('de', 'fr', ('fr', 'fr')), ('', 'fr', ('fr', 'fr'))])
    def test_the_request_asks_for_that_of_the_object(
            self, document, process, own, given, expected):
        document.language = own
        assert process(ContextTask(
            document, tell_language, language=given, **SYSTEM)).succeeded == 1
        assert seen[0][:2] == expected
        assert seen[0][2] == expected[0]

    def test_what_plone_has_found_out_before_is_set_right(
            self, document, monkeypatch):
        class Tool:
            LANGUAGE = 'en'

        from zodbschedule.zope.environment import make_request
        request = make_request(
            document.getPhysicalRoot(), get_schedule(document))
        request['LANGUAGE_TOOL'] = Tool()
        module.set_language(request, 'fr')
        assert request['LANGUAGE_TOOL'].LANGUAGE == 'fr'


class TestCall:

    def test_it_is_scheduled_as_the_current_user(
            self, document, login, schedule, process):
        login('jane')
        task = call(document, note, 1, kwargs={'x': 2}, key='k')
        assert task.principalId == 'acl_users:jane'
        assert task in schedule
        assert task.key == 'k'
        assert process().succeeded == 1
        assert seen == [('/site/folder/doc', (1,), {'x': 2}, 'jane')]

    def test_who_may_not_schedule_is_refused(
            self, site, document, schedule, login):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        login('joe')
        with pytest.raises(Unauthorized, match='Schedule tasks'):
            call(document, note)
        newSecurityManager(None, nobody.__of__(site.acl_users))
        with pytest.raises(Unauthorized):
            call(document, note)
        assert not list(schedule)
        site.manage_permission('zodbschedule: Schedule tasks', ['Anonymous'])
        assert call(document, note).principalId is None

    def test_who_may_schedule_for_an_object_may_do_so(
            self, site, document, login):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        site._addRole('Editor')
        site.manage_permission('zodbschedule: Schedule tasks', ['Editor'])
        document.manage_setLocalRoles('joe', ['Editor'])
        login('joe')
        assert call(document, note).principalId == 'acl_users:joe'
        with pytest.raises(Unauthorized, match='Schedule tasks'):
            call(site, note)

    def test_trusted_code_schedules_whoever_the_user_is(
            self, site, document, login):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        login('joe')
        assert call(document, note, trusted=True).principalId == \
            'acl_users:joe'
        assert call(document, 'test_context_task.note', trusted=True,
                    principalId='acl_users:jane').principalId == \
            'acl_users:jane'

    def test_as_another_only_who_may_schedule_as_others(
            self, site, document, login):
        site.acl_users._doAddUser('joe', 'secret', ['Editor'], [])
        site._addRole('Editor')
        site.manage_permission(
            'zodbschedule: Schedule tasks', ['Editor', 'Manager'])
        login('joe')
        assert call(document, note).principalId == 'acl_users:joe'
        assert call(document, note, principalId='acl_users:joe').principalId \
            == 'acl_users:joe'
        for other in 'acl_users:jane', None, users.SYSTEM:
            with pytest.raises(Unauthorized, match='as others'):
                call(document, note, principalId=other)
        login('jane')
        assert call(document, note, principalId='acl_users:joe').principalId \
            == 'acl_users:joe'

    def test_any_function_by_its_name_only_who_may_schedule_as_others(
            self, site, document, login):
        site.acl_users._doAddUser('joe', 'secret', ['Editor'], [])
        site._addRole('Editor')
        site.manage_permission('zodbschedule: Schedule tasks', ['Editor'])
        login('joe')
        assert call(document, 'publish')
        with pytest.raises(Unauthorized, match='as others'):
            call(document, 'os.system')
        login('jane')
        site.manage_permission('zodbschedule: Schedule tasks', ['Manager'])
        assert call(document, 'test_context_task.note')

    def test_a_task_of_another_is_replaced_only_by_who_may_control(
            self, site, document, login, schedule):
        site.acl_users._doAddUser('joe', 'secret', ['Editor'], [])
        site._addRole('Editor')
        site.manage_permission(
            'zodbschedule: Schedule tasks', ['Editor', 'Manager'])
        login('joe')
        call(document, note, 1, key='k')
        own = call(document, note, 2, key='k', duplicate='replace')
        assert list(schedule) == [own]
        login('jane')
        other = call(document, note, 3, key='k', duplicate='replace')
        login('joe')
        with pytest.raises(Unauthorized, match='Control'):
            call(document, note, 4, key='k', duplicate='replace')
        assert call(document, note, 5, key='k', duplicate='keep') is other
        assert list(schedule) == [other]

    def test_a_time_of_zope(self, document):
        task = call(document, note, time=DateTime('2031/05/01 12:00 GMT+2'))
        assert task.time == datetime(2031, 5, 1, 10, tzinfo=UTC)

    def test_a_time_of_zope_without_a_zone_is_refused(self, document):
        with pytest.raises(InvalidTask, match='time zone'):
            call(document, note, time=DateTime('2031-05-01T12:00:00'))

    def test_other_times(self, document, clock):
        at = datetime(2031, 5, 1, tzinfo=UTC)
        assert call(document, note, time=at).time == at
        delay = timedelta(hours=1)
        assert call(document, note, delay=delay).time == clock.now() + delay
        assert call(document, note).time == clock.now()
        with pytest.raises(InvalidTask, match='give one of them'):
            call(document, note, time=at, delay=delay)
        with pytest.raises(InvalidTime):
            call(document, note, time=at.replace(tzinfo=None))

    @pytest.mark.parametrize('options, message', [
        ({'delay': 5}, 'delay is 5; it has to be a timedelta, such as '
                       'timedelta(minutes=5)'),
        ({'time': 5}, 'time is 5; it has to be an aware datetime, such as '
                      'datetime.now(timezone.utc)'),
        ({'expires': 60}, 'expires is 60; it has to be a timedelta above '
                          'zero, or None'),
        ({'retry': 3}, 'retry is 3; it has to be a Retry, or None'),
        ({'language': 49}, "language is 49; it has to be a language code, "
                           "such as 'de', or None"),
    ])
    def test_what_cannot_be_meant_says_what_to_pass(
            self, document, schedule, login, options, message):
        login('jane')
        with pytest.raises(ValueError) as caught:
            call(document, note, **options)
        assert str(caught.value) == message
        assert not list(schedule)

    def test_duplicates(self, document):
        first = call(document, note, key='k')
        with pytest.raises(AlreadyScheduled):
            call(document, note, key='k')
        assert call(document, note, key='k', duplicate='keep') is first

    def test_into_the_nearest_schedule(self, app, document):
        other = make_site(app, 'other')
        with pytest.raises(LookupError):
            call(other, note)
