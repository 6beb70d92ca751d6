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
"""Words that the sentences about rules are made of."""

from collections.abc import Iterable
from collections.abc import Sequence
from itertools import pairwise


RANKS = ('first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh',
         'eighth', 'ninth', 'tenth')


def listed(words: Iterable[str], last: str = 'and') -> str:
    """Such as "a, b and c"."""
    *others, final = words
    return f'{", ".join(others)} {last} {final}' if others else final


def ordinal(number: int) -> str:
    """Such as "22nd"."""
    ends = {1: 'st', 2: 'nd', 3: 'rd'}
    is_teen = 10 < number % 100 < 20
    return f'{number}{"th" if is_teen else ends.get(number % 10, "th")}'


def rank(number: int) -> str:
    """Such as "third", "12th" or, below zero, "third to last"."""
    if number < 0:
        return 'last' if number == -1 else f'{rank(-number)} to last'
    return RANKS[number - 1] if number <= len(RANKS) else ordinal(number)


def ranks(numbers: Iterable[int]) -> list[str]:
    """From the first to the last."""
    return [rank(number) for number in sorted(
        numbers, key=lambda number: (number < 0, number))]


def counted(number: int, unit: str) -> str:
    """Such as "1 minute" and "15 minutes"."""
    return f'{number} {unit}{"" if number == 1 else "s"}'


def each(number: int, unit: str) -> str:
    """Such as "every minute" and "every 15 minutes"."""
    return f'every {unit}' if number == 1 else f'every {number} {unit}s'


def step_of(numbers: Sequence[int]) -> int | None:
    """How far they are apart, if that is the same for all."""
    steps = {after - before for before, after in pairwise(numbers)}
    return steps.pop() if len(steps) == 1 else None


def rows(numbers: Sequence[int], step: int = 1) -> list[list[int]]:
    """Ascending numbers, parted where they are not one step apart."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + step:
            found[-1].append(number)
        else:
            found.append([number])
    return found
