"""Waiting for a database to change: no wake-up is missed, nothing written."""

import threading
from contextlib import contextmanager

import psycopg2
import pytest
from databases import HISTORY
from databases import SQLITE
from databases import wait_until

from zodbschedule.worker import watcher as waiting
from zodbschedule.worker.availability import Availability
from zodbschedule.worker.watcher import LocalProbe
from zodbschedule.worker.watcher import PollingProbe
from zodbschedule.worker.watcher import probe_of
from zodbschedule.worker.watcher import watching


# For longer than any test lasts.
LONG = 20

EVERYWHERE = pytest.mark.storages(
    'FileStorage', 'ZEO', 'PostgreSQL', HISTORY, SQLITE)


def never():
    """Whoever waits is not to end."""
    return False


@contextmanager
def elsewhere(work, *args):
    """Inside, *work* goes on in another thread; gives what it returned."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(work(*args)), daemon=True)
    thread.start()
    yield found
    thread.join(60)
    assert not thread.is_alive()


def change(database):
    """Commit something, as another client."""
    connection = database.client().open()
    connection.root()['changed'] = connection.root().get('changed', 0) + 1
    connection.transaction_manager.commit()
    connection.close()


def last_transaction(database):
    """The last one, as a client knows it that has just come."""
    connection = database.client().open()
    try:
        return connection._storage.lastTransaction()
    finally:
        connection.close()


class Storage:
    """One that is set to a transaction, and says what it is told to say."""

    def __init__(self):
        self.tid = 1
        self.looks = 0
        self.answer = lambda: None

    def lastTransaction(self):
        return self.tid

    def is_connected(self):
        self.looks += 1
        self.answer()
        return True


class Database:
    """As much of a `ZODB.DB` as is looked at."""

    def __init__(self, databases=None):
        self.storage = Storage()
        #: all that belong together, as those of mounted sites do
        self.databases = {} if databases is None else databases
        self.databases[str(len(self.databases))] = self


class Told(Availability):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def away(self, source, problem):
        self.told.append(str(problem))
        super().away(source, problem)

    def back(self, source):
        self.told.append('back')
        super().back(source)

    def leave(self, source):
        self.told.append('leave')
        super().leave(source)


@pytest.fixture
def db():
    return Database()


@pytest.fixture
def availability():
    return Told()


@pytest.fixture
def watcher(db, availability):
    with watching(db, availability) as watcher:
        yield watcher


def waits(watcher):
    """Return when somebody waits."""
    wait_until(lambda: watcher.waiting, 'somebody who waits')


# -- On each storage


@EVERYWHERE
class TestWaking:

    @pytest.fixture
    def watcher(self, database):
        # Nobody has a connection but those that change something.
        database.close()
        with watching(database.db, Availability()) as watcher:
            if type(watcher.probe) is PollingProbe:
                # What happened before the first look is not known.
                assert watcher.wait(watcher.mark(), LONG, never)
            yield watcher

    def test_what_is_committed_while_one_waits_ends_the_wait(
            self, database, watcher):
        mark = watcher.mark()
        with elsewhere(watcher.wait, mark, LONG, never) as found:
            waits(watcher)
            change(database)
        assert found == [True]

    def test_and_what_was_committed_after_the_look(self, database, watcher):
        for _ in range(3):
            mark = watcher.mark()
            # Here one has looked for something to do, and found nothing.
            change(database)
            assert watcher.wait(mark, LONG, never)

    def test_it_waits_no_longer_than_it_is_told_to(self, database, watcher):
        assert not watcher.wait(watcher.mark(), .3, never)

    def test_several_wait_for_the_same(self, database, watcher):
        mark = watcher.mark()
        with elsewhere(watcher.wait, mark, LONG, never) as one:
            with elsewhere(watcher.wait, mark, LONG, never) as two:
                wait_until(lambda: watcher.waiting == 2, 'both')
                change(database)
        assert one == two == [True]

    def test_waiting_writes_nothing(self, database, watcher):
        before = last_transaction(database)
        watcher.wait(watcher.mark(), .3, never)
        assert last_transaction(database) == before


@pytest.mark.storages('FileStorage', 'ZEO')
def test_where_the_last_transaction_is_known_that_is_looked_at(database):
    with watching(database.db, Availability()) as watcher:
        assert type(watcher.probe) is LocalProbe


@pytest.mark.storages('PostgreSQL', HISTORY)
class TestPolling:

    @pytest.fixture
    def probe(self, database):
        probe = PollingProbe(database.db.storage)
        yield probe
        probe.close()

    def states(self, server):
        """What the sessions of clients do, in its own words."""
        connection = psycopg2.connect(server.dsn)
        with connection.cursor() as cursor:
            cursor.execute(
                'SELECT state FROM pg_stat_activity '
                "WHERE backend_type = 'client backend' "
                'AND pid <> pg_backend_pid()')
            found = {state for state, in cursor}
        connection.close()
        return found

    def test_no_transaction_is_left_open(
            self, database, probe, postgresql_server):
        for _ in range(3):
            change(database)
            probe.look()
            assert self.states(postgresql_server) == {'idle'}

    def test_it_sees_each_change_once(self, database, probe):
        # What happened before the first look is not known.
        assert probe.look()
        assert not probe.look()
        change(database)
        assert probe.look()
        assert not probe.look()
        assert probe.mark() == 2

    def test_nor_is_one_missed_if_the_session_is_ended(
            self, database, probe, postgresql_server):
        probe.look()
        change(database)
        postgresql_server.terminate_backends()
        assert probe.look()


class TestPolled:
    """A poll that fails, by a storage that fails when it is told to."""

    class Instance:

        def __init__(self, storage):
            self.storage = storage

        def poll_invalidations(self):
            return self.storage.answers.pop(0)()

        def afterCompletion(self):
            self.storage.done.append('ended')

        def release(self):
            self.storage.done.append('released')
            raise OSError('There is no session.')

    @pytest.fixture
    def storage(self):
        class Several:

            def __init__(self):
                self.answers = []
                self.done = []

            def new_instance(self):
                self.done.append('new')
                return TestPolled.Instance(self)

        return Several()

    @pytest.fixture
    def probe(self, storage):
        return PollingProbe(storage)

    @pytest.mark.parametrize('answer, changed', [
        (None, True), ([], False), ([b'1'], True)])
    def test_a_list_of_changes_or_none_that_is_known(
            self, probe, storage, answer, changed):
        storage.answers += [list, lambda: answer]
        assert probe.look()
        assert probe.look() == changed
        assert storage.done == ['new', 'ended', 'ended']

    def test_after_an_error_another_session_is_made(self, probe, storage):
        def fail():
            raise OSError('no answer')

        storage.answers += [list, fail, fail, list]
        probe.look()
        mark = probe.mark()
        for _ in range(2):
            with pytest.raises(OSError, match='no answer'):
                probe.look()
        assert probe.mark() == mark
        # Nobody knows what has happened meanwhile.
        assert probe.look()
        assert probe.mark() != mark
        assert storage.done == [
            'new', 'ended', 'released', 'new', 'released', 'new', 'ended']

    def test_one_that_has_never_looked_has_nothing_to_close(
            self, probe, storage):
        probe.close()
        assert storage.done == []


# -- A LocalProbe one, by itself


class TestLocal:

    @pytest.fixture
    def probe(self, db):
        return LocalProbe(db.storage)

    def test_it_sees_each_change_once(self, probe, db):
        assert not probe.look()
        db.storage.tid = 2
        assert probe.look()
        assert not probe.look()

    def test_the_mark_is_the_last_transaction(self, probe, db):
        assert probe.mark() == 1
        db.storage.tid = 2
        assert probe.mark() == 2

    def test_a_server_that_is_not_connected_is_away(self, probe, db):
        db.storage.is_connected = lambda: False
        probe = LocalProbe(db.storage)
        with pytest.raises(ConnectionError, match='not connected'):
            probe.look()

    def test_a_storage_without_a_server_is_always_there(self):
        class Plain:

            def lastTransaction(self):
                return 1

        probe = LocalProbe(Plain())
        assert not probe.look()
        probe.close()


class TestEyes:
    """Several databases that belong together."""

    @pytest.fixture
    def dbs(self):
        first = Database()
        return first, Database(first.databases)

    @pytest.mark.parametrize('changed', [0, 1])
    def test_a_change_in_any_of_them_is_seen_once(self, dbs, changed):
        probe = probe_of(dbs[0])
        for one in probe.probes:
            one.interval = 0
        mark = probe.mark()
        assert not probe.ask()
        dbs[changed].storage.tid = 2
        assert probe.mark() != mark
        assert probe.ask()
        assert not probe.ask()
        probe.close()

    def test_each_looks_no_more_often_than_alone(self, dbs, monkeypatch):
        probe = probe_of(dbs[0])
        probe.probes[0].interval, probe.probes[1].interval = .2, .01
        now = [100.0]

        class Time:

            @staticmethod
            def monotonic():
                return now[0]

        monkeypatch.setattr(waiting, 'time', Time)
        before = [one.storage.looks for one in dbs]
        for _ in range(41):
            probe.ask()
            now[0] += .01
        assert [one.storage.looks - count for one, count in zip(
            dbs, before, strict=True)] == [3, 41]

    def test_one_that_is_away_is_said(self, dbs):
        probe = probe_of(dbs[0])
        dbs[1].storage.is_connected = lambda: False
        assert probe_of(dbs[1]).interval == probe.interval
        with pytest.raises(ConnectionError):
            probe_of(dbs[0]).ask()

    def test_it_is_said_until_it_is_back(self, dbs):
        dbs[0].storage.is_connected = lambda: False
        probe = probe_of(dbs[0])
        mark = probe.probes[1].seen
        for _ in range(2):
            with pytest.raises(ConnectionError):
                probe.ask()
        # The other is looked at all the same.
        assert probe.probes[1].unanswered is None
        assert probe.probes[1].seen == mark
        probe.cut_if_silent()

    def test_one_alone_is_looked_at_as_it_is(self, db):
        assert type(probe_of(db)) is LocalProbe


class TestWatcher:

    def test_there_is_one_for_all_and_it_ends_with_its_last_user(self, db):
        availabilities = Availability(), Availability()
        with watching(db, availabilities[0]) as one:
            with watching(db, availabilities[1]) as two:
                assert two is one
                assert one.availabilities == list(availabilities)
            assert one.thread.is_alive()
            assert one.availabilities == [availabilities[0]]
        assert not one.thread.is_alive()
        with watching(db, availabilities[0]) as another:
            assert another is not one

    def test_threads_of_one_worker_use_it_each_by_itself(
            self, db, availability):
        with watching(db, availability) as one:
            with watching(db, availability):
                """Another thread, which ends first."""
            assert one.thread.is_alive()
            mark = one.mark()
            with elsewhere(one.wait, mark, LONG, never) as found:
                waits(one)
                db.storage.tid = 2
            assert found == [True]
        assert not one.thread.is_alive()

    def test_each_database_has_its_own(self, db, availability):
        with watching(db, availability) as one:
            with watching(Database(), availability) as two:
                assert one is not two

    def test_it_ends_with_an_error_of_its_user(self, db, availability):
        with pytest.raises(OSError), watching(db, availability) as one:
            raise OSError
        assert not one.thread.is_alive()

    def test_while_nobody_waits_it_looks_now_and_then(
            self, db, watcher, monkeypatch):
        monkeypatch.setattr(waiting, 'PULSE', .01)
        watcher.ring()
        wait_until(lambda: db.storage.looks > 3, 'looks')

    def test_who_is_to_end_is_found_by_a_ring(self, watcher):
        ended = threading.Event()
        with elsewhere(watcher.wait, 1, LONG, ended.is_set) as found:
            waits(watcher)
            ended.set()
            watcher.ring()
        assert found == [True]

    def test_who_is_to_end_already_does_not_wait(self, watcher):
        assert watcher.wait(1, LONG, lambda: True)

    def test_all_are_told_that_it_is_away_and_that_it_is_back(
            self, db, availability, watcher):
        def fail():
            raise OSError('no answer')

        another = Told()
        with watching(db, another):
            db.storage.answer = fail
            with elsewhere(watcher.wait, 1, LONG, never):
                for one in (availability, another):
                    wait_until(lambda: not one.answers, 'away')
                db.storage.answer = lambda: None
                for one in (availability, another):
                    wait_until(lambda: one.answers, 'back')
                db.storage.tid = 2
        assert {'no answer', 'back'} <= (
            set(availability.told) & set(another.told))

    def test_one_that_has_ended_keeps_it_away_no_longer(
            self, db, availability):
        def fail():
            raise OSError('no answer')

        db.storage.answer = fail
        with watching(db, availability) as watcher:
            with elsewhere(watcher.wait, 1, LONG, never):
                wait_until(lambda: not availability.answers, 'away')
                db.storage.tid = 2
                watcher.ring()
        # It has not come back; but the first answer will do.
        assert not availability.answers
        availability.back('another')
        assert availability.answers

    def test_a_database_that_is_away_is_asked_less_and_less_often(
            self, db, watcher, monkeypatch):
        def fail():
            raise OSError('no answer')

        pauses = []
        real = waiting.time

        class Time:
            monotonic = real.monotonic

            @staticmethod
            def sleep(seconds):
                pauses.append(seconds)

        db.storage.answer = fail
        monkeypatch.setattr(waiting, 'time', Time)
        with elsewhere(watcher.wait, 1, LONG, never):
            wait_until(lambda: len(pauses) > 20, 'looks')
            db.storage.answer = lambda: None
            count = len(pauses)
            wait_until(lambda: len(pauses) > count + 2, 'looks')
            db.storage.tid = 2
        assert pauses[:3] == [
            waiting.LOCAL_INTERVAL * times for times in (2, 4, 8)]
        assert max(pauses) == waiting.LONGEST_PROBE_PAUSE
        assert waiting.LOCAL_INTERVAL in pauses[count:]

    def test_since_when_it_asks_is_known(self, db, watcher):
        asked, going_on = threading.Event(), threading.Event()

        def answer():
            asked.set()
            going_on.wait()

        assert watcher.asking is None
        db.storage.answer = answer
        with elsewhere(watcher.wait, 1, LONG, never):
            assert asked.wait(60)
            assert watcher.asking is not None
            going_on.set()
            db.storage.answer = lambda: None
            wait_until(lambda: watcher.asking is None, 'an answer')
            db.storage.tid = 2

    def test_one_that_gets_no_answer_is_left_to_itself(
            self, db, availability, monkeypatch):
        monkeypatch.setattr(waiting, 'LONGEST_PROBE_PAUSE', .01)
        asked, going_on = threading.Event(), threading.Event()

        def answer():
            asked.set()
            going_on.wait()

        db.storage.answer = answer
        with watching(db, availability) as watcher:
            ended = threading.Event()
            with elsewhere(watcher.wait, 1, LONG, ended.is_set):
                assert asked.wait(60)
                ended.set()
                watcher.ring()
        assert watcher.thread.is_alive()
        going_on.set()
        watcher.thread.join(60)
        assert not watcher.thread.is_alive()
