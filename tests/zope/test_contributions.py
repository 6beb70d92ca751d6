"""Tasks that add-ons contribute to sites."""

import ast
from datetime import datetime
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import transaction
from AccessControl import getSecurityManager
from conftest import make_site
from conftest import seen
from OFS.SimpleItem import SimpleItem
from ZODB.POSException import POSKeyError
from zope.component import getGlobalSiteManager
from zope.configuration.exceptions import ConfigurationError
from zope.configuration.xmlconfig import string
from zope.interface import Interface
from zope.interface import alsoProvides
from zope.interface import noLongerProvides
from zope.interface.verify import verifyObject

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InProgress
from zodbschedule.interfaces import InvalidTask
from zodbschedule.reading.facts import iso
from zodbschedule.steering import Steered
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import contribute
from zodbschedule.zope import contributed
from zodbschedule.zope import contribution_states
from zodbschedule.zope import contributions
from zodbschedule.zope import install
from zodbschedule.zope import reset
from zodbschedule.zope import steering
from zodbschedule.zope import synchronize
from zodbschedule.zope import uninstall
from zodbschedule.zope import withdraw
from zodbschedule.zope.contributions import ABSENT
from zodbschedule.zope.contributions import DISABLED
from zodbschedule.zope.contributions import Contribution
from zodbschedule.zope.contributions import IContribution
from zodbschedule.zope.contributions import handle_profile_imported


HOUR = timedelta(hours=1)


class ISpecial(Interface):
    """A site that is one."""


class Setup(SimpleItem):
    """Knows which profiles are installed."""

    id = 'portal_setup'
    installed = ()

    def getLastVersionForProfile(self, profile):
        return '1' if profile in self.installed else 'unknown'


class Registry(SimpleItem):
    """Knows the zone of the site."""

    id = 'portal_registry'

    def get(self, name, default):
        return {'plone.portal_timezone': 'Asia/Tokyo'}.get(name, default)


def check(site):
    seen.append((site.getId(), getSecurityManager().getUser().getUserName()))


def fail(site):
    raise ValueError('no')


@pytest.fixture(autouse=True)
def _none_is_left():
    yield
    forget()


def forget(name=None):
    registry = getGlobalSiteManager()
    for each in list(registry.registeredUtilities()):
        if each.provided is IContribution and name in (None, each.name):
            registry.unregisterUtility(
                each.component, IContribution, each.name)


@pytest.fixture
def states(site):
    def states():
        return {each.name: each for each in contribution_states(site)}

    return states


class TestDefining:

    def test_it_provides_its_interface(self):
        assert verifyObject(
            IContribution, Contribution('a', check, every=HOUR))

    @pytest.mark.parametrize('options, message', [
        ({}, '0 of every, cron and rrule'),
        ({'every': HOUR, 'cron': '* * * * *'}, '2 of every'),
        ({'cron': 'never'}, 'never'),
        ({'rrule': 'FREQ=SOMETIMES'}, 'SOMETIMES'),
        ({'every': HOUR, 'missed': 'some'}, "missed is 'some'"),
        ({'every': 60}, 'period is 60; it has to be a timedelta'),
        ({'every': HOUR, 'required': 'IFolder'},
         "required of the contributed task 'a' is 'IFolder'; it has to be an "
         "interface, or None"),
        ({'every': HOUR, 'profile': 1}, 'it has to be the id of a profile'),
        ({'every': HOUR, 'enabled': 'no'}, 'it has to be True or False'),
        ({'every': HOUR, 'formerly': 'b'},
         "formerly of the contributed task 'a' is 'b'; it has to be a tuple"),
        ({'cron': '* * * * *', 'timezone': 'Mars/Base'}, 'Mars/Base')])
    def test_what_makes_no_task_is_refused(self, options, message):
        with pytest.raises(InvalidTask) as caught:
            contribute('a', check, **options)
        assert message in str(caught.value)

    def test_a_handler_is_called(self):
        with pytest.raises(InvalidTask, match='a function of a site'):
            contribute('a', 'check', every=HOUR)

    def test_a_handler_that_does_not_do_its_work_is_refused(self):
        with pytest.raises(InvalidTask, match=(
                "^the handler of the contributed task 'a' is a generator "
                'function')):
            contribute('a', ast.walk, every=HOUR)


ZCML = """
<configure xmlns:schedule="http://namespaces.zope.org/schedule"
           i18n_domain="tests">
  <include package="zodbschedule.zope" file="meta.zcml" />
  <schedule:task name="a" handler="test_contributions.check" {} />
</configure>
"""


class TestDirective:

    def definition(self, options):
        string(ZCML.format(options))
        return getGlobalSiteManager().getUtility(IContribution, 'a')

    def test_with_little(self):
        found = self.definition('every="15m"')
        assert found == Contribution(
            'a', check, every=timedelta(minutes=15))

    def test_with_all(self):
        found = self.definition('''
            title="A check" description="Checks." cron="30 2 * * *"
            timezone="Europe/Berlin" for="test_contributions.ISpecial"
            profile="x:default" principal="acl_users:jane" missed="all"
            expires="1h" retry="3" enabled="no" formerly="b c"''')
        assert found == Contribution(
            'a', check, 'A check', 'Checks.', cron='30 2 * * *',
            timezone='Europe/Berlin', required=ISpecial, profile='x:default',
            principal='acl_users:jane', missed='all', expires=HOUR,
            retry=Retry(3), enabled=False, formerly=('b', 'c'))

    def test_a_title_with_an_id_is_shown_as_its_default(self, site):
        found = self.definition('every="1h" title="[id] Look for links"')
        assert found.title == 'id'
        description = found.options(site)['description']
        assert description == 'Look for links'
        assert type(description) is str

    def test_nobody(self):
        found = self.definition('rrule="FREQ=DAILY" principal="zope.Anybody"')
        assert found.principal is None

    @pytest.mark.parametrize('options', [
        '', 'every="often"', 'cron="never"', 'every="1h" retry="0"',
        'every="1h" missed="some"'])
    def test_what_makes_no_task_is_refused(self, options):
        with pytest.raises(ConfigurationError):
            self.definition(options)

    def test_two_of_a_name_conflict(self):
        twice = ZCML.format('every="1h" /><schedule:task name="a" '
                            'handler="test_contributions.fail" every="1h"')
        with pytest.raises(ConfigurationError):
            string(twice)


class TestSites:

    def test_a_site_has_it(self, site, schedule, states, clock):
        contribute('a', check, every=HOUR, title='A check')
        synchronize(site)
        transaction.commit()
        [task] = schedule
        assert task.description == 'A check'
        assert task.time == clock.now() + HOUR
        assert task.recurrence == Every(HOUR, clock.now() + HOUR)
        assert states()['a'].task is task
        clock.advance(HOUR)
        assert schedule.process(clock.now()).succeeded == 1
        assert seen == [('site', 'System Processes')]
        assert task.time == clock.now() + HOUR

    def test_a_second_time_nothing_is_written(self, site, schedule):
        contribute('a', check, every=HOUR)
        synchronize(site)
        transaction.commit()
        synchronize(site)
        assert not transaction.get()._resources
        assert len(list(schedule)) == 1

    def test_nor_in_a_site_without_a_schedule(self, app):
        contribute('a', check, every=HOUR)
        site = make_site(app, 'plain')
        transaction.savepoint()
        synchronize(site)
        assert list(contribution_states(site)) == []
        with pytest.raises(LookupError):
            reset(site, 'a')

    def test_the_zone_is_that_of_the_site(self, site, schedule):
        contribute('a', check, cron='30 2 * * *')
        contribute('b', check, cron='30 2 * * *', timezone='Europe/Berlin')
        contribute('c', check, rrule='FREQ=DAILY;BYHOUR=3')
        site._setObject('portal_registry', Registry())
        synchronize(site)
        rules = {task.name: task.recurrence for task in schedule}
        assert rules == {
            'a': Cron('30 2 * * *', 'Asia/Tokyo'),
            'b': Cron('30 2 * * *', 'Europe/Berlin'),
            'c': RRule('FREQ=DAILY;BYHOUR=3', datetime(
                2001, 1, 1, tzinfo=ZoneInfo('Asia/Tokyo')))}

    def test_a_rule_may_bring_its_start(self, site, schedule):
        contribute('a', check, rrule=(
            'DTSTART:20260302T090000 RRULE:FREQ=DAILY '
            'EXDATE;TZID=Asia/Tokyo:20260303T090000'))
        site._setObject('portal_registry', Registry())
        synchronize(site)
        [task] = schedule
        start = datetime(2026, 3, 2, 9, tzinfo=ZoneInfo('Asia/Tokyo'))
        assert task.recurrence == RRule(
            'FREQ=DAILY', start, exdate=[start + 24 * HOUR])

    def test_without_one_it_is_utc(self, site, schedule):
        contribute('a', check, cron='30 2 * * *')
        synchronize(site)
        [task] = schedule
        assert task.recurrence == Cron('30 2 * * *', 'UTC')

    def test_only_one_that_provides_something(self, site, schedule):
        contribute('a', check, every=HOUR, required=ISpecial)
        synchronize(site)
        assert not list(schedule)
        alsoProvides(site, ISpecial)
        synchronize(site)
        assert len(list(schedule)) == 1
        noLongerProvides(site, ISpecial)
        synchronize(site)
        assert not list(schedule)

    def test_only_one_where_a_profile_is_installed(
            self, site, schedule, states, clock):
        contribute('a', check, every=HOUR, profile='x:default')
        synchronize(site)
        site._setObject('portal_setup', Setup())
        synchronize(site)
        assert not list(schedule)
        site.portal_setup.installed = ('x:default',)
        handle_profile_imported(SimpleNamespace(
            tool=site.portal_setup, full_import=True))
        assert len(list(schedule)) == 1
        transaction.commit()
        site.portal_setup.installed = ()
        transaction.commit()
        # No profile event was sent, and the task does nothing.
        clock.advance(HOUR)
        schedule.process(clock.now())
        assert not list(schedule)
        assert seen == []
        assert states() == {}
        assert [(each.outcome, each.error) for each in schedule.history] == [
            ('cancelled', 'it does not apply to this site any more')]

    def test_when_its_profile_is_uninstalled_it_is_gone_at_once(
            self, site, schedule, states):
        """As add-ons are uninstalled: it is noted after the import."""
        contribute('a', check, every=HOUR, profile='x:default')
        site._setObject('portal_setup', Setup())
        site.portal_setup.installed = ('x:default',)
        synchronize(site)
        transaction.commit()
        assert states()['a'].task in schedule
        handle_profile_imported(SimpleNamespace(
            tool=site.portal_setup, full_import=True))
        site.portal_setup.installed = ()
        transaction.commit()
        assert not list(schedule)
        assert states() == {}

    def test_it_is_withdrawn_by_its_name(self, site, schedule, states):
        contribute('a', check, every=HOUR)
        synchronize(site)
        transaction.commit()
        forget('a')
        withdraw(site, 'a')
        withdraw(site, 'b')
        withdraw(site.aq_parent, 'a')
        assert not list(schedule)
        assert states() == {}

    def test_a_part_of_a_profile_says_nothing(self, site, schedule):
        contribute('a', check, every=HOUR)
        handle_profile_imported(SimpleNamespace(tool=None, full_import=True))
        site._setObject('portal_setup', Setup())
        handle_profile_imported(SimpleNamespace(
            tool=site.portal_setup, full_import=False))
        assert not list(schedule)

    def test_what_somebody_has_unscheduled_before_is_forgotten(
            self, site, schedule, states):
        contribute('a', check, every=HOUR, required=ISpecial)
        alsoProvides(site, ISpecial)
        synchronize(site)
        [task] = schedule
        schedule.unschedule(task)
        noLongerProvides(site, ISpecial)
        synchronize(site)
        assert states() == {}

    def test_it_fails_as_all_do(self, site, schedule, clock):
        contribute('a', fail, every=HOUR)
        synchronize(site)
        transaction.commit()
        clock.advance(HOUR)
        assert schedule.process(clock.now()).failed == 1
        assert len(list(schedule)) == 1


class TestChanging:

    @pytest.fixture
    def task(self, clock, site, schedule):
        contribute('a', check, every=HOUR)
        synchronize(site)
        transaction.commit()
        return next(iter(schedule))

    def upgrade(self, site, **options):
        forget('a')
        contribute('a', check, **options)
        synchronize(site)
        transaction.commit()

    def test_what_nobody_has_changed_follows_the_definition(
            self, site, task, schedule):
        self.upgrade(site, cron='0 3 * * *', missed='all', retry=Retry(2))
        assert task.recurrence == Cron('0 3 * * *', 'UTC')
        assert task.missed == 'all'
        assert task.retry == Retry(2)
        assert task.time.hour == 3
        assert list(schedule) == [task]
        self.upgrade(site, cron='0 4 * * *')
        assert task.recurrence == Cron('0 4 * * *', 'UTC')

    def test_what_a_manager_has_changed_stays(
            self, site, task, schedule, states):
        own = Cron('0 5 * * *', 'UTC')
        schedule.change(task, recurrence=own)
        transaction.commit()
        assert states()['a'].changes == {'recurrence'}
        for cron in '0 3 * * *', '0 4 * * *':
            self.upgrade(site, cron=cron, missed='all')
            assert task.recurrence == own
            assert task.missed == 'all'
            assert states()['a'].changes == {'recurrence'}

    def test_until_it_is_reset(self, site, task, schedule, states):
        schedule.change(task, recurrence=Cron('0 5 * * *', 'UTC'))
        schedule.pause(task, reason='not now')
        transaction.commit()
        assert reset(site, 'a') is task
        assert task.recurrence.period == HOUR
        assert schedule.paused(task) is None
        assert states()['a'].changes == set()
        with pytest.raises(LookupError):
            reset(site, 'b')

    def test_who_has_reset_it_is_on_record(
            self, site, task, schedule, states):
        schedule.change(task, missed='all')
        schedule.pause(task)
        transaction.commit()
        waits = schedule.waits(task)
        found = steering.reset(
            site, 'a', by='jane', reason='too often', seen=waits)
        assert found == Steered(
            task_id(task), True, f'a was reset; it is due {iso(waits)}.',
            time=waits, said='was reset; it is due')
        assert [(row.outcome, row.error) for row in schedule.history
                if row.principalId == 'jane'] == [
            ('resumed', None),
            ('changed', 'recurrence, missed: reset: too often')]

    def test_who_has_brought_it_back_is_on_record(
            self, site, task, schedule):
        assert steering.cancel(site, 'a', by='jane').done
        transaction.commit()
        gone = steering.pause(site, 'a', by='jane')
        assert (gone.done, gone.problem) == (False, 'gone')
        assert gone.message.startswith('a is not scheduled here; reset it')
        assert steering.reset(site, 'a', by='jane').done
        assert [row.error for row in schedule.history.select(
            outcome='changed')] == ['reset']
        assert len(list(schedule)) == 1

    def test_what_has_moved_on_is_not_reset(self, site, task, schedule):
        schedule.change(task, missed='all')
        found = steering.reset(
            site, 'a', by='jane', seen=schedule.waits(task) - HOUR)
        assert (found.done, found.problem) == (False, 'moved')
        assert task.missed == 'all'

    def test_what_a_worker_has_is_not_reset(
            self, site, task, schedule, monkeypatch):
        def busy(*args, **options):
            raise InProgress('a worker has it')

        monkeypatch.setattr(type(schedule), 'change', busy)
        found = steering.reset(site, 'a', by='jane')
        assert (found.done, found.problem) == (False, 'running')
        assert found.message.startswith('a runs just now')

    def test_what_no_add_on_contributes_is_told(self, site, schedule):
        for place in site, site.aq_parent:
            found = steering.reset(place, 'b', by='jane')
            assert (found.done, found.problem) == (False, 'gone')
            assert "contributes no task named 'b' to " in found.message
            assert not steering.run_now(place, 'b', by='jane').done

    def test_a_person_steers_it_by_its_name(self, site, task, schedule):
        assert steering.change(
            site, 'a', by='jane', missed='all').message.startswith(
                'a was changed; it is due ')
        assert task.missed == 'all'
        assert steering.pause(site, 'a', by='jane', reason='not now').done
        assert steering.run_now(site, 'a', by='jane').message == (
            'a is paused; resume it first.')
        assert steering.resume(site, 'a', by='jane').done
        assert steering.run_now(site, 'a', by='jane').message == (
            'a is due now.')
        assert {row.principalId for row in schedule.history} == {'jane'}

    def test_what_somebody_has_paused_stays_so(self, site, task, schedule):
        schedule.pause(task, reason='not now', by='jane')
        transaction.commit()
        for enabled in False, True:
            self.upgrade(site, every=2 * HOUR, enabled=enabled)
            assert schedule.paused(task).reason == 'not now'
        assert task.recurrence.period == 2 * HOUR

    def test_what_somebody_has_unscheduled_stays_so(
            self, site, task, schedule, states):
        schedule.unschedule(task)
        transaction.commit()
        self.upgrade(site, every=2 * HOUR)
        assert not list(schedule)
        assert states()['a'].unscheduled
        again = reset(site, 'a')
        assert list(schedule) == [again]
        assert again.recurrence.period == 2 * HOUR

    def test_disabled_by_default_it_is_paused(self, site, task, schedule):
        for every in HOUR, 2 * HOUR:
            self.upgrade(site, every=every, enabled=False)
            assert schedule.paused(task).reason == DISABLED
        self.upgrade(site, every=HOUR)
        assert schedule.paused(task) is None
        self.upgrade(site, every=HOUR, enabled=False)
        schedule.resume(task, by='jane')
        transaction.commit()
        synchronize(site)
        assert schedule.paused(task) is None
        reset(site, 'a')
        assert schedule.paused(task).reason == DISABLED

    def test_from_the_beginning(self, site, schedule):
        contribute('b', check, every=HOUR, enabled=False)
        synchronize(site)
        [task] = schedule
        assert schedule.paused(task).reason == DISABLED

    def test_its_add_on_is_not_here_and_may_be_elsewhere(
            self, site, task, schedule, states, clock, caplog):
        forget('a')
        synchronize(site)
        assert states()['a'].definition is None
        clock.advance(HOUR)
        assert schedule.process(clock.now()).left == 1
        assert seen == []
        assert schedule.paused(task) is None
        assert "contributes no task named 'a'" in caplog.text
        contribute('a', check, every=HOUR)
        assert schedule.process(clock.now()).succeeded == 1
        assert len(seen) == 1

    def test_who_looks_before_it_runs_is_told_that_it_is_not_here(
            self, site, task):
        task.refuse_codeless()
        forget('a')
        with pytest.raises(CodeMissing, match="no task named 'a'"):
            task.refuse_codeless()

    def test_it_is_nowhere_for_an_hour(
            self, site, task, schedule, clock, caplog):
        forget('a')
        clock.advance(HOUR)
        assert schedule.process(clock.now()).left == 1
        clock.advance(schedule.import_grace + HOUR)
        schedule.process(clock.now())
        assert seen == []
        assert not list(schedule.parked)
        assert schedule.paused(task).reason == ABSENT
        assert ABSENT in caplog.text
        assert task in schedule
        [outcome] = schedule.history.select(outcome='cancelled')
        assert outcome.error == ABSENT
        assert not list(schedule.history.select(outcome='succeeded'))
        clock.advance(HOUR)
        assert not any(schedule.process(clock.now()))
        contribute('a', check, every=HOUR)
        synchronize(site)
        assert schedule.paused(task) is None
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == 1
        assert len(seen) == 1

    def rename(self, site, **options):
        forget('a')
        contribute('b', check, every=HOUR, formerly=('x', 'a'), **options)
        synchronize(site)
        transaction.commit()

    def test_under_a_new_name_it_is_the_same_as_a_manager_has_changed_it(
            self, site, task, schedule, states, clock):
        own = Cron('0 5 * * *', 'UTC')
        schedule.change(task, recurrence=own)
        schedule.pause(task, reason='not now', by='jane')
        transaction.commit()
        self.rename(site)
        assert list(states()) == ['b']
        assert states()['b'].task is task
        assert states()['b'].changes == {'recurrence'}
        assert task.name == 'b'
        assert schedule.keys.get('contributed:b') is task
        assert schedule.paused(task).reason == 'not now'
        schedule.resume(task)
        transaction.commit()
        clock.advance(24 * HOUR)
        assert schedule.process(clock.now()).succeeded == 1

    def test_one_that_was_unscheduled_stays_so_under_a_new_name(
            self, site, task, schedule, states):
        schedule.unschedule(task)
        transaction.commit()
        self.rename(site)
        assert states()['b'].unscheduled
        assert not list(schedule)

    def test_one_that_is_still_contributed_is_not_renamed(
            self, site, task, states):
        contribute('b', check, every=HOUR, formerly=('a',))
        synchronize(site)
        assert list(states()) == ['a', 'b']

    def test_what_an_older_process_adds_once_more_is_withdrawn(
            self, site, task, schedule, states):
        self.rename(site)
        forget()
        contribute('a', check, every=HOUR)
        synchronize(site)
        assert list(states()) == ['a', 'b']
        self.rename(site)
        assert list(states()) == ['b']
        assert list(schedule) == [task]

    def test_while_it_runs_it_is_not_renamed(
            self, site, task, schedule, states, clock, monkeypatch):
        def meanwhile(there):
            forget('a')
            contribute('b', check, every=HOUR, formerly=('a',))
            synchronize(there)

        monkeypatch.setattr(
            Contribution, '__call__', lambda self, there: meanwhile(there))
        clock.advance(HOUR)
        schedule.process(clock.now())
        assert list(states()) == ['a']
        synchronize(site)
        assert list(states()) == ['b']

    def test_while_it_runs_nothing_is_changed(
            self, site, task, schedule, clock, monkeypatch):

        def meanwhile(there):
            forget('a')
            contribute('a', check, every=3 * HOUR)
            synchronize(there)

        monkeypatch.setattr(
            Contribution, '__call__', lambda self, there: meanwhile(there))
        clock.advance(HOUR)
        assert schedule.process(clock.now()).succeeded == 1
        assert task.recurrence.period == HOUR
        synchronize(site)
        assert task.recurrence.period == 3 * HOUR

    def test_uninstalled_and_installed_it_is_there_again(
            self, site, task, schedule):
        uninstall(site)
        transaction.commit()
        found = install(site)
        synchronize(site)
        assert [one.name for one in found] == ['a']


class TestAsPlainData:

    def test_it_has_the_texts_of_the_add_on_and_what_is_so(
            self, site, schedule):
        contribute('a', check, every=HOUR, title='Clean up',
                   description='what is old')
        contribute('b', check, every=HOUR)
        synchronize(site)
        transaction.commit()
        one, two = contributed(site)
        assert (one.name, one.description, one.explanation) == (
            'a', 'Clean up', 'what is old')
        assert (two.description, two.explanation) == ('b', None)
        assert (one.state, one.changed, one.absent) == ('waiting', (), False)

    def test_its_texts_are_in_the_language_of_the_request(
            self, site, monkeypatch):
        contribute('a', check, every=HOUR, title='Clean up')
        synchronize(site)
        transaction.commit()
        asked = []
        monkeypatch.setattr(
            contributions, 'translate',
            lambda text, context: asked.append(context) or text[::-1])
        monkeypatch.setattr(contributions, 'getRequest', lambda: 'German')
        [found] = contributed(site)
        assert (found.description, asked) == ('pu naelC', ['German'])

    def test_without_its_add_on(self, site, schedule):
        contribute('a', check, every=HOUR, title='Clean up')
        synchronize(site)
        transaction.commit()
        forget()
        [found] = contributed(site)
        assert found.absent and found.description == 'Clean up'
        assert "contributes no task named 'a'" in found.problem

    @pytest.fixture
    def lost(self, site, schedule, monkeypatch):
        """A contributed task whose record is gone."""
        contribute('a', check, every=HOUR, title='Clean up')
        synchronize(site)
        transaction.commit()
        task = schedule.contributed_tasks['a']
        task._p_deactivate()
        setstate = task._p_jar.setstate

        def lose(obj):
            if obj is task:
                raise POSKeyError(task._p_oid)
            setstate(obj)

        monkeypatch.setattr(task._p_jar, 'setstate', lose)
        # Whatever else is loaded is there.
        schedule.history._p_deactivate()
        assert schedule.history.keep
        return task

    def test_a_task_whose_record_is_gone_is_told_with_its_problem(
            self, site, lost):
        [found] = contributed(site)
        assert (found.description, found.problem) == (
            'Clean up', 'record gone')

    def test_a_task_whose_record_is_gone_is_replaced_by_a_reset(
            self, site, lost, schedule):
        [found] = contributed(site)
        assert steering.reset(site, 'a', by='jane', seen=found.time).done
        [other] = schedule
        assert schedule.contributed_tasks['a'] is other is not lost
        assert schedule.keys.get('contributed:a') is other
        [found] = contributed(site)
        assert found.problem is None

    def test_a_site_without_a_schedule_has_none(self, site):
        uninstall(site)
        assert contributed(site) == ()
