"""The content rule action "later", in real Plone."""

from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from email import message_from_bytes
from email import policy

import pytest
import transaction
from Acquisition import aq_base
from DateTime import DateTime
from OFS.Folder import Folder
from plone import api
from plone.app.contentrules.rule import Rule
from plone.app.testing import TEST_USER_ID
from plone.app.testing import login
from plone.app.testing import setRoles
from plone.contentrules.engine.assignments import RuleAssignment
from plone.contentrules.engine.interfaces import IRuleAssignmentManager
from plone.contentrules.engine.interfaces import IRuleStorage
from plone.contentrules.rule.interfaces import IExecutable
from plone.contentrules.rule.interfaces import IRuleAction
from plone.dexterity.utils import createContentInContainer
from Products.statusmessages.interfaces import IStatusMessage
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.interface import Invalid
from zope.interface.interfaces import ObjectEvent
from zope.lifecycleevent import modified
from zope.lifecycleevent.interfaces import IObjectModifiedEvent
from zope.schema import ValidationError

from zodbschedule.testing import run_until
from zodbschedule.zope import call
from zodbschedule.zope import uninstall
from zodbschedule.zope.plone.automation.later import ILaterAction
from zodbschedule.zope.plone.automation.later import LaterAction
from zodbschedule.zope.plone.automation.later import LaterEditForm
from zodbschedule.zope.plone.automation.later import instant_of
from zodbschedule.zope.plone.verbs import VERBS


HOUR = timedelta(hours=1)


@pytest.fixture
def portal(functional, clock):
    """A site with a page and a folder, in 2030; a form is being sent."""
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    portal.portal_workflow.setDefaultChain('simple_publication_workflow')
    createContentInContainer(portal, 'Folder', id='folder', title='Folder')
    createContentInContainer(portal, 'Document', id='page', title='Page')
    functional['request'].set('REQUEST_METHOD', 'POST')
    transaction.commit()
    return portal


@pytest.fixture
def tasks(schedule):
    """The tasks of such actions, that wait."""
    return lambda: [each for each in schedule.waiting()
                    if str(each.key).startswith('later:')]


@pytest.fixture
def later(portal, schedule, clock):
    """Execute an action; pass so many hours afterwards."""
    def later(hours=None, **options):
        done = execute(portal, **options)
        transaction.commit()
        if hours is not None:
            run_until(schedule, clock.now() + hours * HOUR)
            portal._p_jar.sync()
        return done

    return later


def action(**options):
    found = LaterAction()
    for name, value in {'wait': '2h', 'transition': 'publish', **options
                        }.items():
        setattr(found, name, value)
    return found


def execute(portal, **options):
    return getMultiAdapter((portal, action(**options), ObjectEvent(
        portal.page)), IExecutable)()


def state(context):
    return api.content.get_state(context)


class TestWhen:

    def test_it_waits_for_a_duration(self, portal, later, tasks):
        assert later(1)
        assert state(portal.page) == 'private'
        [task] = tasks()
        assert task.time == datetime(2030, 1, 1, 2, tzinfo=UTC)
        later(2)
        assert state(portal.page) == 'published'

    @pytest.mark.parametrize('name, attribute', [
        ('effective', 'effective_date'), ('expires', 'expiration_date'),
        ('begins', 'begins')])
    def test_it_waits_until_a_date(
            self, portal, later, tasks, name, attribute):
        setattr(portal.page, attribute, DateTime('2030-02-01T10:00:00+01:00'))
        assert later(until=name, wait='')
        [task] = tasks()
        assert task.time == datetime(2030, 2, 1, 9, tzinfo=UTC)

    def test_it_waits_after_a_date(self, portal, later, tasks):
        portal.page.begins = datetime(2030, 2, 1, tzinfo=UTC)
        assert later(until='begins')
        [task] = tasks()
        assert task.time == datetime(2030, 2, 1, 2, tzinfo=UTC)

    @pytest.mark.parametrize('value', [
        date(2030, 2, 2), datetime(2030, 2, 2)])
    def test_a_date_without_a_zone_is_in_that_of_the_site(self, value):
        assert instant_of(value, 'Asia/Tokyo') == datetime(
            2030, 2, 1, 15, tzinfo=UTC)

    def test_without_the_date_nothing_is_scheduled(
            self, portal, later, tasks, functional):
        assert not later(until='effective')
        assert tasks() == []
        [message] = IStatusMessage(functional['request']).show()
        assert message.type == 'warning'
        assert "it has no date 'effective'" in message.message

    def test_when_it_is_saved_again_it_waits_anew(
            self, portal, later, tasks, clock):
        later()
        clock.advance(HOUR)
        later()
        [task] = tasks()
        assert task.time == datetime(2030, 1, 1, 3, tzinfo=UTC)

    def test_other_actions_have_tasks_of_their_own(self, later, tasks):
        later()
        later(transition='submit')
        assert len(tasks()) == 2


class TestThen:

    def test_what_the_user_may_not_do_is_told(
            self, portal, later, schedule):
        later()
        portal.portal_workflow.doActionFor(portal.page, 'publish')
        later(2)
        assert [(each.outcome, each.error) for each in schedule.history][:1
            ] == [('cancelled', "/plone/page has no transition 'publish' in "
                   "its state 'published', for the user of this task")]

    @pytest.mark.parametrize('uuid', [True, False])
    def test_it_moves(self, portal, later, uuid):
        later(2, verb='move', target_folder=(
            portal.folder.UID() if uuid else '/folder'))
        assert 'page' in portal.folder
        assert 'page' not in portal

    def test_it_does_not_move_what_is_there(self, portal, later, schedule):
        later(2, verb='move', target_folder=portal.folder.UID())
        VERBS['move'](portal.folder.page, '/folder')
        assert 'page' in portal.folder
        assert not list(schedule.parked)

    def test_it_does_not_move_where_the_user_may_not_add(
            self, portal, later, schedule):
        later(verb='move', target_folder='/folder')
        portal.folder.manage_permission('Add portal content', [])
        portal.folder.manage_permission(
            'plone.app.contenttypes: Add Document', [])
        later(2, verb='transition')
        assert 'page' in portal
        [entry] = schedule.parked
        assert 'Insufficient privileges' in entry.reason

    def test_it_does_not_move_out_of_the_site(
            self, functional, portal, later, schedule):
        """As the catalog of a copied site has paths of the original."""
        elsewhere = functional['app']
        elsewhere._setObject('other', Folder('other'))
        catalog = portal.portal_catalog
        catalog.uncatalog_object('/plone/folder')
        catalog.catalog_object(portal.folder, '/other')
        later(2, verb='move', target_folder=portal.folder.UID())
        assert 'page' in portal and not elsewhere.other.objectIds()
        [entry] = schedule.parked
        assert 'is gone' in entry.reason

    def test_a_folder_that_is_gone_is_told(self, portal, later, schedule):
        later(2, verb='move', target_folder='/gone')
        [entry] = schedule.parked
        assert 'the folder /gone is gone' in entry.reason

    def test_it_mails(self, portal, later, monkeypatch):
        mails = []
        monkeypatch.setattr(
            type(aq_base(portal.MailHost)), '_send',
            lambda self, sender, to, text, *rest: mails.append((to, text)))
        api.portal.set_registry_record(
            'plone.email_from_address', 'site@example.org')
        later(2, verb='mail', recipients='a@example.org, b@example.org',
              subject='About ${title}', message='See ${absolute_url}')
        assert len(mails) == 2
        [(_, one), _] = mails
        message = message_from_bytes(one, policy=policy.default)
        assert message['Subject'] == 'About Page'
        assert message.get_content() == 'See http://localhost/plone/page'

    def test_without_a_sender_the_task_is_parked(
            self, portal, later, schedule):
        later(2, verb='mail', recipients='a@example.org', subject='x',
              message='y')
        [entry] = schedule.parked
        assert 'no address that mail is from' in entry.reason


class TestWho:

    def test_it_runs_as_whoever_has_saved(self, later, tasks):
        later()
        [task] = tasks()
        assert task.principalId == f'acl_users:{TEST_USER_ID}'

    def test_who_may_not_schedule_saves_all_the_same(
            self, portal, later, tasks, functional, caplog):
        setRoles(portal, TEST_USER_ID, ['Editor'])
        assert not later()
        assert tasks() == []
        assert 'needs the permission' in caplog.text
        [message] = IStatusMessage(functional['request']).show()
        assert 'needs the permission' in message.message

    def test_whoever_saves_it_next_moves_what_another_has_scheduled(
            self, portal, later, tasks):
        """As an editor, who may not control tasks of others."""
        later()
        portal.manage_permission('zodbschedule: Schedule tasks', ['Editor'])
        portal.acl_users.userFolderAddUser('zoe', 'secret!', ['Editor'], [])
        login(portal, 'zoe')
        assert later()
        [task] = tasks()
        assert task.principalId == 'acl_users:zoe'

    @pytest.mark.parametrize('method', ['GET', 'HEAD'])
    def test_reading_a_page_schedules_nothing(
            self, later, tasks, functional, caplog, method):
        functional['request'].set('REQUEST_METHOD', method)
        assert not later()
        assert tasks() == []
        assert 'only read' in caplog.text

    def test_a_task_that_saves_schedules(self, portal, schedule, tasks):
        call(portal.page, execute_here)
        transaction.commit()
        run_until(schedule, datetime(2030, 1, 1, tzinfo=UTC))
        assert len(tasks()) == 1

    def test_a_task_that_may_not_schedule_is_told_by_the_log(
            self, portal, schedule, tasks, caplog):
        call(portal.page, execute_here, kwargs={'until': 'begins'})
        transaction.commit()
        run_until(schedule, datetime(2030, 1, 1, tzinfo=UTC))
        assert tasks() == []
        assert "no date 'begins'" in caplog.text

    def test_without_a_schedule_nothing_is_lost(self, portal, caplog):
        uninstall(portal)
        assert not execute(portal)
        assert 'schedules nothing for /plone/page' in caplog.text


def execute_here(context, **options):
    execute(api.portal.get(), **options)


class TestRule:

    def test_a_rule_of_the_site_has_it(self, portal, tasks):
        rule = Rule()
        rule.event = IObjectModifiedEvent
        rule.actions.append(action())
        getUtility(IRuleStorage)['later'] = rule
        IRuleAssignmentManager(portal)['later'] = RuleAssignment(
            'later', bubbles=True)
        modified(portal.page)
        assert len(tasks()) == 1

    def test_it_is_added_and_changed_by_forms(self, portal):
        element = getUtility(IRuleAction, name='zodbschedule.later')
        getUtility(IRuleStorage)['rule'] = Rule()
        rule = portal.restrictedTraverse('++rule++rule')
        adding = getMultiAdapter((rule, portal.REQUEST), name='+action')
        form = getMultiAdapter(
            (adding, portal.REQUEST), name=element.addview).form_instance
        form.update()
        form.add(form.create({'wait': '1d', 'verb': 'transition',
                              'transition': 'publish'}))
        [found] = rule.actions
        assert found.options == {'name': 'publish'}
        assert found.summary.mapping == {
            'when': '1d', 'verb': 'transition', 'what': 'publish'}
        edit = getMultiAdapter((found, portal.REQUEST), name='edit')
        assert isinstance(edit.form_instance, LaterEditForm)

    @pytest.mark.parametrize('wrong', [
        {'wait': ''}, {'transition': ''}, {'verb': 'move'}, {'verb': 'mail'}])
    def test_what_is_left_out_is_refused(self, wrong):
        with pytest.raises(Invalid):
            ILaterAction.validateInvariants(action(**wrong))

    def test_what_is_complete_is_taken(self):
        ILaterAction.validateInvariants(action())

    def test_a_duration_has_a_unit(self):
        with pytest.raises(ValidationError):
            ILaterAction['wait'].validate('2 days')
        ILaterAction['wait'].validate('2d')
