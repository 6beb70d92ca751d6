"""One task among thousands at the same instant is found by few loads."""

import pytest
from cold import cold_loads
from in_memory import clock as clock
from in_memory import commit as commit
from in_memory import schedule as schedule
from sample_work import NOON

from zodbschedule import CallTask
from zodbschedule.store.inspection import task_id


def crowd(schedule, commit, number, at_once):
    """So many at one instant, so many in each transaction; ids by arrival."""
    tasks = []
    for first in range(0, number, at_once):
        more = [CallTask(print, time=NOON) for _ in range(at_once)]
        for task in more:
            schedule.schedule(task)
        commit()
        tasks += more
    return [task_id(task) for task in tasks]


@pytest.mark.parametrize('number, at_once, most', [
    (2_000, 2_000, 40), (400, 1, 40), (2_000, 500, 90)])
def test_a_task_is_found_near_its_oid(
        schedule, clock, commit, number, at_once, most):
    ids = crowd(schedule, commit, number, at_once)
    for id in ids[::number // 8], ids[-1:]:
        for each in id:
            assert cold_loads(
                schedule, lambda again: again.get(each)) <= most


def test_each_task_is_found_wherever_it_is(schedule, clock, commit):
    ids = crowd(schedule, commit, 300, 100)
    early = schedule.get(ids[0])
    schedule.unschedule(early)
    schedule.schedule(early)  # it comes last, with a low oid
    commit()
    assert all(schedule.get(id) is not None for id in ids)
    assert schedule.get('ffff') is None


def test_a_list_that_is_lost_is_stepped_over(schedule, clock, commit):
    ids = crowd(schedule, commit, 200, 200)
    lists = [leaf for _, leaf in schedule.timetable.lists_at(NOON)]
    lost = lists[0], lists[5], lists[-1]
    kept = len(ids) - sum(map(len, lost))
    for leaf in lost:
        schedule._p_jar.db().storage._data.pop(leaf._p_oid)
    schedule._p_jar.cacheMinimize()
    assert sum(schedule.get(id) is not None for id in ids) == kept
