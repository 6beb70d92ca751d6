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
"""Handing over a message that is queued: by its task, or by a command.

Whoever does it notes that first, so that nobody else does it at the same time,
and notes at once that it is done.  Each note is a transaction of its own, in
which nothing else can conflict or fail::

    waits ── take ──▶ taken ── the other side has it ──▶ gone
      ▲                 │
      ╰─ given back ────┤ by whoever has failed to hand it over
      ╰─ after `HELD` ──╯ whoever took it is dead, or does not know
"""

from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from functools import partial
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

from zodbschedule import clock
from zodbschedule.alarms.calls import call_webhook
from zodbschedule.alarms.mail import Envelope
from zodbschedule.alarms.mail import envelope_of
from zodbschedule.alarms.mail import send_mail
from zodbschedule.alarms.record import Alarms
from zodbschedule.alarms.record import Message
from zodbschedule.alarms.record import alarms_of
from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.current import current_run
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.plain_text import one_line
from zodbschedule.retry import Retry
from zodbschedule.retry import RetryLater
from zodbschedule.schedule import Schedule
from zodbschedule.task import Task
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import in_own_connection


T = TypeVar('T')

# For how long a message is left to whoever has taken it; much longer than a
# conversation may take.  Longer, and a message is late whose sender was
# killed; shorter, and one that is slow is overtaken.
HELD = timedelta(minutes=2)

# For a day: longer than a server is down that somebody cares for.
PATIENT = Retry(100, timedelta(minutes=1), max_delay=timedelta(minutes=15),
                jitter=0)

# What was handed over, but could not be noted as that: not by this process
# again, whatever the database does.
HANDED: set[str] = set()


class Letter(NamedTuple):
    """A message as plain data, and where it goes."""

    #: what tells it from all others
    id: str
    at: int
    subject: str
    text: str
    data: Mapping[str, Any]
    #: for a mail, or the address of a webhook
    to: Envelope | str


class Taken(Exception):
    """Somebody else is at it, *until* then at most."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f'another process is sending it, or was killed while '
                         f'it did; that is known at {until}')
        self.until = until


class Commit(Protocol):
    """Does something with the alarms in a transaction of its own."""

    def __call__(self, work: Callable[[Alarms | None], T]) -> T:
        """What *work* returns, when that is committed."""


def hand_over(name: str, commit: Commit) -> bool:
    """Send the message of that name; False if it is gone.

    Raises `Taken`, or what has kept it from being sent.
    """
    if name not in HANDED:
        letter = commit(partial(_take, name))
        if letter is None:
            return False
        try:
            _send(letter)
        except Exception as error:
            commit(partial(_give_back, name, str(ErrorText(error))))
            raise
        HANDED.add(name)
    commit(partial(_forget, name))
    HANDED.discard(name)
    return True


def _send(letter: Letter) -> None:
    if isinstance(letter.to, Envelope):
        send_mail(letter.to, letter.id, letter.at, letter.subject,
                  letter.text)
    else:
        call_webhook(letter.to, letter.id, letter.data)


# -- what is committed -------------------------------------------------------


def _message(name: str, alarms: Alarms | None) -> Message | None:
    found: Message | None = None if alarms is None else (
        alarms.outbox.get(name))
    return found


def _take(name: str, alarms: Alarms | None) -> Letter | None:
    """Take the message; None if it is gone, or raise `Taken`.

    Where it goes is decided now: a wrong address can be corrected, and a
    channel that was switched off gets nothing.
    """
    message = _message(name, alarms)
    if message is None or alarms is None:
        return None
    now = clock.now()
    until = from_micros(message.taken)
    if now < until <= now + HELD:
        raise Taken(until)
    to = _to(message.channel, alarms)
    if to is None:
        _forget(name, alarms)
        return None
    message.taken = to_micros(now + HELD)
    return Letter(message.id, message.at, message.subject, message.text,
                  dict(message.data), to)


def _to(channel: str, alarms: Alarms) -> Envelope | str | None:
    if channel == 'webhook':
        return alarms.webhook
    return None if alarms.mail is None else envelope_of(
        alarms.mail, alarms.sender, alarms.smtp)


def _give_back(name: str, error: str, alarms: Alarms | None) -> None:
    message = _message(name, alarms)
    if message is not None:
        message.taken = 0
        message.error = one_line(error)


def _forget(name: str, alarms: Alarms | None) -> None:
    if _message(name, alarms) is not None and alarms is not None:
        del alarms.outbox[name]


# -- the task ----------------------------------------------------------------


class Tell(Task):
    """Hands over one message; it is tried again for a day."""

    retry = PATIENT

    def __init__(self, name: str, channel: str, subject: str, time: datetime
                 ) -> None:
        super().__init__(time, description=f'tell by {channel}: {subject}')
        self.name = name

    def __call__(self) -> None:
        run = current_run()
        assert run is not None
        try:
            hand_over(self.name, Own(run.schedule._p_jar.db(),
                                     run.schedule._p_oid))
        except Taken as taken:
            raise RetryLater(
                max(taken.until - clock.now(), timedelta(0)), str(taken)
            ) from None


class Own:
    """Commits in a connection of its own: see `Commit`."""

    def __init__(self, db: Any, oid: bytes) -> None:
        self.db = db
        self.oid = oid

    def __call__(self, work: Callable[[Alarms | None], T]) -> T:
        return in_own_connection(
            self.db, lambda connection: work(self._alarms(connection)),
            OWN_TRIES)

    def _alarms(self, connection: Any) -> Alarms | None:
        schedule = connection.get(self.oid)
        assert isinstance(schedule, Schedule)
        return alarms_of(schedule)
