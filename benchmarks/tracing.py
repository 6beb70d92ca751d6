"""What traces cost an insert and a run, switched off, and on.

One transaction for each task, in a FileStorage, by turns with the same without
traces.  *Off* is compared with code that asks nobody whether they are on.
*On* is by the API alone, which records nothing, as where no SDK is set up; and
by the SDK, in a span of a request, with a batch processor whose exporter drops
what it is given.  The processor's time is that of the thread that inserts or
runs: the batches are exported by another one.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from datetime import timedelta
from itertools import count
from typing import NamedTuple
from unittest.mock import patch

import transaction
from measuring import NOW
from measuring import PAST
from measuring import Database
from measuring import NoOp
from measuring import arguments
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.trace import TracerProvider as AnyProvider

from zodbschedule import tracing
from zodbschedule.scheduling import places


# So many tasks are measured before it is the turn of the other way.  More, and
# the machine changes meanwhile; fewer, and what is loaded first counts more.
TURN = 10


class Dropping(SpanExporter):
    """Exports to nowhere."""

    def export(self, spans) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Cost(NamedTuple):
    """Of one task."""

    #: by the clock, in seconds
    clock: float
    #: of the processor, likewise
    processor: float
    #: the bytes of its record
    size: int


# -- The ways


@contextmanager
def nobody_asked():
    """Inserts do not look for observers."""
    def put(schedule, task, instant):
        places._wait(schedule, task, instant, in_claim=True)

    with patch('zodbschedule.schedule.put', put):
        yield


@contextmanager
def on(provider: AnyProvider):
    """Traces are on, in the span of a request."""
    tracing.instrument(provider)
    try:
        with provider.get_tracer('shop').start_as_current_span('POST /order'):
            yield
    finally:
        tracing.uninstrument()


Way = Callable[[], AbstractContextManager]


class Ways:
    """What is compared, each with what it is compared with."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self.provider.add_span_processor(BatchSpanProcessor(Dropping()))
        self.pairs: dict[str, tuple[Way, Way]] = {
            'off': (nullcontext, nobody_asked),
            'on, no SDK': (lambda: on(NoOpTracerProvider()), nullcontext),
            'on, recorded': (lambda: on(self.provider), nullcontext)}


# -- The cost


class Stopwatch:
    """How long a block took, in seconds."""

    def __enter__(self) -> 'Stopwatch':
        self.begun = time.perf_counter(), time.thread_time()
        return self

    def __exit__(self, *args: object) -> None:
        self.seconds = time.perf_counter() - self.begun[0]
        #: of the processor, in this thread
        self.thread = time.thread_time() - self.begun[1]


class Stage:
    """A database, to which tasks are added, each for an instant of its own."""

    def __init__(self, database: Database) -> None:
        self.connection = database.connection
        self.schedule = new_schedule(database.root)
        transaction.commit()
        self.times = (PAST + timedelta(seconds=second) for second in count())

    def add(self) -> NoOp:
        """Schedule a task."""
        task: NoOp = self.schedule.schedule(NoOp(next(self.times)))
        return task

    def size(self, task: NoOp) -> int:
        """The bytes of its record."""
        return len(self.connection._storage.load(task._p_oid)[0])


def inserts(stage: Stage, way: Way) -> list[Cost]:
    """Each is a transaction."""
    costs = []
    with way():
        for _ in range(TURN):
            with Stopwatch() as watch:
                task = stage.add()
                transaction.commit()
            costs.append(Cost(watch.seconds, watch.thread, stage.size(task)))
    return costs


def runs(stage: Stage, way: Way) -> list[Cost]:
    """By `process()`, of tasks that were scheduled in the same way."""
    with way():
        tasks = [stage.add() for _ in range(TURN)]
        transaction.commit()
        with Stopwatch() as watch:
            stage.schedule.process(NOW)
    return [Cost(watch.seconds / TURN, watch.thread / TURN,
                 stage.size(tasks[0]))]


Work = Callable[[Stage, Way], list[Cost]]


def compare(what: str, work: Work,
            kind: str, ways: tuple[Way, Way], turns: int) -> tuple[Cost, Cost]:
    """The cost of both, each of all its turns."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    with Database() as database:
        stage = Stage(database)
        for way in ways:
            work(stage, way)  # so that all is in the cache
        for turn in range(turns):
            # Neither is always the first.
            for index in (0, 1) if turn % 2 else (1, 0):
                costs[index].extend(work(stage, ways[index]))
    found, other = (Cost(
        median(each.clock for each in one),
        median(each.processor for each in one),
        one[-1].size) for one in costs)
    for title, each in ((kind, found), ('against', other)):
        show(f'{what}, {title}', f'{each.clock * 1e6:.0f} us',
             f'{each.processor * 1e6:.0f} us', f'{each.size:.0f} B')
    return found, other


def tell(what: str, kind: str, pairs: list[tuple[Cost, Cost]], target: str
         ) -> None:
    """The ratios, and the bytes a task."""
    for name in 'clock', 'processor':
        verdict(f'{what}, {kind}, by the {name}', [
            getattr(one, name) / getattr(two, name) for one, two in pairs],
            target, '.3f')
    verdict(f'{what}, {kind}', [one.size - two.size for one, two in pairs],
            '<= 150' if kind == 'on, recorded' else '0', '.0f',
            'bytes a task')


def measure(what: str, work: Work,
            ways: Ways, turns: int, rounds: int, target: str) -> None:
    """All ways, by turns."""
    for kind, pair in ways.pairs.items():
        tell(what, kind, [compare(what, work, kind, pair, turns)
                          for _ in range(rounds)], target)


def main() -> None:
    quick = arguments(__doc__).quick
    turns, rounds = (2, 1) if quick else (100, 5)
    ways = Ways()
    measure('an insert', inserts, ways, turns, rounds, '<= 1.02')
    do_not_wait_for_the_disk()
    measure('an insert without fsync', inserts, ways, turns, rounds,
            '<= 1.02')
    measure('a run without fsync', runs, ways, turns, rounds, '<= 1.1')
    ways.provider.shutdown()


if __name__ == '__main__':
    main()
