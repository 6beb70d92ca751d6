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
"""Instants: aware datetimes in UTC, and the integers that stand for them.

A key of the timetable is always a datetime whose tzinfo is
:data:`datetime.timezone.utc`: aware datetimes of other zones are, in a fold,
neither equal to, below nor above the same instant in UTC, which breaks a
BTree.  In records an instant is kept as microseconds since 1970, an int of
eight bytes that needs no class to be read.
"""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

from zodbschedule.interfaces import InvalidTime


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def as_utc(moment: object, name: str = 'time') -> datetime:
    """*moment* in UTC; `InvalidTime` unless it is an aware datetime."""
    if not isinstance(moment, datetime):
        raise InvalidTime(
            f'{name} is {moment!r}; it has to be an aware datetime, such as '
            f'datetime.now(timezone.utc)')
    if moment.utcoffset() is None:
        raise InvalidTime(
            f'{name} is {moment!r}, which names no time zone; say which one '
            f'is meant, for instance moment.replace(tzinfo=timezone.utc)')
    try:
        # Not by astimezone(), which leaves a subclass of datetime what it is:
        # its class would be needed to open the timetable.
        return EPOCH + (moment - EPOCH)
    except OverflowError:
        raise InvalidTime(
            f'{name} is {moment!r}, which UTC has no year for') from None


def later(moment: datetime, span: timedelta) -> datetime:
    """*span* after *moment*, or the last instant that there is."""
    try:
        return moment + span
    except OverflowError:
        return datetime.max.replace(tzinfo=moment.tzinfo)


def earlier(moment: datetime, span: timedelta) -> datetime:
    """*span* before *moment*, or the first instant that there is."""
    try:
        return moment - span
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The UTC datetime of that many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)
