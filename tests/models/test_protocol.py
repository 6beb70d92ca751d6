"""The claim protocol: every interleaving of it, as a model.

The model is in `protocol`, what visits it in `interleavings`.  That it finds
what is wrong is shown by breaking one rule after the other; that it is a model
of this code, by comparing what each of the two writes.
"""

from collections import Counter
from functools import cache

import pytest
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from interleavings import MIRROR
from interleavings import Explorer
from interleavings import renamed
from persistent.list import PersistentList
from protocol import LEAF
from protocol import Broken
from protocol import Scene
from protocol import Transaction
from protocol import check
from protocol import check_over
from protocol import merged
from protocol import tidy
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import try_to_commit
from ZODB.utils import u64

from zodbschedule.execution.consumer import Consumer
from zodbschedule.scheduling.turn import relieve
from zodbschedule.store import timetable
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Heartbeat
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import Chunk


#: two tasks wait at two instants
TWO = Scene(('a', 'c'))

#: two of three share a list
THREE = Scene(('ab', 'c'))

#: one of two that wait is unscheduled as a third is appended to its list, and
#: the other reschedules itself to that instant
USERS = TWO._replace(scheduled='b', unscheduled='a', again='c')

SCENES = {
    'two users': USERS._replace(crashes=2),
    'answers are lost': TWO._replace(
        scheduled='b', registers=True, loses=True, crashes=2),
    'what does not run is handed back': THREE._replace(
        unscheduled='a', relieves=True, registers=True, crashes=1),
    'an instant is busy': THREE._replace(
        busy=True, portion=1, unscheduled='b', crashes=2),
    'commits come late': TWO._replace(
        registers=True, late=True, crashes=1),
    'commits come late, and a user': TWO._replace(
        unscheduled='a', late=True, crashes=1),
}

#: how many states each has: with fewer, something does not happen any more
STATES = {
    'two users': 28_039,
    'answers are lost': 19_071,
    'what does not run is handed back': 13_414,
    'an instant is busy': 5_616,
    'commits come late': 7_350,
    'commits come late, and a user': 14_197,
}

#: what has to happen in all these scenes together
EVENTS = {
    *(f'{kind}, commits' for kind in (
        'turn', 'run', 'relieve', 'withdraw', 'recover', 'schedule',
        'unschedule')),
    *(f'{kind}, {what}' for kind in ('turn', 'run', 'withdraw') for what in (
        'commits, unanswered,', 'in doubt', 'commits late')),
    *(f'vanishes {when}' for when in (
        'without a claim', 'with a claim', 'before a run', 'in a turn',
        'without an answer to a turn', 'in a recover', 'in a withdraw')),
    'starts again', 'finds its claim gone', 'finds its turn committed',
    'finds an outcome', 'finds no such task', 'conflicts in a tree',
    'the end',
}


def explored(scene, reduced=True):
    """An `Explorer` that has seen all, or a problem; it tells how much."""
    explorer = Explorer(scene, reduced).explore()
    print(f'{len(explorer.reached)} states, '
          f'{len(explorer.databases)} of the database')
    print(explorer.problem, *explorer.trace, sep='\n  ')
    return explorer


def explore_the_largest():
    explored(TWO._replace(
        scheduled='b', unscheduled='a', crashes=2, loses=True,
        registers=True, relieves=True))


@cache
def seen_in(name):
    """The problem in that scene, the number of states, and what happened."""
    explorer = explored(SCENES[name])
    return explorer.problem, len(explorer.reached), set(explorer.covered)


def by_workers(explorer):
    """The databases, whichever of the two workers is the first."""
    return {frozenset([db.units, renamed(MIRROR, db)])
            for db in explorer.databases}


@pytest.mark.usefixtures('unmeasured')
class TestEveryInterleaving:
    """Whatever happens in which order, the promises are kept.

    Each task is in one place, and has its effect once, with its outcome.
    Nobody but who means to hits a run.  And if all workers are killed at any
    moment, another one gets through, and so do those that are left.
    """

    @pytest.mark.parametrize('name', SCENES)
    def test_keeps_the_promises(self, name):
        problem, states, _ = seen_in(name)
        assert problem == ''
        assert states == STATES[name]

    def test_there_is_everything_in_it(self):
        covered = {event for name in SCENES for event in seen_in(name)[2]}
        assert EVENTS - covered == set()

    @pytest.mark.slow
    def test_keeps_the_promises_whatever_happens_besides(self, child):
        printed, status = child('test_protocol.explore_the_largest').wait()
        states, *problem = printed.splitlines()
        assert status == 0
        assert states.startswith('203818 states, ')
        assert not any(problem)

    @pytest.mark.parametrize('changes', [
        {'crashes': 1, 'loses': True},
        {'crashes': 1, 'relieves': True},
        {'crashes': 1, 'late': True},
        {'registers': True, 'scheduled': 'b'},
        {'scheduled': 'b', 'unscheduled': 'a'},
    ], ids=lambda changes: ', '.join(changes))
    def test_nothing_is_left_out_that_makes_a_difference(self, changes):
        """With a state after each of the two steps of a transaction."""
        reduced = explored(TWO._replace(**changes))
        whole = explored(TWO._replace(**changes), reduced=False)
        assert whole.problem == ''
        assert len(whole.reached) > 2 * len(reduced.reached)
        assert by_workers(whole) == by_workers(reduced)
        if 'crashes' in changes:
            assert whole.covered['vanishes in a run']
            assert whole.covered['vanishes in a turn']


BUSY = THREE._replace(busy=True, portion=1)

#: a rule, the scene in which it is broken, what comes of it, and how it ends
BREACHES = [
    ('the claim is not written', TWO._replace(registers=True),
     'a is lost', "commits recovering another's claim"),
    ('slots are not written', TWO,
     'the effect of a is not as its outcome',
     "commits recovering another's claim"),
    ('a leaf is not written', TWO._replace(busy=True, scheduled='b'),
     'b is lost', 'commits scheduling b'),
    ('a list is not written', TWO._replace(scheduled='b'),
     'b is lost', 'commits scheduling b'),
    ('a tree is not written', BUSY,
     'a is lost', 'commits a turn that takes b'),
    ('a merge may leave nothing', USERS._replace(crashes=1),
     'a is lost', 'commits'),
    ('a turn keeps its reference', TWO._replace(scheduled='b'),
     'b is lost', 'commits a turn that takes b'),
    ('a first turn does not look', TWO._replace(loses=True),
     'a is lost', 'commits a turn that takes nothing'),
    ('a run does not look', TWO._replace(loses=True),
     'a has its effect twice', 'commits the run in slot 0'),
    ('the slot of a cancelled task is not written',
     TWO._replace(unscheduled='a'),
     'a is in two places', 'commits unscheduling a'),
    ('an id is used again', TWO,
     'a run is wasted', 'commits the run in slot 0'),
    ('what runs is handed back', TWO._replace(relieves=True),
     'a run is wasted', 'commits handing back all but slot 0'),
]


class TestBrokenRules:

    @pytest.mark.parametrize(
        'rule, scene, problem, end', BREACHES,
        ids=[breach[0] for breach in BREACHES])
    def test_each_is_noticed(self, rule, scene, problem, end):
        explorer = explored(scene._replace(broken=frozenset([rule])))
        assert explorer.problem == problem
        assert end in explorer.trace[-1]
        assert len(explorer.trace) <= 10
        assert explored(scene).problem == ''

    @pytest.mark.parametrize('rule', [
        'free slots are not written', 'a run keeps its reference'])
    def test_these_are_belt_and_braces(self, rule):
        """What they prevent is prevented by another rule as well.

        Whoever fills a free slot writes the claim, which who recovers it has
        written; and the slots of a claim that was recovered are free.
        """
        explorer = explored(TWO._replace(
            scheduled='b', registers=True, crashes=1,
            broken=frozenset([rule])))
        assert explorer.problem == ''
        assert len(explorer.reached) > 1000


class TestPromises:
    """What is no state of the model is no good."""

    @pytest.mark.parametrize('changes, problem', [
        ({('list', 0): ''}, 'a is lost'),
        ({('list', 0): 'ac'}, 'c is in two places'),
        ({('effect',): ('a',)}, 'the effect of a is not as its outcome'),
        ({('effect',): ('a', 'a')}, 'a has its effect twice'),
    ])
    def test_tasks(self, changes, problem):
        db = Explorer(TWO).initial().db
        check(TWO, db.seen)
        with pytest.raises(Broken, match=problem):
            check(TWO, {**db.seen, **changes})

    def test_the_end(self):
        check_over({('effect',): ('a',)})
        with pytest.raises(Broken, match='a claim is left'):
            check_over({('claims', 0): True})
        with pytest.raises(Broken, match='a task is left'):
            check_over(Explorer(TWO).initial().db.seen)

    def test_no_worker_gets_through_an_empty_list(self):
        explorer = Explorer(TWO._replace(instants=('a', '')))
        assert explorer.explore().problem == (
            'another worker does not get through')


# -- The model and the code


class Modelled:
    """What the transactions of the model write, one after the other."""

    def __init__(self, scene):
        self.scene = scene
        self.seen = Explorer(scene).initial().db.seen

    def writes(self, *actions):
        """The kinds of what these write, in one transaction."""
        txn = Transaction(self.scene, self.seen)
        for name, *args in actions:
            getattr(txn, name)(*args)
        writes = txn.writes()
        self.seen = dict(tidy(merged(self.seen, writes))[0])
        return Counter(
            KINDS.get(unit[0], unit[0]) for unit, _, _ in writes
            if unit[0] != 'gone')


#: what is in a record of the model is in these objects
KINDS = {'effect': 'task', 'scheduled': 'task'}


class Real:
    """What the last transaction has written in the database."""

    def __init__(self, schedule):
        self.schedule = schedule
        self.kinds = {}
        self.writes()

    def writes(self):
        """The kinds of the objects; of new nodes of a tree, the tree."""
        begin(self.schedule)
        connection = self.schedule._p_jar
        self._note_trees()
        storage = connection.db().storage
        for last in storage.iterator(storage.lastTransaction()):
            objects = [connection.get(record.oid) for record in last]
        found = Counter(self._kind(one) for one in objects)
        return +Counter({kind: 1 if kind in ONCE else count
                         for kind, count in found.items()})

    def _note_trees(self):
        schedule = self.schedule
        named = {'claims': schedule.claims, 'crashes': schedule.crashes,
                 'history': schedule.history.chunks,
                 'instant': schedule.timetable.instants}
        self.kinds.update({u64(one._p_oid): kind
                           for kind, one in named.items()})
        self.kinds.update({u64(tree._p_oid): 'instant'
                           for tree in schedule.timetable.instants.trees})
        self.kinds.update({u64(claim.slots._p_oid): 'slots'
                           for claim in schedule.claims.values()})

    def _kind(self, one):
        return self.kinds.get(u64(one._p_oid)) or CLASSES[type(one)]


CLASSES = {
    PersistentList: 'list', LOBTree: 'tree', OOBTree: 'an OOBTree',
    timetable.Timetable: 'timetable', Claim: 'claim', Slot: 'slot',
    Heartbeat: 'heartbeat', Chunk: 'history', Note: 'task'}

# Of these the model has one unit for each key, or none for each object.
ONCE = {'instant', 'tree', 'claims', 'history', 'task'}


class Again(Note):
    """Reschedules itself, once."""

    def schedule(self):
        if self.time > at(0):
            self.time = at(0)
            return self


CLASSES[Again] = 'task'


class TestTheModelIsOfThisCode:
    """Both write the same, whatever is done."""

    @pytest.fixture
    def model(self):
        return Modelled(TWO._replace(again='c', portion=9))

    @pytest.fixture
    def tasks(self, schedule):
        """Those of the model."""
        schedule.identify()  # once in its life, which the model leaves out
        commit(schedule)
        tasks = {'a': Note('a', at(0)), 'c': Again('c', at(1))}
        for task in tasks.values():
            schedule.schedule(task)
        commit(schedule)
        return tasks

    @pytest.fixture
    def real(self, schedule, tasks):
        return Real(schedule)

    @pytest.fixture
    def holding(self, schedule):
        """One who has no claim yet."""
        found = Consumer(schedule, 'mine')
        found.begin(at(10))
        found.prepare()
        return found

    @pytest.fixture
    def same(self, schedule, model, real):
        """Whether the model writes what was written, and which kinds."""
        def same(*actions, besides=()):
            found = real.writes()
            for kind in besides:
                assert found.pop(kind), kind
            expected = model.writes(*actions)
            assert found == Counter({
                kind: 1 if kind in ONCE else count
                for kind, count in expected.items()})
            return sorted(found)
        return same

    @staticmethod
    def run(holding, index):
        with holding.guard.on_duty():
            assert holding.run(index, holding.claim.portion[index])

    def schedule(self, schedule, tasks, name):
        tasks[name] = schedule.schedule(Note(name, at(0)))
        commit(schedule)

    def unschedule(self, schedule, tasks, name):
        schedule.unschedule(tasks[name])
        commit(schedule)

    def test_who_schedules(self, schedule, tasks, same):
        self.schedule(schedule, tasks, 'b')
        assert same(('schedule', 'b')) == ['list', 'task']

    def test_who_unschedules_what_waits(self, schedule, tasks, same):
        self.schedule(schedule, tasks, 'b')
        same(('schedule', 'b'))
        self.unschedule(schedule, tasks, 'a')
        assert same(('unschedule', 'a')) == ['list']
        self.unschedule(schedule, tasks, 'b')
        assert same(('unschedule', 'b')) == ['instant', 'list']
        self.schedule(schedule, tasks, 'b')
        assert same(('schedule', 'b')) == ['instant', 'list', 'task']

    def test_a_claim_from_its_first_turn_to_its_end(self, holding, same):
        holding.claim.register()
        assert same(('register', 0), besides=['heartbeat']) == [
            'claim', 'claims', 'slots']
        holding.turn(9)
        assert same(('turn', 0, 9)) == [
            'claim', 'instant', 'list', 'slot', 'slots']
        self.run(holding, 0)
        assert same(('run', 0, 0)) == ['slot', 'task']
        self.run(holding, 1)
        assert same(('run', 0, 1)) == ['slot', 'task']
        holding.turn(9)
        assert same(('turn', 0, 9)) == [
            'claim', 'history', 'instant', 'list', 'slot']
        holding.begin(at(10))  # what a pass has scheduled it does not take
        holding.turn(9)
        assert same(('turn', 0, 9)) == ['claim', 'instant', 'list', 'slot']
        self.run(holding, 0)
        assert same(('run', 0, 0)) == ['slot', 'task']
        holding.withdraw()
        assert same(('withdraw', 0)) == [
            'claim', 'claims', 'history', 'slot']

    def test_who_unschedules_what_is_claimed(
            self, schedule, tasks, holding, same):
        holding.turn(9)
        same(('register', 0), ('turn', 0, 9), besides=['heartbeat'])
        self.unschedule(schedule, tasks, 'a')
        assert same(('unschedule', 'a')) == ['slot']
        self.run(holding, 1)
        same(('run', 0, 1))
        self.unschedule(schedule, tasks, 'c')
        assert same(('unschedule', 'c')) == ['slot']
        holding.withdraw()
        assert same(('withdraw', 0)) == ['claim', 'claims', 'history', 'slot']

    def test_all_is_handed_back_but_what_runs(
            self, schedule, holding, same):
        holding.turn(9)
        same(('register', 0), ('turn', 0, 9), besides=['heartbeat'])
        relieve(schedule, holding.claim.id, 1, at(10))
        commit(schedule)
        assert same(('relieve', 0, 1), besides=['timetable']) == [
            'claim', 'instant', 'list', 'slot']

    @pytest.mark.parametrize('waiting', [True, False])
    def test_who_recovers_the_claim_of_another(
            self, schedule, tasks, holding, same, waiting):
        holding.turn(9)
        same(('register', 0), ('turn', 0, 9), besides=['heartbeat'])
        if not waiting:
            for name in 'ac':
                self.unschedule(schedule, tasks, name)
                same(('unschedule', name))
            holding.turn(9)
            same(('turn', 0, 9))
            holding.turn(9)
            # What is free is left alone by turns.
            assert same(('turn', 0, 9)) == ['claim']
        other = Consumer(schedule, 'theirs')
        other.begin(at(10))
        other.recover(holding.claim.id)
        # The slots as well, free or not.
        assert same(('withdraw', 0),
                    besides=['timetable'] if waiting else []) == [
            'claim', 'claims', *(['instant', 'list'] if waiting else []),
            'slot']

    def test_a_crash_is_counted_beside(self, schedule, holding, same):
        holding.turn(9)
        same(('register', 0), ('turn', 0, 9), besides=['heartbeat'])
        claim = schedule.claims[holding.claim.id]
        claim._incarnation = tuple(claim.incarnation._replace(pid=0))
        commit(schedule)
        other = Consumer(schedule, 'theirs')
        other.begin(at(10))
        other.recover(holding.claim.id)
        same(('withdraw', 0), besides=['crashes', 'history', 'timetable'])

    def test_a_busy_instant(self, schedule, tasks, holding, same):
        holding.turn(1)
        same(('register', 0), ('turn', 0, 1), besides=['heartbeat'])
        self.schedule(schedule, tasks, 'b')
        same(('schedule', 'b'))
        holding.turn(0)
        assert same(('turn', 0, 0)) == [
            'claim', 'instant', 'list', 'slot', 'tree']
        self.schedule(schedule, tasks, 'd')
        assert same(('schedule', 'd')) == ['list', 'task']
        self.unschedule(schedule, tasks, 'b')
        assert same(('unschedule', 'b')) == ['list', 'tree']
        holding.turn(9)
        assert same(('turn', 0, 9)) == [
            'claim', 'instant', 'list', 'slot', 'slots', 'tree']


    def test_an_instant_becomes_busy(
            self, schedule, tasks, holding, same, monkeypatch):
        monkeypatch.setattr(timetable, 'LEAF', LEAF)
        for name, kinds in {
                'b': ['list', 'task'],
                'd': ['instant', 'list', 'task', 'tree'],
                'e': ['list', 'task'],
                'f': ['list', 'task', 'tree']}.items():
            self.schedule(schedule, tasks, name)
            assert same(('schedule', name)) == kinds
        holding.turn(9)
        same(('register', 0), ('turn', 0, 9), besides=['heartbeat'])
        holding.withdraw()
        assert same(('withdraw', 0), besides=['timetable']) == [
            'claim', 'claims', 'instant', 'list', 'slot', 'tree']


class TestTheModelIsOfThisDatabase:
    """Trees merge as those of the model do."""

    @pytest.fixture
    def two(self, schedule):
        """A tree with that many lists, in two connections."""
        def two(count):
            connection = schedule._p_jar
            leaves = LOBTree({
                key: PersistentList([key]) for key in range(count)})
            connection.root()['leaves'] = leaves
            commit(schedule)
            return leaves, database(connection).root()['leaves']

        opened = []

        def database(connection):
            manager = type(connection.transaction_manager)()
            manager.begin()
            opened.append(connection.db().open(manager))
            return opened[-1]

        yield two
        for connection in opened:
            connection.transaction_manager.abort()
            connection.close()

    @staticmethod
    def take(leaves, keys):
        for key in keys:
            leaves.pop(key).clear()

    @pytest.mark.parametrize('count', [2, 20, 200])
    def test_two_do_not_empty_a_tree_between_them(self, two, count):
        mine, theirs = two(count)
        self.take(mine, range(count // 2))
        self.take(theirs, range(count // 2, count))
        assert try_to_commit(mine)
        assert not try_to_commit(theirs)

    @pytest.mark.parametrize('count', [1, 200])
    @pytest.mark.parametrize('emptied_first', [True, False])
    def test_nothing_comes_into_a_tree_that_is_emptied(
            self, two, count, emptied_first):
        mine, theirs = two(count)
        self.take(mine, range(count))
        theirs[count] = PersistentList([count])
        first, second = (mine, theirs) if emptied_first else (theirs, mine)
        assert try_to_commit(first)
        assert not try_to_commit(second)

    def test_different_keys_merge(self, two):
        mine, theirs = two(4)
        self.take(mine, [2])
        theirs[7] = PersistentList([7])
        assert try_to_commit(mine)
        assert try_to_commit(theirs)
        assert list(theirs) == [0, 1, 3, 7]

    def test_the_same_key_does_not(self, two):
        mine, theirs = two(4)
        for leaves in (mine, theirs):
            leaves[7] = PersistentList([7])
        assert try_to_commit(mine)
        assert not try_to_commit(theirs)
