"""Any number of calls at once: every task once, and no run wasted."""

import sys
import threading

import pytest
from databases import SQLITE
from databases import Client
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import names
from sample_work import prepare
from sample_work import runs

from zodbschedule.execution import own_claim
from zodbschedule.execution import process as processing


TASKS = 120

# So that the calls take turns many times.
PORTION = 8

#: the starts of runs in this process, those in vain as well
started = []


class Counted(Note):
    """Counts in the database, and outside of it."""

    def __call__(self):
        started.append(self.description)
        super().__call__()


class Planning(Counted):
    """Schedules two more, at minutes that it shares with many."""

    def __call__(self):
        super().__call__()
        for minute in 1, 2:
            name = f'{self.description}-{minute}'
            self._p_jar.root()['schedule'].schedule(Marking(name, at(minute)))


class Marking(Counted):
    """Counts outside of the database only."""

    def __call__(self):
        started.append(self.description)


class Repeating(Counted):
    """Comes again, at a minute that it shares with many."""

    def schedule(self):
        if self.time == NOON:
            self.time = at(1)
            return self


def process(uri):
    """Process when told to, in a process of its own; print the starts."""
    processing.PORTION = PORTION
    client = Client(uri)
    schedule = client.schedule()
    print('ready', flush=True)
    while minutes := sys.stdin.readline():
        started.clear()
        tally = schedule.process(at(float(minutes)))
        print(tally.succeeded, len(started), flush=True)
    schedule._p_jar.transaction_manager.abort()
    client.close()


def distinct(cls):
    return [cls(f'{n}', at(-n)) for n in range(TASKS)]


def crowded(cls):
    return [cls(f'{n}') for n in range(TASKS)]


KINDS = pytest.mark.parametrize(
    'kind', [distinct, crowded], ids=['distinct instants', 'one instant'])


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(processing, 'PORTION', PORTION)
    started.clear()


def settled(database):
    """Whether nothing waits, or is held, or is parked."""
    schedule = database.schedule()
    return not any([
        list(schedule), list(schedule.claims), list(schedule.parked)])


def process_in_threads(database, count, time):
    """Call process() in so many threads at once; how many succeeded."""
    schedules = [database.schedule() for _ in range(count)]
    barrier = threading.Barrier(count)
    succeeded = []

    def call(schedule):
        barrier.wait()
        succeeded.append(schedule.process(time).succeeded)

    threads = [threading.Thread(target=call, args=(schedule,))
               for schedule in schedules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(succeeded) == count
    return sum(succeeded)


@pytest.mark.storages('FileStorage')
class TestThreads:

    @KINDS
    def test_every_task_once_and_no_run_wasted(self, database, kind):
        prepare(database, *kind(Counted))
        assert process_in_threads(database, 4, NOON) == TASKS
        assert sorted(started) == sorted(f'{n}' for n in range(TASKS))
        assert set(runs(database).values()) == {1}
        assert settled(database)
        assert len(list(database.schedule().history)) == TASKS

    def test_nor_if_all_come_again_at_the_same_minute(self, database):
        prepare(database, *crowded(Repeating))
        assert process_in_threads(database, 4, NOON) == TASKS
        assert len(names(database.schedule())) == TASKS
        assert list(database.schedule().getTaskTimes()) == [at(1)]
        assert process_in_threads(database, 4, at(1)) == TASKS
        assert len(started) == 2 * TASKS
        assert set(runs(database).values()) == {2}
        assert settled(database)

    def test_nor_if_all_schedule_others_at_the_same_minutes(self, database):
        prepare(database, *crowded(Planning))
        assert process_in_threads(database, 4, NOON) == TASKS
        assert len(started) == TASKS
        started.clear()
        for minute in 1, 2:
            assert process_in_threads(database, 4, at(minute)) == TASKS
        assert sorted(started) == sorted(
            f'{n}-{minute}' for n in range(TASKS) for minute in (1, 2))
        assert settled(database)

    def test_nor_if_the_dead_have_left_claims(self, database):
        schedule = prepare(database, *crowded(Counted))
        dead = own_claim.incarnation.this()._replace(started='1')
        for number in range(3):
            claim = schedule.claims[f'{number}'] = own_claim.Claim('', dead)
            own_claim.exchange(
                schedule, claim, 20, None, NOON, lambda instant, task: True)
        commit(schedule)
        begin(schedule)
        assert process_in_threads(database, 4, NOON) == TASKS
        assert len(started) == TASKS
        assert set(runs(database).values()) == {1}
        assert settled(database)


@pytest.mark.storages('ZEO', 'PostgreSQL', SQLITE)
class TestProcesses:

    def process(self, database, child, *times):
        """Call process() in three at once, at each of these times."""
        processes = [
            child('test_concurrency.process', database.uri())
            for _ in range(3)]
        for process in processes:
            assert process.line() == 'ready'
        for time in times:
            due = sum(
                instant <= at(time) for instant in (
                    task.time for task in database.schedule()))
            for process in processes:
                process.tell(str(time))
            succeeded, starts = zip(*(
                map(int, process.line().split()) for process in processes),
                strict=True)
            assert sum(succeeded) == due
            assert sum(starts) == due
        for process in processes:
            assert process.wait() == ('', 0)
        assert settled(database)

    @KINDS
    def test_every_task_once_and_no_run_wasted(self, database, child, kind):
        prepare(database, *kind(Repeating))
        self.process(database, child, 0, 1)
        expected = {1, 2} if kind is distinct else {2}
        assert set(runs(database).values()) == expected

    def test_nor_if_all_schedule_others_at_the_same_minutes(
            self, database, child):
        prepare(database, *crowded(Planning))
        self.process(database, child, 0, 1, 2)
        assert set(runs(database).values()) == {1}
        assert len(list(database.schedule().history)) == 3 * TASKS
