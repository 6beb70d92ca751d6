"""The control panel "Scheduled tasks" of a Plone site, by a browser."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import transaction
from plone.app.testing import SITE_OWNER_NAME
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from plone.app.testing import applyProfile
from plone.app.testing import login
from plone.app.testing import setRoles
from plone.portlets.interfaces import IPortletAssignment
from plone.testing.zope import Browser
from zope.component import getGlobalSiteManager
from ZPublisher.interfaces import IPubBeforeCommit

from zodbschedule import Cron
from zodbschedule import RRule
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTask
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import contribute
from zodbschedule.zope import contributed
from zodbschedule.zope import get_schedule
from zodbschedule.zope import install
from zodbschedule.zope import uninstall
from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.plone.controlpanel.addresses import PANEL_ACTS
from zodbschedule.zope.plone.controlpanel.addresses import VIEWS


ROLES = {
    None: (), 'Member': (), 'Editor': (),
    'Site Administrator': ('look', 'control'), 'Manager': ('look', 'control')}
LOG_IN = 302, 401
HOUR = timedelta(hours=1)
NAME = 'shop.links'
BULK = {'action': 'cancel'}


def fail():
    raise RuntimeError('nobody opens <b>')


def check(site):
    """Look for broken links."""


@pytest.fixture
def portal(clock, functional):
    portal = functional['portal']
    give(portal, 'Site Administrator')
    return portal


def give(portal, *roles):
    setRoles(portal, TEST_USER_ID, list(roles))
    transaction.commit()


class Panel:
    """A browser of the panel of a site."""

    def __init__(self, app, portal, logged_in=True, script=False):
        self.portal = portal
        self.browser = Browser(app)
        self.browser.raiseHttpErrors = False
        self.browser.followRedirects = False
        if logged_in:
            self.browser.addHeader(
                'Authorization',
                f'Basic {TEST_USER_NAME}:{TEST_USER_PASSWORD}')
        if script:  # it is quicker without the layout
            self.browser.addHeader('HX-Request', 'true')

    def get(self, view='schedule-controlpanel', **query):
        """The status."""
        self.browser.open(f'{self.portal.absolute_url()}/@@{view}' + (
            f'?{urlencode(query)}' if query else ''))
        return self.status

    def post(self, act, *, token=None, **fields):
        """The status; our connection then shows what was done."""
        return self.send(f'schedule-act/{act}', {
            '_authenticator': self.token if token is None else token,
            **fields})

    def send(self, view, fields):
        self.browser.post(f'{self.portal.absolute_url()}/@@{view}',
                          urlencode(fields, doseq=True))
        self.portal._p_jar.sync()
        return self.status

    @property
    def token(self):
        self.get('authenticator/token')
        return self.browser.contents

    @property
    def status(self):
        return int(self.browser.headers['Status'].split()[0])

    @property
    def text(self):
        return self.browser.contents

    @property
    def location(self):
        """Where the answer leads, in the site."""
        return self.browser.headers['Location'].removeprefix(
            f'{self.portal.absolute_url()}/@@')


@pytest.fixture
def panel(functional, portal):
    return Panel(functional['app'], portal)


@pytest.fixture
def script(functional, portal):
    """It asks as a script does, for what a page says alone."""
    return Panel(functional['app'], portal, script=True)


@pytest.fixture
def id(schedule):
    """That of a task that is due in an hour."""
    return add(schedule, description='count the hats')


def add(schedule, function=print, **options):
    task = schedule.call(function, **{'delay': HOUR, **options})
    transaction.commit()
    return task_id(task)


def take(schedule, clock):
    """Let a worker take what is due in an hour."""
    now = clock.now()
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(now))
    turn.exchange(schedule, claim, 9, None, now + HOUR, lambda *_: True)
    transaction.commit()


@pytest.fixture
def links(portal):
    """An add-on contributes a task."""
    contribute(NAME, check, cron='30 2 * * *', title='Look for links',
               description='Asks each one')
    synchronize(portal)
    transaction.commit()
    yield lambda: contributed(portal)[0]
    getGlobalSiteManager().unregisterUtility(
        provided=IContribution, name=NAME)


def addresses(id):
    """Each page, with what its address needs."""
    for view in VIEWS.values():
        yield {'schedule-task': f'{view}/{id}',
               'schedule-bulk': f'{view}?action=cancel'}.get(view, view)


@pytest.fixture
def registered():
    """What requests have registered as changed, before they commit."""
    found = []

    def note(event):
        changed = event.request['PARENTS'][-1]._p_jar._registered_objects
        # The portlets of each page of a Plone do so, too.
        found.extend(each for each in changed
                     if not IPortletAssignment.providedBy(each))

    getGlobalSiteManager().registerHandler(note, (IPubBeforeCommit,))
    yield found
    getGlobalSiteManager().unregisterHandler(note, (IPubBeforeCommit,))


class TestWhoMay:

    @pytest.mark.parametrize('role', ROLES)
    def test_look(self, functional, portal, id, role, registered):
        give(portal, *[role] if role else [])
        panel = Panel(functional['app'], portal, bool(role), script=True)
        registered.clear()
        for address in addresses(id):
            status = panel.get(address)
            if 'look' in ROLES[role]:
                assert status == 200, address
                assert 'class="zodbschedule"' in panel.text
            else:
                assert status in LOG_IN, address
        assert registered == []

    def test_the_page_around_writes_nothing_either(self, panel, registered):
        registered.clear()
        assert panel.get() == 200
        assert 'Scheduled tasks' in panel.text
        assert registered == []

    @pytest.mark.parametrize('role', ROLES)
    def test_act(self, functional, portal, schedule, id, role):
        give(portal, *[role] if role else [])
        panel = Panel(functional['app'], portal, logged_in=bool(role))
        status = panel.post('cancel', id=id)
        if 'control' in ROLES[role]:
            assert status == 303
            assert schedule.get(id) is None
        else:
            assert status in LOG_IN
            assert schedule.get(id) is not None

    def test_who_may_only_look_sees_no_button(self, portal, script, id, links):
        portal.manage_permission('zodbschedule: Look', ['Editor'], acquire=1)
        give(portal, 'Editor')
        for address in addresses(id):
            assert script.get(address) == 200
            assert 'schedule-act' not in script.text

    def test_the_configlet_is_for_who_may_look(self, portal):
        found = portal.portal_controlpanel.enumConfiglets(
            group='plone-advanced')
        [ours] = [each for each in found if each['id'] == 'zodbschedule']
        assert ours['url'].endswith('@@schedule-controlpanel')
        give(portal, 'Member')
        assert 'zodbschedule' not in [
            each['id'] for each in portal.portal_controlpanel.enumConfiglets(
                group='plone-advanced')]

    def test_an_uninstalled_site_has_no_panel(self, portal, panel):
        applyProfile(portal, 'zodbschedule.zope:uninstall')
        transaction.commit()
        assert panel.get() == 404
        assert 'zodbschedule' not in [
            each.id for each in portal.portal_controlpanel.listActions()]

    def test_a_site_without_a_schedule_does_not_show_another_one(
            self, functional, portal, panel):
        install(functional['app'])
        uninstall(portal)
        transaction.commit()
        assert get_schedule(portal).path == '/'
        assert panel.get() == 404


class TestForgery:

    @pytest.mark.parametrize('token', ['', 'x' * 40])
    def test_nothing_is_done_without_the_token(
            self, portal, script, schedule, id, registered, token):
        registered.clear()
        for act in PANEL_ACTS:
            assert script.post(act, token=token, id=id, **BULK) == 403, act
        assert registered == []
        assert schedule.get(id) is not None

    def test_nothing_is_done_by_a_get(self, script, schedule, id):
        for act in PANEL_ACTS:
            assert script.get(f'schedule-act/{act}', id=id,
                             _authenticator=script.token) == 405
            assert script.browser.headers['Allow'] == 'POST'
        assert schedule.get(id) is not None

    def test_pages_take_no_post(self, panel):
        assert panel.send('schedule-tasks', {
            '_authenticator': panel.token}) == 405
        assert panel.browser.headers['Allow'] == 'GET, HEAD'

    def test_a_form_in_another_encoding(self, panel, id):
        panel.browser.post(
            f'{panel.portal.absolute_url()}/@@schedule-act/cancel', 'id=1',
            'text/plain')
        assert panel.status == 415


class TestActs:

    def test_the_schedule_is_paused_and_resumed(self, panel, schedule):
        assert panel.post('pause', page='overview', reason='we move') == 303
        assert panel.location == 'schedule-controlpanel'
        pause = schedule.paused()
        assert (pause.by, pause.reason) == (
            f'acl_users:{TEST_USER_ID}', 'we move')
        panel.get()
        assert 'The schedule is paused.' in panel.text
        assert f'by acl_users:{TEST_USER_ID}: we move' in panel.text
        panel.browser.getControl('Resume').click()
        schedule._p_jar.sync()
        assert schedule.paused() is None

    def test_what_came_of_it_is_a_message_on_the_next_page(
            self, panel, schedule, id):
        panel.browser.followRedirects = True
        panel.get(f'schedule-task/{id}')
        panel.browser.getControl('Run now').click()
        schedule._p_jar.sync()
        assert schedule.get(id).time < reading.task(schedule, id).time + HOUR
        assert panel.browser.url.endswith(f'@@schedule-task/{id}')
        assert f'Task {id}' in panel.text
        panel.get()
        assert f'Task {id}' not in panel.text

    def test_a_task_that_a_worker_took_meanwhile_is_a_message(
            self, panel, schedule, id, clock):
        panel.get(f'schedule-task/{id}')
        panel.browser.getControl(name='time').value = '2030-02-01T09:00'
        take(schedule, clock)
        panel.browser.getControl('Change').click()
        assert panel.location == f'schedule-task/{id}'
        panel.get(panel.location)
        assert 'statusmessage-warning' in panel.text
        assert 'runs just now' in panel.text
        schedule._p_jar.sync()
        assert schedule.is_taken(schedule.get(id))

    def test_several_at_once(self, panel, schedule):
        ids = [add(schedule, key=key) for key in 'ab']
        chosen = [f'{each} {schedule.get(each).time.isoformat()}'
                  for each in ids]
        panel.post('several', chosen=chosen, action='cancel', page='upcoming')
        assert panel.location == 'schedule-tasks'
        assert [schedule.get(each) for each in ids] == [None, None]

    def test_a_parked_task_is_tried_again(self, panel, process, schedule):
        add(schedule, fail, delay=None)
        process()
        [entry] = reading.parked(schedule).items
        panel.get('schedule-parked')
        assert 'nobody opens &lt;b&gt;' in panel.text
        assert 'Traceback' in panel.text
        assert panel.post('unpark', id=entry.id, page='parked') == 303
        assert len(schedule.parked) == 0

    def test_a_form_with_an_error_is_shown_again(self, panel, schedule):
        panel.get('schedule-settings')
        panel.browser.getControl(name='history.keep').value = 'x'
        panel.browser.getControl('Change').click()
        assert panel.status == 422
        assert 'It takes a whole number' in panel.text

    def test_what_is_wrong_is_said_in_the_panel(self, panel, schedule, id):
        assert panel.post('cancel', id=id, seen='soon') == 400
        assert 'is no time' in panel.text
        assert 'nav-tabs' in panel.text
        assert schedule.get(id) is not None

    def test_what_was_refused_has_changed_nothing(
            self, panel, schedule, monkeypatch):
        def act(visit):
            visit.schedule.pause()
            raise InvalidTask('not like that')

        monkeypatch.setitem(PANEL_ACTS, 'pause', act)
        assert panel.post('pause') == 400
        assert 'not like that' in panel.text
        assert schedule.paused() is None

    @pytest.mark.parametrize('view, status', [
        ('schedule-task', 404), ('schedule-task/1', 404),
        ('schedule-tasks/1', 404), ('schedule-task/1/2', 404),
        ('schedule-tasks?cursor=x', 400), ('schedule-bulk', 400)])
    def test_addresses_that_lead_nowhere(self, panel, view, status):
        assert panel.get(view) == status

    def test_an_act_that_is_none(self, panel):
        assert panel.post('explode') == 404


class TestRecurring:

    def test_is_shown_as_shipped(self, panel, links):
        panel.get('schedule-recurring')
        assert 'Look for links' in panel.text
        assert 'Asks each one' in panel.text
        assert 'as shipped' in panel.text
        assert '>Reset' not in panel.text

    def test_a_rule_is_shown_before_it_is_taken(self, panel, links):
        panel.get('schedule-recurring', name=NAME)
        assert panel.text.count(' 02:30:00</time>') == 1 + 10
        assert 'formaction' in panel.text
        assert panel.post('recurring-preview', name=NAME, zone='UTC',
                          rule='5 4 * * *') == 303
        assert '_authenticator' not in panel.location
        panel.browser.open(panel.browser.headers['Location'])
        assert panel.text.count(' 04:05:00</time>') == 10
        assert links().changed == ()

    def test_a_script_gets_the_part_alone(self, script, links):
        assert script.get(
            'schedule-recurring', name=NAME, rule='every 5m') == 200
        assert 'id="preview"' in script.text
        assert 'nav-tabs' not in script.text

    def test_a_rule_and_its_zone_are_changed_and_reset(
            self, panel, links, schedule):
        panel.get('schedule-recurring', name=NAME)
        panel.browser.getControl(name='rule').value = '5 4 * * *'
        panel.browser.getControl(name='zone').value = 'Asia/Tokyo'
        panel.browser.getControl('Change').click()
        schedule._p_jar.sync()
        assert links().changed == ('recurrence',)
        task = schedule.contributed_tasks[NAME]
        assert task.recurrence == Cron('5 4 * * *', 'Asia/Tokyo')
        panel.get('schedule-recurring')
        assert 'changed: recurrence' in panel.text
        panel.browser.getControl('Reset').click()
        schedule._p_jar.sync()
        assert links().changed == ()

    def test_an_rrule_begins_where_the_old_one_does(
            self, panel, links, schedule):
        for rule in 'FREQ=DAILY;INTERVAL=3', 'FREQ=DAILY;INTERVAL=5':
            assert panel.post('recurring-change', name=NAME, rule=rule) == 303
        task = schedule.contributed_tasks[NAME]
        assert isinstance(task.recurrence, RRule)
        assert task.recurrence.dtstart.year == 2001

    @pytest.mark.parametrize('rule', ['60 * * * *', ''])
    def test_a_rule_that_is_none(self, panel, links, rule):
        assert panel.post('recurring-change', name=NAME, rule=rule) == 422
        assert 'class="problem"' in panel.text
        assert panel.get('schedule-recurring', name=NAME, rule='60 0') == 200
        assert 'class="problem"' in panel.text

    def test_a_rule_that_never_comes(self, panel, links):
        assert panel.post('recurring-change', name=NAME,
                          rule='FREQ=DAILY;UNTIL=20020101') == 422

    def test_one_that_is_gone(self, panel, links):
        assert panel.post('recurring-change', name='x', rule='1 1 * * *') == (
            303)
        panel.get('schedule-recurring', name='x')
        assert 'x is not scheduled here' in panel.text

    def test_the_buttons_of_a_row(self, panel, links):
        for text, state in ('Run now', 'waiting'), ('Pause', 'paused'), (
                'Resume', 'waiting'):
            panel.get('schedule-recurring')
            panel.browser.getControl(text, index=0).click()
            assert panel.location == 'schedule-recurring'
            panel.portal._p_jar.sync()
            assert links().state == state


class TestSeveralSites:

    def test_a_site_administrator_resumes_a_copy(
            self, functional, portal, schedule, id):
        app = functional['app']
        login(app, SITE_OWNER_NAME)
        app.manage_pasteObjects(app.manage_copyObjects(['plone']))
        other = add(schedule, description='only in the original')
        copied = app['copy_of_plone']
        assert get_schedule(copied).paused()
        panel = Panel(app, copied)
        panel.get()
        assert 'The schedule is paused.' in panel.text
        panel.browser.getControl('Resume').click()
        assert panel.status == 303
        copied._p_jar.sync()
        assert get_schedule(copied).paused() is None
        panel.get('schedule-tasks')
        assert 'count the hats' in panel.text
        assert 'only in the original' not in panel.text
        assert panel.get(f'schedule-task/{other}') == 404


class TestLooks:

    def test_times_are_in_the_zone_of_the_site(self, portal, panel, id):
        portal.portal_registry['plone.portal_timezone'] = 'Asia/Tokyo'
        transaction.commit()
        panel.get()
        assert 'Times are in Asia/Tokyo.' in panel.text
        assert 'today 10:00:00' in panel.text

    def test_the_zone_of_the_user_goes_before(self, portal, panel):
        portal.portal_membership.getMemberById(
            TEST_USER_ID).setMemberProperties({'timezone': 'Asia/Kathmandu'})
        transaction.commit()
        panel.get()
        assert 'Times are in Asia/Kathmandu.' in panel.text

    def test_the_style_sheet_is_for_the_panel_alone(self, panel):
        assert panel.get('schedule-static/zodbschedule.css') == 200
        assert panel.browser.headers['Content-Type'].startswith('text/css')
        assert panel.text.startswith('.zodbschedule {')
        assert panel.text.count('{') == panel.text.count('}')
        assert ':root' not in panel.text
        assert 'prefers-color-scheme' not in panel.text
        assert '[data-bs-theme="dark"] & {' in panel.text

    def test_the_script_is_of_these_pages_alone(self, panel):
        assert panel.get('schedule-static/htmx.min.js') == 200
        panel.get()
        assert '@@schedule-static/htmx.min.js' in panel.text
        panel.get('overview-controlpanel')
        assert 'schedule-static' not in panel.text

    @pytest.mark.parametrize('name', ['', '/x', '/htmx.min.js/x'])
    def test_there_is_no_other_file(self, panel, name):
        assert panel.get(f'schedule-static{name}') == 404
