"""What tasks find: objects of their own site, and nothing else."""

import pytest
import transaction
import zope.component
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from Acquisition import Explicit
from Acquisition import aq_base
from Acquisition import aq_parent
from conftest import make_site
from conftest import seen
from OFS.Folder import Folder
from OFS.SimpleItem import SimpleItem
from persistent.mapping import PersistentMapping
from Testing.makerequest import makerequest
from ZODB.POSException import POSKeyError
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from zope.interface import Interface
from zope.location.interfaces import LocationError
from zope.publisher.interfaces.browser import IBrowserRequest
from zope.traversing.interfaces import ITraversable

from zodbschedule.interfaces import InvalidTask
from zodbschedule.zope import ContextTask
from zodbschedule.zope import call
from zodbschedule.zope import contexts
from zodbschedule.zope import get_schedule
from zodbschedule.zope import install
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_below
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.users import SYSTEM


class Document(SimpleItem):
    """Has an id of its own that moves with it, as content of Plone has."""

    meta_type = 'Folder'  # that may be moved and copied
    uuid = None
    title = ''

    def __init__(self, id, uuid=None):
        self.id = id
        self.uuid = uuid


class Catalog(SimpleItem):
    """Finds objects by their UUIDs."""

    id = 'portal_catalog'

    def __init__(self):
        self.paths = PersistentMapping()

    def unrestrictedSearchResults(self, UID):
        return [Brain(path) for path in self.paths.get(UID, ())]


class Brain:
    """One result."""

    def __init__(self, path):
        self.path = path

    def getPath(self):
        return self.path


def note(context):
    seen.append(path_of(context))


def change(context):
    context.title = 'changed'
    seen.append(path_of(context))


def fail(context):
    raise ValueError('no')


def tell_site(context):
    request = getRequest()
    seen.append((path_of(getSite()), path_of(request['PUBLISHED']),
                 [path_of(each) for each in request['PARENTS']]))


@pytest.fixture(autouse=True)
def manager(site, clock):
    newSecurityManager(None, system)


@pytest.fixture
def document(site):
    site._setObject('folder', Folder('folder'))
    site.folder._setObject('doc', Document('doc', 'a'))
    site._setObject('portal_catalog', Catalog())
    site.portal_catalog.paths['a'] = ['/site/folder/doc']
    transaction.commit()
    return site.folder.doc


@pytest.fixture
def uuids(monkeypatch):
    """Documents have UUIDs."""
    monkeypatch.setattr(
        contexts, 'IUUID', lambda context, default: getattr(
            aq_base(context), 'uuid', default))


def as_system(context, func=note, **options):
    return ContextTask(context, func, principalId=SYSTEM, **options)


@pytest.fixture
def process(schedule, clock):
    def process(*tasks):
        for task in tasks:
            schedule.schedule(task)
        transaction.commit()
        tally = schedule.process(clock.now())
        schedule._p_jar.sync()
        return tally

    return process


class TestPaths:

    @pytest.mark.parametrize('path, expected', [
        ('/site', ''), ('/site/folder/doc', 'folder/doc'), ('/', None),
        ('/site2/doc', None), ('/other/site/doc', None)])
    def test_a_path_is_below_the_site_or_it_is_none_of_it(
            self, site, path, expected):
        assert path_below(site, path) == expected

    @pytest.mark.parametrize('path', ['/', '/site', '/site/folder/doc'])
    def test_all_is_below_the_root(self, app, document, path):
        found = object_at(app, path_below(app, path))
        assert path_of(found) == path

    @pytest.mark.parametrize('path', [
        'folder/acl_users', 'folder/doc/folder', 'folder/doc/acl_users',
        'folder/site', 'folder/aq_parent', 'folder/getPhysicalRoot',
        'folder/doc/title', 'folder/title', 'folder/..', '../other',
        'folder/doc/++nothing++x', '++x', '@@view'])
    def test_nothing_is_acquired(self, site, document, path):
        assert object_at(site, path) is None

    def test_nor_is_what_a_container_gives_that_is_elsewhere(
            self, app, site, document):
        class Shortcut(Folder):
            def _getOb(self, name, default=None):
                return app.other

        app._setObject('other', Folder('other'))
        site._setObject('shortcut', Shortcut('shortcut'))
        assert object_at(site, 'shortcut/other') is None

    def test_it_may_be_in_another_database(self, app, mounted):
        mounted._setObject('folder', Folder('folder'))
        found = object_at(app, '/mounted/folder')
        assert aq_base(found) is aq_base(mounted.folder)

    def test_what_is_lost_is_not_gone(self, site, document):
        class Damaged(SimpleItem):
            def __getitem__(self, name):
                raise POSKeyError(b'12345678')

        site._setObject('damaged', Damaged('damaged'))
        with pytest.raises(POSKeyError):
            object_at(site, 'damaged/x')


class Notes(Explicit):
    """Something of an object that only traversal finds, as comments are."""

    def getPhysicalPath(self):
        return (*aq_parent(self).getPhysicalPath(), '++notes++all')

    def __getitem__(self, name):
        return aq_parent(self).__annotations__[int(name)].__of__(self)


class NotesOf:
    """Finds them by their namespace."""

    def __init__(self, context, request):
        self.context = context

    def traverse(self, name, remaining):
        if name != 'all':
            raise LocationError(self.context, name)
        return Notes().__of__(self.context)


class Note(SimpleItem):
    """One of them."""

    id = '1'


@pytest.mark.usefixtures('uuids')
class TestTraversal:
    """What has a path that only traversal finds."""

    @pytest.fixture(autouse=True)
    def namespace(self):
        registry = zope.component.getGlobalSiteManager()
        adapter = NotesOf, (Interface, IBrowserRequest), ITraversable, 'notes'
        registry.registerAdapter(*adapter)
        yield
        registry.unregisterAdapter(*adapter)

    @pytest.fixture
    def request_of_test(self, app, site):
        request = makerequest(app).REQUEST
        setRequest(request)
        yield request
        setRequest(None)

    @pytest.fixture
    def comment(self, document):
        document.__annotations__ = {1: Note()}
        transaction.commit()
        return Notes().__of__(document)['1']

    def test_is_found(self, comment, request_of_test, process):
        task = as_system(comment)
        assert task.path == 'folder/doc/++notes++all/1'
        assert process(task).succeeded == 1
        assert seen == ['/site/folder/doc/++notes++all/1']

    def test_also_in_a_script_with_the_request_of_its_root(
            self, app, site, comment, process):
        site = makerequest(app).site
        comment = Notes().__of__(site.folder.doc)['1']
        assert process(as_system(comment)).succeeded == 1

    def test_without_any_request_it_is_refused(self, comment):
        with pytest.raises(InvalidTask, match='would not be found again'):
            as_system(comment)

    @pytest.mark.parametrize('path', [
        '++notes++none', '++notes++all/2', '++notes++all/x'])
    def test_what_is_not_there_is_gone(
            self, site, comment, request_of_test, path):
        assert object_at(site, f'folder/doc/{path}') is None


class TestRefused:
    """What would not be found again is refused when it is scheduled."""

    def test_what_is_not_in_its_container_yet(self, site):
        with pytest.raises(InvalidTask) as caught:
            call(Document('new').__of__(site), note)
        assert str(caught.value) == (
            '<Document at /site/new> would not be found again: its path, '
            '/site/new, does not lead to it; give the object that contains it')

    def test_an_older_version_of_an_object(self, site, document):
        with pytest.raises(InvalidTask, match='would not be found again'):
            call(Document('doc', 'a').__of__(site.folder), note)

    def test_what_acquires_its_path(self, site):
        with pytest.raises(InvalidTask, match='its path, /site/acl_users,'):
            call(site.acl_users.getUser('jane').__of__(site.acl_users), note)

    def test_what_claims_to_be_elsewhere(self, app, site):
        class Liar(SimpleItem):
            def getPhysicalPath(self):
                return '', 'other'

        site._setObject('liar', Liar('liar'))
        with pytest.raises(InvalidTask, match='its path, /other, does not'):
            call(site.liar, note)


    def test_what_is_for_an_object_of_another_site(self, app, site, schedule):
        other = make_site(app, 'other')
        transaction.savepoint()
        install(other)
        with pytest.raises(InvalidTask, match='of another site than /site;'):
            schedule.schedule(as_system(other))
        task = get_schedule(other).schedule(as_system(other))
        assert list(get_schedule(other)) == [task]


@pytest.mark.usefixtures('uuids')
class TestOutside:
    """An object of another site is not found, whoever points to it."""

    @pytest.fixture
    def other(self, app, site, document):
        other = make_site(app, 'other')
        other._setObject('doc', Document('doc', 'a'))
        return other

    @pytest.mark.parametrize('path', ['/other/doc', '/site2/doc', '/'])
    def test_the_catalog(self, site, document, other, process, path):
        task = as_system(document)
        site.folder._delObject('doc')
        site.portal_catalog.paths['a'] = [path]
        assert process(task).failed == 1
        assert seen == []

    def test_the_catalog_of_a_site_above(self, app, site, process):
        app._setObject('portal_catalog', Catalog())
        inner = make_site(site, 'inner')
        inner._setObject('doc', Document('doc', 'a'))
        transaction.savepoint()
        install(inner)
        task = as_system(inner.doc)
        inner._delObject('doc')
        site._setObject('doc', Document('doc', 'a'))
        app.portal_catalog.paths['a'] = ['/site/doc']
        assert task.find(inner) is None
        inner._setObject('moved', Document('moved', 'a'))
        app.portal_catalog.paths['a'].append('/site/inner/moved')
        assert path_of(task.find(inner)) == '/site/inner/moved'

    def test_the_path_of_a_task_that_was_changed(
            self, document, other, process):
        task = as_system(document)
        task.path, task.uuid = '../other/doc', None
        assert process(task).failed == 1


@pytest.mark.usefixtures('uuids')
class TestCopies:
    """In a copy of a site the objects have other UUIDs."""

    @pytest.fixture
    def task(self, schedule, document):
        task = schedule.schedule(as_system(document, change))
        transaction.commit()
        return task

    @pytest.fixture
    def copy(self, app, task):
        """The copy, as Plone makes it: the catalog answers with old paths."""
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        copy = app.copy_of_site
        copy.folder.doc.uuid = 'b'
        copy.portal_catalog.paths['b'] = ['/copy_of_site/folder/doc']
        transaction.commit()
        return copy

    @staticmethod
    def only_task(copy):
        [task] = get_schedule(copy)
        return task

    def test_the_task_of_a_copy_leaves_the_original_alone(
            self, site, copy, clock):
        found = get_schedule(copy)
        found.resume()
        transaction.commit()
        assert found.process(clock.now()).succeeded == 1
        transaction.begin()
        assert seen == ['/copy_of_site/folder/doc']
        assert site.folder.doc.title == ''
        assert copy.folder.doc.title == 'changed'

    def test_before_it_is_resumed_the_path_tells(self, copy):
        task = self.only_task(copy)
        assert task.uuid == 'a'
        assert path_of(task.find(copy, is_copy=True)) == (
            '/copy_of_site/folder/doc')
        assert task.find(copy) is None

    def test_then_the_task_takes_over_the_uuid(self, copy, clock):
        found = get_schedule(copy)
        found.resume()
        assert self.only_task(copy).uuid == 'b'
        assert not found.has_other_uuids
        copy.folder.manage_renameObject('doc', 'moved')
        copy.folder._setObject('doc', Document('doc', 'c'))
        copy.portal_catalog.paths['b'] = ['/copy_of_site/folder/moved']
        transaction.commit()
        assert found.process(clock.now()).succeeded == 1
        assert seen == ['/copy_of_site/folder/moved']

    def test_also_a_task_that_is_parked(
            self, app, site, schedule, document, process):
        process(as_system(document, fail))
        assert len(schedule.parked) == 1
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        app.copy_of_site.folder.doc.uuid = 'b'
        get_schedule(app.copy_of_site).resume()
        [entry] = get_schedule(app.copy_of_site).parked
        assert entry.task.uuid == 'b'
        [entry] = schedule.parked
        assert entry.task.uuid == 'a'

    def test_what_was_scheduled_in_the_copy_keeps_its_own(self, copy):
        found = get_schedule(copy)
        copy.folder._setObject('new', Document('new', 'n'))
        new = found.schedule(as_system(copy.folder.new))
        transaction.savepoint()
        copy.folder.manage_renameObject('new', 'moved')
        copy.folder._setObject('new', Document('new', 'o'))
        copy.portal_catalog.paths['n'] = ['/copy_of_site/folder/moved']
        found.resume()
        assert new.uuid == 'n'
        assert path_of(new.find(copy)) == '/copy_of_site/folder/moved'

    def test_what_has_none_or_is_gone_stays_as_it_is(self, copy):
        found = get_schedule(copy)
        task = self.only_task(copy)
        plain = found.schedule(as_system(copy.folder))
        copy.folder._delObject('doc')
        found.resume()
        assert (task.uuid, plain.uuid) == ('a', None)
        assert not found.has_other_uuids

    def test_a_process_that_knows_no_uuids_leaves_that_to_another(
            self, copy, monkeypatch):
        found = get_schedule(copy)
        with monkeypatch.context() as patch:
            patch.setattr(contexts, 'IUUID', None)
            found.resume()
        assert self.only_task(copy).uuid == 'a'
        assert found.has_other_uuids
        found.resume()
        assert self.only_task(copy).uuid == 'b'

    def test_to_resume_one_task_does_not_do_it(self, copy):
        task = self.only_task(copy)
        get_schedule(copy).resume(task)
        assert task.uuid == 'a'

    def test_a_renamed_site_is_no_copy(self, app, schedule, task):
        app.manage_renameObject('site', 'renamed')
        assert not schedule.has_other_uuids
        app.renamed.folder._delObject('doc')
        app.renamed.folder._setObject('doc', Document('doc', 'b'))
        schedule.resume()
        assert task.uuid == 'a'
        assert task.find(app.renamed) is None

    def test_a_copy_in_a_mounted_database(self, app, mounted):
        site = make_site(mounted, 'there')
        site._setObject('doc', Document('doc', 'a'))
        transaction.savepoint()
        schedule = install(site)
        schedule.schedule(as_system(site.doc))
        transaction.commit()
        mounted.manage_pasteObjects(mounted.manage_copyObjects(['there']))
        copy = mounted.copy_of_there
        copy.doc.uuid = 'b'
        get_schedule(copy).resume()
        assert self.only_task(copy).uuid == 'b'


class TestCurrentSite:

    def test_none_means_the_current_site(self, site, schedule, process):
        setSite(site)
        assert call(None, note).path == ''
        assert process().succeeded == 1
        assert seen == ['/site']

    def test_also_one_without_a_schedule_of_its_own(self, site, process):
        setSite(make_site(site, 'inner'))
        assert call(None, note).path == 'inner'
        assert process().succeeded == 1
        assert seen == ['/site/inner']

    def test_without_one_there_is_nothing_to_call_it_with(self, site):
        setSite(None)
        with pytest.raises(LookupError, match='there is no current site'):
            call(None, note)

    def test_a_run_is_in_the_site_of_the_object(self, site, process):
        site._setObject('folder', Folder('folder'))
        inner = make_site(site.folder, 'inner')
        inner._setObject('doc', Document('doc'))
        assert process(as_system(inner.doc, tell_site)).succeeded == 1
        assert seen == [('/site/folder/inner', '/site/folder/inner/doc', [
            '/site/folder/inner/doc', '/site/folder/inner', '/site/folder',
            '/site', '/'])]
        assert getSite() is None

    def test_the_next_run_is_in_its_own(self, site, process):
        inner = make_site(site, 'inner')
        assert process(as_system(inner, tell_site),
                       as_system(site, tell_site)).succeeded == 2
        assert [where for where, *_ in seen] == ['/site/inner', '/site']
