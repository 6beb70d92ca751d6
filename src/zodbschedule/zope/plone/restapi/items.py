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
"""Facts as a service tells them: with links, and for who may see what."""

from typing import Any
from urllib.parse import urlencode

from AccessControl import getSecurityManager
from ZODB.utils import p64

from zodbschedule.reading import Facts
from zodbschedule.reading import to_json
from zodbschedule.store.inspection import loads
from zodbschedule.zope.contexts import ContextReference
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.plone.restapi.visit import Visit
from zodbschedule.zope.users import SYSTEM


Json = dict[str, Any]

#: what can be done in each state, with the permission to control
CAN = {
    'waiting': ('cancel', 'change', 'pause', 'run'),
    'paused': ('cancel', 'change', 'resume'),
    'claimed': ('cancel', 'pause', 'run'),
    'running': ('cancel', 'pause', 'run'),
    'parked': ('discard', 'retry')}

#: the user folder of the site, in a ``principalId``
OWN_FOLDER = 'acl_users:'

# What may tell of an object that must not be seen.
TELLING = ('description', 'attributes', 'reason', 'traceback', 'error',
           'outcomes', 'key')


def page_of(visit: Visit, items: list[Json], cursor: str | None,
            *steps: str) -> Json:
    """A page: its items, and where the next one is; there is no total."""
    query = dict(visit.query.values)
    return {'@id': with_query(visit.url(*steps), query), 'items': items,
            'links': {} if cursor is None else {'next': with_query(
                visit.url(*steps), {**query, 'cursor': cursor})}}


def with_query(url: str, query: Json) -> str:
    """The address with these parameters, in a fixed order."""
    return f'{url}?{urlencode(sorted(query.items()))}' if query else url


def task_item(visit: Visit, facts: Facts) -> Json:
    """A task, or what is parked of one, with its links.

    What tells of its object is null for who may not view that.
    """
    found: Json = to_json(facts)
    found['@id'] = visit.url(
        'parked' if found['state'] == 'parked' else 'tasks', found['id'])
    found['principal'] = _principal(visit, found['principalId'])
    found['context'] = None
    found['can'] = list(CAN.get(
        found['state'], ()) if visit.may(CONTROL) else ())
    reference = _reference(visit, found.get('task') or found['id'])
    if reference is not None:
        _tell_context(visit, reference, found)
    return found


def _principal(visit: Visit, principal_id: str | None) -> Json | None:
    """Who it runs as; None: Anonymous."""
    if principal_id is None:
        return None
    if principal_id == SYSTEM:
        return {'@id': None, 'id': principal_id, 'label': 'System'}
    name = principal_id.removeprefix(OWN_FOLDER)
    ours = ':' not in name
    return {'@id': f'{visit.site.absolute_url()}/@users/{name}'
            if ours else None, 'id': principal_id, 'label': name}


def _reference(visit: Visit, id: str) -> ContextReference | None:
    """The task with that id, if it is for an object and can be loaded."""
    task = visit.schedule._p_jar.get(p64(int(id, 16)))
    return task if isinstance(task, ContextReference) and loads(task) else None


def _tell_context(visit: Visit, reference: ContextReference, found: Json
                  ) -> None:
    context = reference.find(visit.site, visit.schedule.has_other_uuids)
    if context is None:
        return
    if getSecurityManager().checkPermission('View', context):
        found['context'] = {
            '@id': context.absolute_url(), 'UID': reference.uuid,
            'title': context.title_or_id()}
    else:
        found.update((name, None) for name in TELLING if name in found)
