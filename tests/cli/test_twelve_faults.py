##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""Twelve faults in one database, found by somebody who has never seen it.

By the log, `check`, `list`, `show` and `history` alone: each names the task
and the cause.  What to do is in docs/troubleshooting.rst.
"""

import logging
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import twelve_faults
from sessions import Session
from twelve_faults import MORNING
from twelve_faults import Night
from twelve_faults import full_disk
from twelve_faults import make_all


PAGE = Path(__file__).parents[2] / 'docs' / 'troubleshooting.rst'

pytestmark = pytest.mark.usefixtures('no_terminal')


@pytest.fixture
def night(bare_shell, wall_clock, caplog):
    """A database without a fault, as yet."""
    caplog.set_level(logging.INFO)
    return Night(bare_shell.folder, wall_clock)


@pytest.fixture
def make(night, caplog):
    """Make one fault; the id of its task.  It is morning then."""
    def one(fault):
        task = fault(night)
        night.clock.set(MORNING)
        night.deploy(twelve_faults.OLD)
        return task
    return one


def lines(log, level='INFO'):
    """What the log says, at that level or above."""
    return [record.getMessage() for record in log.records
            if record.levelno >= getattr(logging, level)]


def line(log, *words, level='WARNING'):
    """The one line of the log that has these words."""
    found, = (text for text in lines(log, level)
              if all(word in text for word in words))
    return found


def warning(shell, *words, code=0):
    """The one warning of ``check`` that has these words."""
    shell('check', code=code)
    found, = (text for text in shell.err.splitlines()
              if text.startswith('Warning: ')
              and all(word in text for word in words))
    return found


def row(text, id):
    """The line of a table that is about that task."""
    found, = (text for text in text.splitlines() if f'{id} ' in text)
    return found


def process(shell, code=0):
    """Run what is due, as a worker would."""
    return shell('process', code=code)


# -- Each of them -------------------------------------------------------------


def test_a_class_is_missing(bare_shell, make, caplog):
    task = make(twelve_faults.class_missing)
    assert 'send invoice 12 (class missing)' in row(bare_shell('list'), task)
    assert 'class missing' in bare_shell('show', task)
    assert warning(bare_shell, task, code=1) == (
        f"Warning: task {task} 'send invoice 12' (shop.Invoice) cannot run "
        f'here: class missing')
    process(bare_shell)
    said = line(caplog, f'Task {task} ', 'left in its place')
    assert 'send invoice 12' in said
    assert 'shop.Invoice cannot be imported' in said


def test_a_worker_is_dead(bare_shell, make, caplog):
    task = make(twelve_faults.dead_worker)
    said = bare_shell('check', code=1)
    assert f"task {task} 'fetch the rates' (shop.restock)" in said
    assert 'held by web2:88' in said
    assert 'no workers are alive, 1 is dead' in said
    assert warning(bare_shell, 'web2:88', code=1).endswith(
        'Start a worker, which recovers them; or: zodbschedule workers '
        '--recover web2:88')
    assert 'fetch the rates (its worker is dead)' in row(
        bare_shell('list'), task)
    assert 'its worker is dead' in bare_shell('show', task)
    process(bare_shell)
    said = line(caplog, 'was recovered', f'task {task} ')
    assert 'its process has ended' in said
    assert 'fetch the rates' in said


def test_a_task_is_overdue(bare_shell, make):
    task = make(twelve_faults.overdue)
    said = bare_shell('check', code=1)
    assert said.startswith(
        f"OVERDUE: task {task} 'stock the hats' (shop.restock) has been due "
        f'for 6 h (allowed: 5 min)')
    assert 'no workers are registered' in said
    assert '(6 h ago)' in row(bare_shell('list'), task)


def test_a_pause_was_forgotten(bare_shell, make):
    task = make(twelve_faults.forgotten_pause)
    who = 'by zoe: we move house'
    said = warning(bare_shell, task)
    assert (f"task {task} 'back up the shop' (shop.back_up), paused since "
            f'2029-10-30') in said
    assert who in said
    assert said.endswith(f'zodbschedule resume {task}')
    assert 'paused' in row(bare_shell('list'), task)
    assert who in bare_shell('show', task)
    assert 'we move house' in row(bare_shell('history'), task)


def test_a_series_has_ended(bare_shell, make, caplog):
    task = make(twelve_faults.series_ended)
    assert line(caplog, 'The series of ', level='INFO').startswith(
        f"The series of task {task} 'stock the shoes' (shop.restock")
    assert line(caplog, 'The series of ', level='INFO').endswith(
        'has ended: its recurrence names no further occurrence.')
    assert bare_shell('list') == 'no tasks'
    shown = bare_shell('show', task)
    assert 'ended' in shown
    assert 'stock the shoes' in shown
    assert bare_shell('history', '--task', task).count('succeeded') == 2


def test_a_task_always_conflicts(bare_shell, make, caplog):
    task = make(twelve_faults.always_conflicting)
    for _ in range(2):
        process(bare_shell)
        said = line(caplog, f'Task {task} ', 'was not committed')
        assert 'count the visitors' in said
        assert 'ConflictError' in said
        assert 'class persistent.mapping.' in said
        caplog.clear()
    assert f"OVERDUE: task {task} 'count the visitors" in bare_shell(
        'check', code=1)
    assert bare_shell('parked') == 'no tasks are parked'


def test_a_setting_is_of_an_older_release(bare_shell, make, caplog):
    make(twelve_faults.old_setting)
    said = warning(bare_shell, 'a setting is not valid')
    assert 'lease is 60' in said
    assert said.endswith('such as timedelta(seconds=60)')
    bare_shell('add', 'shop.restock')
    process(bare_shell)
    assert 'lease is 60' in line(caplog, 'setting')


def test_an_occurrence_is_parked(bare_shell, make, caplog):
    task = make(twelve_faults.parked_occurrence)
    said = line(caplog, 'was parked', level='ERROR')
    assert task in said
    assert 'deliver the papers' in said
    assert 'RuntimeError: nobody opens' in said
    assert '1 task is parked' in bare_shell('check')
    assert 'zodbschedule parked lists them' in bare_shell('list')
    assert f'{task}-20300130T100000Z' in bare_shell('show', task)
    assert 'waiting' in row(bare_shell('list'), task)
    assert 'failed' in row(bare_shell('history'), task)
    assert 'RuntimeError: nobody opens' in row(bare_shell('history'), task)


def test_a_key_is_held_by_a_task_far_ahead(bare_shell, make):
    task = make(twelve_faults.held_key)
    assert bare_shell.refuses('add', 'shop.restock', '--key', 'christmas'
                              ).startswith(
        f"task {task} 'stock the trees' (shop.restock) already has the key "
        f"'christmas', and waits for 2031-12-22T08:00:00Z (in 690 d); give ")
    assert 'christmas' in bare_shell('list')
    assert 'christmas' in bare_shell('show', task)


def test_a_clock_was_wrong(bare_shell, make):
    task = make(twelve_faults.wrong_clock)
    said = warning(bare_shell, 'a clock was ahead')
    assert f"task {task} 'stock the gloves' (shop.restock)" in said
    assert 'waits for 2040-01-31' in said
    assert 'Correct the clock; then schedule.refresh()' in said
    assert '2040-01-31' in row(bare_shell('list'), task)
    assert '2040-01-31' in row(bare_shell('history'), task)


def test_a_disk_is_full(bare_shell, make, caplog):
    task = make(twelve_faults.overdue)
    with full_disk():
        said = bare_shell.refuses('process')
    assert 'No space left on device' in said
    assert 'make room' in said
    assert f'OVERDUE: task {task} ' in bare_shell('check', code=1)
    assert process(bare_shell) == '1 succeeded'


def test_two_versions_of_code_are_deployed(bare_shell, make, caplog):
    task = make(twelve_faults.two_versions)
    missing = "module 'shop' has no attribute 'wrap'"
    said = warning(bare_shell, task, code=1)
    assert f"task {task} 'wrap the toys' (shop.wrap) cannot run here" in said
    assert missing in said
    assert missing in row(bare_shell('list'), task)
    assert 'new:71' in row(bare_shell('history'), task)
    process(bare_shell)
    said = line(caplog, f'Task {task} ', 'left in its place')
    assert 'wrap the toys' in said
    assert missing in said


# -- As the page has it -------------------------------------------------------


def section(title):
    """That section of the page, as a session that can be followed."""
    _, _, rest = PAGE.read_text('utf-8').partition(
        f'\n{title}\n{"=" * len(title)}\n')
    assert rest
    return re.split(r'\n={4,}\n', rest)[0].replace(
        '.. code-block:: console', '.. code-block:: sh').replace(
        '.. code-block:: shell-session', '.. code-block:: console').replace(
        '.. code-block:: none', '.. code-block:: text')


@pytest.mark.parametrize('title, fault, shown', [
    ('A worker is dead', twelve_faults.dead_worker, '4a'),
    ('A task conflicts for ever', twelve_faults.always_conflicting, '4b'),
    ('Two versions of code', twelve_faults.two_versions, '4c'),
    ('A setting is of an older release', twelve_faults.old_setting, ''),
    ('The disk is full', twelve_faults.overdue, '4d'),
])
def test_the_page_shows_what_is_printed(
        bare_shell, wall_clock, make, caplog, title, fault, shown):
    session = Session(bare_shell, wall_clock, caplog)
    session.ids[shown] = make(fault)
    with full_disk() if 'full' in title else nullcontext():
        session.follow(section(title))
    assert not session.wrong, '\n'.join(session.wrong)
    assert session.typed


# -- And all at once ----------------------------------------------------------


def test_none_hides_another(bare_shell, night):
    ids = make_all(night)
    said = bare_shell('check', code=1)
    assert said.startswith(f'OVERDUE: task {ids.dead_worker} ')
    assert '; 4 more are overdue; 1 task is parked; ' in said
    assert {word for word in (
        'send invoice 12', 'wrap the toys', 'web2:88', 'back up the shop',
        'stock the gloves', 'lease is 60') if word in bare_shell.err} == {
        'send invoice 12', 'wrap the toys', 'web2:88', 'back up the shop',
        'stock the gloves', 'lease is 60'}
    assert set(bare_shell.ids()) == set(vars(ids).values()) - {
        None, ids.series_ended}


def test_check_says_that_more_are_overdue_than_it_has_looked_at(
        bare_shell, night, monkeypatch):
    for _ in range(4):
        twelve_faults.overdue(night)
    night.clock.set(MORNING)
    for limit, said in (5, '; 3 more are'), (2, '; at least 1 more is'):
        for module in 'reading.healthcheck', 'cli.check':
            monkeypatch.setattr(
                f'zodbschedule.{module}.MOST_LOOKED_AT', limit)
        assert f'{said} overdue; ' in bare_shell('check', code=1)
