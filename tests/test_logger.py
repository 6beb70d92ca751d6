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
"""Logging that raises, and subscribers that do, stop nothing."""

import ast
import logging
import pathlib
import re
import sys
import threading

import pytest
import zope.event
from databases import wait_until
from onlooker import Onlooker
from sample_work import NOON
from sample_work import Note

import zodbschedule
from zodbschedule import Worker
from zodbschedule.logger import log
from zodbschedule.scheduling.events import notify


class Raising(logging.Handler):
    """As one that needs a request, and there is none."""

    def emit(self, record):
        raise RuntimeError('no request')


class NeedsRequest(logging.Filter):
    """The same for a filter."""

    def filter(self, record):
        raise AttributeError('no request')


def filtered():
    handler = logging.StreamHandler()
    handler.addFilter(NeedsRequest())
    return handler


@pytest.fixture(params=[Raising, filtered])
def bad_log(request, monkeypatch):
    """Whatever is logged raises."""
    handler = request.param()
    root = logging.getLogger()
    root.addHandler(handler)
    monkeypatch.setattr(log, 'said', False)
    yield
    root.removeHandler(handler)


@pytest.fixture
def subscribe():
    """Subscribe to events; undone when the test ends."""
    before = list(zope.event.subscribers)
    yield zope.event.subscribers.append
    zope.event.subscribers[:] = before


def test_that_logging_raises_is_said_once(bad_log, capsys):
    log.warning('a line')
    log.error('another')
    said = capsys.readouterr().err
    assert said.startswith(
        'zodbschedule: a handler or a filter of logging raises; correct it. '
        'This is said only once. It was given: a line\nTraceback')
    assert 'no request' in said
    assert 'another' not in said


def test_it_is_not_said_if_the_application_says_so(
        bad_log, capsys, monkeypatch):
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    log.warning('a line')
    assert capsys.readouterr().err == ''


def test_without_a_standard_error_it_is_not_said_either(
        bad_log, monkeypatch):
    class Closed:

        def write(self, text):
            raise ValueError('closed')

    monkeypatch.setattr(sys, 'stderr', Closed())
    log.warning('a line')


def test_the_place_in_the_log_is_that_of_the_caller(caplog):
    log.warning('a line')
    try:
        raise ValueError
    except ValueError:
        log.exception('another')
    assert [(record.name, record.pathname, record.funcName)
            for record in caplog.records] == [
        ('zodbschedule', __file__,
         'test_the_place_in_the_log_is_that_of_the_caller')] * 2


def test_all_of_the_package_logs_so():
    source = pathlib.Path(zodbschedule.__file__).parent
    getters = [
        path.name for path in source.rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == 'getLogger']
    # One logs, the other shows what is logged.
    assert set(getters) == {'logger.py', 'logs.py'}


LEVELS = {'debug', 'info', 'warning', 'error', 'exception', 'critical', 'log'}


def messages(path):
    """Each message that a module logs, with … for what differs."""
    tree = ast.parse(path.read_text())
    constants = {
        node.targets[0].id: node.value for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(
            node.targets[0], ast.Name)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(
                    value=ast.Name(id='log'), attr=level)) if level in LEVELS:
                message = node.args[level == 'log']
                if isinstance(message, ast.Name):
                    message = constants[message.id]
                text = re.sub('%[.0-9]*[a-z]', '…', message.value)
                yield ' '.join(text.split())


def test_the_documentation_says_what_each_message_means():
    page = pathlib.Path(__file__).parents[1] / 'docs' / 'logging.rst'
    documented = {
        ' '.join(text.split()) for text in re.findall(
            r'^``(.+?)``\n    \S', page.read_text(), re.M)}
    source = pathlib.Path(zodbschedule.__file__).parent
    logged = {text for path in source.rglob('*.py')
              for text in messages(path)}
    # One line is made of parts that differ altogether.
    assert logged - documented == {'…'}


@pytest.mark.storages('FileStorage')
def test_a_worker_goes_on_when_logging_raises(database, bad_log):
    seen = Onlooker(database)
    with seen.transaction() as schedule:
        schedule.call('math.sqrt', -1)
    with Worker(database.db) as worker:
        wait_until(lambda: seen.look(lambda s: len(list(s.parked))) == 1,
                   'the failure')
        seen.add(Note('another'))
        seen.wait_for('another')
        wait_until(lambda: worker.healthy, 'health')
    assert seen.claims() == []


@pytest.mark.storages('FileStorage')
def test_process_goes_on_when_logging_raises(database, bad_log, clock):
    clock.set(NOON)
    seen = Onlooker(database)
    with seen.transaction() as schedule:
        for _ in range(3):
            schedule.call('math.sqrt', -1)
        schedule.schedule(Note('another'))
    connection = database.open()
    schedule = connection.root()['schedule']
    connection.transaction_manager.abort()
    tally = schedule.process(clock.now())
    assert (tally.succeeded, tally.failed) == (1, 3)


@pytest.mark.parametrize('error', [ValueError, SystemExit])
def test_a_subscriber_that_raises_keeps_no_other_from_its_event(
        subscribe, error, bad_log):
    def fail(event):
        raise error

    told = []
    subscribe(fail)
    subscribe(told.append)
    thread = threading.Thread(target=notify, args=('an event',))
    thread.start()
    thread.join()
    assert told == ['an event']


def test_what_a_subscriber_raises_is_said_once(subscribe, caplog):
    def fail(event):
        if event == 'odd':
            raise ValueError(event)
        raise ValueError('another')

    subscribe(fail)
    for event in 'an event', 'an event', 'odd', 'odd':
        notify(event)
    caplog.set_level(logging.DEBUG, 'zodbschedule')
    notify('an event')
    assert [(record.levelname, record.args) for record in caplog.records] == [
        ('ERROR', ('an event',)), ('ERROR', ('odd',)),
        ('DEBUG', ('an event',))]


def test_a_signal_that_ends_the_process_during_a_subscriber_does_so(
        subscribe):
    def terminated(event):
        raise SystemExit

    subscribe(terminated)
    with pytest.raises(SystemExit):
        notify('an event')
