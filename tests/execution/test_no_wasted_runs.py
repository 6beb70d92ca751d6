"""Any number of workers: no run is begun in vain."""

import os
from collections import Counter
from pathlib import Path

import crew as crews
import pytest
from crew import drain
from crew import wait_until_done
from databases import HISTORY
from databases import SQLITE
from mixture import Deed
from mixture import Making
from mixture import all_of
from mixture import besides
from mixture import check_done
from mixture import looking
from mixture import set_up


WORKERS = 4


def writing(path):
    """What appends a line to a file; nothing takes that back."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return lambda task: os.write(file, f'{task.description}\n'.encode())


def work(uri, path):
    """A worker whose runs leave a line in that file as they begin."""
    besides.append(writing(path))
    assert crews.worker(uri).run()


# -- Kinds of work


def plain(count):
    return [Deed(f'{number}') for number in range(count)]


def making(count):
    """Tasks that schedule others, without keys."""
    return [Making(f'{number}') for number in range(count // 4)]


# -- And how it is done


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'begun')


@pytest.fixture
def run_threads(database, path):
    """Do it in the threads of one worker in this process."""
    besides.append(writing(path))
    yield lambda: drain(database, threads=WORKERS)
    besides.clear()


@pytest.fixture
def run_processes(database, crew, path):
    """Do it in processes, each of which is a worker."""
    def run():
        workers = [crew.start('test_no_wasted_runs.work', database.uri(), path)
                   for _ in range(WORKERS)]
        wait_until_done(database)
        for worker in workers:
            worker.finish()
    return run


def check_once(database, path):
    """Each run that has an outcome was begun once."""
    with looking(database) as schedule:
        tasks = list(all_of(schedule._p_jar.root()['deeds']))
    assert Counter(Path(path).read_text().splitlines()) == Counter(
        task.description for task in tasks)
    return check_done(database)


@pytest.mark.storages('FileStorage')
@pytest.mark.parametrize('make', [plain, making])
def test_each_run_once_by_threads(database, run_threads, path, make):
    set_up(database, make(2_000))
    run_threads()
    assert check_once(database, path)


@pytest.mark.storages('ZEO', 'PostgreSQL', HISTORY, SQLITE)
@pytest.mark.parametrize('count, make', [
    (200, making), pytest.param(800, plain, marks=pytest.mark.slow)])
def test_each_run_once_by_processes(
        database, run_processes, path, count, make):
    set_up(database, make(count))
    run_processes()
    assert check_once(database, path)
