"""Content is published and expires by its dates, in real Plone."""

import re
import textwrap
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
import transaction
from DateTime import DateTime
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import setRoles
from plone.dexterity.utils import createContentInContainer

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.testing import run_until
from zodbschedule.zope import ContextTask
from zodbschedule.zope import contribution_states
from zodbschedule.zope import steering
from zodbschedule.zope.plone.automation import dates
from zodbschedule.zope.plone.automation.settings import automation_of
from zodbschedule.zope.plone.automation.settings import configure
from zodbschedule.zope.plone.transitions import make
from zodbschedule.zope.users import SYSTEM


NAME = 'zodbschedule.dates'
MINUTE = timedelta(minutes=1)


@pytest.fixture
def portal(functional, clock):
    """A site that is to follow dates, from 2030 on."""
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    portal.portal_workflow.setDefaultChain('simple_publication_workflow')
    steering.reset(portal, NAME, by='jane')
    steering.resume(portal, NAME, by='jane')
    transaction.commit()
    return portal


@pytest.fixture
def passes(portal, schedule, clock):
    """Let so many minutes pass, with all that is due in them."""
    def passes(minutes):
        run_until(schedule, clock.now() + minutes * MINUTE)
        portal._p_jar.sync()

    passes(5)
    return passes


@pytest.fixture
def add(portal, clock):
    """Add a document with dates, minutes from now."""
    def add(id, **minutes):
        made = createContentInContainer(
            portal, 'Document', id=id, title=id.title())
        for index, number in minutes.items():
            when = DateTime(clock.now() + number * MINUTE)
            getattr(made, f'set{index.title()}Date')(when)
        made.reindexObject()
        transaction.commit()
        return made

    return add


def state(context):
    return api.content.get_state(context)


def outcomes(schedule):
    return [(each.outcome, each.error) for each in schedule.history
            if each.description.startswith('p') or 'reach' in each.description
            ]


def test_it_is_off_by_default(functional):
    [found] = [each for each in contribution_states(functional['portal'])
               if each.name == NAME]
    assert found.pause.reason == 'it is disabled by default'


def test_content_is_published_when_it_becomes_effective(passes, add):
    page = add('page', effective=7)
    passes(5)
    assert state(page) == 'private'
    passes(5)
    assert state(page) == 'published'


@pytest.mark.parametrize('number', [-1001, 1001])
def test_a_date_in_the_midst_of_a_minute_is_not_missed(
        portal, passes, add, number):
    """A pass is within the minute, and before the second.

    The catalog gives record ids by lot, half of them below 0.
    """
    portal.portal_catalog._catalog._v_nextid = number
    page = add('page', effective=5.5)
    assert portal.portal_catalog.getrid('/plone/page') == number
    passes(5)
    assert state(page) == 'private'
    passes(5)
    assert state(page) == 'published'


def test_a_task_that_waits_already_is_kept(passes, add, schedule):
    """Somebody may have paused it."""
    page = add('page', effective=2)
    task = schedule.schedule(ContextTask(
        page, dates.reach_date, ('effective', 'publish'), principalId=SYSTEM,
        key=f'effective:{page.UID()}'))
    schedule.pause(task, by='jane')
    transaction.commit()
    passes(5)
    assert state(page) == 'private'
    assert schedule.paused(task) is not None


def test_content_is_retracted_when_it_expires(passes, add):
    page = add('page', expiration=7)
    api.content.transition(page, 'publish')
    transaction.commit()
    passes(5)
    assert state(page) == 'published'
    passes(5)
    assert state(page) == 'private'


def test_what_had_a_date_before_stays_as_it_is(portal, clock, add, schedule):
    page = add('page', effective=-7)
    run_until(schedule, clock.now() + 10 * MINUTE)
    portal._p_jar.sync()
    assert state(page) == 'private'


def test_the_history_of_the_workflow_says_why(passes, add):
    page = add('page', effective=2)
    passes(5)
    [*_, last] = page.workflow_history['simple_publication_workflow']
    assert (last['action'], last['comments'], last['actor']) == (
        'publish', 'effective 2030-01-01 00:07 UTC', None)


def test_what_is_published_already_gets_no_task(passes, add, schedule):
    page = add('page', effective=2)
    api.content.transition(page, 'publish')
    transaction.commit()
    passes(5)
    assert outcomes(schedule) == []


def test_many_are_found_in_portions(passes, add, monkeypatch, schedule):
    monkeypatch.setattr(dates, 'PORTION', 2)
    pages = [add(f'page-{i}', effective=2) for i in range(5)]
    for expected in 2, 4, 5:
        passes(5)
        assert [state(page) for page in pages].count('published') == expected


def test_each_is_a_task_of_its_own_of_which_one_is_parked(
        portal, passes, add, schedule, monkeypatch):
    def fails_once(context, *rest):
        if context.getId() == 'one':
            raise RuntimeError('no')
        make(context, *rest)

    monkeypatch.setattr(dates, 'make', fails_once)
    add('one', effective=2)
    add('two', effective=2)
    passes(5)
    [entry] = schedule.parked
    assert entry.task.path == 'one'
    assert state(portal.two) == 'published'


def test_what_may_not_be_published_is_told_and_not_tried_again(
        portal, passes, add, schedule, monkeypatch, caplog):
    portal.portal_workflow.setChainForPortalTypes(
        ['Document'], ('intranet_workflow',))
    configure(portal, publish='publish_externally')
    page = add('page', effective=2)
    passes(20)
    reason = ("/plone/page has no transition 'publish_externally' in its "
              "state 'internal', for the user of this task")
    assert outcomes(schedule) == [('cancelled', reason)]
    assert reason in caplog.text
    assert state(page) == 'internal'


@pytest.mark.parametrize('transition', [None, 'no-such'])
def test_without_such_a_transition_nothing_is_done(
        portal, passes, add, schedule, transition):
    configure(portal, publish=transition, expire=transition)
    transaction.commit()
    page = add('page', effective=2)
    passes(10)
    assert (state(page), outcomes(schedule)) == ('private', [])


def test_the_transition_is_a_setting_of_the_site(portal, passes, add):
    configure(portal, publish='submit')
    page = add('page', effective=2)
    passes(5)
    assert state(page) == 'pending'


def test_an_unknown_setting_is_refused(portal):
    with pytest.raises(InvalidSetting, match="no setting 'retract'; use one"):
        configure(portal, retract='x')
    with pytest.raises(InvalidSetting, match='publish is 3'):
        configure(portal, publish=3)


def test_defaults_are_not_stored(portal, schedule):
    assert schedule.automation is None
    assert automation_of(schedule).expire == 'retract'


def test_they_are_made_as_the_user_of_the_task(portal, passes, add, schedule):
    steering.change(portal, NAME, by='jane',
                    principalId=f'acl_users:{TEST_USER_ID}')
    transaction.commit()
    page = add('page', effective=2)
    passes(5)
    [*_, last] = page.workflow_history['simple_publication_workflow']
    assert last['actor'] == TEST_USER_ID


class TestInBetween:
    """What changes after a page was found, and before its task runs."""

    @pytest.fixture
    def found(self, passes, add, schedule):
        """Let a page be found, change it, and let its task run."""
        def found(change, **minutes):
            page = add('page', **minutes)
            schedule.schedule(ContextTask(
                page, dates.reach_date, ('effective', 'publish'),
                principalId=SYSTEM, gone='cancel'))
            change(page)
            transaction.commit()
            passes(0)
            return page

        return found

    def test_a_date_that_was_postponed_is_kept(self, found, clock, schedule):
        page = found(lambda page: page.setEffectiveDate(
            DateTime(clock.now() + 9 * MINUTE)), effective=2)
        assert state(page) == 'private'
        assert outcomes(schedule) == [
            ('cancelled', "its date 'effective' is 2030-01-01 00:14 UTC by "
                          "now")]

    def test_what_has_expired_is_not_published(self, found, clock, schedule):
        page = found(lambda page: page.setExpirationDate(
            DateTime(clock.now())), effective=-1)
        assert state(page) == 'private'
        assert outcomes(schedule) == [('cancelled', 'it has expired as well')]

    def test_what_is_gone_is_left_out(self, found, portal, schedule):
        found(lambda page: api.content.delete(page), effective=2)
        [(outcome, error)] = outcomes(schedule)
        assert outcome == 'cancelled'


def test_what_only_the_catalog_has_is_left_out(
        portal, passes, add, schedule):
    page = add('page', effective=2)
    portal._delOb('page')
    transaction.commit()
    passes(5)
    assert page.getId() == 'page'
    assert outcomes(schedule) == []


def test_the_docs_say_how(portal, schedule):
    text = Path(__file__).parents[2].joinpath('docs', 'plone.rst').read_text(
        encoding='utf-8')
    section = text.partition('\nWhat a site has done by itself\n')[2]
    blocks = re.findall(
        r'^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', section, re.M)
    names = {'site': portal}
    for block in [each for each in blocks if 'zodbschedule.dates' in each]:
        exec(textwrap.dedent(block), names)
    task = schedule.contributed_tasks[NAME]
    assert task.principalId == 'acl_users:jane'
    assert schedule.paused(task) is None
    assert automation_of(schedule).publish == 'publish'
