"""What the benchmarks share: databases, tasks that do nothing, ratios.

Absolute figures of a shared machine say little.  So each benchmark measures
a floor or a peer in the same run, turn by turn with what it measures, and
prints the median of the ratios beside its target.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import transaction
import ZODB
import zope.event
from ZODB.FileStorage import FileStorage

from zodbschedule import Schedule
from zodbschedule import Task


#: where the due tasks begin, a second apart
PAST = datetime(2020, 1, 1, tzinfo=UTC)
#: until when everything is due that the benchmarks call due
NOW = PAST + timedelta(days=365)

# How many seconds a process may take to come up, or a round to end.
READY = 120
PATIENCE = 1800

processes = multiprocessing.get_context('spawn')


class NoOp(Task):
    """A task that does nothing but count, in memory."""

    calls = 0

    def __call__(self) -> None:
        NoOp.calls += 1


class Outcomes:
    """Counts the runs that were committed, as the events tell."""

    def __init__(self) -> None:
        self.count = 0
        NoOp.calls = 0
        zope.event.subscribers.append(self)

    def __call__(self, event: object) -> None:
        self.count += 1

    @property
    def wasted(self) -> int:
        """How many runs came to nothing."""
        return NoOp.calls - self.count


def arguments(description: str, *more: Callable) -> argparse.Namespace:
    """What was asked for at the command line."""
    parser = argparse.ArgumentParser(
        description=description.partition('\n')[0])
    parser.add_argument('--quick', action='store_true',
                        help='small sizes: see that it runs, no figures')
    for add in more:
        add(parser)
    return parser.parse_args()


def distinct(n: int) -> list[datetime]:
    """*n* instants in the past, a second apart."""
    return [PAST + timedelta(seconds=i) for i in range(n)]


def one_instant(n: int) -> list[datetime]:
    """The same instant *n* times."""
    return [PAST] * n


class Database:
    """A new FileStorage in a folder of its own, and a connection to it."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / 'Data.fs'
        self.db = ZODB.DB(FileStorage(str(self.path)))
        self.connection = self.db.open()
        self.root = self.connection.root()

    def size(self) -> int:
        """How many bytes the storage has written."""
        return os.path.getsize(self.path)

    def settle(self) -> None:
        """Commit, and keep nothing in the cache."""
        transaction.commit()
        self.connection.cacheMinimize()

    def __enter__(self) -> 'Database':
        return self

    def __exit__(self, *args: object) -> None:
        transaction.abort()
        self.db.close()
        self.folder.cleanup()


def do_not_wait_for_the_disk() -> None:
    """Every FileStorage of this process writes without fsync."""
    # A class of the same name hides the module in its package.
    sys.modules[FileStorage.__module__].fsync = None


def new_schedule(root, history: bool = True) -> Schedule:
    """A schedule at its usual place."""
    schedule = root['schedule'] = Schedule()
    if not history:
        schedule.history.keep = 0
    return schedule


class Stopwatch:
    """How long a block took: ``with Stopwatch() as watch: ...``"""

    seconds = 0.0
    #: how long the processor worked for us; others' work hides less in it
    processor = 0.0

    def __enter__(self) -> 'Stopwatch':
        self.begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *args: object) -> None:
        self.seconds = time.perf_counter() - self.begun[0]
        self.processor = time.process_time() - self.begun[1]


def median(values) -> float:
    """The median, of an iterable that may be empty."""
    values = list(values)
    return statistics.median(values) if values else float('nan')


def show(what: str, *figures: str) -> None:
    """One line of what was measured."""
    print(f'{what:<46}', *(f'{figure:>12}' for figure in figures), flush=True)


def verdict(what: str, values, target: str, form: str = '.2f',
            name: str = 'ratio') -> None:
    """The median of *values*, their spread, and what was to be reached."""
    values = list(values)
    spread = f', from {min(values):{form}} to {max(values):{form}}' if len(
        values) > 1 else ''
    print(f'{what}: {name} {median(values):{form}} (target {target}{spread})',
          flush=True)
