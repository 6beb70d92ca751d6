"""Each list, in each state that a schedule may be in."""

import pytest
import sample_tasks
from browsing import look
from holding import hold
from in_memory import BEGIN
from sample_tasks import MINUTE
from sample_tasks import Fading
from sample_tasks import gone

from zodbschedule import Task


PAGES = ['/', '/upcoming', '/timeline', '/timeline?span=week', '/running',
         '/workers']
WITH_TASKS = PAGES[:4]

@pytest.fixture(params=PAGES)
def address(request):
    return request.param


def fill(schedule, commit, number):
    """So many tasks, one each minute."""
    tasks = [schedule.call(print, time=BEGIN + minute * MINUTE,
                           description=f'letter {minute}')
             for minute in range(number)]
    commit()
    return tasks


def test_an_empty_schedule(schedule, address):
    page = look(schedule, address)
    assert 'No ' in page.said or 'Nothing is to run then.' in page.said


@pytest.mark.parametrize('number', [1, 51])
def test_some_tasks(schedule, commit, address, number):
    fill(schedule, commit, number)
    page = look(schedule, address)
    assert ('letter 0' in page.said) == (address in WITH_TASKS)


@pytest.mark.parametrize('address', WITH_TASKS)
def test_a_title_is_text(schedule, commit, address):
    schedule.call(print, description='<script>alert("x")</script>')
    commit()
    page = look(schedule, address)
    assert '<script>alert' in page.said
    assert '<script>alert' not in page.html


def test_a_title_of_what_runs_is_text(schedule, commit):
    schedule.call(print, description='<script>alert("x")</script>')
    hold(schedule, commit)
    for address in PAGES[3:]:
        page = look(schedule, address)
        assert '<script>alert' in page.said
        assert '<script>alert' not in page.html


@pytest.mark.parametrize('address', WITH_TASKS)
def test_a_task_without_its_class_is_shown_with_the_problem(
        schedule, commit, address):
    schedule.schedule(Fading(BEGIN + MINUTE, description='fading'))
    commit()
    with gone(schedule._p_jar.db(), 'Fading'):
        page = look(schedule, address)
    assert 'class missing' in page.said


@pytest.mark.parametrize('address', WITH_TASKS)
def test_a_lost_record_is_shown_as_such(schedule, commit, address):
    task = schedule.call(print, time=BEGIN + MINUTE, description='lost')
    commit()
    lose(schedule, task)
    page = look(schedule, address)
    assert 'record gone' in page.said


def lose(schedule, task):
    """Take the record of *task* out of the storage."""
    schedule._p_jar.db().storage._data.pop(task._p_oid)
    sample_tasks.forget(schedule._p_jar.db())


def test_a_page_changes_nothing(schedule, commit, address):
    fill(schedule, commit, 3)
    before = schedule._p_jar.db().lastTransaction()
    look(schedule, address)
    assert schedule._p_jar.db().lastTransaction() == before


class Raising(Task):
    """A task that cannot be loaded, and says why."""

    def __setstate__(self, state):
        raise RuntimeError('no such customer: zoe')


@pytest.mark.parametrize('address', WITH_TASKS)
def test_with_a_mask_it_is_not_told_what_an_error_says(
        schedule, commit, address):
    schedule.schedule(Raising(BEGIN + MINUTE))
    commit()
    sample_tasks.forget(schedule._p_jar.db())
    assert 'no such customer: zoe' in look(schedule, address).said
    page = look(schedule, address, mask=lambda name: False)
    assert 'cannot be loaded: ' in page.said
    assert 'zoe' not in page.said
