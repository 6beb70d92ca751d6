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
"""Instants: aware datetimes in UTC, and their form in records.

A key of the timetable is always a datetime whose tzinfo is
:data:`datetime.timezone.utc`.  In a fold an aware datetime of another zone is
not equal to, below or above the same instant in UTC, which breaks a BTree.  A
record has an instant as microseconds since 1970: an int of eight bytes, which
needs no class to be read.
"""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

from zodbschedule.interfaces import InvalidTime


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def as_utc(moment: object, name: str = 'time', of: object = None) -> datetime:
    """*moment* in UTC, as a plain datetime.

    Raises `InvalidTime` if it is not an aware datetime, or outside the years 1
    to 9999 of UTC; the error says *name*, and *of* what that is the time.
    """
    if type(moment) is datetime and moment.tzinfo is UTC and not moment.fold:
        return moment
    try:
        return _in_utc(moment, name)
    except InvalidTime:
        if of is None:
            raise
    return _in_utc(moment, f'the {name} of {of!r}')


def _in_utc(moment: object, name: str) -> datetime:
    if not isinstance(moment, datetime):
        raise InvalidTime(
            f'{name} is {moment!r}; it has to be an aware datetime, such as '
            f'datetime.now(timezone.utc)')
    if moment.utcoffset() is None:
        raise InvalidTime(
            f'{name} is {moment!r}, which names no time zone; say which one '
            f'is meant, for instance moment.replace(tzinfo=timezone.utc)')
    try:
        # Not by astimezone(), which keeps a subclass of datetime: its class
        # would be needed to open the timetable.
        return EPOCH + (moment - EPOCH)
    except OverflowError:
        raise InvalidTime(
            f'{name} is {moment!r}, which is outside the years 1 to 9999 of '
            f'UTC') from None


def moment_of(time: datetime | None, delay: timedelta | None, now: datetime
              ) -> datetime | None:
    """The time of a task, from what a caller says: *time*, or *now* + *delay*.

    *time* is returned as it is, None included; it is not checked here.
    Raises `InvalidTime` if both are given, or if *delay* is not a timedelta
    or leads beyond the years 1 to 9999.
    """
    if delay is None:
        return time
    if time is not None:
        raise InvalidTime(
            f'both time, {time!r}, and delay, {delay!r}, are given; give one '
            f'of them')
    if not isinstance(delay, timedelta):
        raise InvalidTime(
            f'delay is {delay!r}; it has to be a timedelta, such as '
            f'timedelta(minutes=5)')
    try:
        return now + delay
    except OverflowError:
        raise InvalidTime(
            f'delay is {delay!r}, which leads beyond the years 1 to 9999'
        ) from None


def later(moment: datetime, delay: timedelta) -> datetime:
    """*delay* after *moment*, or the last datetime that there is.

    The first one, if a negative *delay* leads beyond that.
    """
    try:
        return moment + delay
    except OverflowError:
        last = datetime.max if delay > timedelta(0) else datetime.min
        return last.replace(tzinfo=moment.tzinfo)


def earlier(moment: datetime, age: timedelta) -> datetime:
    """*age* before *moment*, or the first datetime that there is."""
    try:
        return moment - age
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)


def to_micros(instant: datetime) -> int:
    """An aware datetime as microseconds since 1970, rounded down."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The datetime in UTC, so many microseconds after 1970 began."""
    return EPOCH + timedelta(microseconds=micros)
