"""What a site has to be like that was copied or moved while its tasks run.

Needs Zope.  A module derives tests from these classes, and gives the fixtures
`copied` and `moved`.
"""

from functools import partial
from types import SimpleNamespace

import pytest
import transaction
from full_site import HOUR
from full_site import in_another_thread
from full_site import meanwhile
from full_site import process
from full_site import task
from full_site import tasks_of

from zodbschedule import clock
from zodbschedule.store.inspection import task_id
from zodbschedule.zope.sites import schedule_of


def copy_while_it_runs(app, id, way, path, folder, adapt=None):
    """What happens to a site that is copied, and to the copy at *path*.

    The copy is given to *adapt*.
    """
    site = app._getOb(id)
    meanwhile.append(partial(in_another_thread, way, id, folder))
    before = process(app, site)
    copy = app.unrestrictedTraverse(path)
    if adapt is not None:
        adapt(copy)
    schedule = schedule_of(copy)
    arrived = tasks_of(schedule)
    kept = schedule.schedule(
        task(copy.doc, 'another', key='key'), duplicate='keep')
    schedule.resume()
    transaction.commit()
    clock.current().advance(2 * HOUR)
    return SimpleNamespace(
        original=f'/{id}', path=path, site=schedule_of(site), copy=schedule,
        before=before, arrived=arrived, kept=kept,
        in_copy=process(app, copy), in_site=process(app, site))


def move_while_it_runs(app, id, way, path, folder):
    """What happens to a site that is moved to *path*."""
    meanwhile.append(partial(in_another_thread, way, id, folder))
    before = process(app, app._getOb(id))
    site = app.unrestrictedTraverse(path)
    paused = process(app, site)
    schedule = schedule_of(site)
    schedule.resume()
    transaction.commit()
    clock.current().advance(2 * HOUR)
    return SimpleNamespace(
        original=f'/{id}', path=path, schedule=schedule, before=before,
        paused=paused, after=process(app, site))


NAMES = {'running', 'site user', 'root user', 'system', 'anonymous',
         'by path', 'waiting', 'keyed', 'paused', 'parked', 'visit'}


def visits_of(path):
    """Who visits what in a site at *path*: what ran first, and after that.
    """
    own, root = f'{path}/acl_users', '/acl_users'
    return {(f'{path}/doc', 'jane', own), (f'{path}/doc', 'root', root),
            (f'{path}/doc', None, own), (f'{path}/plain', None, own)}, {
                (f'{path}/doc', None, own), (path, None, own)}


class CopiedSite:
    """Each has its own tasks, which touch nothing of the other."""

    def test_the_tasks_of_the_original_have_run_meanwhile(self, copied):
        assert set(copied.before.visits) == visits_of(copied.original)[0]
        assert copied.before.tally.succeeded == 6

    def test_the_copy_has_all_tasks_even_those_that_ran(self, copied):
        assert set(copied.arrived) == NAMES

    def test_those_of_the_copy_have_run_there(self, copied):
        first, then = visits_of(copied.path)
        assert set(copied.in_copy.visits) == first | then
        assert copied.in_copy.tally.succeeded == 9

    def test_those_of_the_original_go_on_there(self, copied):
        assert set(copied.in_site.visits) == visits_of(copied.original)[1]
        assert copied.in_site.tally.succeeded == 3

    def test_each_object_was_written_by_its_own_tasks(self, copied):
        for schedule in copied.site, copied.copy:
            assert schedule.__parent__.doc.title.count('+') == 7

    def test_nothing_outside_was_touched(self, copied):
        assert not copied.before.outside
        assert not copied.in_copy.outside
        assert not copied.in_site.outside

    def test_no_task_is_in_both(self, copied):
        assert not {one._p_oid for one in copied.arrived.values()} & {
            one._p_oid for one in tasks_of(copied.site).values()}

    def test_both_are_sound(self, copied):
        assert not copied.before.flaws
        assert not copied.in_copy.flaws
        assert not copied.in_site.flaws

    @pytest.mark.parametrize('which', ['site', 'copy'])
    def test_what_is_left_is_what_was_paused_or_parked_or_repeats(
            self, copied, which):
        schedule = getattr(copied, which)
        left = tasks_of(schedule)
        assert set(left) == {'paused', 'parked', 'visit'}
        assert schedule.paused(left['paused']).reason == 'wrong figures'
        [entry] = schedule.parked
        assert entry.id == task_id(left['parked'])
        assert schedule.contributed_tasks['visit'] is left['visit']
        assert not schedule.claims

    def test_a_key_is_held_by_a_task_that_is_there(self, copied):
        assert copied.kept is copied.arrived['keyed']


class MovedSite:
    """Each task runs once, and then in the new place."""

    def test_what_runs_may_end_and_nothing_else_begins(self, moved):
        assert moved.before.tally.left >= 5
        assert moved.paused.visits == []

    def test_when_it_is_resumed_the_others_run_there(self, moved):
        first, then = visits_of(moved.path)
        assert set(moved.after.visits) == first | then

    def test_each_has_run_once(self, moved):
        assert moved.before.tally.succeeded + moved.after.tally.succeeded == 9
        assert moved.schedule.__parent__.doc.title.count('+') == 7

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
