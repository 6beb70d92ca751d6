"""RRULE is what RFC 5545 says, of thousands of rules that nobody chose.

Each is expanded by the package, and by the model in tests/models/rfc5545.py,
which shares no code with it: from the start on, and from a moment in the
middle.  All is in UTC here.

A rule is made of a seed.  Those of the seed of the day are others each day; to
repeat them, set ZODBSCHEDULE_SEED to what the failure shows.
"""

import os
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from itertools import islice
from random import Random

import pytest
from rfc5545 import FREQUENCIES
from rfc5545 import WEEKDAYS
from rfc5545 import Rule

from zodbschedule import InvalidRecurrence
from zodbschedule import RRule


SEED_OF_THE_DAY = os.environ.get('ZODBSCHEDULE_SEED') or str(date.today())
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
LIMIT = 5

# How many periods the model walks, at most, to find as many as that.
PERIODS = {'YEARLY': 15, 'MONTHLY': 60, 'WEEKLY': 60, 'DAILY': 250,
           'HOURLY': 500, 'MINUTELY': 500, 'SECONDLY': 500}
# How far from the start the days are that a rule may be made for.
REACH = {'YEARLY': 1500 * DAY, 'MONTHLY': 400 * DAY, 'WEEKLY': 200 * DAY,
         'DAILY': 200 * DAY, 'HOURLY': 15 * DAY, 'MINUTELY': DAY / 3,
         'SECONDLY': DAY / 200}


# -- Random rules


class Maker:
    """Makes one rule, that it names is more likely than not.

    Its parts are made for one *target*, at which it occurs unless one of the
    parts turns out not to have it.
    """

    def __init__(self, seed):
        self.random = Random(seed)
        self.freq = self.random.choice(FREQUENCIES)
        self.start = self.made_start()
        self.target = self.start + self.random.random() * REACH[self.freq]

    def chance(self, share):
        return self.random.random() < share

    def made_start(self):
        """Turns of the year, ends of February and of other months, any."""
        year = self.random.randint(1995, 2035)
        return self.random.choice([
            datetime(year, 1, 1) + self.random.randint(-5, 5) * DAY,
            datetime(year, 3, 1) - self.random.randint(0, 2) * DAY,
            datetime(year, self.random.choice([1, 3, 5, 7, 8, 10, 12]), 31),
            datetime(year, 1, 1) + self.random.randint(0, 364) * DAY,
        ]) + timedelta(seconds=self.random.choice([
            0, 9 * 3600, 86399, self.random.randint(0, 86399)]))

    def text(self):
        parts = self.day_parts() | self.time_parts()
        if parts and self.chance(.3):
            parts['BYSETPOS'] = self.listed([*range(-4, 0), *range(1, 5)] + (
                [9, -12, 40, -366] if self.chance(.2) else []), 3)
        if self.chance(.4):
            parts['INTERVAL'] = str(self.random.choice(
                [1, 2, 2, 3, 4, 5, 7, 12, 24, self.random.randint(1, 90)]))
        if self.chance(.5):
            parts['WKST'] = self.random.choice(WEEKDAYS)
        if self.chance(.15):
            parts['COUNT'] = str(self.random.randint(1, 7))
        elif self.chance(.15):
            until = self.start + self.random.random() * 2 * REACH[self.freq]
            parts['UNTIL'] = f'{until:%Y%m%dT%H%M%SZ}'
        items = [*parts.items()]
        self.random.shuffle(items)
        return ';'.join([f'FREQ={self.freq}', *map('='.join, items)])

    def day_parts(self):
        """The parts for days that RFC 5545 allows with the frequency."""
        shares = {'BYMONTH': .25, 'BYDAY': .5}
        if self.freq != 'WEEKLY':
            shares['BYMONTHDAY'] = .25
        if self.freq == 'YEARLY':
            shares['BYWEEKNO'] = .25
        if self.freq in ('YEARLY', 'HOURLY', 'MINUTELY', 'SECONDLY'):
            shares['BYYEARDAY'] = .15
        names = [name for name, share in shares.items() if self.chance(share)]
        return {name: self.weekdays('BYWEEKNO' in names)
                if name == 'BYDAY' else self.numbers(name) for name in names}

    def numbers(self, name):
        size, at_target = {
            'BYMONTH': (12, self.target.month),
            'BYMONTHDAY': (31, self.target.day),
            'BYYEARDAY': (366, self.target.timetuple().tm_yday),
            'BYWEEKNO': (53, self.target.isocalendar().week)}[name]
        values = [*range(1, size + 1)]
        if name != 'BYMONTH':
            values += [-value for value in values] + [1, -1, size, -size] * 5
        return self.listed(values, 6, at_target)

    def weekdays(self, has_weeks):
        """Plain ones and numbered ones."""
        at_target = WEEKDAYS[self.target.weekday()]
        if self.freq not in ('YEARLY', 'MONTHLY') or has_weeks or (
                self.chance(.3)):
            return self.listed(WEEKDAYS, 4, at_target)
        numbers = [1, 2, 3, 4, 5, -1, -2, -4, -5, '', '', '', '+1', 8, -8]
        if self.freq == 'YEARLY':
            numbers += [20, 30, 52, 53, -53, -20]
        values = [f'{number}{day}' for number in numbers for day in WEEKDAYS]
        target = f'{(self.target.day - 1) // 7 + 1}{at_target}'
        return self.listed(values, 6, self.random.choice([target, at_target]))

    def time_parts(self):
        """Lists that may be long where a period is short."""
        is_short = self.freq in ('HOURLY', 'MINUTELY', 'SECONDLY')
        return {
            name: self.listed([*range(size)], self.random.choice(
                [3, size if is_short else 5]), at_target)
            for name, size, at_target in (
                ('BYHOUR', 24, self.target.hour),
                ('BYMINUTE', 60, self.target.minute),
                ('BYSECOND', 60, self.target.second))
            if self.chance(.2)}

    def listed(self, values, most, *at_target):
        """Some of the values, and what is at the target more often than not.
        """
        found = self.random.sample(values, self.random.randint(
            1, min(most, len(values))))
        if self.chance(.8):
            found[:1] = at_target or found[:1]
        return ','.join(map(str, dict.fromkeys(found)))


def made(seed):
    maker = Maker(seed)
    return maker.text(), maker.start


# -- The comparison


class Package:
    """The package's answers, as the model gives them: naive, in a list."""

    def __init__(self, text, start):
        self.text = text
        self.start = start
        try:
            self.rule = RRule(text, start.replace(tzinfo=UTC))
        except InvalidRecurrence as error:
            assert 'never occurs' in str(error)
            self.rule = None

    def walls(self, begin, end, limit=LIMIT):
        """The first from one wall time on, and before another."""
        upcoming = self.rule.upcoming(
            begin.replace(tzinfo=UTC) - MICROSECOND, limit
        ) if self.rule else []
        found = [one.replace(tzinfo=None) for one in upcoming]
        return [one for one in found if one < end]


def differences(package, random):
    """What is not the same: (from when on, model's answer, package's)."""
    start = package.start
    model = Rule(package.text, start)
    end = end_of_window(model, start)
    from_start = [*islice(model.occurrences(end), LIMIT)]
    answers = [(start, from_start, package.walls(start, end))]
    if model.count is None:
        begin = middle(model, package, random)
        end = end_of_window(model, begin)
        answers.append((begin, [*islice(model.walls(begin, end), LIMIT)],
                        package.walls(begin, end)))
    elif from_start:
        begin = from_start[0] + MICROSECOND
        rest = [*islice(model.occurrences(end), 1, LIMIT + 1)]
        answers.append((begin, rest, package.walls(begin, end)))
    return [answer for answer in answers if answer[1] != answer[2]]


def end_of_window(model, begin):
    periods = islice(model.periods(begin), PERIODS[model.freq], None)
    return model.begin_of(next(periods))


def middle(model, package, random):
    """A moment up to 20 years after the start.

    Or half a window before what the package finds then: the model would see
    what was left out, and sees whether that is right.
    """
    begin = model.start + random.random() * 20 * 365 * DAY
    begin = begin.replace(microsecond=0)
    found = package.walls(begin, datetime.max)
    half = (end_of_window(model, begin) - begin) / 2
    return max(begin, found[0] - half) if found else begin


def shrunk(text, differ):
    """The rule without what it needs not to differ."""
    for shorter in shorter_ones(text):
        if differ(shorter):
            return shrunk(shorter, differ)
    return text


def shorter_ones(text):
    """The rule without one of its parts, or one of a part's values."""
    parts = text.split(';')
    for number, part in enumerate(parts):
        name, _, value = part.partition('=')
        values = value.split(',')
        without = [values[:place] + values[place + 1:]
                   for place in range(len(values)) if len(values) > 1]
        for instead in [[], *without] if name != 'FREQ' else []:
            shorter = [f'{name}={",".join(instead)}'] if instead else []
            yield ';'.join(parts[:number] + shorter + parts[number + 1:])


def report(seed, package):
    """What differs, for one who is to mend it."""
    start = package.start
    text = shrunk(package.text, lambda shorter: is_allowed(shorter) and (
        differences(Package(shorter, start), Random(seed))))
    return '\n'.join([
        f'{seed}: RRule({text!r}, {start!r}.replace(tzinfo=UTC))', *(
            f'    from {begin}:\n        the model has {shown(model)}\n'
            f'        the package has {shown(found)}'
            for begin, model, found in differences(
                Package(text, start), Random(seed)))])


def is_allowed(text):
    """Whether there is something that BYSETPOS can choose from."""
    return 'BYSETPOS' not in text or text.count('BY') > 1 + text.count(
        'BYSETPOS=')


def shown(walls):
    return ', '.join(map(str, walls)) or 'none'


def check(seeds):
    """Whether the two agree on the rules that are made of some seeds."""
    reports, occurring = [], 0
    for seed in seeds:
        text, start = made(seed)
        try:
            package = Package(text, start)
            occurring += package.rule is not None
            if differences(package, Random(seed)):
                reports.append(report(seed, package))
        except Exception as error:
            error.add_note(f'{seed}: {text} from {start}')
            raise
    assert not reports, f'{len(reports)} differ:\n' + '\n'.join(reports[:5])
    assert occurring > .75 * len(seeds)


# -- The law


@pytest.mark.parametrize('seed', ['2026', SEED_OF_THE_DAY])
def test_a_rule_is_what_the_rfc_says(seed):
    check([f'{seed}-{number}' for number in range(150)])


@pytest.mark.parametrize('wkst', ['MO', 'TH', 'SU'])
@pytest.mark.parametrize('weeks', ['-53', '53', '1,-1'])
def test_weeks_at_the_turn_of_each_kind_of_year(weeks, wkst):
    text = f'FREQ=YEARLY;BYWEEKNO={weeks};WKST={wkst};BYDAY=MO,WE,FR,SA,SU'
    start, end = datetime(1999, 1, 1), datetime(2027, 1, 1)
    assert Package(text, start).walls(start, end, 999) == [
        *Rule(text, start).walls(start, end)]


@pytest.mark.parametrize('wkst', WEEKDAYS)
@pytest.mark.parametrize('more', ['INTERVAL=2', 'BYSETPOS=1,-2'])
def test_weeks_begin_where_the_rule_says(more, wkst):
    text = f'FREQ=WEEKLY;BYDAY=MO,TU,FR,SU;WKST={wkst};{more}'
    for number in range(7):
        package = Package(text, datetime(2024, 2, 26, 9) + number * DAY)
        assert differences(package, Random(number)) == []


@pytest.mark.parametrize('text', [
    'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', 'FREQ=YEARLY;INTERVAL=4',
    'FREQ=YEARLY;BYDAY=-1FR', 'FREQ=YEARLY;BYWEEKNO=-1;BYDAY=MO',
    'FREQ=YEARLY;BYYEARDAY=100', 'FREQ=MONTHLY;BYMONTH=12;BYMONTHDAY=1',
    'FREQ=MONTHLY;INTERVAL=11', 'FREQ=WEEKLY;INTERVAL=30',
    'FREQ=DAILY;BYMONTHDAY=-1;BYMONTH=11', 'FREQ=HOURLY;BYYEARDAY=361',
    'FREQ=SECONDLY;BYMONTH=12;BYMONTHDAY=27;BYHOUR=3;BYMINUTE=1;BYSECOND=2'])
def test_a_rule_ends_with_the_calendar(text):
    start = datetime(9990, 1, 3, 9)
    rule = RRule(text, start.replace(tzinfo=UTC))
    *_, last = rule.upcoming(start.replace(tzinfo=UTC), 9999)
    assert last.year in (9996, 9998, 9999)
    assert rule.next_after(last) is None
    assert list(rule.upcoming(last, 9)) == []


@pytest.mark.slow
@pytest.mark.parametrize('part', range(8))
@pytest.mark.parametrize('seed', ['2026', SEED_OF_THE_DAY])
def test_many_rules_are_what_the_rfc_says(seed, part):
    check([f'{seed}-{500 * part + number}' for number in range(500)])
