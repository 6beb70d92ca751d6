"""Finding the next occurrence: does an old start cost more than a new one?

What it costs at all, a rule at a time.  And what the slowest step is of random
rules that nobody would write; to make a rule is a step, and to ask it once
what comes next.
"""

from collections.abc import Callable
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

from measuring import Stopwatch
from measuring import arguments
from measuring import median
from measuring import show
from measuring import verdict

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import RRule
from zodbschedule.recurrence import rrule
from zodbschedule.recurrence import rules
from zodbschedule.recurrence.rrule import MAX_COUNT
from zodbschedule.recurrence.rrule_days import Days
from zodbschedule.recurrence.rrule_periods import Pace


ZONE = 'Europe/Berlin'
TODAY = datetime(2024, 6, 15, 12, tzinfo=ZoneInfo(ZONE))
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = YESTERDAY.replace(year=TODAY.year - 20)


def cost(rule, times: int) -> float:
    """Microseconds for one next occurrence."""
    rule.next_after(TODAY)  # so that it is parsed
    with Stopwatch() as watch:
        for _ in range(times):
            rule.next_after(TODAY)
    return watch.processor / times * 1e6


def daily(start: datetime) -> RRule:
    return RRule('FREQ=DAILY', start)


# -- Rules that nobody would write


FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY',
               'SECONDLY']
WEEKDAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
#: part -> its numbers, and the frequencies that it is not allowed with
NUMBERS = {
    'BYMONTH': (range(1, 13), ()),
    'BYMONTHDAY': ([*range(-31, 0), *range(1, 32)], ('WEEKLY',)),
    'BYYEARDAY': ([*range(-366, 0), *range(1, 367)],
                  ('MONTHLY', 'WEEKLY', 'DAILY')),
    'BYWEEKNO': ([*range(-53, 0), *range(1, 54)], FREQUENCIES[1:]),
    'BYDAY': (WEEKDAYS, ()),
    'BYHOUR': (range(24), ()), 'BYMINUTE': (range(60), ()),
    'BYSECOND': (range(60), ()),
    'BYSETPOS': ([*range(-366, 0), *range(1, 367)], ()),
}
# Some meet a weekday, a month or an hour again only after centuries.
INTERVALS = [1, 2, 3, 7, 35, 59, 97, 366, 1441, 8766, 43830, 86399, 86401,
             604801, 2629747, 31556952, 999999999]
STARTS = [datetime(26, 1, 1, 23, 59, 59), datetime(2004, 2, 29, 2, 30),
          YESTERDAY.replace(tzinfo=None)]
MOMENTS = [TODAY, TODAY.replace(year=2500), TODAY.replace(year=9500)]


def nasty_rule(random: Random) -> str:
    """The text of a rule of at most 1,000 characters."""
    freq = random.choice(FREQUENCIES)
    parts = {'FREQ': freq}
    for name, (numbers, not_with) in NUMBERS.items():
        if freq not in not_with and random.random() < .4:
            size = random.choice([1, 2, 5, len(numbers) // 2, len(numbers)])
            parts[name] = ','.join(map(str, random.sample(numbers, size)))
    if random.random() < .6:
        parts['INTERVAL'] = str(random.choice(INTERVALS))
    if random.random() < .4:
        parts['COUNT'] = str(random.choice([10, MAX_COUNT]))
    text = ';'.join(map('='.join, parts.items()))
    return text if len(text) <= 1_000 else nasty_rule(random)


def slowest_step(text: str, start: datetime) -> float:
    """Milliseconds of the processor, at the best of three times.

    In the others, more of what other processes do is counted, too.
    """
    return min(max(steps(text, start)) for _ in range(3)) * 1e3


def steps(text: str, start: datetime) -> Iterator[float]:
    """Seconds of the processor of each step, of a process that begins."""
    for cache in (rrule.parse, rules._times_of_rrule, Pace._wheel, Days._mask):
        cache.cache_clear()
    with Stopwatch() as watch:
        try:
            rule = RRule(text, start.replace(tzinfo=ZoneInfo(ZONE)))
        except InvalidRecurrence:
            rule = None
    yield watch.processor
    for moment in MOMENTS if rule else ():
        with Stopwatch() as watch:
            rule.next_after(moment)
        yield watch.processor


def measure_random_rules(number: int) -> None:
    random = Random(5545)
    cases = [(nasty_rule(random), random.choice(STARTS))
             for _ in range(number)]
    slowest = sorted(slowest_step(*case) for case in cases)
    show(f'{number} random rules, median', f'{median(slowest):.1f} ms')
    verdict(f'slowest step of {number} random rules', slowest[-1:], '<= 50',
            '.0f', name='ms')


def main() -> None:
    quick = arguments(__doc__).quick
    times = 200 if quick else 5_000
    makers: dict[str, Callable] = {
        'Every(hour)': lambda: Every(timedelta(hours=1), YESTERDAY),
        "Cron('30 2 * * *')": lambda: Cron('30 2 * * *', ZONE),
        "Cron('*/5 * * * *')": lambda: Cron('*/5 * * * *', ZONE),
        "RRule('FREQ=DAILY')": lambda: daily(YESTERDAY),
        "RRule('FREQ=WEEKLY;BYDAY=MO,FR')": lambda: RRule(
            'FREQ=WEEKLY;BYDAY=MO,FR', LONG_AGO),
        "RRule('FREQ=MONTHLY;BYDAY=-1FR')": lambda: RRule(
            'FREQ=MONTHLY;BYDAY=-1FR', LONG_AGO),
    }
    for name, make in makers.items():
        show(name, f'{cost(make(), times):.0f} us')
    ratios = [cost(daily(LONG_AGO), times) / cost(daily(YESTERDAY), times)
              for _ in range(3 if quick else 9)]
    verdict('daily since 20 years against since yesterday', ratios, '<= 1.2')
    measure_random_rules(50 if quick else 2_000)


if __name__ == '__main__':
    main()
