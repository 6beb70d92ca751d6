"""What an insert costs more if its task has a principal, or an object too.

One transaction for each task, among many that wait, by one client; alternately
with the same without labels.  The tasks have no arguments.
"""

import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from measuring import NOW
from measuring import NoOp
from measuring import arguments
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from servers import Where
from servers import server


# A task has an instant of its own in these days.
DAYS = 30

# How many bytes a page has, with what is written beside it.
PAGE = 10_000

lot = Random(1)

KINDS = {'no label': (False, False), 'a principal': (True, False),
         'a principal and an object': (True, True)}


class Cost(NamedTuple):
    """Of one insert."""

    #: the processor's time, in microseconds
    processor: float
    #: the bytes that the storage has grown by
    size: float


def task(kind: str) -> NoOp:
    """One of that kind."""
    has_principal, has_object = KINDS[kind]
    found = NoOp(NOW + timedelta(microseconds=lot.randrange(
        DAYS * 86_400_000_000)))
    if has_principal:
        found.principalId = f'acl_users:user{lot.randrange(500)}'
    if has_object:
        found.uuid = uuid.uuid4().hex
    return found


def prepare(where: Where, pending: int) -> None:
    """Tasks with all labels that wait already."""
    with where.client() as connection:
        manager = connection.transaction_manager
        with manager:
            new_schedule(connection.root())
        for first in range(0, pending, 5_000):
            with manager:
                schedule = connection.root()['schedule']
                for _ in range(first, min(first + 5_000, pending)):
                    schedule.schedule(task('a principal and an object'))
            connection.cacheMinimize()


def cost(where: Where, connection, kind: str, n: int) -> Cost:
    """What *n* inserts take, each in a transaction of its own."""
    manager = connection.transaction_manager
    size, begun = where.path.stat().st_size, time.process_time()
    for _ in range(n):
        with manager:
            connection.root()['schedule'].schedule(task(kind))
    processor = time.process_time() - begun
    return Cost(processor / n * 1e6, (where.path.stat().st_size - size) / n)


def compare(where: Where, n: int, rounds: int) -> None:
    """Each kind against none, turn by turn."""
    with where.client() as connection:
        for kind in KINDS:
            cost(where, connection, kind, n)  # so that all is in the cache
        for kind in list(KINDS)[1:]:
            pairs = []
            for _ in range(rounds):
                floor = cost(where, connection, 'no label', n)
                found = cost(where, connection, kind, n)
                pairs.append((found, floor))
                show(f'{where.storage}, {kind}', f'{found.processor:.0f} us',
                     f'{found.size:.0f} B', 'no label:',
                     f'{floor.processor:.0f} us', f'{floor.size:.0f} B')
            tell(f'{where.storage}, {kind}', pairs)


def tell(what: str, pairs: list[tuple[Cost, Cost]]) -> None:
    """The ratios."""
    verdict(f'{what}, of the processor', [
        found.processor / floor.processor for found, floor in pairs],
        '<= 1.05')
    verdict(f'{what}, bytes', [
        found.size / floor.size for found, floor in pairs], '<= 1.05')
    verdict(f'{what}, beside a page of {PAGE // 1000} KB, bytes', [median([
        (found.size + PAGE) / (floor.size + PAGE)
        for found, floor in pairs])], '<= 1.05')


def main() -> None:
    quick = arguments(__doc__).quick
    pending, n, rounds = (200, 5, 1) if quick else (20_000, 300, 5)
    do_not_wait_for_the_disk()
    with tempfile.TemporaryDirectory() as folder:
        where = Where('FileStorage', None, Path(folder))
        prepare(where, pending)
        compare(where, n, rounds)
    with server('ZEO') as where:
        prepare(where, pending)
        compare(where, n, rounds)


if __name__ == '__main__':
    main()
