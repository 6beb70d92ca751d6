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
"""What a view schedules by a GET, where plone.protect throws it away.

A GET that writes without a token has its transaction aborted at its end, and
may be answered with 200 all the same.
"""

import sys
from typing import Any

import transaction
from zExceptions import Forbidden
from zope.globalrequest import getRequest

from zodbschedule.logger import log
from zodbschedule.task import Task
from zodbschedule.task import label_of


def warn_if_discarded(task: Task) -> None:
    """Have the log say so, and name the view, if that happens to *task*.

    Writes nothing.  Does nothing unless a GET is published.
    """
    request = getRequest()
    if request is None or request.get('REQUEST_METHOD') != 'GET':
        return
    published = request.get('PUBLISHED')
    if published is not None:
        transaction.get().addAfterAbortHook(_warn, (
            label_of(task), _name_of(published), request.get('ACTUAL_URL')))


def _name_of(published: Any) -> str:
    """The name of a view, also if that is a method of it."""
    view = getattr(published, '__self__', published)
    return getattr(view, '__name__', None) or type(view).__name__


def _warn(label: object, view: str, url: str) -> None:
    # A view that fails is told by its own error, which is another one.
    if isinstance(sys.exc_info()[1], Forbidden):
        log.warning(
            'Task %s was not scheduled: the view %s (%s) has scheduled it by '
            'a GET, and plone.protect throws away what a GET writes without '
            'a token.', label, view, url)
