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
"""The schedules of the sites of a Zope: one per site, in its annotations.

A schedule is not a local utility.  Zope loads local utilities with each
request, and a site with a utility that cannot be imported does not work.  An
annotation is loaded only by code that asks for it.

The application root keeps the paths of all sites that have a schedule, so that
a worker finds them.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import Zope2
from Acquisition import aq_base
from BTrees.OOBTree import OOTreeSet
from OFS.interfaces import IApplication
from persistent import Persistent
from zope.annotation.attribute import AttributeAnnotations
from zope.component.hooks import getSite
from zope.component.interfaces import ISite

from zodbschedule.interfaces import InvalidTask
from zodbschedule.logger import log
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling.places import relabeling
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.pauses import ALL
from zodbschedule.store.remains import left
from zodbschedule.store.state import ScheduleState
from zodbschedule.zope.contexts import ContextReference
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contexts import upward
from zodbschedule.zope.settings import hints_of_address
from zodbschedule.zope.users import refuse_misread


#: the annotation of a site that holds its schedule
SCHEDULE_KEY = 'zodbschedule'
#: the annotation of the application root that holds the paths of the sites
PATHS_KEY = 'zodbschedule.sites'

#: the GenericSetup profile that installs a schedule
PROFILE = 'zodbschedule.zope:default'

# The key of the application root in the root of a database that Zope serves.
APPLICATION = 'Application'


class SiteSchedule(Schedule):
    """The schedule of a site.  Its tasks run in that site.

    It remembers the path of the site and its own oid.  When they differ from
    the real ones, the site was copied, moved or imported.  The schedule is
    then paused until a manager resumes it.  In a copy the tasks then take over
    the UUIDs of its objects.
    """

    principals = 'zope'

    #: the path of the site, from the application root
    path = ''
    #: the oid of this schedule; that of a copy is another one
    original_oid: bytes | None = None
    #: whether this is a copy whose tasks know the UUIDs of the original
    has_other_uuids = False
    #: the site
    __parent__: Any = None
    #: the address at which people see the site; '' if the process has it
    url = ''
    #: the tasks that add-ons contribute, by name; None before the first one
    contributed_tasks: Any = None
    #: the settings of what Plone has done by itself; None: the defaults
    automation: Any = None

    def __init__(self) -> None:
        super().__init__(type(self).principals)

    @property
    def origin(self) -> tuple[str, str | None]:
        """See `ScheduleState`."""
        return super().origin[0], self.path

    @property
    def hints(self) -> list[str]:
        """See `ScheduleState`."""
        return hints_of_address(self.url, self.path)

    @property
    def lacks_address(self) -> bool:
        """See `ScheduleState`."""
        return bool(self.hints)

    def bind_to(self, path: str) -> None:
        """Remember the path of the site.  Needs a schedule that has an oid."""
        if self.original_oid not in (None, self._p_oid):
            self.has_other_uuids = True
        self.path = path
        self.original_oid = self._p_oid

    def is_bound_to(self, path: str) -> bool:
        """Whether this is the schedule that was bound to that path."""
        return self.path == path and self.original_oid == self._p_oid

    def schedule(self, task: Any, *, duplicate: str = 'refuse') -> Any:
        """See `Schedule.schedule`."""
        if isinstance(task, ContextReference) and (
                task._v_schedule not in (0, oid_of(self))):
            raise InvalidTask(
                f'{task!r} is for an object of another site than '
                f'{self.path}; use get_schedule(context) of that object')
        refuse_misread(getattr(task, 'principalId', None))
        return super().schedule(task, duplicate=duplicate)

    def change(self, task: Any, *, by: str | None = None, reason: str = '',
               **options: Any) -> Any:
        """See `Schedule.change`."""
        refuse_misread(options.get('principalId'))
        return super().change(task, by=by, reason=reason, **options)

    def resume(self, task: Any = None, *, by: str | None = None) -> None:
        """See `Schedule.resume`."""
        super().resume(task, by=by)
        if task is None and self.has_other_uuids:
            site = object_at(application_of(self), self.path)
            here = chain(self.waiting(), self.in_claims())
            parked = (entry.task for entry in self.parked)
            self.has_other_uuids = not all([
                *(self._take_over_uuid(task, site) for task in _of(here)),
                *(task.take_over_uuid(site) for task in _of(parked))])

    def _take_over_uuid(self, task: Any, site: Any) -> bool:
        with relabeling(self, task):
            done: bool = task.take_over_uuid(site)
        return done


def _of(tasks: Iterator[Any]) -> Iterator[Any]:
    """Those of *tasks* that refer to an object."""
    return (task for task in left(tasks)
            if isinstance(task, ContextReference))


# -- one site


def install(site: Any) -> SiteSchedule:
    """Return the schedule of *site*; make one if there is none.

    *site* is an `ISite` or the application root, in a database.  Raises
    ValueError for anything else.  Writes in the current transaction and does
    not commit.  The schedule of a site that was copied, moved or imported is
    paused.
    """
    if not (ISite.providedBy(site) or IApplication.providedBy(site)):
        raise ValueError(
            f'{path_of(site)} is not a site and not the application root; '
            f'give the path of a site')
    schedule = schedule_of(site) or _add_schedule(site)
    _register(site, schedule)
    for hint in schedule.hints:
        log.warning('A schedule was installed: %s.', hint)
    return schedule


def _add_schedule(site: Any) -> SiteSchedule:
    base = aq_base(site)
    if base._p_jar is None:
        raise ValueError(
            f'{path_of(site)} is not in a database yet; commit or make a '
            f'savepoint first')
    schedule = SiteSchedule()
    # The permissions on a schedule are those on its site.
    schedule.__parent__ = base
    base._p_jar.add(schedule)
    schedule.bind_to(path_of(site))
    AttributeAnnotations(base)[SCHEDULE_KEY] = schedule
    return schedule


def uninstall(site: Any) -> None:
    """Remove the schedule of *site* with all its tasks, if there is one.

    Writes in the current transaction and does not commit.
    """
    schedule = schedule_of(site)
    if schedule is not None:
        del AttributeAnnotations(aq_base(site))[SCHEDULE_KEY]
        _unregister(_registered_paths(site), schedule)


def schedule_of(site: Any) -> SiteSchedule | None:
    """Return the schedule of *site* itself, or None if it has none.

    Does not look at the sites above, see `get_schedule`.  *site* is any
    object.  Reads in the transaction of its connection and writes nothing.
    """
    base = aq_base(site)
    if not isinstance(base, Persistent):
        return None
    schedule = AttributeAnnotations(base).get(SCHEDULE_KEY)
    return schedule if isinstance(schedule, SiteSchedule) else None


def get_schedule(context: Any = None) -> SiteSchedule:
    """Return the schedule of the nearest site that has one.

    The search begins at *context*, an object in its acquisition chain, and
    goes upward; without *context* it begins at the current site (see
    `zope.component.hooks.getSite`).  Raises LookupError if there is none.
    Reads in the transaction of the connection of *context*; never makes a
    schedule and writes nothing.
    """
    start = getSite() if context is None else context
    schedule = nearest_schedule(start)
    if schedule is not None:
        return schedule
    reason = 'there is no current site' if start is None else (
        f'neither {start!r} nor an object above it has one')
    raise LookupError(
        f'No schedule: {reason}. Install the profile {PROFILE} in the site, '
        f'or call zodbschedule.zope.install(site).')


def site_of(context: Any) -> Any:
    """The nearest site upward from *context* that has a schedule, or None."""
    return next((each for each in upward(context)
                 if schedule_of(each) is not None), None)


def nearest_schedule(context: Any) -> SiteSchedule | None:
    """The adapter of a site to `ISchedule`; None if there is no schedule."""
    return schedule_of(site_of(context))


# -- all sites


def application_database(schedule: ScheduleState) -> Any:
    """The database with the application root, for that of *schedule*.

    They differ if the site is mounted.
    """
    db = schedule._p_jar.db()
    main = Zope2.DB
    if main is not None and any(
            each is db for each in main.databases.values()):
        return main
    return db  # of a test layer, for instance


def application_of(schedule: ScheduleState) -> Any:
    """The application root, in the transaction of *schedule*."""
    name = application_database(schedule).database_name
    return schedule._p_jar.get_connection(name).root()[APPLICATION]


def _registered_paths(context: Any) -> Any:
    """The paths of all sites that have a schedule, to be changed."""
    annotations = AttributeAnnotations(aq_base(context.getPhysicalRoot()))
    paths = annotations.get(PATHS_KEY)
    if paths is None:
        paths = annotations[PATHS_KEY] = OOTreeSet()
    return paths


def site_paths(app: Any) -> list[str]:
    """The paths of all sites that have a schedule; writes nothing."""
    return list(AttributeAnnotations(aq_base(app)).get(PATHS_KEY) or ())


def bound_schedule(app: Any, path: str) -> SiteSchedule | None:
    """The schedule of the site at *path*, or None.

    None also if the schedule was bound to another path.
    """
    schedule = schedule_of(object_at(app, path))
    if schedule is None or not schedule.is_bound_to(path):
        return None
    return schedule


# -- subscribers


def handle_site_moved(site: Any, event: Any) -> None:
    """Register a site that was added, moved, copied, imported or removed."""
    schedule = schedule_of(site)
    if schedule is None:
        return
    if event.newParent is None:
        _unregister(_registered_paths(event.oldParent), schedule)
    else:
        _register(site, schedule)


def _unregister(paths: Any, schedule: SiteSchedule) -> None:
    """Forget the path of *schedule*.

    The path that a copy remembers is that of the original, and stays.
    """
    if schedule.original_oid == schedule._p_oid:
        paths.discard(schedule.path)


def _register(site: Any, schedule: SiteSchedule) -> None:
    """Remember where *schedule* is.  Pause it if it was somewhere else."""
    path, paths = path_of(site), _registered_paths(site)
    if not schedule.is_bound_to(path):
        _unregister(paths, schedule)
        _pause_moved(schedule)
        schedule.bind_to(path)
    paths.add(path)


def _pause_moved(schedule: SiteSchedule) -> None:
    if ALL not in schedule.pauses:
        schedule.pause(reason=(
            f'this site was moved, copied or imported, from {schedule.path}; '
            f'resume the schedule if its tasks are to run here too'))
