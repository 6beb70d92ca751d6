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
"""The demo, in no time."""

import re
from datetime import timedelta

import pytest
import ZODB
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import clock
from zodbschedule.cli.commands import commands
from zodbschedule.cli.demo import COMMANDS
from zodbschedule.cli.demo import DURATION
from zodbschedule.cli.demo import GUESTS
from zodbschedule.cli.demo import LiveDisplay
from zodbschedule.cli.demo_tasks import Guestbook
from zodbschedule.cli.demo_tasks import hang
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import SettableClock


class ImpatientClock(SettableClock):
    """Somebody presses Ctrl-C while the demo waits."""

    def wait(self, seconds):
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def wall_clock():
    with clock.use(SettableClock()) as settable:
        yield settable


@pytest.fixture
def demo(tmp_path, monkeypatch, capsys):
    """Calls the demo in an empty directory; the lines that it prints."""
    for name in ('FORCE_COLOR', 'TTY_COMPATIBLE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*args, code=0):
        with pytest.raises(SystemExit) as ended:
            commands(['demo', *args], prog_name='zodbschedule')
        out, err = capsys.readouterr()
        assert ended.value.code == code, out + err
        return (out + err).splitlines()

    return call


@pytest.fixture
def stored(tmp_path):
    """Looks at what the demo has left in the database."""
    def look(read):
        path = tmp_path / 'zodbschedule-demo' / 'demo.fs'
        db = ZODB.DB(FileStorage(str(path), read_only=True))
        try:
            with db.transaction() as connection:
                return read(connection.root())
        finally:
            db.close()

    return look


def clocks(root):
    return [task_id(task) for task in root['schedule']
            if task.key == 'the clock']


def signatures(root):
    return sorted(root['guestbook'].signatures)


def test_the_demo_takes_ten_seconds(demo, wall_clock):
    began = wall_clock.now()
    demo()
    assert wall_clock.now() - began == DURATION


def test_each_effect_is_there_exactly_once(demo, stored):
    expected = [f'{name} (call 1)' for name in (*GUESTS, 'the postman')]
    demo()
    assert stored(signatures) == sorted(expected)
    demo()
    expected += [name.replace('1', '2') for name in expected]
    assert stored(signatures) == sorted(expected)


def test_the_demo_tells_of_each_run_as_it_ends(demo):
    lines = demo()
    runs = [line.split(' s ')[1] for line in lines if line.startswith('+')]
    assert runs == [
        'succeeded: Ada signs',
        'succeeded: the bell rings',
        'succeeded: Grace signs',
        'retried: the painter hangs a picture',
        'succeeded: Barbara signs',
        'succeeded: the clock strikes',
        'failed: Eve signs uninvited',
        'retried: the painter hangs a picture (attempt 2)',
        'succeeded: Frances signs',
        'retried: the postman (call 1) wants to sign',
        'succeeded: the bell rings',
        'succeeded: Radia signs',
        'succeeded: the clock strikes',
        'succeeded: the painter hangs a picture (attempt 3)',
        'succeeded: Margaret signs',
        'succeeded: the postman (call 1) wants to sign (attempt 2)',
        'succeeded: the clock strikes',
        'succeeded: the bell rings',
        'succeeded: the clock strikes',
        'succeeded: the bell rings']


def test_the_demo_sums_up(demo):
    lines = demo()
    assert lines[0] == ('The database is zodbschedule-demo/demo.fs, '
                        'a FileStorage; it is new.')
    summary = lines[lines.index(
        '20 runs ended: 16 succeeded, 3 retried, 1 failed'):]
    assert summary[1:3] == [
        '- 7 signatures in the guestbook, 0 of them twice; pictures on the '
        'wall: 1',
        '- the bell has rung 4 times, the clock has struck 4 times']
    assert summary[3].startswith('- parked: ')
    assert summary[3].endswith(
        'Eve signs uninvited: ValueError: Eve (call 1) has no invitation')
    assert '- succeeded: the bell rings' in summary
    assert '- zodbschedule list --db zodbschedule-demo/demo.fs' in summary


def test_a_second_call_finds_what_the_first_one_left(demo):
    first = demo()
    second = demo()
    before = second[:second.index('Processing for about ten seconds:')]
    assert before[0].endswith('It exists and contains:')
    assert before[1:6] == [
        '- 20 runs on record',
        '- 7 signatures in the guestbook, 0 of them twice; pictures on the '
        'wall: 1',
        '- the bell has rung 4 times, the clock has struck 4 times',
        '- waiting: the clock strikes (due since the last call)',
        '- waiting: the bell rings (due in 2 s)']
    assert [line for line in first if '- parked: ' in line] == before[6:]
    assert {'- 14 signatures in the guestbook, 0 of them twice; pictures on '
            'the wall: 2',
            '- the bell has rung 7 times, the clock has struck 9 times'
            } <= set(second)


def test_what_became_due_between_two_calls_runs_first(demo, wall_clock):
    demo()
    wall_clock.advance(timedelta(days=1))
    second = demo()
    assert '- waiting: the bell rings (due since the last call)' in second
    runs = [line for line in second if line.startswith('+')]
    assert runs[:2] == ['+0.0 s succeeded: the clock strikes',
                        '+0.0 s succeeded: the bell rings']
    # Not one for each time that was missed.
    assert sum('the bell' in run for run in runs) == 4
    assert sum('the clock' in run for run in runs) == 5


def test_an_interrupted_demo_goes_on_in_the_next_call(demo, stored):
    with clock.use(ImpatientClock()):
        lines = demo(code=130)
    assert lines[-1] == '+0.0 s succeeded: Ada signs'
    demo()
    assert len(stored(signatures)) == 2 * len(GUESTS) + 2


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TERM', 'xterm')


def test_an_interrupted_demo_leaves_the_terminal_in_order(demo, terminal):
    with clock.use(ImpatientClock()):
        lines = demo(code=130)
    hidden, shown = '\x1b[?25l', '\x1b[?25h'
    assert '\n'.join(lines).rindex(shown) > '\n'.join(lines).rindex(hidden)


def test_on_a_terminal_one_picture_changes(demo, terminal):
    shown = '\n'.join(demo())
    assert 'in 3 s' in shown and 'waiting' in shown
    assert 'retried' in shown
    assert '20 runs ended' in shown


def test_a_picture_is_hung_once_though_it_fell_down_twice(demo, stored):
    demo()
    assert stored(lambda root: root['guestbook'].pictures) == 1


def test_the_repeating_task_is_declared_in_each_call_and_is_one(demo, stored):
    demo()
    first, = stored(clocks)
    demo()
    assert stored(clocks) == [first]


def test_a_picture_that_hangs_by_hand_hangs_at_once():
    book = Guestbook()
    hang(book)
    assert book.pictures == 1


def test_a_low_terminal_shows_the_last_runs_and_in_the_end_all(
        demo, terminal, monkeypatch):
    monkeypatch.setenv('LINES', '12')
    shown = re.sub(r'\x1b\[[\d;?]*[a-zA-Z]', '', '\n'.join(demo()))
    *pictures, last = re.split('when +outcome', shown)
    assert max(picture.count('\n') for picture in pictures) <= 12
    assert 'Ada signs' in pictures[1] and 'Ada signs' not in pictures[-1]
    assert 'waiting' in pictures[-1]
    assert 'Ada signs' in last


def test_a_demo_that_is_interrupted_before_its_first_picture(terminal):
    shown = LiveDisplay()
    shown.finish()
    assert shown.last is None


def test_the_demo_takes_another_folder(demo, tmp_path):
    demo('somewhere/else')
    assert (tmp_path / 'somewhere' / 'else' / 'demo.fs').is_file()


def test_a_folder_that_is_a_file_is_refused(demo, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'is a file' in demo('file', code=2)[-1]


def test_a_demo_that_goes_on_elsewhere_is_said_in_a_line(demo, tmp_path):
    demo()
    elsewhere = FileStorage(str(tmp_path / 'zodbschedule-demo' / 'demo.fs'))
    line, = demo(code=2)
    elsewhere.close()
    assert 'in use by another process' in line


def test_the_demo_can_be_looked_at_afterwards(demo, capsys):
    demo()
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            commands([*command.split(), '--db', 'zodbschedule-demo/demo.fs'])
        assert ended.value.code == 0
    said = capsys.readouterr().out
    for what in 'the bell rings', 'Eve signs uninvited', 'every 2 seconds':
        assert what in said
