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
"""Times, durations and numbers on pages, for people."""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from zodbschedule.outcomes import OUTCOMES
from zodbschedule.reading import OutcomeCounts
from zodbschedule.reading import ProgressFacts
from zodbschedule.reading import RetryFacts
from zodbschedule.reading import words


NEAR = {-1: 'yesterday', 0: 'today', 1: 'tomorrow'}


@dataclass(frozen=True)
class Words:
    """What templates call to show times, in one zone."""

    now: datetime
    zone: tzinfo

    def local(self, instant: datetime) -> datetime:
        """The same in the zone; in UTC where the zone has no such day."""
        try:
            return instant.astimezone(self.zone)
        except OverflowError:
            return instant

    def iso(self, instant: datetime) -> str:
        """For the attribute *datetime* of an element ``time``."""
        return words.iso(instant)

    def moment(self, instant: datetime) -> str:
        """The day and the local time, as in ``today 09:00:00``.

        Or else as in ``Thu 31 Jan 09:00:00``, with the year if it is another
        one.
        """
        return f'{self.day(instant)} {self.local(instant):%H:%M:%S}'

    def day(self, instant: datetime) -> str:
        """Its day alone."""
        local, now = self.local(instant), self.local(self.now)
        near = NEAR.get((local.date() - now.date()).days)
        year = '' if local.year == now.year else f' {local.year}'
        return near or f'{local:%a} {local.day} {local:%b}{year}'

    def long_day(self, instant: datetime) -> str:
        """As in ``Thursday 31 January 2030``."""
        local = self.local(instant)
        return f'{local:%A} {local.day} {local:%B} {local.year}'

    def clock(self, instant: datetime, form: str = '%H:%M') -> str:
        """Its local time alone, as in ``09:00``."""
        return f'{self.local(instant):{form}}'

    def relative(self, instant: datetime) -> str:
        """As in ``in 5 min``."""
        return words.relative(instant, self.now)

    def duration(self, span: timedelta) -> str:
        """As in ``5 min``."""
        return words.duration(span)

    def full_duration(self, span: timedelta) -> str:
        """As in ``1 h 30 min``."""
        return words.full_duration(span)

    def retry(self, retry: RetryFacts | str) -> str:
        """When it is tried again, after a failure."""
        if isinstance(retry, str):
            return retry
        wait = words.full_duration(retry.delay)
        grows = '' if retry.factor == 1 else (
            f', then {retry.factor:g} times as long each time, up to '
            f'{words.full_duration(retry.max_delay)}')
        errors = '' if retry.on == ('builtins.Exception',) else (
            f', if that is one of {", ".join(retry.on)}')
        return (f'it is tried again, {retry.attempts} times in all, after '
                f'{wait}{grows}{errors}; then it is parked')

    def run_time(self, span: timedelta) -> str:
        """How long a run has taken, as in ``12 ms``."""
        return words.run_time(span)

    def progress(self, progress: ProgressFacts) -> str:
        """As in ``6 of 15``."""
        return f'{progress.done:g} of {progress.total:g}'

    def with_offset(self, local: datetime) -> str:
        """A local time of another zone, with its offset from UTC."""
        return words.local_time(local)

    def setting(self, value: str | int | timedelta | None) -> str:
        """The value of a setting."""
        if isinstance(value, timedelta):
            return words.full_duration(value)
        return 'none' if value is None else str(value)

    def number(self, number: int) -> str:
        """With thin spaces, which do not break: ``10 000``."""
        return f'{number:,}'.replace(',', '\u202f')

    def outcomes(self, counts: OutcomeCounts) -> str:
        """As in ``12 succeeded, 1 failed``; empty if there is none."""
        return ', '.join(f'{self.number(number)} {name}' for name, number
                         in vars(counts).items() if number)

    def of_run(self, outcome: str) -> bool:
        """Whether a run has ended so; else a person has decided it."""
        return outcome in OUTCOMES.values()

    @property
    def zone_name(self) -> str:
        """As in ``Europe/Berlin``."""
        return str(self.zone)
