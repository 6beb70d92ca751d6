"""What each page of the web application costs, with few tasks and with many.

Against the same page of a small schedule, in the same run: the processor's
time, as it is shown again and again, and for the first time, with nothing in
the cache; and the objects that are loaded then.  The large schedule has
1,000,000 tasks, 10,000 of them at one instant, 50,000 that are parked, and a
history at its bound.
"""

import gc
import tempfile
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import ZODB
from measuring import PAST
from measuring import Stopwatch
from measuring import arguments
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import verdict
from webob import Request
from ZODB.ActivityMonitor import ActivityMonitor
from ZODB.FileStorage import FileStorage

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Schedule
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.store.history import record
from zodbschedule.store.parked import ParkedTask
from zodbschedule.web import application
from zodbschedule.web.pages import PAGES


#: when tasks begin that are not due
LATER = datetime(2100, 1, 1, tzinfo=PAST.tzinfo)

# Tasks in one transaction, while the databases are made.
BATCH = 10_000


class Sizes(NamedTuple):
    """How much is in a schedule."""

    tasks: int
    crowd: int
    parked: int
    outcomes: int


FEW = Sizes(100, 10, 100, 100)
MANY = Sizes(1_000_000, 10_000, 50_000, 10_500)
QUICK = Sizes(2_000, 500, 200, 400)


def make_database(path: Path, sizes: Sizes) -> list[str]:
    """A database like that; the addresses of its pages."""
    db = ZODB.DB(FileStorage(str(path)), cache_size=20_000)
    connection = db.open()
    schedule = new_schedule(connection.root())
    connection.transaction_manager.commit()
    for batch in batches(sizes):
        for instant, number in batch:
            tasks = [new(schedule, instant) for _ in range(number)]
            schedule.timetable.add(instant, tasks)
        connection.transaction_manager.commit()
        connection.cacheMinimize()
    fill_rest(schedule, sizes)
    repeating = schedule.call('gc.collect', recurrence=Cron(
        '0 3 * * *', 'Europe/Berlin'), description='at night')
    connection.transaction_manager.commit()
    id = f'{int.from_bytes(repeating._p_oid):x}'
    connection.close()
    db.close()
    return [*(f'/{name}' for name, page in PAGES.items() if page.in_menu),
            '/timeline?span=week', '/history?outcome=failed',
            '/upcoming?text=no+such+task', f'/tasks/{id}']


def batches(sizes: Sizes) -> Iterator[list[tuple[datetime, int]]]:
    """How many tasks wait at which instant, as much as is committed at once.
    """
    yield [(LATER, sizes.crowd)]
    alone = sizes.tasks - sizes.crowd
    for first in range(0, alone, BATCH):
        yield [(LATER + timedelta(seconds=number), 1)
               for number in range(first, min(first + BATCH, alone))]


def new(schedule: Schedule, instant: datetime) -> CallTask:
    """A task that is in the database and in no place yet."""
    task = CallTask('gc.collect', time=instant, description='collect')
    schedule._p_jar.add(task)
    return task


def fill_rest(schedule: Schedule, sizes: Sizes) -> None:
    """What is parked, and what is on record."""
    manager = schedule._p_jar.transaction_manager
    task = new(schedule, PAST)
    for number in range(sizes.parked):
        schedule.parked.add(ParkedTask(
            f'{number:x}-20260101T000000Z', task, PAST, PAST, 'why', '',
            'collect', occurrence=0))
        if number % BATCH == 0:
            manager.commit()
    for number in range(sizes.outcomes):
        schedule.history.add([record(
            number, number, SUCCEEDED, number, 'collect', 'gc.collect',
            began=number)], PAST + timedelta(seconds=number), 'worker')
    schedule.history.trim(PAST)
    manager.commit()


class Visitor:
    """Who looks at the pages of one database."""

    def __init__(self, path: Path, addresses: list[str]) -> None:
        self.addresses = addresses
        self.db = ZODB.DB(
            FileStorage(str(path), read_only=True), cache_size=10_000)
        self.db.setActivityMonitor(ActivityMonitor())
        self.app = application(self.db)

    def get(self, number: int) -> float:
        """The processor's seconds for that page."""
        gc.collect()
        with Stopwatch() as watch:
            answer = Request.blank(self.addresses[number]).get_response(
                self.app)
        assert answer.status_code == 200, answer.text
        return watch.processor

    def get_first(self, number: int) -> tuple[float, int]:
        """The same with nothing in the cache, and how much is loaded."""
        self.db.cacheMinimize()
        self.db.getActivityMonitor().log.clear()
        seconds = self.get(number)
        return seconds, sum(
            entry[1] for entry in self.db.getActivityMonitor().log)


def measure(folder: Path, many: Sizes, rounds: int) -> None:
    few, large = (
        Visitor(folder / name, make_database(folder / name, sizes))
        for name, sizes in (('few.fs', FEW), ('many.fs', many)))
    for number, address in enumerate(few.addresses):
        few.get(number)  # compiles the template
        first = [(few.get_first(number), large.get_first(number))
                 for _ in range(rounds)]
        again = [(few.get(number), large.get(number)) for _ in range(rounds)]
        name = 'a task' if address.startswith('/tasks/') else address
        verdict(f'{name}, {many.tasks} tasks: loads',
                [loads for _, (_, loads) in first], '<= 200', '.0f', 'objects')
        verdict(f'{name}, {many.tasks} tasks against {FEW.tasks}, again',
                ratios(again), '<= 1.5')
        verdict(f'{name}, {many.tasks} tasks against {FEW.tasks}, first time',
                ratios([(few_first[0], large_first[0])
                        for few_first, large_first in first]), '<= 1.5')
    few.db.close()
    large.db.close()


def ratios(pairs: list[tuple[float, float]]) -> list[float]:
    """Of the second against the median of the first."""
    base = median(few for few, _ in pairs)
    return [large / base for _, large in pairs]


def main() -> None:
    args = arguments(__doc__)
    do_not_wait_for_the_disk()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), QUICK if args.quick else MANY,
                1 if args.quick else 9)


if __name__ == '__main__':
    main()
