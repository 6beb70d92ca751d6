"""Running and Workers: what is held, how far it is, and by whom."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from browsing import look
from holding import hold
from sample_tasks import MINUTE

from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import this
from zodbschedule.web.pages import workers


@pytest.fixture(autouse=True)
def now(clock):
    """Really now: the database tells when a worker gave a sign of life."""
    clock.set(datetime.now(UTC))
    return clock.now()


@pytest.fixture
def held(schedule, commit, now):
    """A worker that runs one task, and has claimed another one."""
    for number in range(2):
        schedule.call('os.getcwd', time=now + number * timedelta.resolution
                      - MINUTE, description=f'letter {number}')
    commit()
    return hold(schedule, commit)


def test_what_runs_and_what_is_to_run_next(schedule, held):
    page = look(schedule, '/running')
    assert 'letter 0 os.getcwd running' in page.said
    assert 'letter 1 os.getcwd claimed it waits for its turn' in page.said
    assert page.said.count('night') == 2


def test_how_far_it_is(schedule, commit, held):
    held.beat().progress = (held.slots[held.running].oid, 6.0, 15.0)
    commit()
    page = look(schedule, '/running')
    assert '6 of 15' in page.said
    assert ('<progress value="6.0" max="15.0" aria-label="Progress of letter '
            '0">') in page.html


def test_what_a_dead_worker_holds(schedule, commit):
    schedule.call(print, description='held')
    commit()
    hold(schedule, commit, this()._replace(started='1'))
    assert 'its worker is dead' in look(schedule, '/running').said


def test_who_works_and_at_what(schedule, commit, held):
    hold(schedule, commit, this()._replace(started='1'), 0, 'day')
    page = look(schedule, '/workers')
    assert '1 alive, 0 silent, 1 dead' in page.said
    assert 'night process' in page.said
    assert 'working letter 0' in page.said
    assert 'day process' in page.said
    assert 'dead for' in page.said


def test_who_has_been_silent_for_how_long(schedule, commit, clock):
    schedule.call(print)
    commit()
    hold(schedule, commit, Incarnation('elsewhere', 'x', 7, '1'))
    clock.advance(60 * MINUTE)
    page = look(schedule, '/workers')
    assert 'process 7 on elsewhere' in page.said
    assert 'silent for 1 h' in page.said or 'silent for 59 min' in page.said


def test_so_many_threads_are_shown(schedule, commit, monkeypatch):
    monkeypatch.setattr(workers, 'SHOWN', 2)
    for number in range(3):
        hold(schedule, commit, None, 0, f'worker {number}')
    page = look(schedule, '/workers')
    assert 'There are more than these 2.' in page.said
    assert page.html.count('class="state idle"') == 2


def test_a_run_is_cancelled_from_here(schedule, held):
    page = look(schedule, '/running', allow_changes=True, who=lambda _: 'zoe')
    assert page.html.count('action="/cancel"') == 2
    assert 'Cancel letter 0' in page.said
    assert 'action="/cancel"' not in look(schedule, '/running').html
