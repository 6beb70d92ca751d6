"""The schedules of sites, and what happens to them when a site moves."""

import pytest
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from conftest import make_site
from OFS.Folder import Folder
from zope.component.hooks import setSite

from zodbschedule import CallTask
from zodbschedule.interfaces import ISchedule
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.pauses import ALL
from zodbschedule.zope import get_schedule
from zodbschedule.zope import install
from zodbschedule.zope import uninstall
from zodbschedule.zope.sites import bound_schedule
from zodbschedule.zope.sites import schedule_of
from zodbschedule.zope.sites import site_paths


class TestInstalling:

    def test_a_site_has_a_schedule_that_runs_tasks_in_zope(
            self, app, site, schedule):
        assert schedule_of(site) is schedule
        assert schedule.principals == 'zope'
        assert site_paths(app) == ['/site']
        assert bound_schedule(app, '/site') is schedule

    def test_a_second_time_it_is_the_same(self, app, site, schedule):
        assert install(site) is schedule
        assert site_paths(app) == ['/site']

    def test_the_application_root_may_have_one_too(self, app):
        found = install(app)
        transaction.commit()
        assert site_paths(app) == ['/']
        assert get_schedule(app) is found

    def test_what_is_no_site_is_refused(self, app):
        app._setObject('folder', Folder('folder'))
        with pytest.raises(ValueError, match='is not a site'):
            install(app.folder)

    def test_what_is_not_stored_is_refused(self, app):
        site = make_site(app, 'new')
        with pytest.raises(ValueError, match='savepoint'):
            install(site)

    def test_uninstalled_nothing_is_left(self, app, site):
        uninstall(site)
        transaction.commit()
        assert schedule_of(site) is None
        assert site_paths(app) == []
        uninstall(site)

    def test_a_mounted_site_has_it_in_its_own_database(self, app, mounted):
        site = make_site(mounted, 'there')
        transaction.savepoint()
        found = install(site)
        transaction.commit()
        assert found._p_jar is site._p_jar
        assert found._p_jar is not app._p_jar
        assert site_paths(app) == ['/mounted/there']
        mounted._delObject('there')
        transaction.commit()
        assert site_paths(app) == []


class TestFinding:

    def test_it_is_the_nearest_upward(self, app, site, schedule):
        site._setObject('folder', Folder('folder'))
        inner = make_site(site, 'inner')
        assert get_schedule(site.folder) is schedule
        assert get_schedule(inner) is schedule
        transaction.savepoint()
        found = install(inner)
        assert get_schedule(inner) is found
        assert get_schedule(site) is schedule

    def test_without_a_context_it_is_that_of_the_current_site(
            self, site, schedule):
        setSite(site)
        assert get_schedule() is schedule

    def test_without_one_the_error_says_what_to_install(self, app):
        with pytest.raises(LookupError) as caught:
            get_schedule(app)
        assert 'zodbschedule.zope:default' in str(caught.value)
        with pytest.raises(LookupError, match='no current site'):
            get_schedule()

    def test_none_is_made(self, app):
        with pytest.raises(LookupError):
            get_schedule(app)
        assert not transaction.get()._resources

    def test_a_site_can_be_adapted(self, app, site, schedule):
        assert ISchedule(site) is schedule
        assert ISchedule(app, None) is None
        install(app)
        assert ISchedule(app) is schedule_of(app)

    @pytest.mark.parametrize('path', [
        '/nowhere', '/site/nowhere', '/site/acl_users/x', '/x/y'])
    def test_a_path_that_leads_nowhere(self, app, site, path):
        assert bound_schedule(app, path) is None


def is_paused(schedule):
    return ALL in schedule.pauses


class TestMoving:

    @pytest.fixture(autouse=True)
    def manager(self, app):
        newSecurityManager(None, system)

    @pytest.fixture
    def later(self, clock, schedule, site):
        task = schedule.schedule(CallTask('builtins.len', ['']))
        transaction.commit()
        return task

    def test_a_renamed_site_is_paused_until_it_is_resumed(
            self, app, site, schedule, later, clock):
        app.manage_renameObject('site', 'other')
        transaction.commit()
        assert site_paths(app) == ['/other']
        assert is_paused(schedule)
        assert bound_schedule(app, '/other') is schedule
        assert bound_schedule(app, '/site') is None
        [pause] = [schedule.pauses.get(ALL)]
        assert 'from /site' in pause.reason
        assert schedule.process(clock.now()).succeeded == 0
        schedule.resume()
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == 1

    def test_so_is_a_site_whose_folder_is_renamed(self, app, clock):
        app._setObject('folder', Folder('folder'))
        site = make_site(app.folder, 'inner')
        transaction.savepoint()
        found = install(site)
        transaction.commit()
        app.manage_renameObject('folder', 'other')
        transaction.commit()
        assert site_paths(app) == ['/other/inner']
        assert is_paused(found)

    def test_a_copy_is_paused_and_the_original_goes_on(
            self, app, site, schedule, later, clock):
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        transaction.commit()
        [copy] = [name for name in app.objectIds() if 'copy' in name]
        found = schedule_of(app._getOb(copy))
        assert found is not schedule
        assert site_paths(app) == sorted(['/site', f'/{copy}'])
        assert is_paused(found)
        assert not is_paused(schedule)
        assert found.process(clock.now()).succeeded == 0
        assert schedule.process(clock.now()).succeeded == 1

    def test_what_is_noted_of_tasks_is_of_those_of_the_copy(
            self, app, site, schedule, later):
        schedule.pause(later, reason='wrong figures')
        keyed = schedule.call('math.sqrt', 4, key='sqrt', time=later.time)
        transaction.commit()
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        transaction.commit()
        found = schedule_of(app.copy_of_site)
        # It has arrived with the copy, and not when somebody looks at it.
        assert not found.withheld
        [paused] = found.paused_tasks()
        assert paused.task in found and paused.task is not later
        assert paused.reason == 'wrong figures'
        found.unschedule(found.keys.get('sqrt'))
        again = found.call('math.sqrt', 4, key='sqrt', time=later.time,
                           duplicate='keep')
        assert again in found
        transaction.commit()
        assert schedule.keys.get('sqrt') is keyed
        assert schedule.paused(later).reason == 'wrong figures'
        assert list(flaws(found)) == list(flaws(schedule)) == []

    def test_an_imported_one_is_paused(
            self, app, site, schedule, later, tmp_path, clock):
        file = tmp_path / 'site.zexp'
        app._p_jar.exportFile(site._p_oid, str(file)).close()
        app._delObject('site')
        transaction.commit()
        app._importObjectFromFile(str(file), verify=0)
        transaction.commit()
        found = schedule_of(app.site)
        assert site_paths(app) == ['/site']
        assert is_paused(found)
        assert bound_schedule(app, '/site') is found
        found.resume()
        transaction.commit()
        assert found.process(clock.now()).succeeded == 1

    def test_a_removed_one_is_forgotten(self, app, site):
        app._delObject('site')
        transaction.commit()
        assert site_paths(app) == []

    def test_removing_a_copy_leaves_the_original(self, app, site, schedule):
        app.manage_pasteObjects(app.manage_copyObjects(['site']))
        transaction.commit()
        [copy] = [name for name in app.objectIds() if 'copy' in name]
        app._delObject(copy)
        transaction.commit()
        assert site_paths(app) == ['/site']

    def test_so_does_removing_one_that_nobody_has_noticed(
            self, app, site, schedule):
        schedule.original_oid = b'an other'  # copied without this package
        app._delObject('site')
        assert site_paths(app) == ['/site']

    def test_and_uninstalling_it(self, app, site, schedule):
        schedule.original_oid = b'an other'
        uninstall(site)
        assert site_paths(app) == ['/site']

    def test_one_that_is_paused_already_keeps_the_reason(
            self, app, site, schedule):
        schedule.pause(reason='a migration')
        transaction.commit()
        app.manage_renameObject('site', 'other')
        assert schedule.pauses.get(ALL).reason == 'a migration'

    def test_a_site_without_a_schedule_may_move(self, app):
        make_site(app, 'plain')
        transaction.savepoint()
        app.manage_renameObject('plain', 'other')
        assert site_paths(app) == []
