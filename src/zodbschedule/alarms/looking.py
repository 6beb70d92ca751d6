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
"""Looking for alarms: what is new is noted and queued in one transaction."""

import uuid
from contextlib import suppress
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.alarms import wording
from zodbschedule.alarms.calls import call_heartbeat
from zodbschedule.alarms.finding import FAILING
from zodbschedule.alarms.finding import LATE
from zodbschedule.alarms.finding import NO_WORKER
from zodbschedule.alarms.finding import PARKED
from zodbschedule.alarms.finding import SETTINGS
from zodbschedule.alarms.finding import Standing
from zodbschedule.alarms.finding import find
from zodbschedule.alarms.record import Alarms
from zodbschedule.alarms.record import Key
from zodbschedule.alarms.record import Message
from zodbschedule.alarms.record import alarms_of
from zodbschedule.alarms.telling import PATIENT
from zodbschedule.alarms.telling import Tell
from zodbschedule.execution.current import current_run
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import NotScheduled
from zodbschedule.logger import log
from zodbschedule.reading.healthcheck import Health
from zodbschedule.reading.healthcheck import health
from zodbschedule.recurrence import Every
from zodbschedule.schedule import Schedule
from zodbschedule.task import Task


#: the key of the task that looks
KEY = 'zodbschedule.alarms'

# How many messages are kept that cannot be sent.  More, and a server that is
# back gets more at once; fewer, and more is lost.
MOST_KEPT = 100

CHANNELS = ('mail', 'webhook')


class Looked(NamedTuple):
    """What a look has found."""

    standing: Standing
    #: whether the heartbeat is to be called
    well: bool


def look(schedule: Schedule, alarms: Alarms, now: datetime) -> Looked:
    """Note what is wrong, and queue a message if that is new.

    In the caller's transaction.  *now* is in UTC.
    """
    found = health(schedule, now)
    standing = find(schedule, alarms, found)
    told = {key: label for key, label in alarms.told.items()
            if key in standing or _is_over(schedule, alarms, key)}
    news = wording.News(
        {key: row for key, row in standing.items() if key not in told},
        {key: label for key, label in told.items() if key not in standing})
    if any(news) and channels(alarms) and _may_speak(alarms, now):
        told = {key: row.label for key, row in standing.items()}
        alarms.note(spoke=to_micros(now))
        _queue_news(schedule, alarms, news, found)
    alarms.note(told=told)
    return Looked(standing, _is_well(alarms, standing))


def _is_over(schedule: Schedule, alarms: Alarms, key: Key) -> bool:
    """Whether that an alarm is over, which was told, is to be told."""
    kind, about = key
    if kind == PARKED or getattr(alarms, SETTINGS[kind]) is None:
        return False
    of_task = kind in (LATE, FAILING) and about
    return not of_task or schedule.get(about) is not None


def _may_speak(alarms: Alarms, now: datetime) -> bool:
    """Whether the last message is old enough, or of the future."""
    if alarms.spoke is None:
        return True
    return not timedelta(0) <= now - from_micros(
        alarms.spoke) < alarms.spacing


def _is_well(alarms: Alarms, standing: Standing) -> bool:
    """Parked and failing tasks may stay so for days."""
    return not any(kind in (NO_WORKER, LATE) for kind, _ in standing) and (
        not any(message.error for message in alarms.outbox.values()))


# -- queueing ----------------------------------------------------------------


def _queue_news(schedule: Schedule, alarms: Alarms, news: wording.News,
                found: Health) -> None:
    queue(schedule, alarms, wording.subject_of(alarms.name, news, found),
          wording.text_of(news, found), news, found.now)


def queue(schedule: Schedule, alarms: Alarms, subject: str, text: str,
          news: wording.News, now: datetime) -> None:
    """Queue a message for each channel, with a task that sends it."""
    at = to_micros(now)
    id = f'{at}-{uuid.uuid4().hex[:16]}'
    data = wording.data_of(alarms.name, id, subject, text, now, news)
    for channel in channels(alarms):
        _make_room(schedule, alarms)
        name = f'{id} {channel}'
        message = Message(id, channel, at, subject, text, data)
        alarms.outbox[name] = message
        message.task = schedule.schedule(Tell(name, channel, subject, now))


def channels(alarms: Alarms) -> list[str]:
    """The ways that messages go now."""
    return [channel for channel in CHANNELS
            if getattr(alarms, channel) is not None]


def _make_room(schedule: Schedule, alarms: Alarms) -> None:
    if len(alarms.outbox) >= MOST_KEPT:
        oldest = alarms.outbox.pop(alarms.outbox.minKey())
        give_up(schedule, oldest)
        log.warning('The message %r of %s could not be sent by %s, and is '
                    'given up: %d newer ones wait.', oldest.subject,
                    from_micros(oldest.at), oldest.channel, MOST_KEPT)


def give_up(schedule: Schedule, message: Message) -> None:
    """Cancel the task of a message: it would succeed, and send nothing."""
    # It may be parked.
    with suppress(NotScheduled):
        schedule.unschedule(message.task)


# -- the task ----------------------------------------------------------------


class LookForAlarms(Task):
    """Looks for alarms, once a minute, as a worker sees them."""

    key = KEY
    recurrence = Every(timedelta(minutes=1))
    # If it cannot look, not one more occurrence is parked each minute.
    retry = PATIENT

    def __init__(self) -> None:
        super().__init__(description='look for alarms')

    def __call__(self) -> None:
        run = current_run()
        assert run is not None
        schedule = run.schedule
        assert isinstance(schedule, Schedule)
        alarms = alarms_of(schedule)
        if alarms is not None and look(schedule, alarms, clock.now()).well:
            # Not before all of this is committed.
            schedule._p_jar.transaction_manager.get().addAfterCommitHook(
                _call_after, (alarms.heartbeat,))


def _call_after(committed: bool, heartbeat: str | None) -> None:
    """Call the heartbeat; that it does not answer is logged only."""
    if committed:
        problem = call_heartbeat(heartbeat)
        if problem:
            log.warning('The heartbeat was not taken: %s', problem)
