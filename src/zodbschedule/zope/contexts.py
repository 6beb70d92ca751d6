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
"""The objects of a site: how a task refers to one, and finds it again.

Whatever a task finds is found here: it is inside of the site, so that a task
of a copy does not change the original.
"""

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any

from Acquisition import aq_base
from Acquisition import aq_get
from Acquisition import aq_inner
from Acquisition import aq_parent
from Acquisition.interfaces import IAcquirer
from ZODB.POSException import POSKeyError
from zope.globalrequest import getRequest
from zope.traversing.namespace import namespaceLookup
from zope.traversing.namespace import nsParse


try:
    from plone.uuid.interfaces import IUUID
except ImportError:
    IUUID = None


def path_of(context: Any) -> str:
    """The path of an object, from the application root, which has '/'."""
    return '/'.join(context.getPhysicalPath()) or '/'


def path_below(site: Any, path: str) -> str | None:
    """*path*, from the application root, as one from *site*.

    None if it leads to nothing inside of *site*.
    """
    above = path_of(site).rstrip('/') + '/'
    return path[len(above):] if f'{path}/'.startswith(above) else None


def upward(context: Any) -> Iterator[Any]:
    """*context*, and the objects that contain it, from the nearest on."""
    while context is not None:
        yield context
        context = aq_parent(aq_inner(context))


# -- by path


def object_at(site: Any, path: str) -> Any:
    """The object at *path* inside of *site*, or None.

    Each step leads into what the object above contains.  Nothing is acquired.
    """
    context = site
    for name in filter(None, path.split('/')):
        above, context = context, _step(context, name)
        if aq_base(aq_parent(aq_inner(context))) is not aq_base(above):
            return None
    return context


def _step(context: Any, name: str) -> Any:
    """What *context* contains with that name, or None."""
    if name.startswith('++'):
        return _found(partial(_in_namespace, context), name)
    # Names with an underscore are not acquired.
    if hasattr(context, '_getOb'):
        return context._getOb(name, None)
    return _found(getattr(context, '__getitem__', _nothing), name)


def _nothing(name: str) -> None:
    return None


def _found(find: Callable[[str], Any], name: str) -> Any:
    try:
        return find(name)
    except POSKeyError:
        # It may be there: its record is lost.
        raise
    except (LookupError, TypeError, ValueError):
        return None


def _in_namespace(context: Any, name: str) -> Any:
    """What has a name such as ``++rule++rule-1``."""
    # A script may have none but that of its root.
    request = getRequest() or aq_get(context, 'REQUEST', None)
    found = namespaceLookup(*nsParse(name), context, request)
    return found.__of__(context) if IAcquirer.providedBy(found) else found


# -- by UUID


def uuid_of(context: Any) -> str | None:
    """The UUID of an object, or None."""
    uuid = None if IUUID is None else IUUID(context, None)
    return None if uuid is None else str(uuid)


def find_by_uuid(site: Any, uuid: str) -> Any:
    """The object inside of *site* with that UUID, by the catalog; or None.

    The catalog of a copy knows the paths of the original, too.
    """
    catalog = getattr(site, 'portal_catalog', None)
    if catalog is None:
        return None
    for brain in catalog.unrestrictedSearchResults(UID=uuid):
        path = path_below(site, brain.getPath())
        context = None if path is None else object_at(site, path)
        if context is not None and uuid_of(context) == uuid:
            return context
    return None


class ContextReference:
    """Refers to an object of a site, by its path in the site and its UUID."""

    path = ''
    #: None if it has none: then the path tells
    uuid: str | None = None
    #: the oid of the schedule of that site; 0 after it was stored
    _v_schedule = 0

    def find(self, site: Any, is_copy: bool = False) -> Any:
        """Return the object inside of *site*, or None if it is gone.

        With *is_copy* the UUID may be that of an object of the original.
        """
        at_path = object_at(site, self.path)
        if self.uuid is None or (
                at_path is not None and uuid_of(at_path) == self.uuid):
            return at_path
        found = find_by_uuid(site, self.uuid)
        return at_path if found is None and is_copy else found

    def take_over_uuid(self, site: Any) -> bool:
        """Refer to the object of *site*, which is a copy, by its own UUID.

        False if that is not known in this process.
        """
        if self.uuid is None:
            return True
        context = self.find(site, is_copy=True)
        uuid = None if context is None else uuid_of(context)
        if uuid not in (None, self.uuid):
            self.uuid = uuid
        return context is None or uuid is not None
