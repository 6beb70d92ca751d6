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
"""The command that prints metrics."""

import sys
from pathlib import Path

import pytest
from databases import free_port
from prometheus_client.parser import text_string_to_metric_families
from shell import opened

from zodbschedule import Schedule


def values(text):
    """The samples of a text: name and path -> value."""
    return {(sample.name.removeprefix('zodbschedule_'),
             sample.labels.get('schedule')): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples}


@pytest.fixture
def without_library(monkeypatch):
    """prometheus_client is not installed."""
    monkeypatch.setitem(sys.modules, 'prometheus_client', None)
    for name in list(sys.modules):
        if name.startswith('zodbschedule.metrics'):
            monkeypatch.delitem(sys.modules, name)


MISSING = ("metrics need prometheus_client; install it with: pip install "
           "'zodbschedule[metrics]'")


# -- what a schedule holds


def test_what_the_schedule_holds_is_printed(shell, wall_clock):
    shell('add', 'shop.restock', '--at', '+1h')
    shell('add', 'shop.deliver')
    shell('process', code=1)
    found = values(shell('metrics'))
    assert found['up', 'schedule'] == 1
    assert found['tasks_waiting', 'schedule'] == 1
    assert found['tasks_parked', 'schedule'] == 1
    assert found['oldest_due_seconds', 'schedule'] == 0


def test_several_schedules_can_be_named(shell):
    with opened(shell.db) as root:
        root['other'] = Schedule()
    found = values(shell('metrics', '--path', 'schedule', '--path', '/other/'))
    assert found['up', 'schedule'] == found['up', 'other'] == 1


def test_what_cannot_be_read_is_said_beside_what_can(shell):
    text = shell('metrics', '--path', 'none', '--path', 'schedule',
                 '--path', 'nor', code=2)
    assert 'there is no schedule at none in' in shell.err
    found = values(text)
    assert found['up', 'schedule'] == 1
    assert found['up', 'none'] == found['up', 'nor'] == 0
    assert ('tasks_due', 'none') not in found


def test_a_database_that_is_missing_is_said_by_the_metrics_too(bare_shell):
    text = bare_shell('metrics', code=2)
    assert values(text) == {('up', 'schedule'): 0}
    assert 'there is no database at' in bare_shell.err


def test_a_server_that_is_away_is_said(shell):
    uri = f'zeo://127.0.0.1:{free_port()}?wait_timeout=1'
    text = shell('metrics', '--db', uri, code=2)
    assert values(text) == {('up', 'schedule'): 0}


def test_nothing_is_written(shell):
    before = Path(shell.db).read_bytes()
    shell('metrics')
    assert Path(shell.db).read_bytes() == before


def test_a_file_is_replaced_as_a_whole(shell):
    file = Path('zodbschedule.prom')
    file.write_text('old')
    with file.open() as reading:
        assert shell('metrics', '--output', file) == ''
        assert reading.read() == 'old'
    assert values(file.read_text())['up', 'schedule'] == 1
    assert [*Path().glob('zodbschedule.prom*')] == [file]


def test_a_file_that_cannot_be_written_is_said(shell):
    assert shell.refuses('metrics', '--output', 'no/file') == (
        '--output no/file: No such file or directory; choose another file, or '
        'create its folder')


@pytest.mark.parametrize('args', [
    ('metrics',), ('worker', '--metrics-port', '0')])
def test_a_missing_library_is_said(shell, without_library, args):
    assert shell.refuses(*args) == MISSING
