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
"""What the content rule action "later" does with an object, in its task."""

from collections.abc import Callable
from typing import Any

from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from plone.app.uuid.utils import uuidToObject
from plone.registry.interfaces import IRegistry
from plone.stringinterp.interfaces import IStringInterpolator
from Products.CMFCore.utils import getToolByName
from zope.component import getUtility

from zodbschedule.retry import GiveUp
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.plone.automation.transitions import make


def transition(context: Any, name: str) -> None:
    """Make the workflow transition of that name, if the user may."""
    make(context, name, 'Scheduled by a content rule')


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
    """Move *context* to *folder*, a path in the site, or a UUID.

    As the user could by cutting and pasting, else Unauthorized is raised.
    """
    portal = getToolByName(context, 'portal_url').getPortalObject()
    target = (object_at(portal, folder) if folder.startswith('/')
              else uuidToObject(folder, unrestricted=True))
    if target is None:
        raise GiveUp(f'the folder {folder} is gone')
    parent = aq_parent(aq_inner(context))
    if aq_base(parent) is not aq_base(target):
        target.manage_pasteObjects(
            parent.manage_cutObjects([context.getId()]))


#: by the name that the action has for it
VERBS: dict[str, Callable[..., None]] = {
    'transition': transition, 'mail': mail, 'move': move}
