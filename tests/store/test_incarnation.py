"""Which process it is, and whether that is gone."""

import os
import subprocess
import sys

import pytest
from databases import wait_until

from zodbschedule.store import incarnation
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import is_gone
from zodbschedule.store.incarnation import started
from zodbschedule.store.incarnation import this


@pytest.fixture
def other():
    """Another process, that ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, '-S', '-c', 'input()'],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    yield process
    process.communicate()


def test_it_is_always_the_same_in_one_process():
    assert this() == this()
    assert this().pid == os.getpid()


def test_it_is_plain_data():
    assert {type(part) for part in this()} == {str, int}


def test_this_process_is_not_gone():
    assert is_gone(this()) is False


def test_a_process_that_lives_is_not_gone(other):
    there = this()._replace(pid=other.pid, started=started(other.pid))
    assert there.started
    assert is_gone(there) is False


def test_a_process_that_was_killed_is_gone_before_it_is_waited_for(other):
    there = this()._replace(pid=other.pid, started=started(other.pid))
    other.kill()
    wait_until(lambda: is_gone(there), 'the end of a process')
    assert other.returncode is None
    other.wait()
    assert is_gone(there) is True


def test_a_pid_that_is_used_again_is_another_process():
    assert is_gone(this()._replace(started='1')) is True


def test_a_process_of_another_boot_or_namespace_is_not_known():
    assert is_gone(this()._replace(machine='another')) is None


def test_the_name_of_the_host_does_not_matter():
    assert is_gone(this()._replace(host='renamed')) is False


def test_a_process_that_did_not_know_when_it_began_is_not_known():
    assert is_gone(this()._replace(started='')) is None


@pytest.fixture
def no_proc(monkeypatch):
    """A system that has no /proc."""
    def refuse(*args, **kwargs):
        raise FileNotFoundError(*args)

    monkeypatch.setattr(incarnation, 'open', refuse, raising=False)


def test_without_proc_nothing_is_known(no_proc):
    here = this()
    assert here.machine == here.started == ''
    assert here.pid == os.getpid()
    assert is_gone(here) is None
    assert is_gone(Incarnation('', 'another', 1, '1')) is None


def test_a_process_that_the_system_hides_is_not_known(other, monkeypatch):
    machine = this().machine
    monkeypatch.setattr(incarnation, 'machine', lambda: machine)
    there = Incarnation('', machine, other.pid, '1')
    gone = there._replace(pid=2**22 + 1)  # above what Linux gives

    def hide(*args, **kwargs):
        raise FileNotFoundError(*args)

    monkeypatch.setattr(incarnation, 'open', hide, raising=False)
    assert is_gone(there) is None
    assert is_gone(gone) is True

    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(incarnation.os, 'kill', refuse)
    assert is_gone(there) is None


@pytest.mark.parametrize('name', [
    'plain', 'with spaces', '(in) parentheses) 1 2 3', 'né\udcff'])
def test_any_name_of_a_program_is_understood(tmp_path, monkeypatch, name):
    fields = ['S', *(str(number) for number in range(4, 53))]
    stat = tmp_path / 'stat'
    stat.write_bytes(
        f'7 ({name}) {" ".join(fields)}\n'.encode(errors='surrogateescape'))
    monkeypatch.setattr(
        incarnation, 'open', lambda path, **kwargs: open(stat, **kwargs),
        raising=False)
    assert started(7) == '22'


@pytest.mark.parametrize('state', 'ZX')
def test_a_process_with_nothing_but_its_entry_left_is_gone(
        tmp_path, monkeypatch, state):
    stat = tmp_path / 'stat'
    stat.write_text(f'7 (x) {state} ' + ' '.join(map(str, range(4, 53))))
    monkeypatch.setattr(
        incarnation, 'open', lambda path, **kwargs: open(stat, **kwargs),
        raising=False)
    assert started(7) is None
