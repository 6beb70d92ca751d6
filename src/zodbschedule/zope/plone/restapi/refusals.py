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
"""What a service answers instead of what it was asked for."""

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized
from plone.restapi.exceptions import DeserializationError

from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import ScheduleError
from zodbschedule.reading import InvalidCursor
from zodbschedule.steering import Steered
from zodbschedule.steering import actions


#: the status of each `Steered.problem`; see the chapter on steering
STATUS = {
    actions.GONE: 404,
    actions.NOT_PARKED: 404,
    actions.UNCHANGED: 200,
    actions.REFUSED: 400}
CONFLICT = 409


class Refusal(Exception):
    """An answer with a status from 400 on.

    *kind* is a word for programs, *message* a sentence for people.
    """

    def __init__(self, status: int, kind: str, message: str,
                 headers: Mapping[str, str] = {}, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.answer = {'error': {'type': kind, 'message': message, **{
            name: value for name, value in more.items() if value}}}


def bad_request(message: str) -> Refusal:
    """For what cannot be understood."""
    return Refusal(400, 'BadRequest', message)


def not_found(message: str) -> Refusal:
    """For what is not there, or not any more."""
    return Refusal(404, 'NotFound', message)


def refuse_left(found: Steered) -> None:
    """Raise a `Refusal` if it was not done, and should have been."""
    status = STATUS.get(found.problem or '', CONFLICT)
    if found.problem is not None and status >= 400:
        raise Refusal(
            status, found.problem, found.message, other=found.other)


@contextmanager
def refusing() -> Iterator[None]:
    """Raise a `Refusal` for each error that tells who asks what is wrong."""
    try:
        yield
    except Unauthorized as error:
        anonymous = getSecurityManager().getUser().getId() is None
        raise Refusal(401 if anonymous else 403, 'Unauthorized',
                      str(error)) from error
    except (InvalidCursor, DeserializationError) as error:
        raise bad_request(str(error)) from error
    except ScheduleError as error:
        wrong = isinstance(error, ValueError) and not isinstance(
            error, AlreadyScheduled)
        raise Refusal(400 if wrong else CONFLICT, type(error).__name__,
                      str(error)) from error
