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
"""Where the schedules of a Zope stand: one to a site, in its annotations.

Never as a local utility: those are loaded with each request, and a site whose
utility cannot be imported does not work.  An annotation is loaded by whoever
asks for it.

The application root keeps the paths of all sites that have one, so that a
worker finds them.
"""

from collections.abc import Iterator
from typing import Any

from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from BTrees.OOBTree import OOTreeSet
from OFS.interfaces import IApplication
from persistent import Persistent
from zope.annotation.attribute import AttributeAnnotations
from zope.component.hooks import getSite
from zope.component.interfaces import ISite

from zodbschedule.schedule import Schedule
from zodbschedule.store.pauses import ALL


#: under which a site keeps its schedule, and the root the paths of the sites
SCHEDULE = 'zodbschedule'
SITES = 'zodbschedule.sites'

#: by which a profile of GenericSetup installs a schedule
PROFILE = 'zodbschedule.zope:default'


class SiteSchedule(Schedule):
    """The schedule of a site, whose tasks run in that site.

    It knows where it stands.  If it finds itself elsewhere, copied or moved or
    imported, it is to wait until a manager says that it shall go on.
    """

    principals = 'zope'

    #: the path of the site, from the root
    path = ''
    #: its own oid, which a copy does not have
    original: bytes | None = None
    #: the site
    __parent__: Any = None
    #: at which address people see the site; '': as the process was told
    url = ''

    # What each has; named here, so that security can be declared for it.
    history: Any = None
    keys: Any = None
    parked: Any = None

    def __init__(self) -> None:
        super().__init__(type(self).principals)

    def settle(self, path: str) -> None:
        """Stand there from now on; it has to be stored."""
        self.path = path
        self.original = self._p_oid

    def is_settled(self, path: str) -> bool:
        """Whether that is its place."""
        return self.path == path and self.original == self._p_oid


# -- one site


def install(site: Any) -> SiteSchedule:
    """The schedule of *site*, made if there is none; does not commit.

    *site* is an `ISite`, or the application root; ValueError for anything
    else.  One that finds itself elsewhere than before is paused, as when the
    site is moved.
    """
    if not (ISite.providedBy(site) or IApplication.providedBy(site)):
        raise ValueError(
            f'{path_of(site)} is no site, and not the application root; give '
            f'the path of a site')
    found: SiteSchedule | None = schedule_of(site)
    if found is None:
        jar = aq_base(site)._p_jar
        if jar is None:
            raise ValueError(
                f'{path_of(site)} is in no database yet; commit, or make a '
                f'savepoint, first')
        found = SiteSchedule()
        # Who may do what with it, is as on the site.
        found.__parent__ = aq_base(site)
        jar.add(found)
        found.settle(path_of(site))
        AttributeAnnotations(aq_base(site))[SCHEDULE] = found
    _come_home(site, found)
    return found


def uninstall(site: Any) -> None:
    """Remove the schedule of *site* with all its tasks; does not commit."""
    found = schedule_of(site)
    if found is not None:
        del AttributeAnnotations(aq_base(site))[SCHEDULE]
        _leave_home(_sites(site), found)


def schedule_of(site: Any) -> Any:
    """The schedule of that very site, or None."""
    base = aq_base(site)
    if not isinstance(base, Persistent):
        return None
    found = AttributeAnnotations(base).get(SCHEDULE)
    return found if isinstance(found, Schedule) else None


def path_of(context: Any) -> str:
    """The path of an object, from the root: '/' is that of the root."""
    return '/'.join(context.getPhysicalPath()) or '/'


def get_schedule(context: Any = None) -> Any:
    """The schedule of the nearest site upward that has one.

    From *context*, by default the current site.  Raises LookupError; never
    makes one.
    """
    start = getSite() if context is None else context
    site = site_of(start)
    if site is not None:
        return schedule_of(site)
    where = 'there is no current site' if start is None else (
        f'neither {start!r} nor what is above it has one')
    raise LookupError(
        f'No schedule: {where}. Install the profile {PROFILE} in the site, '
        f'or call zodbschedule.zope.install(site).')


def site_of(context: Any) -> Any:
    """The nearest site upward from *context* that has a schedule, or None."""
    return next((each for each in _upward(context)
                 if schedule_of(each) is not None), None)


def nearest(context: Any) -> Any:
    """The adapter of a site to `ISchedule`: None if there is no schedule."""
    site = site_of(context)
    return None if site is None else schedule_of(site)


def _upward(context: Any) -> Iterator[Any]:
    while context is not None:
        yield context
        context = aq_parent(aq_inner(context))


# -- all sites


def _root(context: Any) -> Any:
    return context.getPhysicalRoot()


def _sites(context: Any) -> Any:
    """The paths of all sites that have a schedule."""
    annotations = AttributeAnnotations(aq_base(_root(context)))
    found = annotations.get(SITES)
    if found is None:
        found = annotations[SITES] = OOTreeSet()
    return found


def site_paths(app: Any) -> list[str]:
    """Where the sites stand that have a schedule; writes nothing."""
    return list(AttributeAnnotations(aq_base(app)).get(SITES) or ())


def site_at(app: Any, path: str) -> Any:
    """What stands there, from *app* or whatever it is on; or None."""
    found = app
    for name in filter(None, path.split('/')):
        found = getattr(found, '_getOb', _nothing)(name, None)
        if found is None:
            return None
    return found


def _nothing(name: str, default: Any) -> Any:
    return default


def settled_at(app: Any, path: str) -> Any:
    """The schedule of the site there, if it has one that stands there."""
    site = site_at(app, path)
    found = None if site is None else schedule_of(site)
    if isinstance(found, SiteSchedule) and found.is_settled(path):
        return found
    return None


# -- subscribers


def moved(site: Any, event: Any) -> None:
    """A site was added, moved, copied, imported or removed."""
    found = schedule_of(site)
    if not isinstance(found, SiteSchedule):
        return
    if event.newParent is None:
        _leave_home(_sites(event.oldParent), found)
    else:
        _come_home(site, found)


def _leave_home(sites: Any, found: SiteSchedule) -> None:
    """It is not there any more; what a copy calls its path is another's."""
    if found.original == found._p_oid:
        sites.discard(found.path)


def _come_home(site: Any, found: SiteSchedule) -> None:
    """See to it that it is found where it is; paused, if it was elsewhere."""
    path, sites = path_of(site), _sites(site)
    if found.is_settled(path):
        sites.add(path)
        return
    _leave_home(sites, found)
    sites.add(path)
    before = found.path
    found.settle(path)
    if ALL not in found.pauses:
        found.pause(reason=(
            f'this site was moved, copied or imported, from {before}; resume '
            f'it if its tasks are to run here too'))
