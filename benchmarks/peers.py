"""Run rate and schedule rate beside APScheduler 3 and Huey, each durable.

Needs `pip install 'zodbschedule[benchmarks]'`; a peer that is not there is
left out.

What each does for a task that is due:

zodbschedule, FileStorage: what the task writes, its removal and its outcome
are one transaction, with fsync.
APScheduler, SQLAlchemyJobStore on SQLite: hands the job to an executor (here
one that runs it at once), then deletes it in a transaction: a crash between
the two runs it again.
Huey, SQLite with fsync: deletes the task from the queue in a transaction,
then runs it: a crash between the two loses it.
"""

import logging
import tempfile
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import transaction
from measuring import NOW
from measuring import Database
from measuring import NoOp
from measuring import Stopwatch
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import show
from measuring import verdict


ran = 0


def count() -> None:
    """What the peers run."""
    global ran
    ran += 1


class Rates(NamedTuple):
    """What one of them did, a second: by the clock, and of the processor."""

    add: float
    run: float
    add_processor: float
    run_processor: float

    @classmethod
    def of(cls, n: int, adding: Stopwatch, running: Stopwatch) -> 'Rates':
        """From what *n* tasks took."""
        return cls(*(n / taken for taken in (
            adding.seconds, running.seconds,
            adding.processor, running.processor)))


def ours(times) -> Rates:
    """Schedule rate and run rate: a transaction each, history kept."""
    with Database() as database:
        schedule = new_schedule(database.root)
        database.settle()
        with Stopwatch() as scheduling:
            for time in times:
                schedule.schedule(NoOp(time))
                transaction.commit()
        database.settle()
        with Stopwatch() as running:
            tally = schedule.process(NOW)
    assert tally.succeeded == len(times), tally
    return Rates.of(len(times), scheduling, running)


def apscheduler(times) -> Rates:
    """Schedule rate and run rate: a transaction of SQLite each."""
    from apscheduler.executors.debug import DebugExecutor
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    class Now(BackgroundScheduler):
        """One that does what is due when it is told to."""

        def _main_loop(self) -> None:
            """Not by itself."""

    global ran
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        scheduler = Now(
            jobstores={'default': SQLAlchemyJobStore(
                url=f'sqlite:///{folder}/jobs.db')},
            executors={'default': DebugExecutor()}, timezone=UTC)
        scheduler.start()
        with Stopwatch() as scheduling:
            for time in times:
                scheduler.add_job(count, 'date', run_date=time,
                                  misfire_grace_time=None)
        with Stopwatch() as running:
            while scheduler.get_jobs() if ran < len(times) else False:
                scheduler._process_jobs()
        scheduler.shutdown()
    assert ran == len(times), ran
    return Rates.of(len(times), scheduling, running)


def huey(times) -> Rates:
    """Schedule rate and run rate: a transaction of SQLite each, fsync."""
    from huey import SqliteHuey

    global ran
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        queue = SqliteHuey(filename=str(Path(folder) / 'huey.db'), fsync=True)
        task = queue.task()(count)
        with Stopwatch() as scheduling:
            for time in times:
                queue.add_schedule(task.s(eta=time.replace(tzinfo=None)))
        with Stopwatch() as running:
            # As its consumer does, in one thread.
            for due in queue.read_schedule(datetime(2038, 1, 1)):
                queue.enqueue(due)
            while (due := queue.dequeue()) is not None:
                queue.execute(due)
        queue.storage.close()
    assert ran == len(times), ran
    return Rates.of(len(times), scheduling, running)


def installed() -> dict:
    """The peers that can be imported."""
    found = {}
    for name, peer, needs in (
            ('APScheduler', apscheduler, ('apscheduler', 'sqlalchemy')),
            ('Huey', huey, ('huey',))):
        try:
            for module in needs:
                __import__(module)
        except ImportError as error:
            print(f"{name} is left out: {error}; "
                  f"pip install 'zodbschedule[benchmarks]'")
        else:
            found[name] = peer
    return found


def main() -> None:
    quick = arguments(__doc__).quick
    n, rounds = (60, 1) if quick else (1_000, 5)
    logging.disable()
    ratios = {}
    peers = installed()
    for _ in range(rounds):
        before = ours(distinct(n))
        for name, peer in peers.items():
            theirs = peer(distinct(n))
            after = ours(distinct(n))
            mean = Rates(*(sum(pair) / 2 for pair in zip(
                before, after, strict=True)))
            before = after
            for who, rates in (('zodbschedule', mean), (name, theirs)):
                show(f'{n} tasks, {who}', f'add {rates.add:.0f}/s',
                     f'run {rates.run:.0f}/s', 'of the processor:',
                     f'add {rates.add_processor:.0f}/s',
                     f'run {rates.run_processor:.0f}/s')
            ratios.setdefault(name, []).append(Rates(*(
                a / b for a, b in zip(mean, theirs, strict=True))))
    for name, found in ratios.items():
        aim = '>= 1.5' if name == 'APScheduler' else 'none'
        verdict(f'run rate against {name}', (one.run for one in found), aim)
        verdict(f"run rate against {name}, by the processor's time",
                (one.run_processor for one in found), aim)
        verdict(f'schedule rate against {name}',
                (one.add for one in found), 'none')
        verdict(f"schedule rate against {name}, by the processor's time",
                (one.add_processor for one in found), 'none')


if __name__ == '__main__':
    main()
