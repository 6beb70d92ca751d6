"""A schedule that was copied, or exported and imported, and the original.

It holds what the original held, all of it its own, and is sound before it is
used and after; and the original is as it was.
"""

import copy
import os
from collections import Counter
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace

import pytest
import transaction
from databases import wait_until
from losing import lose
from persistent.mapping import PersistentMapping
from places import check
from sample_work import NOON
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import try_to_commit
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from ZODB.serialize import referencesf
from ZODB.utils import u64

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import NotStored
from zodbschedule.liveness.heartbeat import alive
from zodbschedule.scheduling import arrival
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.arrival import AtArrival
from zodbschedule.scheduling.endings import running_in
from zodbschedule.scheduling.soundness.flaw import FlawKind
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.scheduling.soundness.survey import mend
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import task_id
from zodbschedule.store.labels import codes_of
from zodbschedule.worker import Worker


pytestmark = pytest.mark.storages('FileStorage')

HOUR = timedelta(hours=1)

#: connections to other databases
opened = []

#: the tasks that fail, by their descriptions
failing = {'retried', 'parked', 'series that failed'}


class Named(Task):
    """Fails if the test says so, and counts its runs."""

    runs = 0

    def __call__(self):
        if self.description in failing:
            raise ValueError('it is to fail')
        self.runs += 1


def named(description, time=NOON, **options):
    return Named(time, description=description, **options)


def by_name(tasks):
    return {task.description: task for task in tasks}


def take(schedule, claim, limit):
    turn.exchange(schedule, claim, limit, None, at(1),
                  lambda instant, task: True)


# -- An original with entries of all kinds


def keep_history(schedule):
    """Some tasks run, with all outcomes."""
    for task in (named('done'), named('parked'),
                 named('retried', retry=Retry(3, delay=HOUR, jitter=0)),
                 named('series', recurrence=Every(HOUR, NOON)),
                 named('series that failed', recurrence=Every(HOUR, NOON))):
        schedule.schedule(task)
    commit(schedule)
    schedule.process(NOON)
    begin(schedule)


def let_wait(schedule):
    for number in range(40):
        schedule.schedule(named(f'busy {number}', at(300)))
    schedule.schedule(named('plain', at(120), principalId='jo'))
    schedule.schedule(named('keyed', at(120), key='keyed'))
    paused = schedule.schedule(named('paused', at(120)))
    schedule.schedule(named('paused and keyed', at(120), key='paused'))
    schedule.call('sample_functions.fail', 'x' * 10_000, time=at(120),
                  description='large')
    schedule.pause(paused, reason='wrong figures', by='jo')
    schedule.pause(by_name(schedule)['paused and keyed'])
    commit(schedule)


def crash(schedule):
    """A task has crashed once."""
    schedule.schedule(named('crashed', at(1)))
    schedule.lease = timedelta(minutes=5)
    dead = schedule.claims['dead'] = Claim('dead', this())
    commit(schedule)
    take(schedule, dead, 1)
    turn.withdraw(schedule, 'dead', dead, at(1),
                  running_in(dead, 'it has ended', crashed=True))
    schedule.change(by_name(schedule)['crashed'], time=at(120))
    commit(schedule)


def let_run(schedule):
    """A worker of this very process holds tasks, and runs one."""
    claim = schedule.claims['living'] = Claim('living', this())
    for name, options in {
            'settled': {'key': 'settled', 'recurrence': Every(HOUR, at(1))},
            'gone': {'key': 'gone'},
            'ended': {'recurrence': Every(HOUR, at(1))},
            'running': {'key': 'running', 'recurrence': Every(HOUR, at(1))},
            'claimed': {}}.items():
        schedule.schedule(named(name, at(1), principalId='jo', **options))
    commit(schedule)
    take(schedule, claim, 5)
    commit(schedule)
    tasks = {slot.task.description: slot.task for slot in claim.slots}
    schedule.run_now(tasks['running'])
    schedule.run_now(tasks['ended'])
    settle(schedule, claim, tasks)
    schedule.pause(tasks['claimed'])
    commit(schedule)
    schedule.schedule(named('gone again', at(200), key='gone'))
    commit(schedule)
    return claim


def settle(schedule, claim, tasks):
    """Runs have settled, and no turn has collected anything of them."""
    first, second, third, *_ = claim.slots
    assert first.task is tasks['settled'] and second.task is tasks['gone']
    stamp(tasks['settled'], at(61))
    micros = to_micros(at(1))
    made = named('made by a run', at(200), principalId='jo')
    schedule._p_jar.add(made)
    stamp(made, at(200), schedule)
    first.schedule(to_micros(at(200)), made)
    first.label(codes_of(made), ())
    first.settle(
        1, record(first.oid, micros, 1, micros, 'settled', '', began=micros),
        (to_micros(at(61)), tasks['settled']))
    for slot, name in (second, 'gone'), (third, 'ended'):
        # It does not go on; but it is requested that the second does.
        slot.label((), codes_of(tasks[name]))
        slot.settle(1, u64(tasks[name]._p_oid))


@pytest.fixture
def original(database, clock):
    """A schedule with entries of all kinds, committed, and a worker at work.
    """
    clock.set(NOON)
    schedule = database.schedule()
    keep_history(schedule)
    clock.set(at(1))
    crash(schedule)
    let_wait(schedule)
    let_run(schedule)
    schedule.pause(reason='holiday')
    commit(schedule)
    alive.add((os.getpid(), 'living'))
    yield schedule
    alive.discard((os.getpid(), 'living'))


# -- Ways to copy it; each gives the copy, not used yet


def exported(schedule):
    """An open file with *schedule*."""
    file = schedule._p_jar.exportFile(schedule._p_oid, BytesIO())
    file.seek(0)
    return file


def into_the_same(schedule, folder):
    jar = schedule._p_jar
    jar.root()['copy'] = jar.importFile(exported(schedule))
    commit(schedule)
    return jar.root()['copy']


def before_the_commit(schedule, folder):
    """As Zope pastes: what is imported is used in the same transaction."""
    jar = schedule._p_jar
    holder = jar.root()['holder'] = PersistentMapping()
    holder['copy'] = jar.importFile(exported(schedule))
    return holder['copy']


def into_another(schedule, folder):
    """The first object of a new database: it has the same oid there."""
    db = DB(FileStorage(str(folder / 'Other.fs')))
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    jar = db.open(manager)
    jar.root()['copy'] = jar.importFile(exported(schedule))
    manager.commit()
    manager.begin()
    jar.cacheMinimize()
    opened.append(jar)
    return jar.root()['copy']


def deeply(schedule, folder):
    root = schedule._p_jar.root()
    root['copy'] = copy.deepcopy(schedule)
    commit(schedule)
    return root['copy']


def twice(schedule, folder):
    """A copy of a copy that was never used."""
    return into_the_same(into_the_same(schedule, folder), folder)


def of_one_in_use(schedule, folder):
    """A copy of a copy that is used."""
    first = into_the_same(schedule, folder)
    list(first.parked)
    commit(first)
    return into_the_same(first, folder)


def of_one_just_pasted(schedule, folder):
    """A copy of a copy that was used before it was committed, and not since.
    """
    first = before_the_commit(schedule, folder)
    list(first.parked)
    commit(first)
    return into_the_same(first, folder)


WAYS = [into_the_same, before_the_commit, into_another, deeply, twice,
        of_one_in_use, of_one_just_pasted]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request, closing):
    return request.param


@pytest.fixture
def closing():
    """In the end the other databases are closed."""
    yield
    while opened:
        connection = opened.pop()
        connection.transaction_manager.abort()
        connection.close()
        connection.db().close()


@pytest.fixture
def copied(original, way, tmp_path):
    """A copy, made in each of the ways."""
    return way(original, tmp_path)


@pytest.fixture(params=[before_the_commit, into_another],
                ids=lambda way: way.__name__)
def some_copy(request, original, closing, tmp_path):
    """A copy, in the same database and in another."""
    return request.param(original, tmp_path)


def records(schedule):
    """The oids of all records of *schedule*, with the tids."""
    jar, found, oids = schedule._p_jar, {}, [schedule._p_oid]
    while oids:
        oid = oids.pop()
        if oid not in found:
            data, found[oid] = jar.db().storage.load(oid)
            referencesf(data, oids)
    return found


def use(copied):
    """Have it arrive, and commit."""
    assert copied.parked
    commit(copied)
    copied._p_jar.cacheMinimize()


# -- What is in the copy


class Facts(SimpleNamespace):
    """What a schedule says of itself, by the descriptions of the tasks."""

    def __init__(self, schedule):
        everything = [*schedule, *(e.task for e in schedule.parked),
                      *(claimed.task for claimed in schedule.claimed())]
        super().__init__(
            waiting=sorted(
                (task.description, task.time) for task in schedule),
            keys={key: schedule.keys.get(key).description
                  for key in schedule.keys},
            paused={task.description: schedule.paused(task)
                    for task in schedule if schedule.paused(task)},
            all_paused=schedule.paused(),
            crashes=sorted(
                (task.description, count)
                for count, task in schedule.crashes.values()),
            parked={(e.description, e.occurrence, e.reason)
                    for e in schedule.parked},
            lease=schedule.lease,
            history=sorted(
                (e.description, e.outcome) for e in schedule.history),
            ids={task_id(task): task.description for task in everything})


def test_everything_arrives_and_belongs_to_the_tasks_of_the_copy(copied):
    facts = Facts(copied)
    assert facts.all_paused.reason == 'holiday'
    assert facts.lease == timedelta(minutes=5)
    assert {name: (pause.by, pause.reason)
            for name, pause in facts.paused.items()} == {
        'paused': ('jo', 'wrong figures'), 'paused and keyed': (None, ''),
        'claimed': (None, '')}
    assert facts.keys == {
        'keyed': 'keyed', 'paused': 'paused and keyed', 'gone': 'gone again',
        'settled': 'settled', 'running': 'running'}
    assert facts.crashes == [('crashed', 1)]
    assert [(name, occurrence) for name, occurrence, _ in sorted(
        facts.parked, key=str)] == [
            ('parked', None), ('series that failed', NOON)]
    assert {name for name, _ in facts.waiting} == {
        *(f'busy {number}' for number in range(40)), 'plain', 'keyed',
        'paused', 'paused and keyed', 'large', 'retried', 'series',
        'series that failed', 'crashed', 'settled', 'running', 'claimed',
        'made by a run', 'gone again', 'ended'}


def test_the_tasks_of_a_principal_are_found_in_the_copy(some_copy):
    copied = some_copy
    assert sorted(task.description for task in copied.tasks_of('jo')) == [
        'claimed', 'ended', 'made by a run', 'plain', 'running', 'settled']
    assert all(task in copied for task in copied.tasks_of('jo'))


def test_it_is_sound_before_it_is_used_and_after(copied, original):
    check(copied)
    use(copied)
    check(copied)
    check(original)


def test_no_claim_is_alive_in_the_copy_and_no_crash_is_counted(some_copy):
    copied = some_copy
    assert list(copied.claimed()) == []
    assert list(copied.workers) == []
    assert [e.description for e in copied.history.select(
        outcome='interrupted')] == ['crashed']
    assert dict(Facts(copied).waiting)['running'] == at(1)


def test_what_a_worker_held_runs_in_the_copy(some_copy):
    copied = some_copy
    copied.resume()
    copied.pause(by_name(copied)['series'])
    commit(copied)
    copied.process(at(1))
    begin(copied)
    tasks = by_name(copied)
    assert tasks['running'].runs == 1
    assert tasks['claimed'].runs == 0, 'it is paused'
    copied.resume(tasks['claimed'])
    claimed = tasks['claimed']
    commit(copied)
    copied.process(at(1))
    assert claimed.runs == 1
    assert tasks['running'].runs == 2, 'it was requested while it ran'
    check(copied)


def test_the_ids_in_the_copy_name_its_own_tasks(copied):
    facts = Facts(copied)
    for id, description in facts.ids.items():
        entry = copied.parked.get(id)
        found = copied.get(id) if entry is None else entry.task
        assert found.description == description
    for entry in copied.parked:
        assert entry.id.startswith(task_id(entry.task))
        assert copied.parked.get(entry.id) is entry
    for event in copied.history.select(outcome='paused'):
        assert event.id == '0' or facts.ids[event.id] == event.description


def test_the_history_of_a_task_is_found_by_that_of_the_copy(copied):
    tasks = by_name(copied)
    for name, outcomes in {
            'series': ['succeeded'], 'retried': ['retried'],
            'crashed': ['interrupted'], 'settled': ['succeeded'],
            'series that failed': ['failed'], 'plain': []}.items():
        found = list(copied.history.select(tasks[name]))
        assert [each.outcome for each in found] == outcomes, name
        assert all(each.tid is None for each in found)
    parked = next(e for e in copied.parked if e.occurrence is None)
    assert [each.description for each in copied.history.select(
        parked.task)] == ['parked']
    # Those that are not there any more have no id, which no task has.
    done = [each for each in copied.history if each.description == 'done']
    assert [each.id for each in done] == ['']
    assert list(copied.history.select(Named())) == []


def test_what_people_do_in_the_copy_is_done_to_its_tasks(some_copy):
    copied = some_copy
    tasks = by_name(copied)
    copied.resume(tasks['paused'])
    assert copied.paused(tasks['paused']) is None
    copied.resume()
    copied.unschedule(tasks['keyed'])
    assert 'keyed' not in copied.keys
    anew = copied.call('sample_functions.fail', key='keyed', time=at(120),
                       duplicate='keep')
    assert anew in copied
    with pytest.raises(AlreadyScheduled):
        copied.call('sample_functions.fail', key='settled', time=at(120))
    replaced = copied.call('sample_functions.fail', key='paused', time=at(9),
                           duplicate='replace')
    assert copied.paused(replaced), 'as that which it replaces'
    copied.unschedule(tasks['crashed'])
    assert not copied.crashes
    for entry in list(copied.parked):
        with pytest.raises(AlreadyScheduled):
            copied.schedule(entry.task)
        copied.unpark(entry, at(120))
    copied.run_now(tasks['series'])
    commit(copied)
    check(copied)
    assert not copied.parked


def test_large_arguments_are_those_of_the_copy(some_copy, original):
    copied = some_copy
    large = by_name(copied)['large']
    assert large.args == ('x' * 10_000,)
    assert large._arguments is not by_name(original)['large']._arguments


def test_a_task_that_left_its_key_behind_gets_none_in_the_copy(some_copy):
    copied = some_copy
    tasks = by_name(copied)
    copied.unschedule(tasks['gone again'])
    assert 'gone' not in copied.keys
    again = copied.call('sample_functions.fail', key='gone', time=at(120))
    assert copied.keys.get('gone') is again


def test_nothing_in_the_copy_is_of_the_original(copied, original):
    use(copied)
    if copied._p_jar.db() is original._p_jar.db():
        assert not records(copied).keys() & records(original).keys()


def test_the_original_is_not_touched(original, way, tmp_path):
    before, facts = records(original), Facts(original)
    copied = way(original, tmp_path)
    use(copied)
    copied.resume()
    commit(copied)
    copied.process(at(400))
    begin(original)
    assert records(original) == before
    assert Facts(original) == facts
    assert [claimed.running for claimed in original.claimed()
            if claimed.task.description == 'running'] == [True]
    check(original)


def test_it_arrives_once(some_copy):
    copied = some_copy
    use(copied)
    before = records(copied)
    Facts(copied)
    check(copied)
    copied._p_jar.cacheMinimize()
    assert not copied.withheld
    commit(copied)
    assert records(copied) == before


def test_looking_at_it_without_a_commit_leaves_it_as_it_is(
        original, tmp_path):
    copied = into_the_same(original, tmp_path)
    before, facts = records(copied), Facts(copied)
    begin(copied)
    assert records(copied) == before
    assert copied.withheld
    assert Facts(copied) == facts


# -- Before it has arrived


@pytest.fixture
def pair(original, tmp_path):
    """A schedule, and a copy in the same database that nobody has used."""
    return original, into_the_same(original, tmp_path)


def test_a_setting_can_be_made_before_it_arrives(pair):
    _, copied = pair
    copied.lease = HOUR
    commit(copied)
    copied._p_jar.cacheMinimize()
    assert copied.withheld
    facts = Facts(copied)
    assert (facts.lease, facts.crashes) == (HOUR, [('crashed', 1)])


def test_it_arrives_in_little_memory(pair, monkeypatch):
    _, copied = pair
    monkeypatch.setattr(arrival, 'FETCHED', 5)
    copied._p_jar._cache.cache_size = 0
    assert Facts(copied).crashes == [('crashed', 1)]
    check(copied)


def test_a_copy_that_is_in_no_database_says_so(original):
    copied = copy.deepcopy(original)
    assert copied.lease == original.lease
    with pytest.raises(NotStored, match='not in a database yet'):
        list(copied.parked)
    with pytest.raises(NotStored):
        copied.schedule(named('another'))


def test_a_schedule_lacks_no_other_attribute():
    assert isinstance(Schedule.keys, AtArrival)
    with pytest.raises(AttributeError, match='keys'):
        vars(Schedule)['keys'].__get__(Schedule.__new__(Schedule), Schedule)


def test_if_it_cannot_arrive_nothing_of_it_is_seen(pair, monkeypatch):
    _, copied = pair

    def fail(*args):
        raise ValueError('it is to fail')

    with monkeypatch.context() as patch:
        patch.setattr(arrival, 'withdraw', fail)
        for _ in range(2):
            with pytest.raises(ValueError):
                list(copied.keys)
    begin(copied)
    assert Facts(copied).crashes == [('crashed', 1)]


@pytest.mark.storages('FileStorage', 'ZEO')
def test_of_two_that_let_it_arrive_one_conflicts(database, pair):
    ours, theirs = (database.open().root()['copy'] for _ in range(2))
    assert ours.parked and theirs.parked
    assert try_to_commit(ours)
    assert not try_to_commit(theirs)
    assert Facts(theirs) == Facts(ours)
    assert not theirs.withheld


def test_a_damaged_copy_is_mended_before_it_arrives(database, pair):
    _, copied = pair
    keys = copied.keys
    begin(copied)
    lose(database, keys)
    kinds = {flaw.kind for flaw in flaws(copied)}
    assert kinds == {FlawKind.LOST_RECORD}
    mend(copied)
    commit(copied)
    copied._p_jar.cacheMinimize()
    assert not copied.withheld
    check(copied)
    assert {each.task.description for each in copied.paused_tasks()} == {
        'paused', 'paused and keyed', 'claimed'}
    assert 'keyed' in copied.keys


def test_what_has_lost_records_arrives_without_them(database, pair):
    _, copied = pair
    # As they were before it arrives.
    found = database.open().root()['copy'].withheld
    entries = found['parked'].entries
    requests = list(found['requests'].entries.values())
    gone = next(e for e in entries.values() if e.occurrence is None)
    lose(database, gone, *requests, found['crashes'])
    assert [e.description for e in copied.parked] == ['series that failed']
    assert len(copied.parked) == 1
    assert not copied.requests.entries
    assert not copied.crashes
    check(copied)


def test_without_a_witness_nothing_is_taken_for_a_copy(database, pair):
    original, copied = pair
    lose(database, original.witness)
    original._p_jar.cacheMinimize()
    assert not original.withheld
    assert original.identity == (1, original.identity[1])


# -- Who is identified, and when


NOTES = {
    'a key': lambda schedule: schedule.schedule(named('keyed', key='a')),
    'a principal': lambda schedule: schedule.schedule(
        named('labeled', principalId='jo')),
    'another principal': lambda schedule: schedule.change(
        next(iter(schedule)), principalId='jo'),
    'a pause': lambda schedule: schedule.pause(next(iter(schedule))),
    'a run': lambda schedule: schedule.process(NOON)}


@pytest.mark.parametrize('note', NOTES.values(), ids=NOTES)
def test_a_new_schedule_is_identified_by_the_first_note(database, note):
    schedule = database.schedule()
    schedule.schedule(named('plain'))
    assert schedule.identity is None
    commit(schedule)
    note(schedule)
    assert schedule.identity == (1, schedule.witness._p_serial)


def test_what_is_noted_before_the_first_commit_arrives_in_another_database(
        tmp_path, closing):
    """Where the copy has the same oid as the original."""
    db = DB(MappingStorage())
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    jar = db.open(manager)
    schedule = Schedule()
    jar.add(schedule)
    # The oids of tasks come before those of the parts of the schedule.
    schedule.schedule(named('keyed', at(1), key='a'))
    schedule.pause(schedule.schedule(named('paused', at(1))))
    assert schedule.identity == (1, None)
    jar.root()['schedule'] = schedule
    manager.commit()
    manager.begin()
    copied = into_another(schedule, tmp_path)
    assert copied.identity == schedule.identity == (1, None)
    copied.schedule(named('other', at(1), key='b'))
    commit(copied)
    check(copied)
    assert set(Facts(copied).paused) == {'paused'}
    manager.abort()
    jar.close()
    db.close()


@pytest.fixture
def made_at_once(database):
    """A schedule that had something on note before it had an oid."""
    schedule = Schedule()
    schedule.schedule(named('keyed', at(1), key='a'))
    schedule.schedule(named('labeled', at(1), principalId='jo'))
    assert schedule.identity == (0, None)
    connection = database.open()
    connection.root()['schedule'] = schedule
    connection.transaction_manager.commit()
    return database.schedule()


def test_what_is_noted_before_there_is_an_oid_is_no_copy(
        made_at_once, database, caplog):
    caplog.set_level('INFO')
    assert not made_at_once.withheld
    with Worker(database.db, lease=timedelta(seconds=30)):
        wait_until(lambda: not list(database.schedule()), 'the runs')
    assert 'is a copy' not in caplog.text
    check(database.schedule())


def test_and_a_copy_of_it_is_in_order(made_at_once, tmp_path):
    copied = into_another(made_at_once, tmp_path)
    copied.schedule(named('other', at(1), key='b'))
    commit(copied)
    check(copied)
    assert copied.keys.get('a').description == 'keyed'
    [task] = copied.tasks_of('jo')
    assert task.description == 'labeled'


def test_a_copy_of_the_whole_database_is_the_same_schedule(
        original, database, tmp_path):
    before = records(original)
    other = FileStorage(str(tmp_path / 'Copy.fs'))
    other.copyTransactionsFrom(database.db.storage)
    db = DB(other)
    with db.transaction() as connection:
        copied = connection.root()['schedule']
        assert not copied.withheld
        assert records(copied) == before
        assert len(list(copied.workers)) == 1
    db.close()


# -- Workers


@pytest.mark.storages('FileStorage', 'ZEO')
def test_a_worker_lets_it_arrive_and_the_original_goes_on(database, pair):
    original, copied = pair
    for schedule in pair:
        schedule.resume()
        commit(schedule)
    copied.resume(by_name(copied)['claimed'])
    commit(copied)
    with Worker(database.db, 'copy'):
        wait_until(lambda: _runs(database, 'claimed', 'running') == [1, 2],
                   'the runs')
    begin(original)
    assert [claimed.worker for claimed in original.claimed()] == [
        'living'] * 4
    for name in 'schedule', 'copy':
        check(database.open().root()[name])


def _runs(database, *descriptions):
    """How often those tasks have run in the copy."""
    entries = Counter(
        entry.description for entry in database.open().root()[
            'copy'].history.select(outcome='succeeded'))
    return [entries[description] for description in descriptions]
