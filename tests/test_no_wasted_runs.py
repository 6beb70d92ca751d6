"""Any number of workers: no run is begun in vain."""

import os
from collections import Counter
from pathlib import Path

import crew as crews
import pytest
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

from zodbschedule import Worker


TASKS = 2000


def writing(path):
    """What appends a line to a file, which no abort takes back."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return lambda task: os.write(file, f'{task.description}\n'.encode())


def work(uri, path):
    """A worker whose runs leave a line in that file."""
    besides.append(writing(path))
    crews.worker(uri).run()


def once(database, path):
    """Whether each run that has an outcome was begun once."""
    begun = Counter(Path(path).read_text().splitlines())
    with looking(database) as schedule:
        expected = Counter(
            task.description
            for task in all_of(schedule._p_jar.root()['deeds']))
    assert begun == expected
    return True


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'begun')


def plain(count=TASKS):
    return [Deed(f'{number}') for number in range(count)]


def making(count=200):
    return [Making(f'{number}') for number in range(count)]


KINDS = pytest.mark.parametrize('tasks', [plain, making])


@pytest.mark.storages('FileStorage')
@KINDS
def test_four_threads(database, path, tasks):
    set_up(database, tasks())
    import time
    a=time.time()
    besides.append(writing(path))
    try:
        with Worker(database.db, threads=4):
            wait_until_done(database)
    finally:
        besides.clear()
    print(time.time()-a)
    assert once(database, path)
    assert check_done(database)


@pytest.mark.storages('ZEO', 'PostgreSQL', HISTORY, SQLITE)
@KINDS
def test_four_processes(database, crew, path, tasks):
    set_up(database, tasks())
    import time
    a=time.time()
    workers = [crew.start('test_no_wasted_runs.work', database.uri(), path)
               for _ in range(4)]
    wait_until_done(database)
    print(time.time()-a)
    for worker in workers:
        worker.finish()
    assert once(database, path)
    assert check_done(database)
