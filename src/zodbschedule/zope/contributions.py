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
"""Tasks that add-ons contribute to the sites that they serve.

An add-on ships a definition; a site has a task that is made by it::

    definition ─▶ task of the site ─▶ as a manager has changed it
                      ▲                        │
                      ╰──────── reset ─────────╯

The definition is a default.  What a manager has changed, by the means that
there are for all tasks, stays when the add-on ships another definition.  When
the definition is gone, the task is left for a while, since another process may
know it, and is paused then.
"""

import logging
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from persistent.mapping import PersistentMapping
from zope.component import getUtilitiesFor
from zope.component import provideUtility
from zope.component import queryUtility
from zope.globalrequest import getRequest
from zope.interface import implementer

from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.recurrence.rules import Cron
from zodbschedule.recurrence.rules import Every
from zodbschedule.recurrence.rules import RRule
from zodbschedule.recurrence.zones import zone_of
from zodbschedule.store.pauses import Pause
from zodbschedule.task import Task
from zodbschedule.zope.interfaces import IContributed
from zodbschedule.zope.sites import path_of
from zodbschedule.zope.sites import schedule_of
from zodbschedule.zope.users import SYSTEM


log = logging.getLogger('zodbschedule')

#: how the keys of these tasks begin
KEY = 'contributed:'

#: by whom, and why, a task is paused
BY = 'zodbschedule'
ABSENT = 'the add-on that has contributed it is not here'
DISABLED = 'it is disabled by default'

# Where rules begin that name no start: what counts weeks does so from here.
DTSTART = datetime(2001, 1, 1, tzinfo=UTC)


@implementer(IContributed)
@dataclass(frozen=True)
class Contributed:
    """See `contribute`."""

    name: str
    handler: Callable[[Any], Any]
    title: str = ''
    description: str = ''
    every: timedelta | None = None
    cron: str | None = None
    rrule: str | None = None
    timezone: str | None = None
    required: Any = None
    profile: str | None = None
    principal: str | None = SYSTEM
    missed: str = 'one'
    expires: timedelta | None = None
    retry: Any = None
    enabled: bool = True

    def __post_init__(self) -> None:
        rules = [rule for rule in (self.every, self.cron, self.rrule)
                 if rule is not None]
        if len(rules) != 1:
            raise InvalidTask(
                f'the contributed task {self.name!r} has {len(rules)} of '
                f'every, cron and rrule; it has to have one')
        if not callable(self.handler):
            raise InvalidTask(
                f'the handler of the contributed task {self.name!r} is '
                f'{self.handler!r}; it has to be a function of a site')
        Task(**self._options(self.timezone or 'UTC'))  # which may refuse

    def applies(self, site: Any) -> bool:
        """See `IContributed`."""
        if self.required is not None and not self.required.providedBy(site):
            return False
        if self.profile is None:
            return True
        setup = getattr(site, 'portal_setup', None)
        return setup is not None and (
            setup.getLastVersionForProfile(self.profile) != 'unknown')

    def options(self, site: Any) -> dict[str, Any]:
        """See `IContributed`."""
        return self._options(self.timezone or timezone_of(site))

    def _options(self, zone: str) -> dict[str, Any]:
        return {
            'recurrence': self._recurrence(zone), 'missed': self.missed,
            'expires': self.expires, 'retry': self.retry,
            'principalId': self.principal,
            # No message to be translated: it would be stored as such.
            'description': str(self.title or self.name)}

    def _recurrence(self, zone: str) -> Any:
        if self.every is not None:
            return Every(self.every)
        if self.cron is not None:
            return Cron(self.cron, zone)
        start = DTSTART.replace(tzinfo=zone_of(zone).info)
        return RRule(self.rrule or '', start)

    def __call__(self, site: Any) -> Any:
        return self.handler(site)


def timezone_of(site: Any) -> str:
    """The name of the zone that *site* has by its registry; UTC else."""
    registry = getattr(site, 'portal_registry', None)
    found = None if registry is None else registry.get(
        'plone.portal_timezone', None)
    return found or 'UTC'


def contribute(name: str, handler: Callable[[Any], Any], **options: Any
               ) -> None:
    """Contribute a task to sites, from this process on.

    *handler* is called with the site.  *options*: one of *every*, a
    timedelta, *cron* and *rrule*, texts; *timezone*, the name of a zone, by
    default the site's; *title* and *description*, for people; *required*, an
    interface that a site has to provide, and *profile*, which has to be
    installed there, to have it; *principal*, by default the system user;
    *missed*, *expires* and *retry* as for `Task`; *enabled*, by default True.
    Raises `InvalidTask` for what makes no task.
    """
    provideUtility(Contributed(name, handler, **options), IContributed, name)


class ContributedTask(Task):
    """The task of a site that a definition of that name has made."""

    name = ''

    #: each option, as the definition had it when it was looked at last
    shipped: dict[str, Any]
    #: and as the task had it then
    placed: dict[str, Any]

    def __call__(self) -> Any:
        run: Any = current_run()
        site = getRequest()['PUBLISHED']
        definition = queryUtility(IContributed, self.name)
        if definition is None:
            self._is_absent(run)
        elif not definition.applies(site):
            _withdraw(run.schedule, self.name)
        else:
            return definition(site)

    def _is_absent(self, run: Any) -> None:
        """Leave it to a process that knows more; if there is none, pause."""
        if run.now - run.occurrence <= run.schedule.import_grace:
            raise CodeMissing(
                f'nothing named {self.name!r} is contributed by this process')
        log.warning('The contributed task %s is paused: %s.', self.name,
                    ABSENT)
        run.schedule.pause(self, reason=ABSENT, by=BY)

    @property
    def changes(self) -> set[str]:
        """The options that a manager has changed."""
        return {name for name, value in self.placed.items()
                if getattr(self, name) != value}


# -- the tasks of a site


class State(NamedTuple):
    """How a contributed task stands in a site."""

    name: str
    #: an `IContributed`, or None if its add-on is not here
    definition: Any
    task: ContributedTask
    #: whether somebody has unscheduled it
    unscheduled: bool
    #: since when, by whom and why it is paused, if it is
    pause: Pause | None
    #: the options that a manager has changed
    changes: set[str]


def contribution_states(site: Any) -> Iterator[State]:
    """How they stand in *site*, by name; of a site that was synchronized."""
    schedule = schedule_of(site)
    for name, task in sorted(_tasks(schedule).items()):
        yield State(name, queryUtility(IContributed, name), task,
                    task not in schedule, schedule.paused(task), task.changes)


def synchronize(site: Any) -> None:
    """Have *site* have what this process knows to be contributed to it.

    In the current transaction; writes nothing if all is well.  Workers do so
    when they begin with a site, and each minute, and GenericSetup after each
    profile.  What a worker holds at the moment is left as it is, until the
    next time; and what this process does not know, since another may.
    """
    schedule = schedule_of(site)
    if schedule is None:
        return
    known = dict(getUtilitiesFor(IContributed))
    tasks = _tasks(schedule)
    for name, definition in known.items():
        if not definition.applies(site):
            _withdraw(schedule, name)
        elif name not in tasks:
            _add(schedule, definition, site)
        else:
            _update(schedule, tasks[name], definition, site)


def reset(site: Any, name: str) -> ContributedTask:
    """Have the task of that name be as it is shipped; returned.

    In the current transaction.  Raises LookupError if nothing of that name is
    contributed to *site* by this process, and `InProgress` while a worker has
    it.
    """
    schedule = schedule_of(site)
    definition = queryUtility(IContributed, name)
    if schedule is None or definition is None or (
            not definition.applies(site)):
        raise LookupError(
            f'nothing named {name!r} is contributed to {path_of(site)}')
    task: ContributedTask | None = _tasks(schedule).get(name)
    if task is None or task not in schedule:
        return _add(schedule, definition, site)
    schedule.change(task, **definition.options(site))
    _note(task, definition, site)
    schedule.resume(task)
    if not definition.enabled:
        schedule.pause(task, reason=DISABLED, by=BY)
    return task


def _tasks(schedule: Any) -> Any:
    """The tasks by name; empty if there never was one."""
    return getattr(schedule, 'contributed', None) or {}


def _add(schedule: Any, definition: Any, site: Any) -> ContributedTask:
    task = ContributedTask(
        key=KEY + definition.name, **definition.options(site))
    task.name = definition.name
    if getattr(schedule, 'contributed', None) is None:
        schedule.contributed = PersistentMapping()
    schedule.contributed[definition.name] = schedule.schedule(task)
    _note(task, definition, site)
    if not definition.enabled:
        schedule.pause(task, reason=DISABLED, by=BY)
    return task


def _note(task: ContributedTask, definition: Any, site: Any) -> None:
    """Note how it was shipped, and how it stands now."""
    task.shipped = {**definition.options(site), 'enabled': definition.enabled}
    task.placed = {name: getattr(task, name)
                   for name in definition.options(site)}


def _update(schedule: Any, task: ContributedTask, definition: Any, site: Any
            ) -> None:
    """Let it follow the definition, in what nobody has changed."""
    pause = schedule.paused(task)
    if pause is not None and pause.by == BY and pause.reason == ABSENT:
        schedule.resume(task, by=BY)
        pause = None
    options = definition.options(site)
    changed = {name for name, value in options.items()
               if task.shipped[name] != value}
    enabled = task.shipped['enabled']
    if not changed and enabled == definition.enabled:
        return
    if schedule.waits(task) is None:
        return  # held at the moment, or unscheduled by somebody
    kept = task.changes
    schedule.change(task, **{name: options[name] for name in changed - kept})
    placed = {name: task.placed[name] for name in kept}
    _note(task, definition, site)
    task.placed |= placed
    if enabled and not definition.enabled:
        if pause is None:
            schedule.pause(task, reason=DISABLED, by=BY)
    elif definition.enabled and pause is not None and pause.by == BY:
        schedule.resume(task, by=BY)


def _withdraw(schedule: Any, name: str) -> None:
    """A site has it no more."""
    task = _tasks(schedule).get(name)
    if task is not None:
        del schedule.contributed[name]
        if task in schedule:
            schedule.unschedule(task)


# -- subscribers


def profile_imported(event: Any) -> None:
    """A profile was installed or upgraded in a site, or uninstalled."""
    if getattr(event, 'tool', None) is not None and event.full_import:
        synchronize(event.tool.aq_parent)
