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
"""Workflow transitions that a task makes, or says why it does not."""

from typing import Any

from Products.CMFCore.utils import getToolByName

from zodbschedule.execution.current import current_run
from zodbschedule.logger import log
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contributions import PAUSED_BY


def needs(context: Any, transition: str) -> bool:
    """Whether a workflow of *context* has *transition*, to another state."""
    tool = getToolByName(context, 'portal_workflow')
    return any(_leads_away(tool, workflow, context, transition)
               for workflow in tool.getWorkflowsFor(context))


def _leads_away(tool: Any, workflow: Any, context: Any, name: str) -> bool:
    found = workflow.transitions.get(name)
    state = tool.getInfoFor(
        context, workflow.state_var, None, wf_id=workflow.getId())
    return found is not None and found.new_state_id != state


def make(context: Any, transition: str, comment: str) -> None:
    """Make *transition*, as the current user.

    If the workflow does not let the user, the run is canceled with that
    reason: to try again would not help.
    """
    tool = getToolByName(context, 'portal_workflow')
    if any(workflow.isActionSupported(context, transition)
           for workflow in tool.getWorkflowsFor(context)):
        tool.doActionFor(context, transition, comment=comment)
    else:
        state = tool.getInfoFor(context, 'review_state', None)
        decline(f'{path_of(context)} has no transition {transition!r} in its '
                f'state {state!r}, for the user of this task')


def decline(reason: str) -> None:
    """Cancel the run; the history and the log have the reason."""
    run: Any = current_run()
    log.warning('Task %s does nothing: %s.', run.label, reason)
    run.cancel(reason)
    run.schedule.unschedule(run.task)


def pause(reason: str) -> None:
    """Cancel the run, and pause its task, which repeats.

    For what stays as it is until a person acts: each run would say the same.
    """
    run: Any = current_run()
    log.warning('Task %s is paused: %s.', run.label, reason)
    run.cancel(reason)
    run.schedule.pause(run.task, reason=reason, by=PAUSED_BY)
