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
"""What is answered instead of a page: never a traceback.

What nobody has foreseen is in the log under a number, which the page shows.
"""

import secrets

from webob import Request
from webob import Response
from webob.exc import HTTPBadRequest
from webob.exc import HTTPConflict
from webob.exc import HTTPException
from webob.exc import HTTPInternalServerError
from webob.exc import HTTPServiceUnavailable
from ZODB.POSException import ReadOnlyError

from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import ScheduleError
from zodbschedule.logger import log
from zodbschedule.reading import InvalidCursor
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.web import templates
from zodbschedule.web.site import DatabaseAway
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Body
from zodbschedule.web.visitor import Visitor


#: the headers of an answer that its page keeps
KEPT = 'Allow', 'Retry-After', 'WWW-Authenticate'

# What is answered to who may not look.
STRANGERS = 401, 403, 429

# Seconds after which a browser, or a proxy, may ask again.
AGAIN = '10'


def refusal_of(error: Exception) -> HTTPException:
    """What is answered after that error."""
    if isinstance(error, HTTPException):
        return error
    if isinstance(error, DatabaseAway) or is_storage_failure(error):
        log.debug('The database does not answer.',
                  exc_info=ErrorText(error).exc_info)
        return HTTPServiceUnavailable(
            'The database does not answer. Try again in a moment.',
            headers={'Retry-After': AGAIN})
    if is_transient(error):
        return HTTPConflict('Others have changed the same, again and again. '
                            'Nothing was done: go back, and try once more.')
    return _refusal_of_ours(error)


def _refusal_of_ours(error: Exception) -> HTTPException:
    match error:
        case InvalidCursor():
            return HTTPBadRequest(str(error))
        case ScheduleError() if isinstance(error, ValueError):
            return HTTPBadRequest(str(error))
        case ScheduleError():
            return HTTPConflict(str(error))
        case ReadOnlyError():
            return HTTPConflict('The database can only be read, so nothing '
                                'was changed.')
    number = secrets.token_hex(4)
    log.error('A page could not be made, error %s.', number,
              exc_info=ErrorText(error).exc_info)
    return HTTPInternalServerError(
        f'The page could not be made. The log says why, under the number '
        f'{number}.')


def page(request: Request, site: Site, refusal: HTTPException,
         menu: list[tuple[str, str]]) -> Response:
    """That as a page of ours."""
    if refusal.status_code < 400:
        return refusal
    if refusal.status_code in STRANGERS or not _may_look(request, site):
        # Then the page says nothing of us.
        site, menu = Site(None, '', zone=site.zone), []
    visitor = Visitor(request, site, '-')
    shown = Body('refusal', refusal.title, {
        'text': refusal.detail or refusal.explanation})
    response = Response(
        templates.page_without_schedule(visitor, shown, menu),
        status=refusal.status, charset='utf-8')
    for name in KEPT:
        if name in refusal.headers:
            response.headers[name] = refusal.headers[name]
    return response


def _may_look(request: Request, site: Site) -> bool:
    """Whether who asks would be shown a page; that may not be known yet."""
    try:
        site.who(request)
    except Exception:
        return False
    return True
