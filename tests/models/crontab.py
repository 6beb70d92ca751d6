"""Which wall times a cron expression matches, as crontab(5) tells it.

Each field is a set of numbers.  The day fields also take what is no number: L,
the last day of a month, LW, its last day from Monday to Friday, 5L, its last
Friday, and MON#1, its first Monday.
"""

from calendar import monthrange
from functools import lru_cache


MONTHS = ('JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP',
          'OCT', 'NOV', 'DEC')
WEEKDAYS = ('SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT')


class Crontab:

    def __init__(self, expression):
        texts = expression.upper().replace('?', '*').split()
        if len(texts) == 5:
            texts.insert(0, '0')
        second, minute, hour, self.day, month, self.weekday = texts
        self.seconds = numbers_in(second, 0, 59)
        self.minutes = numbers_in(minute, 0, 59)
        self.hours = numbers_in(hour, 0, 23)
        self.months = numbers_in(month, 1, 12, MONTHS)

    def matches(self, wall):
        return (wall.second in self.seconds and wall.minute in self.minutes
                and wall.hour in self.hours and wall.month in self.months
                and self.is_on_day(wall))

    def is_on_day(self, wall):
        """Debian: if a field begins with an asterisk both have to match."""
        of_month = any(is_on_monthday(wall, term)
                       for term in self.day.split(','))
        of_week = any(is_on_weekday(wall, term)
                      for term in self.weekday.split(','))
        if self.day.startswith('*') or self.weekday.startswith('*'):
            return of_month and of_week
        return of_month or of_week


def is_on_monthday(wall, term):
    last = monthrange(wall.year, wall.month)[1]
    if term == 'L':
        return wall.day == last
    if term == 'LW':
        return wall.weekday() < 5 and all(
            wall.replace(day=day).weekday() >= 5
            for day in range(wall.day + 1, last + 1))
    return wall.day in numbers_in(term, 1, 31)


def is_on_weekday(wall, term):
    weekday = wall.isoweekday() % 7
    last = monthrange(wall.year, wall.month)[1]
    if term.endswith('L'):
        return weekday in numbers_in(term[:-1], 0, 6, WEEKDAYS) and (
            wall.day + 7 > last)
    day, _, number = term.partition('#')
    return weekday in numbers_in(day, 0, 6, WEEKDAYS) and (
        not number or (wall.day - 1) // 7 + 1 == int(number))


@lru_cache
def numbers_in(text, low, high, names=()):
    """The numbers in a field, or in a term of it."""
    found = set()
    for term in text.split(','):
        values, _, step = term.partition('/')
        first, _, last = values.partition('-')
        if first == '*':
            first, last = low, high
        elif not last and step:
            last = high
        begin = number_of(first, low, names)
        end = number_of(last, low, names) if last != '' else begin
        if end < begin:  # around the end: 22-6, SAT-SUN
            end += high - low + 1
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(
        low + (number - low) % (high - low + 1) for number in found)


def number_of(text, low, names):
    return names.index(text) + low if text in names else int(text)
