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
"""What a message says: to people as a text, to programs as data."""

from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from typing import NamedTuple

from zodbschedule.alarms.finding import FAILING
from zodbschedule.alarms.finding import LATE
from zodbschedule.alarms.finding import NO_WORKER
from zodbschedule.alarms.finding import PARKED
from zodbschedule.alarms.finding import SETTINGS
from zodbschedule.alarms.finding import Standing
from zodbschedule.alarms.finding import Trouble
from zodbschedule.alarms.record import Key
from zodbschedule.plain_text import one_line
from zodbschedule.reading import words
from zodbschedule.reading.healthcheck import Health


# How many of one kind a message names.
SHOWN = 10

#: what is said of a task whose alarm is over
OVER = {NO_WORKER: 'are here again', LATE: 'are not late any more',
        FAILING: 'has succeeded again'}

SUBJECT = 150


class News(NamedTuple):
    """What is to be told."""

    raised: Standing
    #: the key and the label of what is over
    recovered: Mapping[Key, str]


def subject_of(name: str, news: News, found: Health) -> str:
    """The subject of a message, one line."""
    parts = [_heading(kind, len(rows), found)
             for kind, rows in _by_kind(news.raised)]
    if news.recovered:
        over = len(news.recovered)
        parts.append(f'{over} alarm{"s are" if over > 1 else " is"} over')
    return one_line(f'[{name}] {", ".join(parts)}', SUBJECT)


def text_of(news: News, found: Health) -> str:
    """The text of a message: some lines."""
    return ''.join(f'{line}\n' for line in _lines(news, found))


def _lines(news: News, found: Health) -> Iterator[str]:
    for kind, rows in _by_kind(news.raised):
        yield from _section(_heading(kind, len(rows), found),
                            [row.text for row in rows])
    if news.recovered:
        yield from _section('It is over', over_of(news))
    if found.pause is not None:
        by = f' by {found.pause.by}' if found.pause.by else ''
        why = f': {found.pause.reason}' if found.pause.reason else ''
        yield one_line(f'The whole schedule is paused since '
                       f'{words.timestamp(found.pause.since)}{by}{why}')
        yield ''
    yield f'Looked at {words.timestamp(found.now)}.'


def over_of(news: News) -> list[str]:
    """What is said of each alarm that is over."""
    return [_over(key, label) for key, label in news.recovered.items()]


def _over(key: Key, label: str) -> str:
    said = OVER[key[0]]
    if key[0] == LATE and key[1]:
        said = said.replace('are', 'is', 1)
    return f'{label} {said}'


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    yield f'{heading}:'
    for line in lines[:SHOWN]:
        yield f'- {line}'
    if len(lines) > SHOWN:
        yield f'- and {len(lines) - SHOWN} more'
    yield ''


def _by_kind(raised: Standing) -> Iterator[tuple[str, list[Trouble]]]:
    for kind in SETTINGS:
        rows = [row for key, row in raised.items() if key[0] == kind]
        if rows:
            yield kind, rows


def _heading(kind: str, number: int, found: Health) -> str:
    if kind == NO_WORKER:
        return kind
    if kind == PARKED:  # not all of them are named
        number = max(number, found.parked)
    return f'{number} task{" is" if number == 1 else "s are"} {kind}'


def data_of(name: str, id: str, subject: str, text: str, at: datetime,
            news: News) -> dict[str, Any]:
    """What a webhook gets; ``text`` is what chats show."""
    return {
        'id': id, 'name': name, 'at': words.timestamp(at),
        'subject': subject, 'text': f'{subject}\n\n{text}',
        'raised': [_datum(key, row.text) for key, row in news.raised.items()],
        'recovered': [_datum(key, _over(key, label))
                      for key, label in news.recovered.items()]}


def _datum(key: Key, text: str) -> dict[str, str | None]:
    kind, about = key
    return {'kind': kind, 'task': about.partition(' ')[0] or None,
            'text': text}
