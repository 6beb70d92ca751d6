"""A storm: workers, servers and clocks fail at random, and nothing is lost.

Workers are killed and stopped, their server and its sessions are killed, the
database is packed, the clocks of some jump, some have older code than others,
and some call `process()`.  Meanwhile tasks of all kinds are scheduled,
declared, steered, edited and unparked.  What they did is known in the
database, and to a ledger outside.

``python tests/crashes/storm.py --storage PostgreSQL --minutes 60``
"""

import argparse
import logging
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from contextlib import closing
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import chain
from itertools import islice


if __name__ == '__main__':
    # As the settings of pytest do.
    sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / 'support'),
                    str(pathlib.Path(__file__).parent)]

import crew as crews
import databases
from BTrees.IOBTree import IOBTree
from databases import HISTORY
from databases import SQLITE
from databases import Child
from databases import Database
from databases import PostgreSQLServer
from databases import ZEOServer
from mixture import Failing
from mixture import Lasting
from mixture import all_of
from mixture import besides
from mixture import changing
from mixture import looking
from mixture import set_up
from persistent.list import PersistentList
from places import check
from sample_work import begin as start
from storm_tasks import DECLARED
from storm_tasks import MENDED
from storm_tasks import NEWER
from storm_tasks import Counting
from storm_tasks import Declared
from storm_tasks import Errand
from storm_tasks import Index
from storm_tasks import Meter
from storm_tasks import a_batch
from storm_tasks import compared
from storm_tasks import count
from storm_tasks import effects_of
from storm_tasks import flaws_of
from storm_tasks import id_of
from storm_tasks import series
from transaction import TransactionManager

from zodbschedule import Worker
from zodbschedule import clock
from zodbschedule import current_run
from zodbschedule.interfaces import NotScheduled
from zodbschedule.interfaces import ScheduleError
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness import survey as soundness
from zodbschedule.store.inspection import task_id
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


STORAGES = 'ZEO', 'PostgreSQL', HISTORY, SQLITE

WORKERS = 4
SECOND = timedelta(seconds=1)
LEASE = 3 * SECOND

# With so many due tasks no more are added.  More, and a storm takes long to
# end on a machine that is busy.
BACKLOG = 200

# How long all may take to be done in the end, in seconds.
PATIENCE = 300

# How far the clock of a worker jumps, in seconds.
JUMP = 40


# -- Workers


class JumpingClock(clock.SystemClock):
    """Is wrong by so many seconds as a file says."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def now(self):
        with suppress(OSError, ValueError):
            return super().now() + int(self.path.read_text()) * SECOND
        return super().now()


class ClockAhead(clock.SystemClock):
    """Is ahead of those that jump."""

    def now(self):
        return super().now() + 2 * JUMP * SECOND


def work(uri, ledger, is_old, clock_file, threads):
    """A worker whose effects are in a ledger too."""
    begin(ledger, is_old, clock_file)
    crews.worker(uri, lease=LEASE, threads=int(threads)).run()


def passes(uri, ledger, is_old, clock_file, threads):
    """A process that calls `process()` again and again."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    begin(ledger, is_old, clock_file)
    while not over.is_set():
        try:
            with closing(crews.open_database(uri)) as db:
                while not over.wait(.1):
                    make_a_pass(db)
        except Exception as error:
            # The server may be away already when it is opened.
            print(f'opened anew: {error!r}', flush=True)


def make_a_pass(db):
    manager = TransactionManager(explicit=True)
    connection = db.open(manager)
    try:
        with manager:
            schedule = connection.root()['schedule']
        schedule.process(clock.now())
    except Exception as error:
        if not is_storage_failure(error) and not is_transient(error):
            traceback.print_exc()
            os._exit(1)
        raise
    finally:
        with suppress(Exception):
            connection.close()


def begin(ledger, is_old, clock_file):
    # In this storm it is no task that ends its process.
    turn.CRASHES = sys.maxsize
    besides.append(lambda task: dawdle())
    besides.append(lambda task: enter(ledger, task))
    if is_old:
        for cls in NEWER:
            delattr(sys.modules[cls.__module__], cls.__name__)
    if clock_file:
        clock._current = JumpingClock(clock_file)


def dawdle():
    time.sleep(1.2 if random.random() < .005 else random.expovariate(200))


def enter(ledger, task):
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    run = current_run()
    os.write(file, f'{task_id(task)} {run.occurrence.isoformat()} '
                   f'{run.attempt} {os.getpid()}\n'.encode())
    os.close(file)


# -- Those who work beside the workers


class Storm:
    """What goes on at the same time, on one database.

    Twice as much with a *load* of 2, which is more than one machine can do.
    """

    def __init__(self, database, server, crew, folder, chance, load):
        self.database = database
        self.server = server
        self.crew = crew
        self.chance = chance
        self.load = load
        #: how often series come
        self.period = round(2 / load) * SECOND
        self.ledger = str(folder / 'ledger')
        open(self.ledger, 'w').close()
        self.clock_file = folder / 'clock'
        self.over = threading.Event()
        self.counts = Counter()
        self.problems = []
        self.workers = []
        self.stopped = {}

    def rage(self, seconds):
        """Until it is over; then all are up again, and work."""
        loops = [threading.Thread(target=self._loop, args=arguments)
                 for arguments in self._beside()]
        self.workers = [self._worker() for _ in range(WORKERS)]
        for loop in loops:
            loop.start()
        begun = time.monotonic()
        while time.monotonic() < begun + seconds or not self._has_struck():
            time.sleep(self.chance.expovariate(4 * self.load))
            self._strike()
            self._tell(time.monotonic() - begun)
        self.over.set()
        # Who is stopped may hold a lock that the others wait for.
        self._go_on(float('inf'))
        for loop in loops:
            loop.join()

    def clear_up(self):
        """Clocks are right, and a worker has all code."""
        self.clock_file.write_text('0')
        self.workers.append(
            self.crew.start('storm.work', *self._arguments(), '', '', '1'))

    def _has_struck(self):
        return all(map(self.counts.get, ('kills', 'batches', 'edits')))

    def _beside(self):
        yield self._add, .5
        yield self._edit, .1
        yield self._steer, .3
        yield self._declare, .5
        yield self._mend, .5
        yield self._look, 8
        yield self._pack, 2
        yield self._turn_the_clock, 1
        if self.server is not None:
            yield self._crash, 6

    def _loop(self, work, pause):
        while not self.over.wait(random.expovariate(self.load / pause)):
            try:
                work()
            except Exception as error:
                self._note(f'{work.__name__}: {error!r}')

    def _note(self, problem):
        self.problems.append(f'stopped: {problem}')
        print(problem, flush=True)

    def _tell(self, seconds):
        if seconds // 60 > self.counts['minutes']:
            self.counts['minutes'] = int(seconds // 60)
            print(dict(self.counts), flush=True)

    # -- what strikes workers

    def _arguments(self):
        return self.database.uri(), self.ledger

    def _worker(self):
        function = 'passes' if self.chance.random() < .2 else 'work'
        age = 'old' if self.chance.random() < .3 else ''
        jumping = str(self.clock_file) if self.chance.random() < .3 else ''
        return self.crew.start(f'storm.{function}', *self._arguments(), age,
                               jumping, str(self.chance.choice([1, 1, 2])))

    def _next(self):
        """Which worker is struck: mostly one in whose run something happens.
        """
        pids = [worker.pid for worker in self.workers]
        pid = self._at_work() if self.chance.random() < .8 else None
        if pid not in pids:
            return self.chance.randrange(WORKERS)
        time.sleep(self.chance.expovariate(200))
        return pids.index(pid)

    def _at_work(self):
        """Who enters something in the ledger next; None if nobody does."""
        end = time.monotonic() + .5
        with open(self.ledger, 'rb') as ledger:
            ledger.seek(0, os.SEEK_END)
            while time.monotonic() < end:
                time.sleep(.001)
                line = ledger.readline()
                if line.endswith(b'\n'):
                    return int(line.split()[-1])
        return None

    def _strike(self):
        self._go_on(time.monotonic())
        number = self._next()
        worker = self.workers[number]
        if not worker.is_alive():
            self._note(f'a worker has ended: {worker.said()[-5000:]}')
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
        if hasattr(self.server, 'terminate_backends') and (
                random.random() < .5):
            self.server.terminate_backends()
            self.counts['sessions'] += 1
            return
        self.server.kill()
        time.sleep(random.choice([0, .3, 1.5]))
        self.server.start()
        self.counts['crashes'] += 1

    def _pack(self):
        # It may fail, for instance since the server was away before.
        for _ in range(3):
            with suppress(Exception):
                self.database.db.pack()
                self.counts['packs'] += 1
                break

    def _turn_the_clock(self):
        self.clock_file.write_text(
            random.choice(['0', f'{JUMP}', f'-{JUMP}', '2', '-2']))
        self.counts['jumps'] += 1

    def _add(self):
        number = self.counts['batches']
        self._change(lambda root: add_batch(root, number))
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

    def _declare(self):
        key = random.choice(DECLARED)
        period = random.choice([1, 2]) * self.period

        def declare(root):
            task = Declared(key, period)
            if root['schedule'].schedule(task, duplicate='replace') is task:
                root['series'].append(task)

        self._change(declare)
        self.counts['declared'] += 1

    def _steer(self):
        what = random.choice(
            ['pause', 'resume', 'resume', 'run_now', 'change'])
        whole = random.random() < .1

        def steer(root):
            if what in ('pause', 'resume') and whole:
                getattr(root['schedule'], what)()
                return
            task = random.choice(root['steady'])
            options = ({'description': task.description}
                       if what == 'change' else {})
            # What is paused is not run at once.
            with suppress(ScheduleError):
                getattr(root['schedule'], what)(task, **options)

        self._change(steer)
        self.counts['steered'] += 1

    def _mend(self):
        self.counts['unparked'] += self._change(mend)

    def _look(self):
        try:
            self._change(lambda root: look(root['schedule']))
        except AssertionError as error:
            if 'lost-record' not in str(error):
                raise
            # A pack may have taken away what this transaction had yet to read.
            self._change(lambda root: look(root['schedule']))
        self.counts['looks'] += 1

    def _change(self, change):
        return changed(self.database, change)


def changed(database, change):
    """Do it as an application does: until the database has it."""
    end = time.monotonic() + PATIENCE
    while True:
        manager = TransactionManager(explicit=True)
        connection = None
        try:
            connection = database.db.open(manager)
            with manager:
                return change(connection.root())
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


def add_batch(root, number):
    """Schedule some tasks of each kind, if those before are nearly done."""
    schedule = root['schedule']
    # The answer to the commit may have been lost.
    if number in root['batches'] or has_backlog(schedule):
        return
    # Made anew, since they belong to the connection.
    tasks = list(a_batch(number))
    for task in tasks:
        schedule.schedule(task)
    errand = Errand(f'{number} errand')
    errand.task = schedule.call(errand.run, description=errand.description)
    schedule.call(count, root['meter'], description='count')
    root['batches'][number] = PersistentList([*tasks, errand])


def has_backlog(schedule):
    due = schedule.tasks(max=datetime.now(UTC))
    return next(islice(due, BACKLOG, None), None) is not None


def mend(root):
    """Unpark what is parked until somebody does; how much it was."""
    schedule = root['schedule']
    unparked = 0
    for entry in list(schedule.parked):
        if isinstance(entry.task, MENDED):
            entry.task.mend(entry)
            schedule.unpark(entry)
            unparked += 1
    return unparked


def look(schedule):
    """As a person does."""
    check(schedule)
    list(schedule.claimed())
    list(schedule.workers)
    list(schedule.forecast(datetime.now(UTC) + 2 * SECOND))


# -- Before and after


def prepare(database, period):
    """A schedule, and what is edited."""
    set_up(database, list(series(period)))
    with changing(database) as schedule:
        # All of it is to be on record.
        schedule.history.keep = 10 ** 7
        schedule.catch_up = timedelta(days=2)
        # Older code leaves what is newer, though it is overdue.
        schedule.import_grace = timedelta(days=1)
        root = schedule._p_jar.root()
        root['series'] = root.pop('deeds')
        root['steady'] = list(root['series'])
        root['batches'] = IOBTree()
        root['meter'] = Meter()
        root['is_over'] = False
        root['documents'] = {f'document {i}': 0 for i in range(4)}
        root['indexed'] = dict(root['documents'])


def settle(database):
    """Have workers do all that is due; until when the series have gone on."""
    changed(database, calm)
    since = datetime.now(UTC)
    wait_for_series(database, since)
    changed(database, end_series)
    finish(database)
    return since


def calm(root):
    """Nothing is paused, and no series stumbles any more."""
    root['is_over'] = True
    schedule = root['schedule']
    schedule.resume()
    for task in root['steady']:
        schedule.resume(task)
        assert task in schedule, task


def end_series(root):
    for task in root['series']:
        with suppress(NotScheduled):
            root['schedule'].unschedule(task)


def wait_for_series(database, since):
    """Until none of them is behind."""
    end = time.monotonic() + PATIENCE
    with looking(database) as schedule:
        while any(task.missing(since)
                  for task in schedule._p_jar.root()['steady']):
            assert time.monotonic() < end, 'series do not go on'
            changed(database, mend)
            time.sleep(.1)
            start(schedule)


def finish(database):
    """Wait until all is done, and nothing is parked that can be mended."""
    mended = True
    while mended:
        crews.wait_until_done(database, PATIENCE)
        mended = changed(database, mend)


def finish_late(database, ledger):
    """What was to be tried again at once waits, if a clock was ahead."""
    besides.append(lambda task: enter(ledger, task))
    try:
        with clock.use(ClockAhead()), Worker(database.db):
            finish(database)
    finally:
        besides.pop()


def flaws(database, ledger, since, counts):
    """What is wrong: lost, doubled or stopped; *counts* is completed."""
    with looking(database) as schedule:
        root = schedule._p_jar.root()
        tasks = list(all_of(chain(
            root['series'], *root['batches'].values())))
        on_record = {}
        for entry in schedule.history:
            on_record.setdefault(entry.id, []).append(entry)
        for task in tasks:
            yield from flaws_of(task, on_record.pop(id_of(task), []), since)
        for one in chain(*on_record.values()):
            if one.description not in ('index', 'count') and (
                    one.outcome not in ('paused', 'resumed')):
                yield f'wrong: on record is {one}'
        yield from flaws_of_shared(root, tasks)
        yield from flaws_of_rest(schedule, tasks)
        yield from flaws_of_ledger(ledger, tasks)
        counts['tasks'] = len(tasks)
        counts['effects'] = sum(len(effects_of(task)) for task in tasks)


def flaws_of_shared(root, tasks):
    """All have seen what others have written before."""
    if root['indexed'] != root['documents']:
        yield f"lost: {root['indexed']}, not {root['documents']}"
    yield from compared('meter', root['meter'].value, len(root['batches'])
                        + sum(isinstance(task, Counting) for task in tasks))


def flaws_of_rest(schedule, tasks):
    """Only what is to be is left."""
    for there, cls in (schedule, Lasting), (
            (entry.task for entry in schedule.parked), Failing):
        left = Counter(task.description for task in there)
        planned = Counter(
            task.description for task in tasks if isinstance(task, cls))
        if left != planned:
            yield f'stopped: {left - planned}; lost: {planned - left}'
    for flaw in soundness.flaws(schedule):
        yield f'wrong: {flaw}'
    if schedule.claims:
        yield f'stopped: {list(schedule.claims.values())} are left'


def flaws_of_ledger(ledger, tasks):
    """What is in the database is in the ledger."""
    with open(ledger) as file:
        entered = {line.rpartition(' ')[0] for line in file}
    for task in tasks:
        for occurrence, attempt in effects_of(task):
            line = f'{id_of(task)} {occurrence.isoformat()} {attempt}'
            if line not in entered:
                yield f'wrong: {line} is not in the ledger'


def server_for(storage, folder):
    """A server that may be killed; None if there is none."""
    if storage == 'ZEO':
        return ZEOServer(folder)
    return None if storage == SQLITE else PostgreSQLServer()


def forking_process():
    """From which workers are forked."""
    forking = Child('crew.fork', 'storm')
    assert forking.line() == 'ready'
    return forking


def new_database(storage, server, folder):
    """A database for a storm alone."""
    if storage == SQLITE:
        uri = f'sqlite://?data_dir={folder}/data&keep_history=0'
    else:
        uri = server.history_uri if storage == HISTORY else server.uri
    return Database(storage, uri)


def run(database, server, forking, folder, seconds, seed=None, load=1):
    """A storm of so many seconds; what has happened, and what went wrong."""
    seed = random.randrange(1_000_000) if seed is None else seed
    print('seed', seed, flush=True)
    crew = crews.Crew(forking, folder)
    storm = Storm(database, server, crew, folder, random.Random(seed), load)
    try:
        prepare(database, storm.period)
        storm.rage(seconds)
        print('over', dict(storm.counts), flush=True)
        problems = [*storm.problems, *come_to_rest(storm)]
        return dict(storm.counts), problems
    finally:
        crew.dismiss()
        database.close()


def come_to_rest(storm):
    """Let all be done; what went wrong."""
    database, ledger = storm.database, storm.ledger
    # Some of its sessions may have been ended.
    database.close()
    storm.clear_up()
    try:
        since = settle(database)
        for worker in storm.workers:
            worker.signal(signal.SIGTERM)
        for worker in storm.workers:
            worker.has_finished()
        print('settled', datetime.now(UTC), flush=True)
    except AssertionError as error:
        return [f'stopped: {error}']
    finish_late(database, ledger)
    return list(flaws(database, ledger, since, storm.counts))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--storage', default='ZEO', choices=STORAGES)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--load', type=float, default=1, help=(
        'how much goes on: with 1 it is what one core can do'))
    parser.add_argument('--seed', type=int)
    parser.add_argument('--folder', type=pathlib.Path, help=(
        'where data and logs are left; else they are removed'))
    options = parser.parse_args()
    databases.PATIENCE = PATIENCE
    with ExitStack() as stack:
        folder = options.folder or pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory()))
        logging.basicConfig(
            filename=folder / 'log', level=logging.INFO,
            format='%(asctime)s %(threadName)s %(message)s')
        server = server_for(options.storage, folder)
        if server is not None:
            stack.callback(server.stop)
        forking = forking_process()
        stack.callback(forking.wait)
        counts, problems = run(
            new_database(options.storage, server, folder), server, forking,
            folder, options.minutes * 60, options.seed, options.load)
    print(*problems, sep='\n')
    kinds = Counter(problem.partition(':')[0] for problem in problems)
    print(options.storage, counts)
    print(*(f'{kind}: {kinds[kind]}'
            for kind in ('lost', 'doubled', 'stopped', 'wrong')), flush=True)
    sys.exit(bool(problems))


if __name__ == '__main__':
    # The classes of the tasks are to be found by others.
    from storm import main

    main()
