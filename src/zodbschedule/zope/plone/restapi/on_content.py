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
"""The service ``@scheduled`` of an object: the tasks for it."""

from collections.abc import Callable
from typing import Any

from AccessControl import getSecurityManager
from Acquisition import aq_base
from plone.base.interfaces import IPloneSiteRoot
from plone.restapi.interfaces import IExpandableElement
from zope.interface import implementer

from zodbschedule import reading
from zodbschedule.scheduling.places import give_oid
from zodbschedule.store.inspection import task_id
from zodbschedule.zope.context_task import call
from zodbschedule.zope.contexts import find_by_uuid
from zodbschedule.zope.contexts import upward
from zodbschedule.zope.contexts import uuid_of
from zodbschedule.zope.permissions import LOOK
from zodbschedule.zope.permissions import SCHEDULE
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.plone import verbs
from zodbschedule.zope.plone.restapi.asked import Asked
from zodbschedule.zope.plone.restapi.items import Json
from zodbschedule.zope.plone.restapi.items import task_item
from zodbschedule.zope.plone.restapi.items import with_query
from zodbschedule.zope.plone.restapi.refusals import bad_request
from zodbschedule.zope.plone.restapi.refusals import not_found
from zodbschedule.zope.plone.restapi.services import Answering
from zodbschedule.zope.plone.restapi.visit import Visit
from zodbschedule.zope.sites import site_of


#: the permission of whoever may edit an object
EDIT = 'Modify portal content'


def visit_of(context: Any, request: Any) -> Visit:
    """The site of *context*, if the nearest schedule is that of the site."""
    site = next((each for each in upward(context)
                 if IPloneSiteRoot.providedBy(each)), None)
    if site is None or aq_base(site_of(context)) is not aq_base(site):
        raise not_found('This site has no schedule.')
    return Visit(site, request)


def may_look(visit: Visit, context: Any) -> bool:
    """Whether who asks may see the tasks of *context*."""
    allowed = getSecurityManager().checkPermission
    return visit.may(LOOK) or any(
        allowed(permission, context) for permission in (EDIT, SCHEDULE))


def tasks_for(visit: Visit, context: Any) -> Json:
    """A page of the tasks that are for *context*."""
    page = reading.tasks_of(
        visit.schedule, *visit.query.page, uuid=uuid_of(context))
    url = f'{context.absolute_url()}/@scheduled'
    return {'@id': url, 'items': [task_item(visit, each)
                                  for each in page.items],
            'links': {} if page.cursor is None else {
                'next': with_query(url, {
                    **visit.query.values, 'cursor': page.cursor})}}


class ScheduledGet(Answering):
    """What is scheduled for an object, for whoever may edit it."""

    def answer(self) -> Json:
        """See `Answering`."""
        visit = visit_of(self.context, self.request)
        if not may_look(visit, self.context):
            check_permission(EDIT, self.context)
        visit.query.refuse_others('cursor', 'b_size')
        return tasks_for(visit, self.context)


@implementer(IExpandableElement)
class Scheduled:
    """The same among the ``@components`` of an object."""

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request

    def __call__(self, expand: bool = False) -> Json:
        """Its address, and the first page if that is asked for."""
        found: Json = {'@id': f'{self.context.absolute_url()}/@scheduled'}
        site = site_of(self.context)
        if expand and IPloneSiteRoot.providedBy(site):
            # The parameters of the request are those of the object.
            visit = Visit(site, self.request)
            visit.query = Asked({})
            if may_look(visit, self.context):
                found = tasks_for(visit, self.context)
        return {'scheduled': found}


# -- what may be scheduled: a fixed list


def _transition(visit: Visit, context: Any, name: str) -> Json:
    verbs.refuse_unknown_transition(context, name)
    return {'func': verbs.transition, 'argument': name,
            'description': f'{name}: {context.title_or_id()}'}


def _move(visit: Visit, context: Any, uuid: str) -> Json:
    folder = find_by_uuid(visit.site, uuid)
    if folder is None or not getSecurityManager().checkPermission(
            'View', folder):
        raise bad_request(f'The site has no folder with the UUID {uuid}.')
    return {'func': verbs.move, 'argument': uuid, 'description': (
        f'move to {folder.title_or_id()}: {context.title_or_id()}')}


VERBS: dict[str, Callable[[Visit, Any, str], Json]] = {
    'transition': _transition, 'move': _move}


class ScheduledPost(Answering):
    """Schedule one of `VERBS` for an object, as the current user."""

    def answer(self) -> Json:
        """See `Answering`."""
        visit = visit_of(self.context, self.request)
        check_permission(SCHEDULE, self.context)
        visit.permit_writing()
        body = visit.body
        body.refuse_others('time', *VERBS)
        chosen = [verb for verb in VERBS if body.text(verb)]
        if len(chosen) != 1:
            raise bad_request(f'Give one of {", ".join(VERBS)}.')
        return self._schedule(visit, chosen[0])

    def _schedule(self, visit: Visit, verb: str) -> Json:
        asked: Any = visit.body.text(verb)
        planned = VERBS[verb](visit, self.context, asked)
        task = call(
            self.context, planned['func'], planned['argument'],
            time=visit.body.instant('time'),
            description=planned['description'],
            # The same request twice schedules it once.
            key=f'{verb}:{asked}:{uuid_of(self.context)}')
        give_oid(visit.schedule, task)
        found = reading.task(visit.schedule, task_id(task) or '', loads=1)
        assert isinstance(found, reading.TaskDetails)
        self.request.response.setStatus(201)
        return task_item(visit, found)
