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
"""What a person may have done to an object of a site later, without code.

The names of these functions are in the database, in the tasks that call them.
They do what the user of the task may do then.
"""

from collections.abc import Callable
from typing import Any

from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from plone.registry.interfaces import IRegistry
from plone.stringinterp.interfaces import IStringInterpolator
from Products.CMFCore.utils import getToolByName
from zope.component import getUtility

from zodbschedule.interfaces import InvalidTask
from zodbschedule.retry import GiveUp
from zodbschedule.zope.contexts import find_by_uuid
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.plone.transitions import make
from zodbschedule.zope.sites import site_of


def transition(context: Any, name: str) -> None:
    """Make the workflow transition of that name, if the user may."""
    make(context, name, 'Scheduled')


def refuse_unknown_transition(context: Any, name: str) -> None:
    """Raise `InvalidTask` for what no workflow of *context* has.

    Whether it is possible is asked when it is time.
    """
    known = {each for workflow in context.portal_workflow.getWorkflowsFor(
        context) for each in workflow.transitions.objectIds()}
    if name not in known:
        raise InvalidTask(
            f'{name!r} is no transition of this object; these are: '
            f'{", ".join(sorted(known)) or "none"}')


def mail(context: Any, recipients: str, subject: str, message: str) -> None:
    """Mail about *context*, with its variables filled in, at the commit."""
    fill = IStringInterpolator(context)
    host = getToolByName(context, 'MailHost')
    sender = getUtility(IRegistry).get('plone.email_from_address')
    if not sender:
        raise GiveUp('the site has no address that mail is from: set it in '
                     'the control panel for mail')
    for each in filter(None, map(str.strip, fill(recipients).split(','))):
        # A blank line: the first line of the message is no header.
        host.send('\n' + fill(message), each, sender, fill(subject),
                  charset='utf-8')


def move(context: Any, folder: str) -> None:
    """Move *context* to *folder*, a path in its site, or a UUID.

    As the user could by cutting and pasting, else CopyError is raised.
    """
    site = site_of(context)
    target = (object_at(site, folder) if folder.startswith('/')
              else find_by_uuid(site, folder))
    if target is None:
        raise GiveUp(f'the folder {folder} is gone: it is not in the site')
    parent = aq_parent(aq_inner(context))
    if aq_base(parent) is not aq_base(target):
        target.manage_pasteObjects(
            parent.manage_cutObjects([context.getId()]))


#: by the name that a person chooses
VERBS: dict[str, Callable[..., None]] = {
    'transition': transition, 'mail': mail, 'move': move}
