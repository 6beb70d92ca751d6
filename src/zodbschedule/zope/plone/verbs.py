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
"""What a person may schedule for an object of a site, without code.

The names of these functions are in the database, in the tasks that call them.
They do what the user of the task may do then.
"""

from typing import Any

from Acquisition import aq_inner
from Acquisition import aq_parent

from zodbschedule.interfaces import InvalidTask
from zodbschedule.retry import GiveUp
from zodbschedule.zope.contexts import find_by_uuid
from zodbschedule.zope.sites import site_of


def transition(context: Any, transition: str) -> None:
    """Do a transition of the workflow."""
    context.portal_workflow.doActionFor(context, transition)


def refuse_unknown_transition(context: Any, transition: str) -> None:
    """Raise `InvalidTask` for what no workflow of *context* has.

    Whether it is possible is asked when it is time.
    """
    known = {name for each in context.portal_workflow.getWorkflowsFor(context)
             for name in each.transitions.objectIds()}
    if transition not in known:
        raise InvalidTask(
            f'{transition!r} is no transition of this object; these are: '
            f'{", ".join(sorted(known)) or "none"}')


def move(context: Any, uuid: str) -> None:
    """Move it into the folder with that UUID."""
    folder = find_by_uuid(site_of(context), uuid)
    if folder is None:
        raise GiveUp(f'the folder is gone: the site has no object with the '
                     f'UUID {uuid}')
    above = aq_parent(aq_inner(context))
    folder.manage_pasteObjects(above.manage_cutObjects([context.getId()]))
