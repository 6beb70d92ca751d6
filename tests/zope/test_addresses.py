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
"""Whether the address of a site is known to the links that its tasks make."""

import logging

import pytest
import transaction

from zodbschedule import reading
from zodbschedule.zope import ContextTask
from zodbschedule.zope import environment
from zodbschedule.zope import install


NONE = 'no address is set for the site /site'


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch):
    monkeypatch.setattr(environment, '_said', set())


@pytest.fixture
def runs(schedule, site, clock):
    """Let tasks run that call that method of the site."""
    def runs(*methods):
        for method, *args in methods:
            schedule.schedule(ContextTask(
                site, method, args, principalId='acl_users:jane'))
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == len(methods)

    return runs


def links(caplog):
    return [record.getMessage() for record in caplog.records
            if 'makes a link' in record.getMessage()]


def test_that_it_is_not_known_is_said_at_the_first_link(runs, caplog):
    runs(['absolute_url'], ['absolute_url'])
    [said] = links(caplog)
    assert said.startswith("Task ")
    assert "'absolute_url of the site'" in said
    assert NONE in said


def test_a_path_is_no_link(runs, caplog):
    runs(['getId'], ['absolute_url_path'], ['absolute_url', 1])
    assert not links(caplog)


def test_where_it_is_known_nothing_is_said(runs, schedule, caplog):
    schedule.url = 'https://www.example.org'
    runs(['absolute_url'])
    assert not links(caplog)
    assert schedule.hints == []


def test_it_may_be_known_by_the_settings_of_the_process(
        schedule, monkeypatch):
    assert [NONE in hint for hint in schedule.hints] == [True]
    assert reading.health(schedule).address_unset
    monkeypatch.setenv('ZODBSCHEDULE_URLS', '/site=https://www.example.org')
    assert schedule.hints == []
    assert not reading.health(schedule).address_unset


def test_what_is_wrong_with_it_is_said(schedule):
    schedule.url = 'example'
    [hint] = schedule.hints
    assert "'example' is not an address of a site" in hint


def test_it_is_said_at_install(site, caplog):
    with caplog.at_level(logging.WARNING):
        install(site)
    assert NONE in caplog.text
