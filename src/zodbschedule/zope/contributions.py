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

An add-on ships a definition.  A site has a task that is made from it::

    definition ─▶ task of the site ─▶ as a manager has changed it
                      ▲                        │
                      ╰──────── reset ─────────╯

The definition is a default.  Options that a manager has changed stay when the
add-on ships another definition.  When the definition is gone, the task is left
in its place for a while, since another process may have it.  Then the task is
paused.  A definition names those that it stands for under a new name.
"""

import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

import transaction
from persistent.mapping import PersistentMapping
from zope.component import getUtilitiesFor
from zope.component import provideUtility
from zope.component import queryUtility
from zope.globalrequest import getRequest
from zope.i18n import translate
from zope.interface import implementer

from zodbschedule import reading
from zodbschedule.callables.reference import refuse_idle
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import RecurrenceWarning
from zodbschedule.logger import log
from zodbschedule.reading import Contributed
from zodbschedule.reading import ContributedFacts
from zodbschedule.recurrence import rrule_text
from zodbschedule.recurrence.rules import Cron
from zodbschedule.recurrence.rules import Every
from zodbschedule.recurrence.rules import RRule
from zodbschedule.recurrence.zones import zone_of
from zodbschedule.scheduling.decisions import record_of_person
from zodbschedule.scheduling.places import give_oid
from zodbschedule.store.history import CHANGED
from zodbschedule.store.inspection import loads
from zodbschedule.store.pauses import Pause
from zodbschedule.task import Task
from zodbschedule.task import label_of
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import schedule_of
from zodbschedule.zope.users import SYSTEM


#: the prefix of the keys of these tasks
KEY_PREFIX = 'contributed:'

#: who pauses a task, and the reasons
PAUSED_BY = 'zodbschedule'
ABSENT = 'the add-on that contributes it is not installed here'
INAPPLICABLE = 'it does not apply to this site any more'
DISABLED = 'it is disabled by default'

# The start of an RRULE, in the zone of the rule: an interval of weeks counts
# from here.
DTSTART = datetime(2001, 1, 1, tzinfo=UTC)

#: of options that are no options of a task: a check, and what they have to be
CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'required': (lambda value: value is None or hasattr(value, 'providedBy'),
                 'an interface, or None'),
    'profile': (lambda value: value is None or isinstance(value, str),
                "the id of a profile, such as 'shop:default', or None"),
    'enabled': (lambda value: isinstance(value, bool), 'True or False'),
    'formerly': (lambda value: isinstance(value, tuple) and all(
        isinstance(each, str) for each in value), 'a tuple of names')}


@implementer(IContribution)
@dataclass(frozen=True)
class Contribution:
    """See `IContribution` and `contribute`."""

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
    formerly: tuple[str, ...] = ()

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
        refuse_idle(
            self.handler, f'the handler of the contributed task {self.name!r}')
        for option, (is_right, what) in CHECKS.items():
            value = getattr(self, option)
            if not is_right(value):
                raise InvalidTask(
                    f'{option} of the contributed task {self.name!r} is '
                    f'{value!r}; it has to be {what}')
        with warnings.catch_warnings():
            # An EXDATE may leave out something in the zone of a site.
            warnings.simplefilter('ignore', RecurrenceWarning)
            # Raises for other options that are invalid.
            Task(**self._options(self.timezone or 'UTC'))

    def applies(self, site: Any) -> bool:
        """See `IContribution`."""
        if self.required is not None and not self.required.providedBy(site):
            return False
        if self.profile is None:
            return True
        setup = getattr(site, 'portal_setup', None)
        return setup is not None and (
            setup.getLastVersionForProfile(self.profile) != 'unknown')

    def options(self, site: Any) -> dict[str, Any]:
        """See `IContribution`."""
        return self._options(self.timezone or timezone_of(site))

    def _options(self, zone: str) -> dict[str, Any]:
        return {
            'recurrence': self._recurrence(zone), 'missed': self.missed,
            'expires': self.expires, 'retry': self.retry,
            'principalId': self.principal,
            # A message id would be stored as an instance of its class.
            'description': translate(self.title or self.name)}

    def _recurrence(self, zone: str) -> Any:
        if self.every is not None:
            return Every(self.every)
        if self.cron is not None:
            return Cron(self.cron, zone)
        rule, info = self.rrule or '', zone_of(zone).info
        line = rrule_text.read(rule).start
        start = DTSTART.replace(tzinfo=info) if line is None else line.at(info)
        return RRule(rule, start)

    def __call__(self, site: Any) -> Any:
        """See `IContribution`."""
        return self.handler(site)


def timezone_of(site: Any) -> str:
    """The name of the time zone in the registry of *site*, else UTC."""
    registry = getattr(site, 'portal_registry', None)
    zone = None if registry is None else registry.get(
        'plone.portal_timezone', None)
    return zone or 'UTC'


def contribute(name: str, handler: Callable[[Any], Any], **options: Any
               ) -> None:
    """Contribute a task to sites.

    *name*, a str, identifies the task in all sites.  *handler* is called with
    the site, in the transaction of the run, and returns None.  *options* are:

    - exactly one of *every*, a timedelta; *cron*, a cron expression; and
      *rrule*, a rule of RFC 5545, which starts at its line DTSTART, else on
      1 January 2001;
    - *timezone*, the name of the zone of *cron* or *rrule*; by default that of
      the site, else UTC;
    - *title* and *description*, texts for people;
    - *required*, an interface, and *profile*, the id of a GenericSetup
      profile: only sites that provide the one and have the other installed
      get the task;
    - *principal*, a ``principalId``; by default the system user, and None for
      Anonymous;
    - *missed*, *expires* and *retry*, as for `Task`;
    - *enabled*, a bool; if false, the task of a site is paused at first;
    - *formerly*, a tuple of the names that the task had before.  The task of a
      site is renamed then, and keeps what a manager has changed.

    Registers a global utility in this process and writes nothing to a
    database; see `synchronize`.  Raises `InvalidTask` for options that are
    invalid.
    """
    provideUtility(
        Contribution(name, handler, **options), IContribution, name)


class ContributedTask(Task):
    """The task of a site that was made from the definition of its name."""

    name = ''

    #: the options of the definition, when the task last followed it
    shipped_options: dict[str, Any]
    #: the options of the task at that time
    applied_options: dict[str, Any]

    def __call__(self) -> Any:
        run: Any = current_run()
        site = getRequest()['PUBLISHED']
        definition = queryUtility(IContribution, self.name)
        if definition is None:
            self._handle_absence(run)
        elif not definition.applies(site):
            run.cancel(INAPPLICABLE)
            _withdraw(run.schedule, self.name)
        else:
            return definition(site)

    def _handle_absence(self, run: Any) -> None:
        """Leave the task to another process for a while; then pause it."""
        if run.now - run.occurrence <= run.schedule.import_grace:
            self.refuse_codeless()
        log.warning('Task %s, contributed as %s, is paused: %s.',
                    label_of(self), self.name, ABSENT)
        run.cancel(ABSENT)
        run.schedule.pause(self, reason=ABSENT, by=PAUSED_BY)

    def refuse_codeless(self) -> None:
        """Raise `CodeMissing` if this process does not contribute it."""
        if queryUtility(IContribution, self.name) is None:
            raise CodeMissing(
                f'this process contributes no task named {self.name!r}')

    @property
    def changes(self) -> set[str]:
        """The names of the options that a manager has changed."""
        return {name for name, value in self.applied_options.items()
                if getattr(self, name) != value}


# -- the tasks of a site


class ContributionState(NamedTuple):
    """The state of a contributed task in a site."""

    name: str
    #: an `IContribution`, or None if this process has no such definition
    definition: Any
    task: ContributedTask
    #: whether somebody has unscheduled the task
    unscheduled: bool
    #: since when, by whom and why the task is paused; or None
    pause: Pause | None
    #: the names of the options that a manager has changed
    changes: set[str]


def contribution_states(site: Any) -> Iterator[ContributionState]:
    """Yield the state of each contributed task of *site*, ordered by name.

    As of the last `synchronize`.  Reads in the current transaction and writes
    nothing.
    """
    schedule = schedule_of(site)
    if schedule is None:
        return
    for name, task in sorted(_tasks(schedule).items()):
        yield ContributionState(
            name, queryUtility(IContribution, name), task,
            task not in schedule, schedule.paused(task),
            task.changes if loads(task) else set())


def contributed(site: Any) -> tuple[ContributedFacts, ...]:
    """The same as plain data, for pages and services.

    The texts are in the language of the current request, if there is one.
    """
    schedule = schedule_of(site)
    return () if schedule is None else reading.contributed(
        schedule, map(_as_known, contribution_states(site)))


def _as_known(state: ContributionState) -> Contributed:
    return Contributed(
        state.name, state.task, _text(state.definition, 'title'),
        _text(state.definition, 'description'), state.definition is None,
        state.unscheduled, state.pause, state.changes)


def _text(definition: Any, name: str) -> str | None:
    """A text of the definition, in the language of the request."""
    text = getattr(definition, name, None)
    return str(translate(text, context=getRequest())) if text else None


def synchronize(site: Any) -> None:
    """Give *site* the tasks that this process contributes to it.

    Adds tasks that are missing, updates those whose definition has changed,
    and removes those that do not apply to *site* any more.  Leaves a task that
    a worker holds until the next time, and a task without a definition here,
    since another process may have it.  Does nothing if *site* has no schedule.

    Writes in the current transaction, only if something has changed, and does
    not commit.  Workers call it when they begin with a site and then each
    minute; GenericSetup calls it after each profile.
    """
    schedule = schedule_of(site)
    if schedule is None:
        return
    for name, definition in list(getUtilitiesFor(IContribution)):
        if not definition.applies(site):
            _withdraw(schedule, name)
            continue
        task = _current_task(schedule, definition)
        if task is None:
            _add(schedule, definition, site)
        else:
            _update(schedule, task, definition, site)


def reset(site: Any, name: str, *, by: str | None = None, reason: str = ''
          ) -> ContributedTask:
    """Return the task of that name, with the options of its definition.

    Undoes what a manager has changed, also by pausing or unscheduling it, and
    replaces a task whose record is gone.  Who does it, and why, is on record,
    if one of them is given.  Writes in the current transaction and does not
    commit.  Raises LookupError if this process contributes nothing of that
    name to *site*, and `InProgress` while a worker holds the task.
    """
    schedule, definition = _contributed_here(site, name)
    reason = f'reset: {reason}' if reason else 'reset'
    task = task_named(schedule, name)
    if task is not None and not loads(task):
        schedule.unschedule(task, by=by, reason='its record is gone')
        task = None
    if task is None:
        return _bring_back(schedule, definition, site, by, reason)
    schedule.change(
        task, by=by, reason=reason, **_differing(task, definition, site))
    _record_options(task, definition, site)
    schedule.resume(task, by=by)
    _pause_disabled(schedule, task, definition)
    return task


def _contributed_here(site: Any, name: str) -> tuple[SiteSchedule, Any]:
    schedule = schedule_of(site)
    definition = queryUtility(IContribution, name)
    if schedule is None or definition is None or (
            not definition.applies(site)):
        raise LookupError(
            f'this process contributes no task named {name!r} to '
            f'{path_of(site)}')
    return schedule, definition


def _bring_back(schedule: SiteSchedule, definition: Any, site: Any,
                by: str | None, reason: str) -> ContributedTask:
    task = _add(schedule, definition, site)
    give_oid(schedule, task)
    record_of_person(schedule, task, CHANGED, by, reason)
    return task


def _differing(task: ContributedTask, definition: Any, site: Any
               ) -> dict[str, Any]:
    """The options that are not as shipped; and the recurrence.

    By that it waits for its next occurrence, wherever somebody has moved it.
    """
    return {name: value for name, value in definition.options(site).items()
            if name == 'recurrence' or getattr(task, name) != value}


def task_named(schedule: SiteSchedule | None, name: str
               ) -> ContributedTask | None:
    """The contributed task of that name, if it is scheduled."""
    task = None if schedule is None else _tasks(schedule).get(name)
    return task if schedule is not None and task in schedule else None


def withdraw(site: Any, name: str) -> None:
    """Remove the contributed task of that name from *site*, if there is one.

    For an uninstall handler or an upgrade step of an add-on.  A run of the
    task that is in progress has no effect then.  Writes in the current
    transaction and does not commit.

    The next `synchronize` adds the task again, as new, if the process still
    contributes it to *site*.  Name the *profile* of the add-on when you
    contribute a task: then it is removed when the profile is uninstalled.
    """
    schedule = schedule_of(site)
    if schedule is not None:
        _withdraw(schedule, name)


def _tasks(schedule: SiteSchedule) -> Mapping[str, ContributedTask]:
    """The contributed tasks by name."""
    return schedule.contributed_tasks or {}


def _add(schedule: SiteSchedule, definition: Any, site: Any
         ) -> ContributedTask:
    task = ContributedTask(
        key=KEY_PREFIX + definition.name, **definition.options(site))
    task.name = definition.name
    if schedule.contributed_tasks is None:
        schedule.contributed_tasks = PersistentMapping()
    schedule.contributed_tasks[definition.name] = schedule.schedule(task)
    _record_options(task, definition, site)
    _pause_disabled(schedule, task, definition)
    return task


def _pause_disabled(schedule: SiteSchedule, task: ContributedTask,
                    definition: Any) -> None:
    if not definition.enabled:
        schedule.pause(task, reason=DISABLED, by=PAUSED_BY)


def _current_task(schedule: SiteSchedule, definition: Any
                  ) -> ContributedTask | None:
    """The task of the definition, if there is one, renamed if need be."""
    for former in definition.formerly:
        task = _tasks(schedule).get(former)
        if task is None or queryUtility(IContribution, former) is not None:
            continue
        if definition.name not in _tasks(schedule):
            _rename(schedule, task, definition.name)
            return task
        # A process with the former definition has added it once more.
        _withdraw(schedule, former)
    return _tasks(schedule).get(definition.name)


def _rename(schedule: SiteSchedule, task: ContributedTask, name: str) -> None:
    """Rename *task*, unless a worker holds it now."""
    if schedule.waits(task) is not None:
        schedule.change(task, key=KEY_PREFIX + name)
    elif task in schedule:
        return
    tasks = schedule.contributed_tasks
    tasks[name] = tasks.pop(task.name)
    task.name = name


def _record_options(task: ContributedTask, definition: Any, site: Any
                    ) -> None:
    options = definition.options(site)
    task.shipped_options = {**options, 'enabled': definition.enabled}
    task.applied_options = {name: getattr(task, name) for name in options}


def _update(schedule: SiteSchedule, task: ContributedTask, definition: Any,
            site: Any) -> None:
    """Let *task* follow the definition in all that nobody has changed."""
    _resume_absent(schedule, task)
    shipped = task.shipped_options
    options = {**definition.options(site), 'enabled': definition.enabled}
    if options == shipped:
        return
    if schedule.waits(task) is None:
        return  # a worker holds it, or somebody has unscheduled it
    _apply_options(schedule, task, definition, site)
    if shipped['enabled'] and not definition.enabled:
        if schedule.paused(task) is None:
            _pause_disabled(schedule, task, definition)
    elif definition.enabled:
        _resume_disabled(schedule, task)


def _apply_options(schedule: SiteSchedule, task: ContributedTask,
                   definition: Any, site: Any) -> None:
    """Apply the options that the definition has changed and nobody else."""
    kept = {name: task.applied_options[name] for name in task.changes}
    schedule.change(task, **{
        name: value for name, value in definition.options(site).items()
        if task.shipped_options[name] != value and name not in kept})
    _record_options(task, definition, site)
    # A kept option goes on to differ from what was applied.
    task.applied_options |= kept


def _resume_absent(schedule: SiteSchedule, task: ContributedTask) -> None:
    """Resume a task that was paused without its definition."""
    pause = schedule.paused(task)
    if pause is not None and (pause.by, pause.reason) == (PAUSED_BY, ABSENT):
        schedule.resume(task, by=PAUSED_BY)


def _resume_disabled(schedule: SiteSchedule, task: ContributedTask) -> None:
    """Resume a task that no person has paused."""
    pause = schedule.paused(task)
    if pause is not None and pause.by == PAUSED_BY:
        schedule.resume(task, by=PAUSED_BY)


def _withdraw(schedule: SiteSchedule, name: str) -> None:
    """Remove the task of that name, if there is one."""
    task = _tasks(schedule).get(name)
    if task is not None:
        del schedule.contributed_tasks[name]
        if task in schedule:
            schedule.unschedule(task)


# -- subscribers


def handle_profile_imported(event: Any) -> None:
    """Synchronize a site when a profile was installed or uninstalled.

    That the profile of an add-on is uninstalled is noted after the profile
    that uninstalls it was imported; so this is done once more at the commit.
    """
    if getattr(event, 'tool', None) is not None and event.full_import:
        site = event.tool.aq_parent
        synchronize(site)
        transaction.get().addBeforeCommitHook(synchronize, (site,))
