"""A storm: workers, servers and clocks fail at random, and nothing is lost.

Workers are killed and stopped, their server is killed, the database is packed,
the clocks of some jump, and some have older code than others.  Meanwhile tasks
of all kinds are scheduled, steered and edited.  What they did is known in the
database, and to a ledger outside.

``python tests/crashes/storm.py --storage PostgreSQL --minutes 60``
"""

import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta


if __name__ == '__main__':
    # As the settings of pytest do.
    sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / 'support'),
                    str(pathlib.Path(__file__).parent)]

import crew as crews
from databases import HISTORY
from databases import SQLITE
from databases import Child
from databases import Database
from databases import PostgreSQLServer
from databases import ZEOServer
from mixture import Cancelled
from mixture import Cancelling
from mixture import Deed
from mixture import Delegating
from mixture import Expired
from mixture import Failing
from mixture import Handing
from mixture import Lasting
from mixture import Making
from mixture import Repeating
from mixture import Returning
from mixture import Wavering
from mixture import all_of
from mixture import besides
from mixture import changing
from mixture import check_deed
from mixture import looking
from mixture import set_up
from places import check
from transaction import TransactionManager

from zodbschedule import Every
from zodbschedule import GiveUp
from zodbschedule import RetryLater
from zodbschedule import Task
from zodbschedule import clock
from zodbschedule import current_run
from zodbschedule.interfaces import ScheduleError
from zodbschedule.scheduling import turn
from zodbschedule.store.inspection import task_id


WORKERS = 4
SECOND = timedelta(seconds=1)
LEASE = 3 * SECOND

# How far the clock of a worker jumps, in seconds.
JUMP = 40


# -- Tasks, besides those of the mixture


class Steady(Deed):
    """Comes every second, and makes up for all that was missed."""

    def __init__(self, name, **options):
        now = datetime.now(UTC).replace(microsecond=0)
        super().__init__(name, now, missed='all', recurrence=Every(
            SECOND, now), **options)


class Later(Wavering):
    """Asks to be tried again."""

    def __call__(self):
        Deed.__call__(self)
        if current_run().attempt == 1:
            raise RetryLater('not yet')


class GivingUp(Failing):
    """Says that it cannot be done."""

    def __call__(self):
        Deed.__call__(self)
        raise GiveUp('never')


class Newer(Deed):
    """Is unknown to older code."""


class NewerRepeating(Repeating):
    """Is unknown to older code."""


class Index(Task):
    """Notes which version of a document it has seen."""

    def __call__(self):
        root = self._p_jar.root()
        root['indexed'] = {**root['indexed'],
                           self.key: root['documents'][self.key]}


NEWER = Newer, NewerRepeating

KINDS = (*[Deed] * 4, Repeating, Making, Failing, Wavering, Returning, Expired,
         Lasting, Later, GivingUp, *NEWER)
KEYED = Deed, Repeating, Lasting, Delegating, Handing, Making


def a_batch(number):
    """Tasks of each kind."""
    for index, cls in enumerate(KINDS):
        yield cls(f'{number} {index} {cls.__name__}')
    for index, cls in enumerate(KEYED):
        name = f'{number} {index} {cls.__name__} with a key'
        yield cls(name, key=name)
    victim = Cancelled(f'{number} victim')
    yield victim
    yield Cancelling(f'{number} canceller', victim)


# -- Workers


class JumpingClock(clock.SystemClock):
    """Is wrong by so many seconds as a file says."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def now(self):
        with suppress(OSError, ValueError):
            return super().now() + int(self.path.read_text()) * SECOND
        return super().now()


def work(uri, ledger, is_old, clock_file):
    """A worker whose effects are in a ledger too."""
    # In this storm it is no task that ends its process.
    turn.CRASHES = sys.maxsize
    besides.append(lambda task: dawdle())
    besides.append(lambda task: enter(ledger, task))
    if is_old == 'old':
        for cls in NEWER:
            delattr(sys.modules[cls.__module__], cls.__name__)
    if clock_file:
        clock._current = JumpingClock(clock_file)
    crews.worker(uri, lease=LEASE).run()


def dawdle():
    time.sleep(1.2 if random.random() < .005 else random.expovariate(200))


def enter(ledger, task):
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    run = current_run()
    os.write(file, f'{task_id(task)} {run.occurrence.isoformat()} '
                   f'{run.attempt}\n'.encode())
    os.close(file)


# -- Those who work beside the workers


class Storm:
    """What goes on at the same time, on one database."""

    def __init__(self, database, server, crew, folder, chance):
        self.database = database
        self.server = server
        self.crew = crew
        self.chance = chance
        self.ledger = str(folder / 'ledger')
        self.clock_file = folder / 'clock'
        self.over = threading.Event()
        self.counts = Counter()
        self.problems = []
        self.workers = []
        self.stopped = {}

    def rage(self, seconds):
        """Until it is over; then all is up again, and nobody works."""
        loops = [threading.Thread(target=self._loop, args=arguments)
                 for arguments in self._beside()]
        self.workers = [self._worker() for _ in range(WORKERS)]
        for loop in loops:
            loop.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.chance.expovariate(2))
            self._strike()
        self.over.set()
        for loop in loops:
            loop.join()
        self._go_on(time.monotonic() + 100)
        self.clock_file.write_text('0')
        for worker in self.workers:
            worker.finish()

    def _beside(self):
        yield self._add, .5
        yield self._edit, .1
        yield self._steer, .3
        yield self._look, 2
        yield self._pack, 2
        yield self._turn_the_clock, 1
        if self.server is not None:
            yield self._crash, 8

    def _loop(self, work, pause):
        while not self.over.wait(random.expovariate(1 / pause)):
            try:
                work()
            except Exception as error:
                self.problems.append(f'{work.__name__}: {error!r}')

    # -- what strikes workers

    def _worker(self):
        age = 'old' if self.chance.random() < .3 else ''
        jumping = str(self.clock_file) if self.chance.random() < .3 else ''
        return self.crew.start('storm.work', self.database.uri(), self.ledger,
                               age, jumping)

    def _strike(self):
        self._go_on(time.monotonic())
        number = self.chance.randrange(WORKERS)
        worker = self.workers[number]
        if not worker.is_alive():
            self.problems.append(f'a worker has ended: {worker.said()}')
        elif self.chance.random() < .3:
            worker.signal(signal.SIGSTOP)
            self.stopped[worker] = time.monotonic() + (
                self.chance.choice([.3, 4]))
            self.counts['stops'] += 1
            return
        else:
            worker.kill()
            self.stopped.pop(worker, None)
            self.counts['kills'] += 1
        self.workers[number] = self._worker()

    def _go_on(self, now):
        for worker, until in list(self.stopped.items()):
            if until <= now:
                del self.stopped[worker]
                worker.signal(signal.SIGCONT)

    # -- what else goes on

    def _crash(self):
        self.server.kill()
        time.sleep(random.choice([0, .3, 1.5]))
        self.server.start()
        self.counts['crashes'] += 1

    def _pack(self):
        # It may fail, for instance since the server is away.
        with suppress(Exception):
            self.database.db.pack()
            self.counts['packs'] += 1

    def _turn_the_clock(self):
        self.clock_file.write_text(
            random.choice(['0', f'{JUMP}', f'-{JUMP}', '2', '-2']))
        self.counts['jumps'] += 1

    def _add(self):
        number = self.counts['batches']

        def add(root):
            # The answer to a commit may have been lost.
            if root['batch'] != number:
                root['batch'] = number
                # Made anew, since they belong to the connection.
                tasks = list(a_batch(number))
                for task in tasks:
                    root['schedule'].schedule(task)
                root['deeds'].extend(tasks)

        self._change(add)
        self.counts['batches'] += 1

    def _edit(self):
        key = f'document {random.randrange(4)}'
        duplicate = random.choice(['keep', 'replace'])

        def edit(root):
            documents = root['documents']
            root['documents'] = {**documents, key: documents[key] + 1}
            root['schedule'].schedule(
                Index(description='index', key=key), duplicate=duplicate)

        self._change(edit)
        self.counts['edits'] += 1

    def _steer(self):
        what = random.choice(
            ['pause', 'resume', 'resume', 'run_now', 'change'])

        def steer(root):
            task = random.choice(root['steady'])
            options = {'description': 'steady'} if what == 'change' else {}
            # What is paused is not run at once.
            with suppress(ScheduleError):
                getattr(root['schedule'], what)(task, **options)

        self._change(steer)
        self.counts['steered'] += 1

    def _look(self):
        self._change(lambda root: check(root['schedule']))
        self.counts['looks'] += 1

    def _change(self, change):
        """As an application does: until the database has it."""
        end = time.monotonic() + crews.PATIENCE
        while True:
            manager = TransactionManager(explicit=True)
            connection = None
            try:
                connection = self.database.db.open(manager)
                with manager:
                    change(connection.root())
                return
            except (AssertionError, ScheduleError):
                raise
            except Exception:
                # It conflicts, or the server is away.
                if time.monotonic() > end:
                    raise
                time.sleep(random.uniform(0, .2))
            finally:
                if connection is not None:
                    with suppress(Exception):
                        connection.close()


# -- Before and after


def prepare(database):
    """A schedule, and what is edited."""
    steady = [Steady(f'steady {number}', **({'key': f'steady {number}'}
                                           if number % 2 else {}))
              for number in range(6)]
    set_up(database, steady)
    with changing(database) as schedule:
        # All of it is to be on record.
        schedule.history.keep = 10 ** 7
        # Older code leaves what is newer, though it is overdue.
        schedule.import_grace = timedelta(days=1)
        root = schedule._p_jar.root()
        root['steady'] = list(root['deeds'])
        root['batch'] = None
        root['documents'] = {f'document {i}': 0 for i in range(4)}
        root['indexed'] = dict(root['documents'])


def check_all(database, ledger):
    """All have had their effects once, and nothing else is left."""
    with looking(database) as schedule:
        root = schedule._p_jar.root()
        on_record = {}
        for entry in schedule.history:
            on_record.setdefault(entry.id, []).append(entry)
        for task in root['steady']:
            check_steady(task, on_record.pop(task_id(task)))
        tasks = [task for task in all_of(root['deeds'])
                 if not isinstance(task, Steady)]
        for task in tasks:
            check_deed(task, on_record.pop(task_id(task), [])[::-1])
        assert {entry.description for entries in on_record.values()
                for entry in entries} <= {'index'}
        assert root['indexed'] == root['documents']
        assert sorted(entry.description for entry in schedule.parked) == (
            sorted(task.description for task in tasks
                   if isinstance(task, Failing)))
        assert sorted(task.description for task in schedule) == sorted(
            task.description for task in tasks if isinstance(task, Lasting))
        check(schedule)
        assert not schedule.claims
        return check_ledger(ledger, all_of(root['deeds']))


def check_steady(task, entries):
    """None of its occurrences is missing, and none was there twice."""
    succeeded = [entry.occurrence for entry in entries
                 if entry.outcome == 'succeeded']
    assert Counter(succeeded) == Counter(
        occurrence for occurrence, _ in task.done)
    assert len(set(succeeded)) == len(succeeded)
    # Those that somebody asked for are between them.
    planned = sorted(moment for moment in succeeded if not moment.microsecond)
    assert planned == [planned[0] + number * SECOND
                       for number in range(len(planned))]


def check_ledger(ledger, tasks):
    """What is in the database is in the ledger; how many effects there are."""
    with open(ledger) as file:
        entered = Counter(line.strip() for line in file)
    effects = Counter(
        f'{task_id(task)} {occurrence.isoformat()} {attempt}'
        for task in tasks for occurrence, attempt in task.done)
    assert effects.keys() <= entered.keys()
    return effects.total()


def opened(storage, folder):
    """A database of its own, and its server, which may be killed; or None."""
    if storage == 'ZEO':
        server = ZEOServer(folder)
        return Database(storage, server.uri), server
    if storage == SQLITE:
        return Database(
            storage, f'sqlite://?data_dir={folder}/data&keep_history=0'), None
    server = PostgreSQLServer()
    uri = server.history_uri if storage == HISTORY else server.uri
    return Database(storage, uri), server


def settle(database, ledger):
    """Let all be done that is due."""
    with changing(database) as schedule:
        for task in schedule._p_jar.root()['steady']:
            schedule.resume(task)
            assert task in schedule
    besides.append(lambda task: enter(ledger, task))
    try:
        crews.drain(database)
        with changing(database) as schedule:
            for task in schedule._p_jar.root()['steady']:
                schedule.unschedule(task)
        crews.drain(database)
    finally:
        besides.pop()


def run(storage, folder, seconds, seed=None):
    """A storm of so many seconds; what has happened in it."""
    seed = random.randrange(1_000_000) if seed is None else seed
    print('seed', seed, flush=True)
    database, server = opened(storage, folder)
    forking = Child('crew.fork')
    assert forking.line() == 'ready'
    crew = crews.Crew(forking, folder)
    try:
        prepare(database)
        storm = Storm(database, server, crew, folder, random.Random(seed))
        storm.rage(seconds)
        database.close()
        settle(database, storm.ledger)
        storm.counts['effects'] = check_all(database, storm.ledger)
        assert not storm.problems, '\n'.join(storm.problems)
        return dict(storm.counts)
    finally:
        crew.dismiss()
        forking.wait()
        database.close()
        if server is not None:
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--storage', default='ZEO',
                        choices=['ZEO', 'PostgreSQL', HISTORY, SQLITE])
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--seed', type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(options.storage, pathlib.Path(folder), options.minutes * 60,
                  options.seed))


if __name__ == '__main__':
    # The classes of the tasks are to be found by others.
    from storm import main

    main()
