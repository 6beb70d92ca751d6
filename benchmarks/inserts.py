"""Users' everyday inserts over ZEO: how many more of them conflict.

Four processes commit one transaction after another.  Each changes an object
of its own, schedules what the kind says, and lasts a while; the same without
scheduling is the baseline.  A commit that raises ConflictError counts, and is
begun anew.  The server has no class of ours.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from crew import Counted
from crew import Hand
from crew import Here
from crew import hands
from crew import wait_for_workers
from measuring import arguments
from measuring import new_schedule
from measuring import show
from measuring import verdict
from persistent import Persistent
from servers import Where
from servers import server
from transaction import TransactionManager
from ZODB.POSException import ConflictError
from ZODB.POSException import ReadConflictError

from zodbschedule import clock


USERS = 4

THREE_DAYS = timedelta(days=3)

# Tasks with a key that wait before the users come, evenly over three days.
PENDING = 5_000


def later(schedule) -> None:
    """A task in three days."""
    schedule.schedule(Counted(clock.now() + THREE_DAYS))


def with_a_key(schedule) -> None:
    """A task in three days, with a key that no other has."""
    schedule.schedule(Counted(
        clock.now() + THREE_DAYS, key=f'publish:{uuid.uuid4().hex}'))


def now(schedule) -> None:
    """A task that is due at once."""
    schedule.schedule(Counted())


def of_one_principal(schedule) -> None:
    """A task in three days that runs as the principal of all others."""
    schedule.schedule(Counted(
        clock.now() + THREE_DAYS, principalId='acl_users:admin'))


def for_an_object(schedule) -> None:
    """A task in three days for an object, as one of many principals."""
    uuid_of = uuid.uuid4().hex
    task = Counted(clock.now() + THREE_DAYS,
                   principalId=f'acl_users:{uuid_of[:2]}')
    task.uuid = uuid_of
    schedule.schedule(task)


def both(schedule) -> None:
    """One of either."""
    now(schedule)
    with_a_key(schedule)


KINDS: dict[str, Callable] = {
    'nothing': lambda schedule: None, 'now': now, 'in three days': later,
    'with a key': with_a_key, 'both': both,
    'of one principal': of_one_principal, 'for an object': for_an_object}


class Own(Persistent):
    """An object that one user changes."""

    value = 0


class Found(NamedTuple):
    """What became of the commits of one kind."""

    tried: int
    conflicts: int
    causes: Counter
    #: bytes that the storage has grown by, for each that was committed
    size: float = 0

    @property
    def percent(self) -> float:
        return 100 * self.conflicts / max(1, self.tried)


def user(number: int, kind: str, lasting: float, seconds: float, here: Here
         ) -> Found:
    """Commit for so long; runs in the process of a hand."""
    manager = TransactionManager(explicit=True)
    connection = here.db.open(manager)
    tried = 0
    causes: Counter = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tried += 1
        manager.begin()
        root = connection.root()
        root['own'][number].value += 1
        KINDS[kind](root['schedule'])
        time.sleep(lasting)
        try:
            manager.commit()
        except ConflictError as error:
            manager.abort()
            causes[cause(connection, error)] += 1
    connection.close()
    return Found(tried, causes.total(), causes)


def cause(connection, error: ConflictError) -> str:
    """The class of what conflicted, and the type of its keys."""
    how = 'read' if isinstance(error, ReadConflictError) else 'written'
    with connection.transaction_manager:
        found = connection.get(error.oid)
        keys = type(found.minKey()).__name__ if hasattr(
            found, 'minKey') and found else ''
        return f'{type(found).__name__} {keys} {how}'


def prepare(where: Where, pending: int) -> None:
    """The users' objects, and what waits already."""
    with where.client() as connection:
        manager = connection.transaction_manager
        with manager:
            connection.root()['own'] = [Own() for _ in range(USERS)]
            new_schedule(connection.root())
        for first in range(0, pending, 500):
            with manager:
                schedule = connection.root()['schedule']
                for place in range(first, min(first + 500, pending)):
                    schedule.schedule(Counted(
                        clock.now() + THREE_DAYS * (place + 1) / pending,
                        key=f'publish:{uuid.uuid4().hex}'))


def measure(where: Where, users: list[Hand], kind: str, lasting: float,
            seconds: float) -> Found:
    """One kind, by all users at once."""
    before = where.path.stat().st_size
    for number, hand in enumerate(users):
        hand.order(user, number, kind, lasting, seconds)
    answers: list[Found] = [hand.answer() for hand in users]
    tried = sum(answer.tried for answer in answers)
    conflicts = sum(answer.conflicts for answer in answers)
    causes = sum((answer.causes for answer in answers), Counter())
    size = (where.path.stat().st_size - before) / max(1, tried - conflicts)
    return Found(tried, conflicts, causes, size)


def compare(where: Where, users: list[Hand], durations: list[float],
            kinds: list[str], seconds: float, beside: str) -> None:
    """Each kind against the same without scheduling."""
    for lasting in durations:
        floor = Found(0, 0, Counter())
        for kind in ('nothing', *kinds):
            found = measure(where, users, kind, lasting, seconds)
            if kind == 'nothing':
                floor = found
            what = f'{kind}, {lasting * 1000:.0f} ms, {beside}'
            show(what, f'{found.percent:.1f} % of {found.tried}',
                 f'{found.size:.0f} B')
            for name, times in found.causes.most_common(5):
                print(f'{"":<10}{times:>6} {name}')
            if kind != 'nothing':
                verdict(what, [found.percent - floor.percent], '<= 2.0',
                        '.1f', 'points more')


def options(parser) -> None:
    """What is measured, and how long."""
    parser.add_argument('--seconds', type=float, default=15,
                        help='how long each kind is measured')
    parser.add_argument('--kind', action='append', choices=list(KINDS)[1:],
                        help='one of the kinds; default: all')
    parser.add_argument('--lasting', action='append', type=float,
                        help='a duration of the transactions in ms')
    parser.add_argument('--beside', choices=['nobody', 'a worker'],
                        action='append', help='whether tasks are run')


def main() -> None:
    args = arguments(__doc__, options)
    seconds = .5 if args.quick else args.seconds
    durations = [ms / 1000 for ms in args.lasting or (0, 50, 200)]
    kinds = args.kind or list(KINDS)[1:]
    for beside in args.beside or ('nobody', 'a worker'):
        with server('ZEO') as where:
            prepare(where, 100 if args.quick else PENDING)
            with hands(where, USERS + 1, quiet=True) as (worker, *users):
                if beside == 'a worker':
                    worker.work()
                    with where.client() as connection:
                        wait_for_workers(connection, 1, [worker])
                compare(where, users, durations, kinds, seconds, beside)


if __name__ == '__main__':
    main()
