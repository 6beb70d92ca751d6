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
"""What an installed zodbschedule says of itself, and whether it is true."""

import re
import tomllib
from importlib.metadata import distribution
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest

import zodbschedule


TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads(
    TOP.joinpath('pyproject.toml').read_text(encoding='utf-8'))['project']
INSTALLED = distribution('zodbschedule')


def in_top(name):
    return TOP.joinpath(name).read_text(encoding='utf-8')


def test_the_installed_version_is_that_of_the_project():
    assert INSTALLED.version == PROJECT['version']


def test_the_newest_changes_are_those_of_the_version():
    newest = re.search(
        r'^(\d\S*) \((unreleased|\d{4}-\d\d-\d\d)\)\n=+$',
        in_top('CHANGES.rst'), re.MULTILINE)
    version, is_development, _ = PROJECT['version'].partition('.dev')
    assert newest.group(1) == version
    assert (newest.group(2) == 'unreleased') == bool(is_development)


def test_the_licence_is_named_and_shipped():
    assert INSTALLED.metadata['License-Expression'] == 'ZPL-2.1'
    assert INSTALLED.metadata.get_all('License-File') == [
        'LICENSE.txt', 'COPYRIGHT.txt']
    assert 'Zope Public License (ZPL) Version 2.1' in in_top('LICENSE.txt')


@pytest.mark.parametrize('name', ['LICENSE.txt', 'COPYRIGHT.txt'])
def test_the_text_of_the_licence_is_in_the_distribution(name):
    assert (INSTALLED.read_text(f'licenses/{name}')  # of a wheel
            or INSTALLED.read_text(f'../../{name}')  # of a develop egg
            ) == in_top(name)


def test_type_checkers_may_read_our_hints():
    assert files('zodbschedule').joinpath('py.typed').is_file()


@pytest.mark.parametrize('name', zodbschedule.__all__)
def test_a_public_name_can_be_imported(name):
    assert getattr(zodbschedule, name).__name__ == name


def test_no_public_name_is_listed_twice():
    assert len(zodbschedule.__all__) == len(set(zodbschedule.__all__))


def test_every_python_that_is_named_is_allowed():
    oldest = PROJECT['requires-python'].removeprefix('>=')
    named = [
        classifier.rpartition(' ')[2] for classifier in PROJECT['classifiers']
        if re.search(r':: Python :: 3\.\d+$', classifier)]
    assert named[0] == oldest
    assert INSTALLED.metadata['Requires-Python'] == f'>={oldest}'


def test_the_command_is_installed():
    command, = INSTALLED.entry_points.select(group='console_scripts')
    assert command.name == 'zodbschedule'
    assert callable(command.load())


def test_our_fixtures_do_not_load_themselves():
    assert not [
        entry for entry in entry_points(group='pytest11')
        if entry.value.startswith('zodbschedule')]


@pytest.mark.parametrize('extra', [
    'cli', 'metrics', 'relstorage', 'security', 'zeo'])
def test_the_tests_have_all_that_an_extra_brings(extra):
    test = ' '.join(PROJECT['optional-dependencies']['test'])
    ours = re.search(r'zodbschedule\[(.*?)\]', test).group(1)
    assert extra in ours.split(',')
