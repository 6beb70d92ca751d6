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
"""What people paste as a cron expression and Cron does not take.

Each refusal names what it is, and says what to write instead.
"""

import re

from zodbschedule.interfaces import InvalidRecurrence


# Lists of all values of all fields are shorter.  With more, whoever pastes a
# file would have to wait for it.
MAX_LENGTH = 1000

# -- The whole expression: what it is, and what is said of it

ZONE = re.compile(r'(?:CRON_)?TZ=(\S+)\s*(.*)', re.IGNORECASE)
EVERY = re.compile(r'@every((?:\s*[0-9]+[hms])*)\s*', re.IGNORECASE)
UNITS = {'h': 'hours', 'm': 'minutes', 's': 'seconds'}

# How a field can begin, and so what may follow the first five.
FIELD = re.compile('[0-9*?L]|SUN|MON|TUE|WED|THU|FRI|SAT', re.IGNORECASE)
YEAR = re.compile('(19|20)[0-9][0-9]')
NUMBERED_DAY = re.compile('(^|[-,])[0-9]')

# -- A term of a field: where, what is written there, and what is said of it

DAYS = ('day-of-month', 'day-of-week')
FIRST_WORKING_DAY = (
    "the first working day from then on is RRule('FREQ=MONTHLY;BYMONTHDAY="
    "{},{},{};BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1', start)")
#: who chooses the number, by the letter that stands for it
CHOSEN = {'H': 'that Jenkins chooses', '~': 'chosen at random'}


def check_expression(expression: str) -> None:
    """Refuse what is not one line of fields; raises `InvalidRecurrence`."""
    if len(expression) > MAX_LENGTH:
        raise InvalidRecurrence(
            f'cron expression has {len(expression)} characters; it takes '
            f'{MAX_LENGTH} at most')
    if len(lines := expression.split('\n')) > 1 and ''.join(lines[1:]).strip():
        raise _refusal(expression, f'has {len(lines)} lines; make a rule of '
                                   f'each')
    text = expression.strip()
    if match := ZONE.fullmatch(text):
        raise _refusal(expression, f'names a zone; write Cron({match[2]!r}, '
                                   f'{match[1]!r})')
    if text.lower() == '@reboot':
        raise _refusal(expression, 'names no time; schedule a task without a '
                                   'recurrence where your application starts')
    if match := EVERY.fullmatch(text):
        raise _refusal(expression, f'is a period; write '
                                   f'Every({_period(match[1])})')


def _period(text: str) -> str:
    """A period of Go, such as 1h30m, as the expression for it."""
    numbers = re.findall('([0-9]+)([hms])', text.lower()) or [('5', 'm')]
    return 'timedelta({})'.format(', '.join(
        f'{UNITS[unit]}={int(number)}' for number, unit in numbers))


def check_fields(expression: str, texts: list[str],
                 aliases: list[str]) -> None:
    """Refuse a wrong number of fields; raises `InvalidRecurrence`."""
    if len(texts) > 5 and not FIELD.match(texts[5]):
        rest = ' '.join(texts[5:])
        raise _refusal(expression, f'has {rest!r} behind its five fields; '
                                   f'leave a command or comment out, and pass '
                                   f'a zone as an argument')
    if len(texts) in (6, 7) and YEAR.match(texts[-1]):
        raise _refusal(expression, f'has the year {texts[-1]!r}; Cron knows '
                                   f"no years, RRule('FREQ=...;UNTIL=...', "
                                   f'start) does')
    if len(texts) not in (5, 6) and not (
            len(texts) == 7 and texts[-1] == '*'):
        plural = '' if len(texts) == 1 else 's'
        raise _refusal(
            expression, f'has {len(texts)} field{plural}; it takes minute, '
                        f'hour, day-of-month, month and day-of-week, '
                        f'optionally with seconds before them, or one of '
                        f'{", ".join(aliases)}; a period is an Every')
    is_of_quartz = len(texts) == 7 or len(texts) == 6 and '?' in texts
    if is_of_quartz and NUMBERED_DAY.search(texts[5]):
        raise wrong_field(
            expression, 'day-of-week', texts[5],
            'in an expression of Quartz SUN is 1, elsewhere MON is 1; write '
            'names')


def check_term(field: str, term: str) -> None:
    """Refuse what other programs have; a ValueError says what it is."""
    if term == '?' and field not in DAYS:
        raise ValueError(f'only {" and ".join(DAYS)} take ?; write *')
    if match := re.search('^H(?=$|[/(])|~', term):
        raise ValueError(f'{match[0]} is a number {CHOSEN[match[0]]}; write '
                         f'one, such as 17, or 17/20 with a step')
    if field == 'day-of-month':
        _check_day(term)
    if field == 'day-of-week' and term == 'L':
        raise ValueError('L is the last of a month, of which day is not said; '
                         'write SAT, or for the last Saturday 6L')


def _check_day(term: str) -> None:
    if match := re.fullmatch('L-([0-9]{1,2})', term):
        raise ValueError(
            f'that is {match[1]} days before the last; write '
            f"RRule('FREQ=MONTHLY;BYMONTHDAY=-{int(match[1]) + 1}', start)")
    if match := re.fullmatch('([0-9]{1,2})W', term):
        day = int(match[1])
        raise ValueError(
            f'Cron does not know the working day nearest to a day; '
            f'{FIRST_WORKING_DAY.format(day, day + 1, day + 2)}')
    if term == 'W':
        raise ValueError('W needs a day, and Cron knows LW only; for working '
                         'days write * here and MON-FRI as day-of-week')


def step_beyond(step: int, first: int, last: int, period: str) -> str:
    """What is said of a step that does not fit into its range."""
    return (f'a step of {step} leads out of {first} to {last}, so that only '
            f'{first} is left; write {first}, or for a period {period}')


def wrong_field(expression: str, name: str, text: str,
                problem: str) -> InvalidRecurrence:
    return InvalidRecurrence(
        f'{name} is {text!r} in the cron expression {expression!r}; {problem}')


def _refusal(expression: str, problem: str) -> InvalidRecurrence:
    return InvalidRecurrence(f'cron expression is {expression!r}, which '
                             f'{problem}')
