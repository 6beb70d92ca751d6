"""What an idle worker costs, and what a run writes.

An idle worker beside tasks that are due tomorrow: transactions and bytes that
it writes, its use of the processor, and what it asks its server; against a
process that has the database open and does nothing.  On ZEO and PostgreSQL
all that is said goes through a relay, which counts: a client says something
about once for each request.

Bytes for each run of a task that does nothing, with history, through a worker
on FileStorage: of many due at once, which are taken in portions, and of those
that are due one at a time, each of which takes turns of its own.
"""

import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple

import crew
import zope.event
from crew import Counted
from crew import Hand
from crew import Here
from crew import count_outcome
from crew import hands
from crew import processor_time
from measuring import PATIENCE
from measuring import Database
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import show
from measuring import verdict
from servers import Where
from servers import choose_storages
from servers import dsn
from servers import server
from servers import storages
from ZODB.utils import u64

from zodbschedule import Worker


# What a worker does at its start is over by then, in seconds.
SETTLED = 2

# A poll each 0.2 s, which begins, asks and ends.
REQUESTS = {'ZEO': '0', 'PostgreSQL': '<= 15'}

#: tasks that are due tomorrow
PENDING = 100

# How far apart those are that are due one at a time, in seconds.
APART = .05


class Relay:
    """Stands between a server and its clients, and counts what these say."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.said = 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.address = self.listener.getsockname()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.ended = False
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> 'Relay':
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.ended = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _run(self) -> None:
        while not self.ended:
            for key, _ in self.selector.select(.1):
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj, *key.data)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        upstream = socket.create_connection(self.server)
        for one in (client, upstream):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one, other in (client, upstream), (upstream, client):
            self.selector.register(
                one, selectors.EVENT_READ, (other, one is client))

    def _pass_on(self, source: socket.socket, other: socket.socket,
                 counts: bool) -> None:
        if source.fileno() < 0:
            return  # closed with the other one a moment ago
        data = b''
        with suppress(OSError):
            data = source.recv(1 << 16)
        if data:
            self.said += counts
            with suppress(OSError):
                other.sendall(data)
                return
        for one in (source, other):
            self.selector.unregister(one)
            one.close()


# -- a worker that is idle


class Idle(NamedTuple):
    """What a process did while it was left alone."""

    #: percent of a core
    processor: float
    #: transactions in the database
    transactions: int
    #: by which the file of the database grew, None if it has none
    written: int | None
    #: how often it said something to its server, in a second
    requests: float
    #: how old the oldest open transaction is, in seconds
    transaction: float


def idle(storage: str, seconds: float) -> None:
    """Print what a worker costs, and what a bare process costs."""
    with server(storage) as where, relayed(where) as (relay, through):
        with hands(through, 1) as [hand]:
            hand.ask(prepare)
            time.sleep(SETTLED)
            bare = left_alone(where, relay, hand, seconds)
            hand.work()
            time.sleep(SETTLED)
            found = left_alone(where, relay, hand, seconds)
            hand.rest()
    for who, one in ('worker', found), ('bare process', bare):
        show(f'{storage}, idle {who}, {seconds:.0f} s',
             f'{one.processor:.2f} %', f'{one.requests:.1f}/s asked',
             f'transaction open {one.transaction:.2f} s')
    what = f'{storage}, idle worker'
    verdict(f'{what}, of a core', [found.processor], '< 1', '.2f', 'percent')
    verdict(f'{what}, of a core, a bare process', [bare.processor], 'none',
            '.2f', 'percent')
    verdict(what, [found.transactions], '0', 'd', 'transactions written')
    if found.written is not None:
        verdict(what, [found.written], '0', 'd', 'bytes written')
    if relay is not None:
        verdict(what, [found.requests - bare.requests],
                REQUESTS[storage], '.1f',
                'requests more a second')


@contextmanager
def relayed(where: Where) -> Iterator[tuple[Relay | None, Where]]:
    """A relay to that server, if it is one, and how to go through it."""
    if where.address is None:
        yield None, where
        return
    with Relay(where.address) as relay:
        yield relay, where._replace(address=relay.address)


def prepare(here: Here) -> None:
    """A schedule on which nothing is due today."""
    with here.db.transaction() as connection:
        schedule = new_schedule(connection.root())
        for _ in range(PENDING):
            schedule.schedule(
                Counted(datetime.now(UTC) + timedelta(days=1)))


def left_alone(where: Where, relay: Relay | None, hand: Hand, seconds: float
               ) -> Idle:
    """What the process of *hand* does within so many seconds."""
    before, tid = size(where), last_transaction(where, hand)
    said = relay.said if relay else 0
    used, begun = hand.ask(processor_time), time.perf_counter()
    time.sleep(seconds)
    used = hand.ask(processor_time) - used
    lasted = time.perf_counter() - begun
    said = (relay.said if relay else 0) - said
    oldest = oldest_transaction(where)
    after = size(where)
    return Idle(100 * used / lasted, last_transaction(where, hand) - tid,
                None if before is None else after - before,
                said / lasted, oldest)


def size(where: Where) -> int | None:
    """How large the file is that the database is kept in, if it is one."""
    return (None if where.storage == 'PostgreSQL'
            else os.path.getsize(where.path))


def last_transaction(where: Where, hand: Hand) -> int:
    """A number that each transaction makes larger."""
    if where.address is None:
        return hand.ask(last_transaction_there)
    with where.client() as connection:
        manager = connection.transaction_manager
        manager.begin()
        manager.abort()
        return u64(connection.db().storage.lastTransaction())


def last_transaction_there(here: Here) -> int:
    """The same, of a file that only that process can open."""
    return u64(here.db.storage.lastTransaction())


def oldest_transaction(where: Where) -> float:
    """For how many seconds a client has a transaction open in PostgreSQL."""
    if where.storage != 'PostgreSQL':
        return 0
    import psycopg2
    connection = psycopg2.connect(dsn(where.address))
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT max(extract(epoch FROM now() - xact_start)) '
            'FROM pg_stat_activity WHERE pid <> pg_backend_pid() '
            "AND backend_type = 'client backend'")
        [oldest] = cursor.fetchone()
    connection.close()
    return float(oldest or 0)


# -- what a run writes


def written(n: int, apart: float) -> float:
    """Bytes for each of *n* runs; due at once, or so many seconds apart."""
    crew.counts.clear()
    with Database() as database:
        schedule = new_schedule(database.root)
        times = distinct(n) if not apart else [
            datetime.now(UTC) + timedelta(seconds=1 + i * apart)
            for i in range(n)]
        for instant in times:
            schedule.schedule(Counted(instant))
        database.settle()
        before = database.size()
        end = time.monotonic() + PATIENCE
        with Worker(database.db):
            while crew.counts.outcomes < n:
                if time.monotonic() > end:
                    raise SystemExit(f'Not in {PATIENCE} s.')
                time.sleep(.02)
        return (database.size() - before) / n


def bytes_for_each_run(sizes: dict[str, tuple[int, float, str]],
                       rounds: int) -> None:
    """Print how many."""
    zope.event.subscribers.append(count_outcome)
    for what, (n, apart, target) in sizes.items():
        found = [written(n, apart) for _ in range(rounds)]
        verdict(f'FileStorage, a run, {what}', found, target, '.0f',
                'bytes')


def main() -> None:
    args = arguments(__doc__, choose_storages)
    seconds = 2 if args.quick else 60
    for storage in storages(args, 'FileStorage', 'ZEO', 'PostgreSQL'):
        idle(storage, seconds)
    if storages(args, 'FileStorage'):
        many, few = (200, 10) if args.quick else (5_000, 200)
        bytes_for_each_run(
            {'in portions': (many, 0, '<= 700'),
             'one at a time': (few, APART, 'none')},
            1 if args.quick else 3)


if __name__ == '__main__':
    main()
