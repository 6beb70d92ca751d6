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
"""What a view schedules by a GET and plone.protect throws away."""

import pytest
import transaction
from Testing.makerequest import makerequest
from zExceptions import Forbidden
from zExceptions import NotFound
from zope.globalrequest import clearRequest
from zope.globalrequest import setRequest
from zope.publisher.browser import BrowserView

from zodbschedule.zope import call


class Later(BrowserView):
    """Schedules by itself, or by a method."""

    __name__ = 'later'

    def method(self):
        """Publish this."""


@pytest.fixture
def publish(app, site, schedule, login, caplog):
    """Schedule a task in a request that ends in an abort, by some error.

    Returns what the log says.
    """
    login('jane')

    def publish(error, published=Later(None, None), method='GET'):
        request = makerequest(app).REQUEST
        request.environ['REQUEST_METHOD'] = method
        request['PUBLISHED'] = published
        request['ACTUAL_URL'] = 'http://localhost/site/later'
        setRequest(request)
        call(site, 'getId')
        try:
            raise error
        except type(error):
            transaction.abort()
        assert not list(schedule)
        return caplog.text

    yield publish
    clearRequest()


@pytest.mark.parametrize('published', [
    Later(None, None), Later(None, None).method])
def test_the_log_names_the_view(publish, published):
    said = publish(Forbidden('no token'), published)
    assert "'getId of the site'" in said
    assert 'was not scheduled: the view later (http://localhost/site/later) ' \
        in said


def test_it_names_the_class_if_there_is_no_name(publish):
    assert 'the view object (' in publish(Forbidden('no token'), object())


@pytest.mark.parametrize('options', [
    {'method': 'POST'}, {'published': None}])
def test_else_there_is_nothing_to_say(publish, options):
    assert 'was not scheduled' not in publish(Forbidden('no'), **options)


def test_an_error_of_the_view_says_enough(publish):
    assert 'was not scheduled' not in publish(NotFound('nothing'))
