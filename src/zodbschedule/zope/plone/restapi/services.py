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
"""The service ``@schedule`` of a site, and what is below it."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import transaction
from plone.restapi.services import Service
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse

from zodbschedule import steering
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import LOOK
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.plone.restapi import acting
from zodbschedule.zope.plone.restapi import looking
from zodbschedule.zope.plone.restapi.items import Json
from zodbschedule.zope.plone.restapi.refusals import Refusal
from zodbschedule.zope.plone.restapi.refusals import not_found
from zodbschedule.zope.plone.restapi.refusals import refusing
from zodbschedule.zope.plone.restapi.visit import Visit


#: stands in a route for what the address names
NAME = '{}'


class Route(NamedTuple):
    """What a method does, and the permission for it on the site.

    None: the function itself asks for one.
    """

    permission: str | None
    answer: Callable[[Visit], Json]


def _reading(answer: Callable[[Visit], Json]) -> dict[str, Route]:
    return {'GET': Route(LOOK, answer)}


def _writing(method: str, answer: Callable[[Visit], Json],
             permission: str | None = CONTROL) -> dict[str, Route]:
    return {method: Route(permission, answer)}


ROUTES: dict[str, dict[str, Route]] = {
    '': _reading(looking.overview) | _writing(
        'PATCH', acting.steer_schedule),
    'tasks': _reading(looking.tasks),
    'tasks/{}': _reading(looking.task) | _writing(
        'PATCH', acting.change) | _writing('DELETE', acting.cancel, None),
    'tasks/{}/run': _writing('POST', acting.to_one(steering.run_now)),
    'tasks/{}/pause': _writing('POST', acting.to_one(steering.pause)),
    'tasks/{}/resume': _writing(
        'POST', acting.to_one(steering.resume, with_reason=False)),
    'parked': _reading(looking.parked),
    'parked/{}': _reading(looking.parked_entry) | _writing(
        'DELETE', acting.discard),
    'parked/{}/retry': _writing('POST', acting.retry),
    'recurring': _reading(looking.recurring),
    'recurring/{}': _writing('PATCH', acting.change_recurring),
    'recurring/{}/reset': _writing('POST', acting.reset),
    'history': _reading(looking.history),
    'timeline': _reading(looking.timeline),
    'workers': _reading(looking.workers)}


class Answering(Service):
    """A service that answers with the facts, or with a refusal."""

    #: the JSON of the answer; raises a `Refusal`
    answer: Callable[[], Json]

    def reply(self) -> Json:
        """The JSON of the answer; with a refusal, nothing is changed."""
        try:
            with refusing():
                return self.answer()
        except Refusal as refusal:
            if self.request.method != 'GET':
                transaction.doom()
            response = self.request.response
            response.setStatus(refusal.status)
            for name, value in refusal.headers.items():
                response.setHeader(name, value)
            return refusal.answer


@implementer(IPublishTraverse)
class SiteService(Answering):
    """``@schedule``, by any method."""

    def __init__(self, context: Any, request: Any) -> None:
        super().__init__(context, request)
        self.steps: list[str] = []

    def publishTraverse(self, request: Any, name: str) -> Any:
        """Take the next step of the address."""
        self.steps.append(name)
        return self

    def answer(self) -> Json:
        """See `Answering`."""
        visit = Visit(self.context, self.request, *self.steps[1:2])
        permission, answer = self._route()
        if permission is not None:
            check_permission(permission, self.context)
            if self.request.method != 'GET':
                visit.permit_writing()
        return answer(visit)

    def _route(self) -> Route:
        found = ROUTES.get('/'.join(
            NAME if number == 1 else step
            for number, step in enumerate(self.steps)))
        if found is None:
            raise not_found('There is no such service.')
        method = self.request.method
        if method not in found:
            allowed = ', '.join(sorted(found))
            raise Refusal(405, 'MethodNotAllowed', (
                f'This takes {allowed}, not {method}.'), {'Allow': allowed})
        return found[method]
