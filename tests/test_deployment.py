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
"""The files by which workers are deployed, as the documentation shows them.

They are read as those read them who are to use them, but for systemd, whose
keys are checked by their names.
"""

import configparser
import json
import re
import shlex
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from zodbschedule.cli.commands import commands


HOME = Path(__file__).parents[1]
PAGES = [HOME / 'README.rst', HOME / 'docs' / 'workers.rst']
BLOCK = re.compile(
    r'^\.\. code-block:: (ini|yaml|docker) *\n(?: +:.*\n)*\n'
    r'((?:(?: .*)?\n)+)', re.M)

KEYS = {
    'Unit': {'Description', 'Wants', 'After', 'PartOf', 'OnFailure'},
    'Service': {
        'Type', 'User', 'WorkingDirectory', 'Environment', 'EnvironmentFile',
        'ExecStart', 'Restart', 'RestartSec', 'RestartPreventExitStatus',
        'KillMode', 'KillSignal', 'TimeoutStopSec', 'NoNewPrivileges',
        'PrivateTmp', 'ProtectSystem'},
    'Timer': {'OnCalendar'},
    'Install': {'WantedBy'},
}

# What a worker needs, after its grace period, to hand back what it holds.
MARGIN = timedelta(seconds=2)


class Process(NamedTuple):
    """A worker, as somebody is told to start and to stop it."""

    args: list[str]
    #: after how many seconds it is killed, or None if that is said elsewhere
    patience: float | None
    #: what has to be in its name, if there are several of it
    told_by: str = ''


def blocks(page, language):
    """The files of a page that are written in that language."""
    return [textwrap.dedent(match[2]).strip() for match in BLOCK.finditer(page)
            if match[1] == language]


def files(language, having):
    """Those of all pages that have that text in them."""
    return [text for page in PAGES
            for text in blocks(page.read_text(encoding='utf-8'), language)
            if having in text]


def read_ini(text):
    """What systemd and supervisor read; a key that is there twice raises."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def of_systemd(text):
    service = read_ini(text)['Service']
    return Process(
        arguments(service['ExecStart']), float(service['TimeoutStopSec']),
        '%i' if '%i' in text else '')


def of_supervisor(text):
    [section] = map(dict, list(read_ini(text).values())[1:])
    return Process(
        arguments(section['command']), float(section['stopwaitsecs']),
        '%(process_num)' if int(section['numprocs']) > 1 else '')


def of_docker(text):
    """The image, to be stopped as its user says."""
    said = dict(line.split(maxsplit=1) for line in text.splitlines())
    return Process(
        arguments(json.loads(said['ENTRYPOINT']) + json.loads(said['CMD'])),
        None)


def of_compose(text):
    [service] = [each for each in yaml.safe_load(text)['services'].values()
                 if 'worker' in each.get('command', '')]
    period = re.fullmatch(r'(\d+)s', service['stop_grace_period'])
    return Process(arguments(service['command']), float(period[1]))


def of_kubernetes(text):
    spec = yaml.safe_load(text)['spec']
    pod = spec['template']['spec']
    [container] = pod['containers']
    return Process(
        arguments(container['args']),
        float(pod['terminationGracePeriodSeconds']),
        '$(POD_NAME)' if spec['replicas'] > 1 else '')


def arguments(command):
    """Those of the command ``worker`` in a command line."""
    words = shlex.split(command) if isinstance(command, str) else command
    return words[words.index('worker') + 1:]


def parsed(name, args):
    """What the command of that name makes of its arguments."""
    parent = click.Context(commands, info_name='zodbschedule')
    command = commands.get_command(parent, name)
    assert command is not None, f'there is no command {name}'
    return command.make_context(name, list(args), parent=parent).params


def complain(process):
    """Raise if that worker cannot be started or stopped like this."""
    params = parsed('worker', process.args)
    assert process.told_by in (params['name'] or '')
    if process.patience is not None:
        patience = timedelta(seconds=process.patience)
        assert patience >= params['grace'] + MARGIN


CHECKS = files('ini', 'Type=oneshot')
UNITS = [text for text in files('ini', '[Service]') if text not in CHECKS]
TIMERS = files('ini', '[Timer]')
READ = {
    of_systemd: UNITS,
    of_supervisor: files('ini', '[program:'),
    of_docker: files('docker', 'FROM'),
    of_compose: files('yaml', 'services:'),
    of_kubernetes: files('yaml', 'kind:'),
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """The database is said in the environment."""
    monkeypatch.setenv('ZODBSCHEDULE_DB', 'zeo://localhost:8100')


# -- What is written


def test_all_files_are_found():
    assert {read.__name__: len(texts) for read, texts in READ.items()} == {
        'of_systemd': 2, 'of_supervisor': 1, 'of_docker': 1, 'of_compose': 1,
        'of_kubernetes': 1}
    in_all = sum(len(blocks(page.read_text(encoding='utf-8'), language))
                 for page in PAGES for language in ('ini', 'yaml', 'docker'))
    # A target, which starts nothing by itself, is the one more.
    assert in_all == 1 + sum(map(len, [*READ.values(), CHECKS, TIMERS]))


@pytest.mark.parametrize('read, text', [
    (read, text) for read, texts in READ.items() for text in texts])
def test_a_worker_can_be_started_and_stopped_like_this(read, text):
    complain(read(text))


@pytest.mark.parametrize('text', UNITS + CHECKS + TIMERS)
def test_a_unit_says_only_what_systemd_knows(text):
    assert unknown_keys(text) == set()


def unknown_keys(text):
    return {(name, key) for name, section in read_ini(text).items()
            for key in section if key not in KEYS[name]}


@pytest.mark.parametrize('text', UNITS)
def test_a_unit_that_can_never_work_is_not_started_again(text):
    service = read_ini(text)['Service']
    assert service['Restart'] == 'always'
    assert service['RestartPreventExitStatus'] == '2'
    # systemd gives up after five starts within ten seconds.
    assert 5 * int(service['RestartSec']) > 10


@pytest.mark.parametrize('text', UNITS)
def test_a_unit_signals_the_worker_and_not_what_its_tasks_have_started(text):
    assert read_ini(text)['Service']['KillMode'] == 'mixed'


def test_a_check_asks_what_can_be_asked_and_is_no_daemon():
    health, check = [read_ini(text)['Service'] for text in CHECKS]
    command, *args = shlex.split(check['ExecStart'])
    assert command == '/srv/shop/bin/zodbschedule'
    assert parsed(args[0], args[1:])['min_workers'] == 1
    assert 'Restart' not in health and 'Restart' not in check


def test_a_worker_is_restarted_by_the_name_that_its_unit_has():
    page = PAGES[1].read_text(encoding='utf-8')
    health = read_ini(CHECKS[0])['Service']['ExecStart']
    shell, option, script = shlex.split(health)
    assert (shell, option) == ('/bin/sh', '-c')
    [name] = re.findall(r'systemctl try-restart (\S+)', script)
    assert f':caption: {name}.service' in page
    [file] = re.findall(r'find (\S+) -mmin -15 \| grep -q \.', script)
    assert f'``--health-file {file}``' in page
    assert f'``RuntimeDirectory={Path(file).parent.name}``' in page


@pytest.mark.parametrize('text', READ[of_compose] + READ[of_kubernetes])
def test_a_probe_asks_the_file_that_the_worker_touches(text):
    [path] = re.findall(r'--health-file,? ([^\s\]]+)', text)
    assert re.findall(r'find (\S+) -mmin -1 \| grep -q \.', text) == [path]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_command_line_can_be_typed(page):
    lines = re.findall(r'^ +zodbschedule (\S+)(.*)$',
                       page.read_text(encoding='utf-8'), re.M)
    assert lines
    for name, rest in lines:
        parsed(name, shlex.split(rest))


# -- It would be noticed


def unit(command='worker', seconds='10'):
    return (f'[Service]\nExecStart=/bin/zodbschedule {command}\n'
            f'TimeoutStopSec={seconds}\n')


def test_a_worker_with_nothing_special_passes():
    complain(of_systemd(unit()))


@pytest.mark.parametrize('text', [
    unit('worker --grace 9'),
    unit(seconds='9'),
    unit('worker --grace 2m', seconds='120'),
    unit('worker --name %H') + '# %i',
    unit('worker') + '# %i',
])
def test_a_worker_that_is_started_or_stopped_wrongly_is_noticed(text):
    with pytest.raises(AssertionError):
        complain(of_systemd(text))


@pytest.mark.parametrize('text', [
    unit('worker --no-such-option'),
    unit('worker --threads many'),
    unit('worker surplus'),
])
def test_options_that_do_not_exist_are_noticed(text):
    with pytest.raises(click.UsageError):
        complain(of_systemd(text))


def test_a_command_that_does_not_exist_is_noticed():
    with pytest.raises(AssertionError, match='no command works'):
        parsed('works', [])


def test_a_key_that_is_misspelt_is_noticed():
    assert unknown_keys('[Service]\nKillMod=mixed\n') == {
        ('Service', 'KillMod')}
