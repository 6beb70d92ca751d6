"""Cron is what a walk over each minute, or each second, finds.

Of each wall time the model in tests/models/crontab.py tells whether a random
expression matches it.  All is in UTC here.  Those of the seed of the day are
others each day; to repeat them, set ZODBSCHEDULE_SEED to what the failure
shows.
"""

import os
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from random import Random

import pytest
from crontab import MONTHS
from crontab import WEEKDAYS
from crontab import Crontab

from zodbschedule import Cron
from zodbschedule import InvalidRecurrence


SEED_OF_THE_DAY = os.environ.get('ZODBSCHEDULE_SEED') or str(date.today())
SECOND = timedelta(seconds=1)
LIMIT = 10


class Maker:
    """Makes one expression, and the moment from which it is tried."""

    def __init__(self, seed):
        self.random = Random(seed)

    def moment(self):
        """Often the end of a month, or of a year."""
        year = self.random.randint(1995, 2035)
        month = self.random.choice([1, 3, 12, self.random.randint(1, 12)])
        return datetime(year, month, 1) + timedelta(
            seconds=self.random.randint(-2 * 86400, 86400))

    def text(self):
        """Fields that match often, so that each walk sees some of them."""
        text = ' '.join([
            self.field(0, 59), self.field(0, 23, most=9),
            self.day_field(['L', 'LW'], 1, 31),
            self.field(1, 12, MONTHS) if self.chance(.4) else '*',
            self.day_field(['5L', 'SUNL', 'MON#1', '3#3', 'fri#5'], 0, 7,
                           WEEKDAYS)])
        if self.chance(.7):
            return text
        # That Sunday is 1 is meant by some who write both seconds and "?".
        return f'{self.field(0, 59)} {text.replace("?", "*")}'

    def chance(self, share):
        return self.random.random() < share

    def day_field(self, others, low, high, names=()):
        if self.chance(.5):
            return self.random.choice('*?')
        if self.chance(.2):
            return self.random.choice(others)
        return self.field(low, high, names)

    def field(self, low, high, names=(), most=4):
        if self.chance(.3):
            return self.all_of_field(low, high)
        return ','.join(self.term(low, high, names) for _ in range(
            self.random.randint(1, most)))

    def all_of_field(self, low, high):
        size = min(high, 6) if high == 7 else high - low + 1
        step = self.random.randint(1, size)
        return self.random.choice(['*', f'*/{step}'])

    def term(self, low, high, names):
        """A number, a range, a reversed one, a-a, and those with steps."""
        first = self.random.randint(low, high)
        kind = self.random.choice(['a', 'a', 'a-b', 'a-b/n', 'a-a/n', 'a/n'])
        if kind == 'a' or (kind == 'a/n' and first >= high - 1):
            return self.name(first, low, names)
        if kind == 'a/n':
            return f'{first}/{self.random.randint(1, high - first)}'
        last = first if kind == 'a-a/n' else self.random.randint(low, high)
        ends = (f'{self.name(first, low, names)}-'
                f'{self.name(last, low, names)}')
        if kind == 'a-b':
            return ends
        size = last - first if last > first else 2
        return f'{ends}/{self.random.randint(1, size)}'

    def name(self, number, low, names):
        if not names or number - low >= len(names) or self.chance(.5):
            return str(number)
        return self.random.choice([str.lower, str.upper])(names[number - low])


def made(seed):
    maker = Maker(seed)
    return maker.text(), maker.moment()


def found_by(rule, begin, end):
    """What the package finds first after one wall time, until another."""
    upcoming = rule.upcoming(begin.replace(tzinfo=UTC), LIMIT)
    found = [one.replace(tzinfo=None) for one in upcoming]
    return [one for one in found if one <= end]


def walked(expression, begin, end, step):
    """The same, wall time by wall time."""
    crontab = Crontab(expression)
    wall = begin.replace(second=0)
    found = []
    while wall <= end and len(found) < LIMIT:
        if crontab.matches(wall) and wall > begin:
            found.append(wall)
        wall += step
    return found


def windows(rule, moment, step):
    """From the moment on, and about the first time that the package finds."""
    size = 1500 * step  # 25 hours, or minutes
    first = rule.next_after(moment.replace(tzinfo=UTC)).replace(tzinfo=None)
    yield moment, moment + size
    yield max(moment, first - size), first + size


def differences(expression, moment):
    """What is not the same: (from when on, the walk's answer, package's)."""
    rule = Cron(expression, 'UTC')
    step = SECOND if len(expression.split()) == 6 else 60 * SECOND
    answers = [
        (begin, walked(expression, begin, end, step),
         found_by(rule, begin, end))
        for begin, end in windows(rule, moment, step)]
    return [answer for answer in answers if answer[1] != answer[2]]


def check(seeds):
    reports, occurring = [], 0
    for seed in seeds:
        expression, moment = made(seed)
        try:
            found = differences(expression, moment)
        except InvalidRecurrence as error:
            assert 'never occurs' in str(error) or 'day-of-month is' in str(
                error), f'{seed}: {error}'
            continue
        occurring += 1
        reports += [f'{seed}: {expression!r} from {begin}:\n'
                    f'    the walk has {shown(walk)}\n'
                    f'    the package has {shown(package)}'
                    for begin, walk, package in found[:1]]
    assert not reports, f'{len(reports)} differ:\n' + '\n'.join(reports[:5])
    assert occurring > .9 * len(seeds)


def shown(walls):
    return ', '.join(map(str, walls[:5])) or 'none'


# -- The law


@pytest.mark.parametrize('seed', ['2026', SEED_OF_THE_DAY])
def test_an_expression_is_what_a_walk_finds(seed):
    check([f'{seed}-{number}' for number in range(150)])


@pytest.mark.slow
@pytest.mark.parametrize('seed', ['2026', SEED_OF_THE_DAY])
def test_many_expressions_are_what_a_walk_finds(seed):
    check([f'{seed}-{number}' for number in range(1000)])


@pytest.mark.parametrize('expression', [
    '0 9-9/2 * * *', '0 22-6 * * *', '0 9 * * sat-sun', '0 0 1 nov-feb *',
    '50-10 * * * *', '50-10/4 23-1/2 * * *', '0 0 25-5 * *', '0 0 ? * 6-7',
    '0 12 ? * MON', '0 0 15 * ?', '*/59 */23 */30 */11 *', '0 0 L nov-feb ?',
    '50-10/7 * * * * *', '30-30/7 59-59/2 23-23 ? * ?', '0 0 29 2 *'])
def test_these_are_what_a_walk_finds(expression):
    assert differences(expression, datetime(2024, 2, 28, 22, 59, 7)) == []
