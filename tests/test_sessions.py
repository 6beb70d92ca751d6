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
"""What an operator types and sees on these pages is so."""

import getpass
import logging
import sys
from pathlib import Path

import pytest
from sessions import Session


DOCS = Path(__file__).parents[1] / 'docs'

pytestmark = pytest.mark.usefixtures('no_terminal')


@pytest.fixture
def session(bare_shell, wall_clock, monkeypatch, caplog):
    """Somebody at a shell, in January 2030."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv('ZODBSCHEDULE_DB', 'file://Data.fs')
    monkeypatch.setattr(getpass, 'getuser', lambda: 'zoe')
    # A file may be written twice in a second.
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    return Session(bare_shell, wall_clock, caplog)


@pytest.mark.parametrize('name, least', [
    ('deploying.rst', 20), ('troubleshooting.rst', 20), ('metrics.rst', 6)])
def test_what_is_typed_prints_what_the_page_says(name, least, session):
    page = DOCS.joinpath(name).read_text(encoding='utf-8')
    session.follow(page)
    assert not session.wrong, '\n'.join(session.wrong)
    assert session.typed > least


# -- It would be noticed


@pytest.mark.parametrize('page', [
    '.. code-block:: console\n\n    $ zodbschedule list\n    no task\n',
    '.. code-block:: console\n\n    $ zodbschedule list\n    $ echo $?\n',
    '.. code-block:: text\n\n    ERROR all is well\n',
])
def test_a_page_that_lies_is_noticed(page, session):
    assert session.follow(page).wrong
