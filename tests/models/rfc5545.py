"""The wall times of a RRULE, slowly and by the letter of RFC 5545.

To be read beside section 3.3.10 of the RFC.  A *period* is one calendar year,
month, week (which begins at WKST), day, hour, minute or second, as FREQ says;
the period of DTSTART is the first, and of those after it every INTERVALth
counts.  In each period every candidate is tried.  Whether the RFC says that a
part expands or that it limits is then the same: a candidate is kept if every
part accepts it.  Of what is kept in the whole period, BYSETPOS chooses; what
is before DTSTART is dropped after that.

There are no zones here.  All is naive, UNTIL as well.
"""

from calendar import isleap
from calendar import monthrange
from datetime import date
from datetime import datetime
from datetime import timedelta
from functools import lru_cache
from itertools import count
from itertools import islice


FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY',
               'SECONDLY']
SECONDS = {'DAILY': 86400, 'HOURLY': 3600, 'MINUTELY': 60, 'SECONDLY': 1}
WEEKDAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
FIRST_DAY = date(1, 1, 1)  # a Monday
DAY = timedelta(days=1)


class Rule:
    """A rule, and its DTSTART as a wall time in whole seconds."""

    def __init__(self, text, start):
        parts = dict(part.split('=') for part in text.split(';'))
        self.start = start
        self.freq = parts.pop('FREQ')
        self.interval = int(parts.pop('INTERVAL', 1))
        self.wkst = WEEKDAYS.index(parts.pop('WKST', 'MO'))
        self.count = int(parts['COUNT']) if 'COUNT' in parts else None
        self.until = datetime.strptime(
            parts.get('UNTIL', '99991231T235959').rstrip('Z'), '%Y%m%dT%H%M%S')
        self.by = {
            name: numbered_days(value) if name == 'BYDAY' else
            [int(number) for number in value.split(',')]
            for name, value in parts.items() if name.startswith('BY')}
        self.count_days_in_month = self.freq == 'MONTHLY' or (
            self.freq == 'YEARLY' and 'BYMONTH' in self.by)
        self.by.update(self.derived())
        self.day_tests = [(test, self.by[name]) for name, test in (
            ('BYMONTH', self.is_in_month), ('BYWEEKNO', self.is_in_week),
            ('BYYEARDAY', self.is_on_yearday),
            ('BYMONTHDAY', self.is_on_monthday), ('BYDAY', self.is_on_day))
            if name in self.by]
        self.accepts = lru_cache(self.accepts)

    def is_finer_than(self, freq):
        return freq in FREQUENCIES[:FREQUENCIES.index(self.freq)]

    # -- "Information, not contained in the rule, necessary to determine the
    # -- various recurrence instance start time and dates are derived from the
    # -- Start Time (DTSTART)"

    def derived(self):
        """The parts that are not contained in the rule."""
        parts = self.derived_day()
        if not self.is_finer_than('DAILY'):
            parts['BYHOUR'] = [self.start.hour]
        if not self.is_finer_than('HOURLY'):
            parts['BYMINUTE'] = [self.start.minute]
        if not self.is_finer_than('MINUTELY'):
            parts['BYSECOND'] = [self.start.second]
        return {name: value for name, value in parts.items()
                if name not in self.by}

    def derived_day(self):
        if {'BYDAY', 'BYMONTHDAY', 'BYYEARDAY'} & {*self.by}:
            return {}
        if self.freq == 'WEEKLY' or 'BYWEEKNO' in self.by:
            return {'BYDAY': [(None, self.start.weekday())]}
        if self.freq == 'MONTHLY':
            return {'BYMONTHDAY': [self.start.day]}
        if self.freq == 'YEARLY':
            return {'BYMONTH': [self.start.month],
                    'BYMONTHDAY': [self.start.day]}
        return {}

    # -- Periods are numbered from the year 1 on

    def period_of(self, wall):
        """The number of the period that a wall time is in."""
        day = wall.toordinal()
        return {
            'YEARLY': wall.year,
            'MONTHLY': 12 * wall.year + wall.month - 1,
            'WEEKLY': (day - FIRST_DAY.toordinal() - self.wkst) // 7,
            'DAILY': day,
            'HOURLY': 24 * day + wall.hour,
            'MINUTELY': 60 * (24 * day + wall.hour) + wall.minute,
            'SECONDLY': 60 * (60 * (24 * day + wall.hour) + wall.minute)
            + wall.second,
        }[self.freq]

    def begin_of(self, period):
        """The first wall time of a period."""
        if self.freq == 'YEARLY':
            return datetime(period, 1, 1)
        if self.freq == 'MONTHLY':
            return datetime(period // 12, period % 12 + 1, 1)
        if self.freq == 'WEEKLY':
            return datetime(1, 1, 1) + (7 * period + self.wkst) * DAY
        return datetime(1, 1, 1) + timedelta(
            seconds=SECONDS[self.freq] * period - SECONDS['DAILY'])

    def periods(self, begin):
        """The numbers of those that count, from a wall time's on."""
        first = self.period_of(self.start)
        past = max(0, self.period_of(begin) - first)
        return count(first + past + -past % self.interval, self.interval)

    # -- The candidates of a period, and which of them are accepted

    def accepted(self, period):
        """The wall times in a period that every BY part accepts, in order."""
        begin = self.begin_of(period)
        return [
            datetime(day.year, day.month, day.day, hour, minute, second)
            for day in self.days(period, begin) if self.accepts(day)
            for hour in self.times('HOURLY', 'BYHOUR', begin.hour, 24)
            for minute in self.times('MINUTELY', 'BYMINUTE', begin.minute, 60)
            for second in self.times('SECONDLY', 'BYSECOND', begin.second, 60)]

    def days(self, period, begin):
        """All the days of a period, or the one that it is in."""
        day = begin.date()
        if self.is_finer_than('DAILY'):
            return [day]
        size = self.begin_of(period + 1) - begin
        return [day + number * DAY for number in range(size.days)]

    def times(self, freq, part, now, size):
        """The hours, minutes or seconds of a period that are accepted.

        A period of an hour or less has one hour, and so on.
        """
        is_one = self.freq == freq or self.is_finer_than(freq)
        candidates = [now] if is_one else range(size)
        return [value for value in candidates
                if part not in self.by or value in self.by[part]]

    def accepts(self, day):
        """Whether every BY part for days accepts a day."""
        for test, values in self.day_tests:
            if not test(day, values):
                return False
        return True

    def is_in_month(self, day, months):
        return day.month in months

    def is_in_week(self, day, weeks):
        """Week 1 is the first "which contains at least four (4) days in that
        calendar year": weeks are numbered as their fourth days are.
        """
        fourth = day + (3 - (day.weekday() - self.wkst) % 7) * DAY
        return matches_weekday_number(weeks, *place_in_year(fourth))

    def is_on_yearday(self, day, numbers):
        number, size = place_in_year(day)
        return number in numbers or number - size - 1 in numbers

    def is_on_monthday(self, day, numbers):
        number, size = place_in_month(day)
        return number in numbers or number - size - 1 in numbers

    def is_on_day(self, day, days):
        """One of the weekdays, each, or a numbered one "within the MONTHLY or
        YEARLY" rule; in the month as well if BYMONTH is there.
        """
        place = place_in_month if self.count_days_in_month else place_in_year
        return any(
            day.weekday() == weekday and (
                number is None
                or matches_weekday_number([number], *place(day)))
            for number, weekday in days)

    # -- The recurrence set

    def walls(self, begin, end):
        """What the rule names from a wall time on and before another.

        Without its COUNT, ascending.
        """
        for period in self.periods(begin):
            if self.begin_of(period) >= end:
                return
            for wall in self.chosen(self.accepted(period)):
                if max(begin, self.start) <= wall < end and (
                        wall <= self.until):
                    yield wall

    def chosen(self, walls):
        """Those of a period at the positions in BYSETPOS."""
        positions = self.by.get('BYSETPOS')
        return [wall for number, wall in enumerate(walls)
                if positions is None or number + 1 in positions
                or number - len(walls) in positions]

    def occurrences(self, end):
        """The recurrence set, as far as it is before a wall time."""
        return islice(self.walls(self.start, end), self.count)


def numbered_days(value):
    """What a BYDAY lists: (number or None, weekday)."""
    return [(int(each[:-2]) if each[:-2] else None, WEEKDAYS.index(each[-2:]))
            for each in value.split(',')]


def place_in_month(day):
    """The number of a day in its month, and of the month's last day."""
    return day.day, monthrange(day.year, day.month)[1]


def place_in_year(day):
    """The number of a day in its year, and of the year's last day."""
    return day.timetuple().tm_yday, 366 if isleap(day.year) else 365


def matches_weekday_number(numbers, place, last):
    """Whether a day is one of the numbered ones of its weekday.

    They are numbered in its month or year, from its begin or, negative, from
    its end.
    """
    return ((place - 1) // 7 + 1 in numbers
            or -((last - place) // 7 + 1) in numbers)
