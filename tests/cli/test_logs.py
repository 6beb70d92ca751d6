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
"""How the commands show the log."""

import json
import logging

import pytest

from zodbschedule.cli import logs
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.logs import Chosen
from zodbschedule.logger import log


root = logging.getLogger()


def nothing():
    """An application that configures nothing."""


def configures():
    """An application that adds a handler."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('APP %(message)s'))
    root.addHandler(handler)


@pytest.fixture
def said(capsys):
    """The lines on standard error."""
    return lambda: capsys.readouterr().err.splitlines()


def test_by_default_our_lines_are_shown_from_info_on(said):
    with logs.shown(Chosen(), nothing):
        log.info('a line')
        log.debug('a detail')
        logging.getLogger('another').info('of another')
        logging.getLogger('another').warning('a warning')
    assert [line.split('Z ')[1] for line in said()] == [
        'INFO a line', 'WARNING a warning']
    assert log.logger.level == logging.NOTSET


def test_what_an_application_configures_shows_each_line_once(said):
    with logs.shown(Chosen(), configures):
        log.info('a line')
    assert said() == ['APP a line']


def test_the_level_that_an_application_sets_is_kept(said):
    def configure():
        configures()
        log.logger.setLevel('ERROR')

    with logs.shown(Chosen(), configure):
        log.info('a line')
    assert said() == []


def test_a_format_that_is_chosen_replaces_what_an_application_has(
        said):
    with logs.shown(Chosen('text'), configures):
        log.info('a line')
    [line] = said()
    assert line.endswith('Z INFO a line')


def test_from_a_level_on_all_is_shown(said):
    with logs.shown(Chosen(level='DEBUG'), nothing, False):
        log.debug('a detail')
        logging.getLogger('another').debug('of another')
    assert len(said()) == 2


def test_without_a_choice_process_shows_what_an_application_does(
        said):
    with logs.shown(Chosen(), configures, False):
        log.info('a line')
    with logs.shown(Chosen(), nothing, False):
        log.info('another')
    assert said() == ['APP a line']


def test_json_has_a_line_for_each_record(said):
    with logs.shown(Chosen('json'), nothing):
        log.info('a %s', 'line')
        try:
            raise ValueError('no luck')
        except ValueError:
            logging.getLogger('shop').exception('bad', extra={'size': {1}})
    one, two = map(json.loads, said())
    assert (one['level'], one['logger'], one['message']) == (
        'INFO', 'zodbschedule', 'a line')
    assert one['time'].endswith('Z') and 'traceback' not in one
    assert two['size'] == '{1}' and 'no luck' in two['traceback']
    assert 'task_id' not in two


def test_a_file_of_json_configures_the_log(said, tmp_path):
    path = tmp_path / 'log.json'
    path.write_text(json.dumps({
        'version': 1,
        'formatters': {'short': {'format': 'FILE %(message)s'}},
        'handlers': {'all': {
            'class': 'logging.StreamHandler', 'formatter': 'short'}},
        'root': {'handlers': ['all'], 'level': 'INFO'}}))
    with logs.shown(Chosen(config=path), nothing):
        log.info('a line')
        with logs.stopping_shown():
            log.warning('another')
    assert said() == ['FILE a line', 'FILE another']


def test_another_file_does_so_as_well(said, tmp_path):
    path = tmp_path / 'log.ini'
    path.write_text(
        '[loggers]\nkeys=root\n[handlers]\nkeys=all\n[formatters]\n'
        'keys=short\n[logger_root]\nlevel=WARNING\nhandlers=all\n'
        '[handler_all]\nclass=StreamHandler\nargs=()\nformatter=short\n'
        '[formatter_short]\nformat=FILE %(message)s\n')
    with logs.shown(Chosen(config=path), nothing):
        log.info('a line')
        log.warning('another')
    assert said() == ['FILE another']


@pytest.mark.parametrize('name', ['log.json', 'log.ini'])
def test_a_file_that_configures_nothing_is_an_error(name, tmp_path):
    path = tmp_path / name
    path.write_text('nothing')
    with (pytest.raises(CommandError, match=f'--log-config .*{name}: '),
          logs.shown(Chosen(config=path), nothing)):
        pass
