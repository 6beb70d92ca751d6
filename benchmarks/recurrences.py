"""Finding the next occurrence: does an old start cost more than a new one?

And what it costs at all, a rule at a time.
"""

from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

from measuring import Stopwatch
from measuring import arguments
from measuring import show
from measuring import verdict

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import RRule


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


def main() -> None:
    quick = arguments(__doc__).quick
    times = 200 if quick else 5_000
    rules: dict[str, Callable] = {
        'Every(hour)': lambda: Every(timedelta(hours=1), YESTERDAY),
        "Cron('30 2 * * *')": lambda: Cron('30 2 * * *', ZONE),
        "Cron('*/5 * * * *')": lambda: Cron('*/5 * * * *', ZONE),
        "RRule('FREQ=DAILY')": lambda: daily(YESTERDAY),
        "RRule('FREQ=WEEKLY;BYDAY=MO,FR')": lambda: RRule(
            'FREQ=WEEKLY;BYDAY=MO,FR', LONG_AGO),
        "RRule('FREQ=MONTHLY;BYDAY=-1FR')": lambda: RRule(
            'FREQ=MONTHLY;BYDAY=-1FR', LONG_AGO),
    }
    for name, make in rules.items():
        show(name, f'{cost(make(), times):.0f} us')
    ratios = [cost(daily(LONG_AGO), times) / cost(daily(YESTERDAY), times)
              for _ in range(3 if quick else 9)]
    verdict('daily since 20 years against since yesterday', ratios, '<= 3')


if __name__ == '__main__':
    main()
