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
"""The content rule action "later": wait, then transition, mail or move."""

from collections.abc import Mapping
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from hashlib import sha256
from typing import Any

from AccessControl.unauthorized import Unauthorized
from Acquisition import aq_base
from OFS.SimpleItem import SimpleItem
from plone.app.contentrules.actions import ActionAddForm
from plone.app.contentrules.actions import ActionEditForm
from plone.app.contentrules.browser.formhelper import ContentRuleFormWrapper
from plone.app.vocabularies.catalog import CatalogSource
from plone.contentrules.rule.interfaces import IExecutable
from plone.contentrules.rule.interfaces import IRuleElementData
from Products.statusmessages.interfaces import IStatusMessage
from zope.component import adapter
from zope.globalrequest import getRequest
from zope.i18nmessageid import MessageFactory
from zope.interface import Interface
from zope.interface import Invalid
from zope.interface import implementer
from zope.interface import invariant
from zope.schema import Choice
from zope.schema import Text
from zope.schema import TextLine

from zodbschedule import clock
from zodbschedule.durations import span
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import ScheduleError
from zodbschedule.logger import log
from zodbschedule.recurrence.zones import zone_of
from zodbschedule.zope.context_task import call
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contexts import uuid_of
from zodbschedule.zope.contributions import timezone_of
from zodbschedule.zope.permissions import SCHEDULE
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.plone.verbs import VERBS
from zodbschedule.zope.sites import site_of


_ = MessageFactory('zodbschedule')

# Fields of content whose attributes have other names.
ATTRIBUTES = {'effective': 'effective_date', 'expires': 'expiration_date'}

#: what each verb needs: the argument of its function -> the field
NEEDED: dict[str, Mapping[str, str]] = {
    'transition': {'name': 'transition'},
    'mail': {'recipients': 'recipients', 'subject': 'subject',
             'message': 'message'},
    'move': {'folder': 'target_folder'}}

UNSAFE = _('the page was only read: a rule schedules when a form is sent')


def is_duration(text: str) -> bool:
    """Whether *text* is a duration, such as 2d."""
    try:
        span(text)
    except ValueError:
        return False
    return True


def refuse_incomplete(data: Any) -> None:
    """Raise Invalid unless there is a time, and all that the verb needs."""
    if not (data.wait or data.until):
        raise Invalid(_('Say how long to wait, or until which date.'))
    if not all(getattr(data, field, None)
               for field in NEEDED[data.verb].values()):
        raise Invalid(_('Fill in what is to be done then.'))


class ILaterAction(Interface):
    """What is done later, and when."""

    wait = TextLine(
        title=_('Wait'),
        description=_('How long: a number of seconds, minutes, hours or days, '
                      'such as 30m, 2h or 1d; after the date below, if there '
                      'is one, else from now.'),
        required=False,
        constraint=is_duration,
    )

    until = TextLine(
        title=_('Until'),
        description=_('The name of a date field of the content, such as '
                      'effective, expires, start or end.'),
        required=False,
    )

    verb = Choice(
        title=_('Then'),
        values=tuple(NEEDED),
        default='transition',
    )

    transition = Choice(
        title=_('Transition'),
        vocabulary='plone.app.vocabularies.WorkflowTransitions',
        required=False,
    )

    target_folder = Choice(
        title=_('Move to'),
        source=CatalogSource(is_folderish=True),
        required=False,
    )

    recipients = TextLine(
        title=_('Mail to'),
        description=_('Addresses, with commas between them.  Variables such '
                      'as ${owner_emails} are filled in.'),
        required=False,
    )

    subject = TextLine(title=_('Subject'), required=False)

    message = Text(title=_('Message'), required=False)

    invariant(refuse_incomplete)


@implementer(ILaterAction, IRuleElementData)
class LaterAction(SimpleItem):
    """One such action of a rule."""

    element = 'zodbschedule.later'

    wait = ''
    until = ''
    verb = 'transition'
    transition = ''
    target_folder = ''
    recipients = ''
    subject = ''
    message = ''

    @property
    def options(self) -> dict[str, str]:
        """The arguments of the function of the verb."""
        return {argument: getattr(self, field) or ''
                for argument, field in NEEDED[self.verb].items()}

    @property
    def summary(self) -> Any:
        """What the page of the rule says of it."""
        what = ' '.join(list(self.options.values())[:1])
        when = ' after '.join(filter(None, (self.wait, self.until)))
        return _('Later (${when}): ${verb} ${what}', mapping={
            'when': when, 'verb': self.verb, 'what': what})


class NotScheduled(Exception):
    """Why nothing is scheduled, for people."""


@implementer(IExecutable)
@adapter(Interface, ILaterAction, Interface)
class LaterExecutor:
    """Schedules a task for the object of the event, as the current user."""

    def __init__(self, context: Any, element: LaterAction, event: Any) -> None:
        self.element = element
        self.object = event.object

    def __call__(self) -> bool:
        """Whether a task is scheduled; if not, the user and the log know."""
        try:
            if _is_only_read():
                raise NotScheduled(UNSAFE)
            self._schedule(self._time())
        except (NotScheduled, Unauthorized, ScheduleError, LookupError
                ) as error:
            # To raise would lose what the user saves.
            self._tell(error)
            return False
        return True

    def _schedule(self, when: datetime) -> None:
        check_permission(SCHEDULE, self.object)
        verb, options = self.element.verb, self.element.options
        told = sha256(repr((verb, options)).encode()).hexdigest()[:12]
        # Trusted: whoever saves it next may move what somebody has scheduled
        # by this rule, and what is called is not theirs to choose.
        call(self.object, VERBS[verb], kwargs=options, time=when,
             key=f'later:{told}:{uuid_of(self.object)}', gone='cancel',
             description=f'{verb} {self.object.title_or_id()}',
             duplicate='replace', trusted=True)

    def _time(self) -> datetime:
        wait = span(self.element.wait) if self.element.wait else timedelta(0)
        if not self.element.until:
            return clock.now() + wait
        name = self.element.until
        value = getattr(
            aq_base(self.object), ATTRIBUTES.get(name, name), None)
        found = instant_of(value, timezone_of(site_of(self.object)))
        if found is None:
            raise NotScheduled(f'it has no date {name!r}')
        return found + wait

    def _tell(self, error: Exception) -> None:
        what = f'{path_of(self.object)}: {self.element.verb} later'
        log.warning('A content rule schedules nothing for %s: %s.', what,
                    error)
        request = getRequest()
        if request is not None and current_run() is None:
            IStatusMessage(request).add(_(
                'Nothing was scheduled by a content rule: ${reason}',
                mapping={'reason': str(error)}), 'warning')


def _is_only_read() -> bool:
    """Whether a page is read now; a run has a request that says so, too."""
    request = getRequest()
    return current_run() is None and request is not None and (
        request.get('REQUEST_METHOD') in ('GET', 'HEAD'))


def instant_of(value: Any, zone: str) -> datetime | None:
    """A date of content as an aware datetime; None if it is none.

    What has no time zone is in *zone*, and a day begins at midnight.
    """
    if hasattr(value, 'asdatetime'):
        value = value.asdatetime()
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone_of(zone).info)
    found: datetime = value.astimezone(UTC)
    return found


class LaterAddForm(ActionAddForm):
    """Adds the action to a rule."""

    schema = ILaterAction
    label = _('Add an action for later')
    description = _('Waits, then makes a transition, mails or moves.')
    form_name = _('Configure element')
    Type = LaterAction


class LaterAddFormView(ContentRuleFormWrapper):
    """The page of that form."""

    form = LaterAddForm


class LaterEditForm(ActionEditForm):
    """Changes the action of a rule."""

    schema = ILaterAction
    label = _('Edit an action for later')
    description = LaterAddForm.description
    form_name = _('Configure element')


class LaterEditFormView(ContentRuleFormWrapper):
    """The page of that form."""

    form = LaterEditForm
