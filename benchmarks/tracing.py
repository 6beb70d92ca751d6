"""What traces cost an insert and a run, switched off, and on.

One transaction for each task, in a FileStorage, by turns with the same without
traces.  *Off* is compared with code that asks nobody whether they are on.
*On* is by the API alone, which records nothing, as where no SDK is set up; and
by the SDK, in a span of a request, with a batch processor whose exporter drops
what it is given.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import nullcontext
from typing import NamedTuple
from unittest.mock import patch

import transaction
from measuring import NOW
from measuring import Database
from measuring import NoOp
from measuring import arguments
from measuring import distinct
from measuring import do_not_wait_for_the_disk
from measuring import new_schedule
from measuring import show
from measuring import verdict
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import NoOpTracerProvider

from zodbschedule import tracing
from zodbschedule.scheduling import places


class Dropping(SpanExporter):
    """Exports to nowhere."""

    def export(self, spans) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Cost(NamedTuple):
    """Of one task."""

    #: by the clock, in microseconds
    clock: float
    #: of the processor, likewise
    processor: float
    #: the bytes that the storage has grown by
    size: float


# -- The ways


@contextmanager
def nobody_asked():
    """Inserts do not look for observers."""
    def put(schedule, task, instant):
        places._wait(schedule, task, instant, in_claim=True)

    with patch('zodbschedule.schedule.put', put):
        yield


@contextmanager
def on(provider):
    """Traces are on."""
    tracing.instrument(provider)
    try:
        yield
    finally:
        tracing.uninstrument()


@contextmanager
def recorded():
    """Traces are on, are recorded, and there is a span of a request."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    with ExitStack() as stack:
        stack.callback(provider.shutdown)
        stack.enter_context(on(provider))
        stack.enter_context(provider.get_tracer('shop')
                            .start_as_current_span('POST /order'))
        yield


Way = Callable[[], AbstractContextManager]

WAYS: dict[str, tuple[Way, Way]] = {
    'off': (nullcontext, nobody_asked),
    'on, no SDK': (lambda: on(NoOpTracerProvider()), nullcontext),
    'on, recorded': (recorded, nullcontext)}


# -- The cost


def cost(database: Database, n: int, work: Callable[[], None]) -> Cost:
    """What *work* takes for each of *n* tasks."""
    size = database.size()
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Cost((time.perf_counter() - clock) / n * 1e6,
                (time.process_time() - processor) / n * 1e6,
                (database.size() - size) / n)


def inserts(way: Way, n: int) -> Cost:
    """Each is a transaction."""
    with Database() as database, way():
        schedule = new_schedule(database.root)
        transaction.commit()
        times = distinct(2 * n)

        def insert(first: int) -> None:
            for each in times[first:first + n]:
                schedule.schedule(NoOp(each))
                transaction.commit()

        insert(0)
        return cost(database, n, lambda: insert(n))


def runs(way: Way, n: int) -> Cost:
    """By `process()`, of tasks that were scheduled in the same way."""
    with Database() as database, way():
        schedule = new_schedule(database.root)
        transaction.commit()
        for each in distinct(n):
            schedule.schedule(NoOp(each))
        database.settle()
        return cost(database, n, lambda: schedule.process(NOW))


def compare(what: str, measure: Callable[[Way, int], Cost], kind: str, n: int,
            rounds: int, target: str) -> None:
    """The ratios, and the bytes a task."""
    found, other = WAYS[kind]
    pairs = []
    for number in range(rounds):
        # Neither is always the first.
        order = (found, other) if number % 2 else (other, found)
        told = {way: measure(way, n) for way in order}
        pairs.append((told[found], told[other]))
        for title, each in zip((kind, 'against'), pairs[-1], strict=True):
            show(f'{what}, {title}', f'{each.clock:.0f} us',
                 f'{each.processor:.0f} us', f'{each.size:.0f} B')
    for name in 'clock', 'processor':
        verdict(f'{what}, {kind}, by the {name}', [
            getattr(one, name) / getattr(two, name) for one, two in pairs],
            target, '.3f')
    verdict(f'{what}, {kind}', [one.size - two.size for one, two in pairs],
            '0' if kind != 'on, recorded' else '<= 150', '.0f',
            'bytes a task')


def main() -> None:
    quick = arguments(__doc__).quick
    n, rounds = (20, 1) if quick else (500, 25)
    for kind in WAYS:
        compare('an insert', inserts, kind, n, rounds, '<= 1.02')
    do_not_wait_for_the_disk()
    for kind in WAYS:
        compare('an insert without fsync', inserts, kind, n, rounds,
                '<= 1.02')
        compare('a run without fsync', runs, kind, n, rounds, '<= 1.1')


if __name__ == '__main__':
    main()
