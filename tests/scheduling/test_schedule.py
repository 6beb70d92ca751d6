"""What a schedule takes, refuses, finds and gives back."""

from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from threading import Lock
from zoneinfo import ZoneInfo

import pytest
import sample_thirdparty
import transaction
import ZODB
import ZODB.FileStorage
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from transaction.interfaces import NoTransaction
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from zope.interface import implementer
from zope.proxy import ProxyBase
from zope.security.checker import ProxyFactory

from zodbschedule import AlreadyScheduled
from zodbschedule import CallTask
from zodbschedule import InvalidTask
from zodbschedule import InvalidTime
from zodbschedule import NotScheduled
from zodbschedule import NotStored
from zodbschedule import Schedule
from zodbschedule import ScheduleError
from zodbschedule import Task
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ITask
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.spread import TREES
from zodbschedule.task import type_of


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Noted(Task):
    """Says in the log of the database that it was called."""

    def __init__(self, *args, log=None, name=None, **options):
        super().__init__(*args, **options)
        self.log = log
        self.name = name

    def __call__(self):
        self.log.append(self.name)


class Fails(Task):

    def __call__(self):
        raise ValueError('it fails')


class Gone(Task):
    """A class that a test takes away."""

    def __call__(self):
        self._p_jar.root()['log'].append('back')


class Outer:
    """A wrapper as of Acquisition: it says that it is what it wraps."""

    def __init__(self, wrapped):
        self._wrapped = wrapped

    @property
    def __class__(self):
        return type(self._wrapped)

    def __getattr__(self, name):
        return getattr(self._wrapped, name)


@pytest.fixture
def root(schedule):
    root = schedule._p_jar.root()
    root['log'] = PersistentList()
    transaction.commit()
    return root


@pytest.fixture
def log(root):
    return root['log']


@pytest.fixture
def other(schedule):
    """Another connection to the same database, begun."""
    manager = TransactionManager(explicit=True)
    manager.begin()
    connection = schedule._p_jar.db().open(manager)
    yield connection
    with suppress(NoTransaction):  # a test may have committed
        manager.abort()
    connection.close()


@pytest.fixture
def without_gone(other, monkeypatch):
    """A function that takes away the class `Gone`; `other` begins anew."""
    def without_gone():
        monkeypatch.delitem(globals(), 'Gone')
        refresh(other)

    return without_gone


@pytest.fixture
def foreign(tmp_path):
    """The root of another database, with things in it."""
    db = ZODB.DB(str(tmp_path / 'Other.fs'))
    manager = TransactionManager(explicit=True)
    manager.begin()
    connection = db.open(manager)
    root = connection.root()
    root['task'] = Task(NOON)
    root['thing'] = PersistentMapping()
    manager.commit()
    manager.begin()
    yield root
    manager.abort()
    connection.close()
    db.close()


@pytest.fixture
def park(schedule):
    """A function that schedules a task, lets it fail and gives its entry."""
    def park(task):
        schedule.schedule(task)
        transaction.commit()
        schedule.process(max(NOON, task.time))
        return schedule.parked.get(task_id(task))

    return park


def hold(schedule, *tasks, process=None, claim_id='a-claim'):
    """Put *tasks*, which wait, into a claim of a process that is alive."""
    claim = schedule.claims[claim_id] = Claim('worker', process or this())
    for task in tasks:
        assert schedule.timetable.remove(task.time, task)
    claim.fill([(to_micros(task.time), task) for task in tasks])
    transaction.commit()
    return claim


def refresh(connection):
    """Let it see what was committed since."""
    connection.transaction_manager.abort()
    connection.transaction_manager.begin()


def refusal(schedule, task, error=InvalidTask):
    """The message with which *task* is refused; nothing has changed then."""
    jar = schedule._p_jar
    before = schedule.timetable.instants._p_changed
    with pytest.raises(error) as caught:
        schedule.schedule(task)
    assert isinstance(caught.value, ScheduleError)
    assert schedule.timetable.instants._p_changed == before
    assert not jar._registered_objects or before
    # The transaction is good for something else.
    jar.root()['after'] = PersistentMapping({'a refusal': 1})
    transaction.commit()
    jar.cacheMinimize()
    assert jar.root()['after']['a refusal'] == 1
    return str(caught.value)


# -- What is taken


def test_a_task_is_returned_and_waits(schedule):
    task = Task(NOON)
    assert schedule.schedule(task) is task
    assert list(schedule) == [task]
    assert task in schedule
    assert list(schedule.getTaskTimes()) == [NOON]


def test_a_task_without_a_time_is_due_now(schedule, clock):
    clock.set(NOON)
    task = schedule.schedule(Task())
    assert task.time == NOON
    assert list(schedule.getTaskTimes()) == [NOON]


def test_a_task_without_a_time_that_is_refused_stays_without(schedule, clock):
    task = Task()
    task.lock = Lock()
    refusal(schedule, task)
    assert task.time is None
    del task.lock
    clock.advance(HOUR)
    schedule.schedule(task)
    assert task.time == clock.now()


def test_keys_are_utc_and_plain_whatever_the_zone(schedule, log):
    class Moment(datetime):
        """Not importable, as a class in a timetable would have to be."""

    paris = ZoneInfo('Europe/Paris')
    times = [
        datetime(2024, 10, 27, 2, 30, tzinfo=paris),
        datetime(2024, 10, 27, 2, 30, tzinfo=paris, fold=1),
        datetime(2024, 10, 27, 2, 30, tzinfo=timezone(HOUR)),
        datetime(2024, 10, 27, 3, tzinfo=UTC, fold=1),
        Moment(2024, 10, 27, 4, tzinfo=UTC),
    ]
    for time in times:
        schedule.schedule(Task(time))
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    keys = list(schedule.timetable.instants)
    assert [key.isoformat() for key in keys] == [
        '2024-10-27T00:30:00+00:00',
        '2024-10-27T01:30:00+00:00',
        '2024-10-27T03:00:00+00:00',
        '2024-10-27T04:00:00+00:00',
    ]
    for key in keys:
        assert type(key) is datetime
        assert key.tzinfo is UTC
        assert key.fold == 0
    assert list(schedule.getTaskTimes()) == keys


def test_a_task_can_be_scheduled_before_the_schedule_is_stored(clock):
    schedule = Schedule()
    first = schedule.schedule(Task(NOON))
    second = schedule.call(print)
    assert first in schedule
    assert second in schedule
    assert list(schedule) == [second, first]
    assert schedule.get('1') is None
    schedule.unschedule(second)
    assert list(schedule) == [first]
    with pytest.raises(NotScheduled):
        schedule.unschedule(second)
    with pytest.raises(AlreadyScheduled):
        schedule.schedule(first)


def test_a_schedule_can_be_stored_later_with_its_tasks(schedule, root, log):
    later = Schedule()
    task = later.schedule(Noted(NOON, log=log, name='later'))
    with pytest.raises(NotStored, match='put it there first'):
        later.process(NOON)
    root['later'] = later
    transaction.commit()
    assert later.get(task_id(task)) is task
    assert later.process(NOON).succeeded == 1
    assert list(log) == ['later']


def test_a_key_is_free_again_if_its_holder_came_with_the_schedule(root, clock):
    schedule = root['another'] = Schedule()
    task = schedule.schedule(Task(NOON, key='nightly'))
    transaction.commit()
    schedule.unschedule(task)
    assert list(schedule.keys) == []
    other = schedule.schedule(Task(NOON, key='nightly'))
    assert schedule.keys.get('nightly') is other


def test_what_cannot_be_stored_is_refused_before_the_schedule_is_stored():
    task = Task(NOON)
    task.lock = Lock()
    with pytest.raises(InvalidTask, match='cannot be stored: lock is '):
        Schedule().schedule(task)


def test_an_aborted_schedule_can_be_repeated(schedule, root, log):
    new = Noted(NOON, log=log, name='new')
    stored = root['stored'] = Noted(NOON, log=log, name='stored')
    transaction.commit()
    schedule.schedule(new)
    schedule.schedule(stored)
    transaction.abort()
    assert new not in schedule
    assert stored not in schedule
    schedule.schedule(stored)
    schedule.schedule(new)
    transaction.commit()
    assert list(schedule) == [stored, new]
    assert schedule.process(NOON).succeeded == 2
    assert list(log) == ['stored', 'new']


def test_a_schedule_rolled_back_to_a_savepoint_can_be_repeated(schedule):
    task = Task(NOON)
    savepoint = transaction.savepoint()
    schedule.schedule(task)
    transaction.savepoint()
    assert task in schedule
    assert schedule.get(task_id(task)) is task
    savepoint.rollback()
    assert task not in schedule
    schedule.schedule(task)
    transaction.commit()
    assert list(schedule) == [task]


def test_an_unscheduled_task_can_be_scheduled_again(schedule):
    task = schedule.schedule(Task(NOON))
    schedule.unschedule(task)
    task.time = NOON + HOUR
    schedule.schedule(task)
    assert list(schedule.getTaskTimes()) == [NOON + HOUR]


def test_a_task_that_has_run_can_be_scheduled_again(schedule, log):
    task = schedule.schedule(Noted(NOON, log=log, name='once'))
    transaction.commit()
    schedule.process(NOON)
    assert task not in schedule
    schedule.schedule(task)
    transaction.commit()
    schedule.process(NOON)
    assert list(log) == ['once', 'once']


# -- What is refused at the door


def test_what_is_no_task_is_refused(schedule):
    for junk in (None, 'task', print, Persistent(), object(), Task):
        assert 'does not provide ITask; subclass zodbschedule.Task, or ' in (
            refusal(schedule, junk))


@implementer(ITask)
class Loose:
    """A task that is not persistent."""

    time = NOON
    principalId = None
    description = ''

    def __call__(self):
        """Never called."""

    def schedule(self):
        """Never called."""

    def __repr__(self):
        return '<Loose>'


def test_what_is_not_persistent_is_refused(schedule):
    assert refusal(schedule, Loose()) == (
        '<Loose> is not persistent; its class has to inherit '
        'persistent.Persistent')


@pytest.mark.parametrize('missing', ['time', 'principalId', 'description'])
def test_a_task_that_lacks_what_itask_asks_for_is_refused(schedule, missing):
    task = implementer(ITask)(type('Bare', (Persistent,), {
        '__repr__': lambda self: '<Bare>', 'time': NOON, 'principalId': None,
        'description': ''}))()
    delattr(type(task), missing)
    assert refusal(schedule, task) == (
        f'<Bare> has no {missing}, which ITask asks for')


def test_a_naive_time_is_refused_and_says_how_to_mend_it(schedule):
    task = sample_thirdparty.Plain(datetime(2003, 4, 1), None)
    message = refusal(schedule, task, InvalidTime)
    assert f'the time of {task!r} is datetime.datetime(2003, 4, 1' in message
    assert 'names no time zone; say which one is meant' in message
    assert 'moment.replace(tzinfo=timezone.utc)' in message


@pytest.mark.parametrize('time', [None, '2003-04-01', 5, NOON.date()])
def test_a_time_that_is_no_datetime_is_refused(schedule, time):
    task = sample_thirdparty.Plain(time, None)
    message = refusal(schedule, task, InvalidTime)
    assert f'the time of {task!r} is {time!r}; it has to be an' in message
    assert 'such as datetime.now(timezone.utc)' in message


@pytest.mark.parametrize('principal', [5, b'bob', ['bob']])
def test_a_principal_id_that_is_no_text_is_refused(schedule, principal):
    task = Task(NOON)
    task.principalId = principal
    assert refusal(schedule, task) == (
        f'the principalId of {task!r} is {principal!r}; it has to be a str '
        f'or None')


def test_a_task_of_another_database_is_refused(schedule, foreign):
    message = refusal(schedule, foreign['task'])
    assert message.startswith(f'{foreign["task"]!r} cannot be scheduled: ')
    assert 'it belongs to another database; a schedule is kept in' in message


def test_a_task_of_another_connection_is_refused(schedule, root, other):
    root['task'] = Task(NOON)
    transaction.commit()
    refresh(other)
    message = refusal(schedule, other.root()['task'])
    assert 'it was loaded through another connection; load it through' in (
        message)


def test_an_argument_of_another_database_is_refused(schedule, foreign):
    task = Task(NOON)
    task.things = [PersistentMapping(inside=foreign['thing'])]
    message = refusal(schedule, task)
    assert "cannot be stored: things[0].data['inside'] is " in message
    assert 'it belongs to another database' in message


@pytest.mark.parametrize('wrap', [ProxyBase, ProxyFactory, Outer])
def test_a_wrapped_task_is_refused(schedule, wrap):
    assert 'is wrapped or proxied; pass the task itself' in refusal(
        schedule, wrap(Task(NOON)))


@pytest.mark.parametrize('wrap', [ProxyBase, ProxyFactory, Outer])
@pytest.mark.parametrize('thing', [dict, PersistentMapping])
def test_a_wrapped_argument_is_refused(schedule, wrap, thing):
    task = Task(NOON)
    task.data = {'a': wrap(thing())}
    message = refusal(schedule, task)
    assert "cannot be stored: data['a'] is " in message
    assert 'it is wrapped or proxied; pass the object itself' in message


def test_a_task_whose_class_is_missing_is_refused(
        schedule, root, other, without_gone):
    root['task'] = Gone(NOON)
    transaction.commit()
    without_gone()
    task = other.root()['task']
    assert isinstance(task, Broken)
    with pytest.raises(InvalidTask, match='does not provide ITask'):
        other.root()['schedule'].schedule(task)


def test_a_task_that_waits_is_refused_and_handed_out(schedule):
    task = schedule.schedule(Task(NOON))
    transaction.commit()
    with pytest.raises(AlreadyScheduled, match='unschedule it first') as error:
        schedule.schedule(task)
    assert error.value.task is task
    assert isinstance(error.value, ValueError)
    task.time = NOON + HOUR
    with pytest.raises(AlreadyScheduled):
        schedule.schedule(task)
    transaction.commit()
    assert list(schedule) == [task]


def test_a_task_that_is_held_by_a_claim_is_refused(schedule):
    task = schedule.schedule(Task(NOON))
    hold(schedule, task)
    message = refusal(schedule, task, AlreadyScheduled)
    assert 'while it runs, return it from its schedule()' in message


def test_a_parked_task_is_refused(schedule, park):
    task = Fails(NOON)
    entry = park(task)
    message = refusal(schedule, task, AlreadyScheduled)
    assert message == f'{task!r} is parked; use unpark() on its entry'
    schedule.discard(entry)
    schedule.schedule(task)


def test_two_connections_cannot_schedule_one_task_both(schedule, root, other):
    # See the hazard "one task in two instants".
    root['task'] = Task(NOON)
    transaction.commit()
    refresh(other)
    theirs = other.root()
    theirs['schedule'].schedule(theirs['task'])
    root['task'].time = NOON + HOUR
    schedule.schedule(root['task'])
    transaction.commit()
    with pytest.raises(ZODB.POSException.ConflictError):
        other.transaction_manager.commit()


def test_a_changed_stored_task_is_tried_and_an_unchanged_one_is_not(
        schedule, root):
    task = root['task'] = Task(NOON)
    transaction.commit()
    task.lock = Lock()
    with pytest.raises(InvalidTask, match='lock is '):
        schedule.schedule(task)
    del task.lock
    schedule.schedule(task)
    transaction.commit()
    schedule.unschedule(task)
    transaction.commit()
    monkeypatched = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('zodbschedule.scheduling.admission.refuse_unstorable',
                      lambda *args: monkeypatched.append(args))
        schedule.schedule(task)
    assert not monkeypatched


# -- A third party's task


@pytest.fixture(params=sample_thirdparty.CLASSES,
                ids=lambda cls: cls.__name__)
def theirs(request, root, log):
    """A task of a third party, at noon; others like it wait as well."""
    schedule = root['schedule']
    for hours in range(1, 4):
        schedule.schedule(request.param(NOON + hours * HOUR, log))
    schedule.schedule(request.param(NOON, log))
    return request.param(NOON, log)


def change(task, **values):
    if isinstance(task, sample_thirdparty.ReadOnly):
        task.let(**values)
    else:
        for name, value in values.items():
            setattr(task, name, value)


def reloaded(schedule):
    transaction.commit()
    schedule._p_jar.cacheMinimize()


def test_a_third_partys_task_runs_and_reschedules_itself(
        schedule, log, theirs):
    change(theirs, repeats=2)
    schedule.schedule(theirs)
    reloaded(schedule)
    assert schedule.process(NOON).succeeded == 2
    assert list(schedule.getTaskTimes(max=NOON + HOUR)) == [NOON + HOUR]
    assert theirs in schedule
    assert schedule.process(NOON + HOUR).succeeded == 2
    assert schedule.process(NOON + 2 * HOUR).succeeded == 2
    assert theirs not in schedule
    assert len(log) == 6


def test_a_third_partys_task_is_found_after_its_time_has_changed(
        schedule, theirs):
    schedule.schedule(theirs)
    reloaded(schedule)
    change(theirs, time=NOON + 2 * HOUR)
    reloaded(schedule)
    assert theirs in schedule
    with pytest.raises(AlreadyScheduled):
        schedule.schedule(theirs)
    schedule.unschedule(theirs)
    reloaded(schedule)
    assert theirs not in schedule
    assert len(list(schedule)) == 4
    with pytest.raises(NotScheduled):
        schedule.unschedule(theirs)
    schedule.schedule(theirs)
    assert theirs in schedule
    assert len(list(schedule)) == 5


def test_a_third_partys_task_is_parked_and_unparked(schedule, log, theirs):
    change(theirs, broken=True)
    schedule.schedule(theirs)
    reloaded(schedule)
    assert schedule.process(NOON).failed == 1
    assert theirs not in schedule
    with pytest.raises(AlreadyScheduled, match='is parked'):
        schedule.schedule(theirs)
    [entry] = schedule.parked
    change(theirs, broken=False)
    assert schedule.unpark(entry) is theirs
    reloaded(schedule)
    assert theirs in schedule
    assert schedule.process(NOON).succeeded == 1
    assert list(log) == [NOON, NOON]


def test_a_third_partys_task_can_be_held_and_dropped(schedule, theirs):
    schedule.schedule(theirs)
    hold(schedule, theirs)
    reloaded(schedule)
    assert theirs in schedule
    schedule.unschedule(theirs)
    assert theirs not in schedule


def test_a_third_partys_task_that_was_never_scheduled_is_not_there(
        schedule, theirs):
    assert theirs not in schedule
    with pytest.raises(NotScheduled):
        schedule.unschedule(theirs)


def test_a_scheduled_task_is_stored_even_if_nothing_of_it_changes(
        schedule, root, other):
    # So two who schedule it conflict, though it takes no stamp.
    for number, cls in enumerate(sample_thirdparty.CLASSES):
        task = root[f'task{number}'] = cls(NOON, None)
        transaction.commit()
        schedule.schedule(task)
        assert task._p_changed, cls
        transaction.commit()


# -- A task whose class is missing


def test_a_task_whose_class_is_missing_is_found_and_unscheduled(
        schedule, other, without_gone):
    tasks = [schedule.schedule(Gone(NOON + hours * HOUR))
             for hours in range(3)]
    tasks[0].time += 5 * HOUR
    hold(schedule, tasks[2])
    transaction.commit()
    ids = [task_id(task) for task in tasks]
    without_gone()
    theirs = other.root()['schedule']
    for id in ids:
        task = theirs.get(id)
        assert isinstance(task, Broken)
        assert task in theirs
        theirs.unschedule(task)
        assert task not in theirs
        with pytest.raises(NotScheduled):
            theirs.unschedule(task)
    other.transaction_manager.commit()
    transaction.begin()
    assert list(schedule) == []


def test_a_task_whose_class_is_missing_is_not_changed(
        schedule, other, without_gone):
    schedule.schedule(Gone(NOON))
    transaction.commit()
    without_gone()
    theirs = other.root()['schedule']
    task, = theirs
    with pytest.raises(InvalidTask, match='Gone cannot be imported'):
        theirs.run_now(task)
    with pytest.raises(InvalidTask, match='Gone cannot be imported'):
        theirs.change(task, time=NOON + HOUR)
    with pytest.raises(InvalidTask, match='Gone cannot be imported'):
        theirs.change(task, description='late')


def test_a_parked_task_whose_class_is_missing_stays_parked_until_it_is_back(
        schedule, log, other, without_gone, park, monkeypatch):
    monkeypatch.setattr(Gone, '__call__', Fails.__call__)
    id = park(Gone(NOON)).id
    without_gone()
    theirs = other.root()['schedule']
    with pytest.raises(InvalidTask, match='Gone cannot be imported; it stays'):
        theirs.unpark(theirs.parked.get(id))
    assert theirs.parked.get(id) is not None
    monkeypatch.undo()
    schedule.unpark(schedule.parked.get(id))
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    assert list(log) == ['back']


# -- unschedule


def test_a_task_is_unscheduled(schedule):
    first, second = schedule.schedule(Task(NOON)), schedule.schedule(
        Task(NOON))
    transaction.commit()
    assert schedule.unschedule(first) is None
    transaction.commit()
    assert list(schedule) == [second]
    assert first not in schedule


def test_a_task_is_unscheduled_although_its_time_was_changed(schedule):
    task = schedule.schedule(Task(NOON))
    transaction.commit()
    task.time = NOON + HOUR
    schedule.unschedule(task)
    assert list(schedule) == []


def test_a_task_that_a_claim_holds_is_unscheduled(schedule, log):
    tasks = [schedule.schedule(Noted(NOON, log=log, name=name))
             for name in 'ab']
    claim = hold(schedule, *tasks)
    schedule.unschedule(tasks[0])
    transaction.commit()
    assert tasks[0] not in schedule
    assert tasks[1] in schedule
    assert [slot.task for slot in claim.held()] == [tasks[1]]


def test_what_comes_next_in_a_claim_is_unscheduled(schedule):
    task = schedule.schedule(Task(NOON))
    claim = hold(schedule, task)
    claim.slots[0].settle(1, None, (to_micros(NOON), task))
    assert task in schedule
    schedule.unschedule(task)
    assert task not in schedule
    assert claim.slots[0].following is None


def test_a_task_of_another_connection_is_unscheduled(schedule, other):
    task = schedule.schedule(Task(NOON))
    transaction.commit()
    refresh(other)
    theirs = other.get(task._p_oid)
    assert theirs in schedule
    schedule.unschedule(theirs)
    assert task not in schedule


@pytest.mark.parametrize('wrap', [ProxyBase, Outer])
def test_a_wrapped_task_is_found_and_unscheduled(schedule, wrap):
    task = schedule.schedule(Task(NOON))
    transaction.commit()
    wrapped = wrap(task)
    assert wrapped in schedule
    schedule.unschedule(wrapped)
    assert task not in schedule


@pytest.mark.parametrize('junk', [None, 'task', 5, Task, Loose()])
def test_unscheduling_what_is_no_task_says_so(schedule, junk):
    with pytest.raises(NotScheduled) as error:
        schedule.unschedule(junk)
    assert str(error.value) == f'{junk!r} is not scheduled here'


def test_unscheduling_what_is_not_there_says_so(schedule, foreign, root):
    root['never'] = Task(NOON)
    transaction.commit()
    for task in (Task(NOON), root['never'], foreign['task'],
                 root['log'], OOBTree()):
        with pytest.raises(LookupError) as error:
            schedule.unschedule(task)
        assert type(error.value) is NotScheduled
        assert str(error.value) == f'{task!r} is not scheduled here'


def test_unscheduling_a_parked_task_says_where_it_is(schedule, park):
    task = Fails(NOON)
    park(task)
    with pytest.raises(NotScheduled) as error:
        schedule.unschedule(task)
    assert str(error.value) == (
        f'{task!r} is not scheduled here, but parked; discard its entry')


def test_one_task_may_be_scheduled_in_one_schedule_after_another(
        schedule, root):
    root['second'] = second = Schedule()
    task = schedule.schedule(Task(NOON))
    assert task not in second
    schedule.unschedule(task)
    second.schedule(task)
    assert task in second
    assert task not in schedule


# -- call


def test_a_call_is_due_at_once_by_default(schedule, clock):
    assert schedule.call(print).time == clock.now()


def test_a_call_is_made_at_a_time_or_after_a_delay(schedule, clock):
    assert schedule.call(print, time=NOON).time == NOON
    assert schedule.call(print, delay=HOUR).time == clock.now() + HOUR
    assert schedule.call(print, delay=timedelta(0)).time == clock.now()
    assert schedule.call(print, delay=-HOUR).time == clock.now() - HOUR


def test_a_call_takes_a_time_or_a_delay_but_not_both(schedule):
    with pytest.raises(InvalidTime) as error:
        schedule.call(print, time=NOON, delay=HOUR)
    assert repr(NOON) in str(error.value)
    assert repr(HOUR) in str(error.value)
    assert 'give one of them' in str(error.value)


@pytest.mark.parametrize('delay, message', [
    (60, 'delay is 60; it has to be a timedelta'),
    ('1h', "delay is '1h'; it has to be a timedelta"),
    (timedelta.max, f'delay is {timedelta.max!r}, which leads beyond'),
    (timedelta.min, f'delay is {timedelta.min!r}, which leads beyond'),
])
def test_a_delay_that_is_none_is_refused(schedule, delay, message):
    with pytest.raises(InvalidTime) as error:
        schedule.call(print, delay=delay)
    assert str(error.value).startswith(message)


def test_a_call_passes_on_what_it_is_given(schedule):
    task = schedule.call(
        'builtins.print', 1, 2, kwargs={'sep': '-'}, time=NOON,
        description='one', principalId='bob')
    assert (task.func, task.args, task.kwargs) == (
        'builtins.print', (1, 2), {'sep': '-'})
    assert (task.time, task.description, task.principalId) == (
        NOON, 'one', 'bob')
    assert task in schedule


def test_a_call_that_is_refused_schedules_nothing(schedule):
    with pytest.raises(InvalidTask):
        schedule.call(lambda: None)
    with pytest.raises(InvalidTask):
        schedule.call(print, Lock())
    with pytest.raises(InvalidTime):
        schedule.call(print, time=datetime(2003, 4, 1))
    assert list(schedule) == []


# -- in, get


def test_junk_is_not_in_a_schedule(schedule, foreign, root):
    schedule.schedule(Task(NOON))
    transaction.commit()
    for junk in (None, '', 'task', 5, Task, Loose(), Task(NOON), OOBTree(),
                 Persistent(), root, foreign['task'], ProxyBase(Task(NOON))):
        assert junk not in schedule


def test_a_task_that_the_schedules_connection_cannot_see_is_not_there(
        schedule, other):
    theirs = other.root()['new'] = Task(NOON)
    other.transaction_manager.commit()
    # Our own connection still sees what was before.
    other.transaction_manager.begin()
    transaction.begin()
    later = other.root()['later'] = Task(NOON)
    other.transaction_manager.savepoint()
    assert later not in schedule
    assert theirs not in schedule


def test_a_task_is_got_by_its_id_however_it_is_written(schedule):
    for number in range(12):
        task = schedule.schedule(Task(NOON + number * MINUTE))
    transaction.commit()
    for task in schedule:
        number = int(task_id(task), 16)
        for id in (task_id(task), f'{number:x}', f'{number:X}',
                   f'0x{number:x}', f'0X{number:X}', f'{number:016x}',
                   f'  {number:x}\n'):
            assert schedule.get(id) is task


@pytest.mark.parametrize('junk', [
    '', 'x', 'task', '-1', '1.0', '1 1', 'f' * 16, 'f' * 17,
    '7fffffffffffffff', '0', '1', None, 5, b'1', 1.5, []])
def test_get_gives_the_default_for_junk(schedule, junk):
    schedule.schedule(Task(NOON))
    transaction.commit()
    assert schedule.get(junk) is None
    assert schedule.get(junk, 'default') == 'default'


def test_get_finds_what_a_claim_holds_and_not_what_is_parked(schedule, park):
    parked = Fails(NOON)
    park(parked)
    held = schedule.schedule(Task(NOON))
    hold(schedule, held)
    assert schedule.get(task_id(held)) is held
    assert schedule.get(task_id(parked)) is None
    schedule.unschedule(held)
    assert schedule.get(task_id(held)) is None


def lose_record(schedule, task):
    """Remove the record of *task* from the storage, by packing it away."""
    jar = schedule._p_jar
    oid = task._p_oid
    load = jar._storage.load

    def without(asked, *args):
        if asked == oid:
            raise POSKeyError(asked)
        return load(asked, *args)

    jar._storage.load = without
    jar.cacheMinimize()


def test_what_a_call_does_whose_record_is_gone_is_not_known(schedule):
    task = schedule.call(print, time=NOON)
    transaction.commit()
    assert type_of(task) == 'builtins.print'
    lose_record(schedule, task)
    assert type_of(task) == 'zodbschedule.task.CallTask'


def test_a_task_whose_record_is_gone_can_be_found_and_unscheduled(schedule):
    task, waits = (schedule.schedule(Task(NOON)) for _ in 'ab')
    transaction.commit()
    id = task_id(task)
    lose_record(schedule, task)
    del task
    schedule._p_jar.cacheMinimize()
    schedule._p_jar._cache.full_sweep()
    task = schedule.get(id)
    assert task_id(task) == id
    assert repr(task) == f'<Task {id} whose record is gone>'
    assert task in schedule
    schedule.unschedule(task)
    transaction.commit()
    assert list(schedule) == [waits]
    with pytest.raises(NotScheduled, match='whose record is gone'):
        schedule.unschedule(task)


def test_a_task_whose_record_is_gone_can_be_found_in_a_claim(schedule):
    task = schedule.schedule(Task(NOON))
    claim = hold(schedule, task)
    id = task_id(task)
    lose_record(schedule, task)
    assert schedule.get(id) is claim.slots[0].task
    schedule.unschedule(schedule.get(id))
    assert schedule.get(id) is None


def test_an_id_that_nothing_has_gives_the_default(schedule):
    schedule.schedule(Task(NOON))
    transaction.commit()
    with pytest.raises(POSKeyError):
        schedule._p_jar.get(p64(0xabcdef))
    assert schedule.get('abcdef', 'default') == 'default'


# -- Looking


def test_tasks_come_by_time_and_then_by_arrival(schedule):
    late, first, second = (
        schedule.schedule(Task(NOON + after * HOUR)) for after in (1, 0, 0))
    assert list(schedule) == [first, second, late]
    assert list(schedule.tasks()) == [first, second, late]


@pytest.mark.parametrize('zone', [
    UTC, ZoneInfo('Asia/Kathmandu'), timezone(-9 * HOUR)])
def test_both_bounds_are_inclusive_in_any_zone(schedule, zone):
    tasks = [schedule.schedule(Task(NOON + hours * HOUR))
             for hours in range(5)]
    low = (NOON + HOUR).astimezone(zone)
    high = (NOON + 3 * HOUR).astimezone(zone)
    assert list(schedule.tasks(low, high)) == tasks[1:4]
    assert list(schedule.tasks(min=low)) == tasks[1:]
    assert list(schedule.tasks(max=high)) == tasks[:4]
    assert list(schedule.tasks(high, low)) == []
    moment = timedelta(microseconds=1)
    assert list(schedule.tasks(low + moment, high - moment)) == [tasks[2]]
    times = [task.time for task in tasks]
    assert list(schedule.getTaskTimes(low, high)) == times[1:4]
    assert list(schedule.getTaskTimes(min=low)) == times[1:]
    assert list(schedule.getTaskTimes(max=high)) == times[:4]
    assert {time.tzinfo for time in schedule.getTaskTimes()} == {UTC}


def test_bounds_in_a_fold_are_the_instants_that_they_name(schedule):
    paris = ZoneInfo('Europe/Paris')
    early = datetime(2024, 10, 27, 2, 30, tzinfo=paris)
    late = early.replace(fold=1)
    tasks = [schedule.schedule(Task(time)) for time in (early, late)]
    assert list(schedule.tasks(late)) == tasks[1:]
    assert list(schedule.tasks(max=early)) == tasks[:1]


@pytest.mark.parametrize('look', ['tasks', 'getTaskTimes'])
@pytest.mark.parametrize('bound', ['min', 'max'])
def test_a_naive_bound_is_refused_at_once(schedule, look, bound):
    with pytest.raises(InvalidTime, match=f'^{bound} is datetime'):
        getattr(schedule, look)(**{bound: datetime(2003, 4, 1)})
    with pytest.raises(InvalidTime, match=f'^{bound} is 5'):
        getattr(schedule, look)(**{bound: 5})


def test_times_are_distinct(schedule):
    for hours in (2, 1, 1, 2):
        schedule.schedule(Task(NOON + hours * HOUR))
    assert list(schedule.getTaskTimes()) == [NOON + HOUR, NOON + 2 * HOUR]


def test_iterating_loads_no_more_than_it_gives(schedule):
    for minutes in range(300):
        schedule.schedule(Task(NOON + minutes * MINUTE))
    reloaded(schedule)
    tasks = iter(schedule)
    next(tasks)
    ghosts = [task for task in schedule if task._p_changed is None]
    assert len(ghosts) == 300
    schedule._p_jar.cacheMinimize()
    before = schedule._p_jar.getTransferCounts(True) and None
    assert before is None
    next(iter(schedule.getTaskTimes()))
    loaded, _ = schedule._p_jar.getTransferCounts()
    assert loaded < 10 + TREES


@pytest.mark.parametrize('look', ['tasks', 'getTaskTimes'])
def test_iterating_goes_on_when_a_transaction_ends_between_two_steps(
        schedule, look):
    count = 200
    for minutes in range(count):
        schedule.schedule(Task(NOON + minutes * MINUTE))
    transaction.commit()
    seen = 0
    for found in getattr(schedule, look)():
        seen += 1
        instant = found if look == 'getTaskTimes' else found.time
        [task] = schedule.timetable.at(instant)
        schedule.unschedule(task)
        transaction.commit()
        schedule.timetable.sweep(instant)
        transaction.commit()
    assert seen == count
    assert list(schedule) == []


def test_the_next_due_instant_is_the_earliest(schedule):
    assert schedule.next_due() is None
    schedule.schedule(Task(NOON + HOUR))
    task = schedule.schedule(Task(NOON))
    assert schedule.next_due() == NOON
    schedule.unschedule(task)
    assert schedule.next_due() == NOON + HOUR


def test_an_empty_schedule_is_true_and_has_no_length(schedule):
    assert schedule
    with pytest.raises(TypeError):
        len(schedule)


def test_overdue_is_how_long_the_oldest_due_task_waits(schedule):
    assert schedule.overdue(NOON) == timedelta(0)
    schedule.schedule(Task(NOON + HOUR))
    assert schedule.overdue(NOON) == timedelta(0)
    assert schedule.overdue(NOON + HOUR) == timedelta(0)
    assert schedule.overdue(NOON + 3 * HOUR) == 2 * HOUR
    local = (NOON + 3 * HOUR).astimezone(ZoneInfo('Europe/Paris'))
    assert schedule.overdue(local) == 2 * HOUR


def test_overdue_needs_an_aware_time(schedule):
    with pytest.raises(InvalidTime, match='^now is '):
        schedule.overdue(datetime(2003, 4, 1))


def test_overdue_counts_what_is_claimed_only_after_the_lease(schedule):
    now = datetime.now(UTC)
    task = schedule.schedule(Task(now - HOUR))
    hold(schedule, task)
    assert schedule.overdue(now) == timedelta(0)
    later = now + schedule.lease + MINUTE
    assert schedule.overdue(later) == HOUR + schedule.lease + MINUTE


def test_overdue_counts_what_is_claimed_by_a_clock_that_was_ahead(schedule):
    now = datetime.now(UTC)
    task = schedule.schedule(Task(now - 2 * HOUR))
    hold(schedule, task)
    assert schedule.overdue(now - schedule.lease / 2) == timedelta(0)
    assert schedule.overdue(now - HOUR) == HOUR


def test_overdue_does_not_count_a_claim_that_holds_nothing(schedule):
    hold(schedule)
    assert schedule.overdue(
        datetime.now(UTC) + schedule.lease + HOUR) == timedelta(0)


def test_what_is_claimed_is_listed_with_its_worker(schedule):
    tasks = [schedule.schedule(Task(NOON + hours * HOUR))
             for hours in range(3)]
    claim = hold(schedule, *tasks[:2])
    assert [held[:4] for held in schedule.claimed()] == [
        (tasks[0], NOON, 'worker', True),
        (tasks[1], NOON + HOUR, 'worker', False)]
    claim.slots[0].settle(1, None)
    assert [held[:4] for held in schedule.claimed()] == [
        (tasks[1], NOON + HOUR, 'worker', True)]
    assert list(schedule) == [tasks[2]]
    assert list(schedule.getTaskTimes()) == [NOON + 2 * HOUR]


def test_what_will_wait_again_is_listed_with_its_worker_too(schedule):
    tasks = [schedule.schedule(Task(NOON)) for _ in 'ab']
    claim = hold(schedule, *tasks)
    claim.slots[0].settle(1, None, (to_micros(NOON + HOUR), tasks[0]))
    assert [held[:4] for held in schedule.claimed()] == [
        (tasks[0], NOON + HOUR, 'worker', False),
        (tasks[1], NOON, 'worker', True)]


def test_nothing_that_looks_writes(schedule, park):
    park(Fails(NOON))
    tasks = [schedule.schedule(Task(NOON + hours * HOUR))
             for hours in range(3)]
    hold(schedule, tasks[0], process=Incarnation('host', 'machine', 1, '1'))
    list(schedule)
    list(schedule.getTaskTimes())
    list(schedule.claimed())
    list(schedule.history)
    list(schedule.parked)
    schedule.get(task_id(tasks[1]))
    schedule.get('abcdef')
    schedule.next_due()
    schedule.overdue(NOON + HOUR)
    assert tasks[0] in schedule
    assert Task(NOON) not in schedule
    with pytest.raises(NotScheduled):
        schedule.unschedule(Task(NOON))
    assert not schedule._p_jar._registered_objects
    assert not transaction.get()._resources


# -- process, as far as the door goes


def test_process_needs_an_aware_time(schedule):
    with pytest.raises(InvalidTime, match='^time is datetime'):
        schedule.process(datetime(2003, 4, 1))
    with pytest.raises(InvalidTime):
        schedule.process(None)


def test_process_takes_a_time_in_any_zone(schedule, log):
    for minutes in (0, 1):
        schedule.schedule(
            Noted(NOON + minutes * MINUTE, log=log, name=minutes))
    transaction.commit()
    tally = schedule.process(NOON.astimezone(ZoneInfo('Asia/Kathmandu')))
    assert tally.succeeded == 1
    assert list(log) == [0]


class Schedules(Noted):
    """Schedules another one while it runs."""

    def __call__(self):
        super().__call__()
        self._p_jar.root()['schedule'].schedule(
            Noted(self.time, log=self.log, name='another'))


def test_what_a_run_schedules_waits_for_the_next_call(schedule, log):
    schedule.schedule(Schedules(NOON, log=log, name='first'))
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    assert list(log) == ['first']
    assert list(schedule.getTaskTimes()) == [NOON]
    assert schedule.process(NOON).succeeded == 1
    assert list(log) == ['first', 'another']


# -- unpark, discard


def test_an_unparked_task_waits_at_its_instant_again(schedule, park):
    task = Fails(NOON)
    entry = park(task)
    assert schedule.unpark(entry) is task
    transaction.commit()
    assert list(schedule.getTaskTimes()) == [NOON]
    assert task in schedule
    assert entry not in schedule.parked
    with pytest.raises(AlreadyScheduled, match='unschedule it first'):
        schedule.schedule(task)


def test_an_unparked_task_waits_at_a_new_time(schedule, park):
    task = Fails(NOON)
    entry = park(task)
    later = (NOON + HOUR).astimezone(ZoneInfo('Europe/Paris'))
    schedule.unpark(entry, later)
    assert task.time == later
    assert list(schedule.getTaskTimes()) == [NOON + HOUR]
    schedule.unschedule(task)


def test_unparking_for_a_naive_time_leaves_it_parked(schedule, park):
    entry = park(Fails(NOON))
    with pytest.raises(InvalidTime):
        schedule.unpark(entry, datetime(2003, 4, 1))
    assert entry in schedule.parked
    assert list(schedule) == []


def test_a_discarded_task_is_gone(schedule, park):
    task = Fails(NOON)
    entry = park(task)
    schedule.discard(entry)
    transaction.commit()
    assert list(schedule.parked) == []
    assert task not in schedule


@pytest.mark.parametrize('decide', ['unpark', 'discard'])
def test_what_is_not_parked_any_more_is_refused(schedule, park, decide):
    entry = park(Fails(NOON))
    schedule.discard(entry)
    for junk in (entry, None, 'entry', Task(NOON)):
        with pytest.raises(NotScheduled) as error:
            getattr(schedule, decide)(junk)
        assert str(error.value) == f'{junk!r} is not parked here any more'


def test_a_parked_task_whose_record_is_gone_can_only_be_discarded(
        schedule, park):
    task = Fails(NOON)
    entry = park(task)
    lose_record(schedule, task)
    with pytest.raises(InvalidTask, match='is gone; discard the entry'):
        schedule.unpark(entry)
    assert entry in schedule.parked
    schedule.discard(entry)
    transaction.commit()
    assert list(schedule.parked) == []


# -- settings


def test_a_schedule_stores_no_setting_that_is_the_default(schedule):
    assert not {'principals', 'import_grace', 'lease'} & set(vars(schedule))
    assert Schedule('zope.security').principals == 'zope.security'
    assert Schedule('plain').__getstate__().keys() == (
        Schedule().__getstate__().keys())


# -- In one schedule at a time


@pytest.fixture
def two():
    """Two schedules of one database, and its connection."""
    db = ZODB.DB(None)
    connection = db.open()
    root = connection.root()
    root['one'], root['other'] = Schedule(), Schedule()
    transaction.commit()
    yield root['one'], root['other']
    transaction.abort()
    db.close()


def test_a_task_is_in_one_schedule_at_a_time(two):
    one, other = two
    task = one.schedule(Noted(name='a', time=NOON))
    for _ in range(2):
        with pytest.raises(AlreadyScheduled) as caught:
            other.schedule(task)
        assert str(caught.value).startswith(
            f'{task!r} is in another schedule of the database, {one!r}; ')
        transaction.commit()
    assert (list(one), list(other)) == ([task], [])


def test_a_task_that_is_parked_is_in_its_schedule(two):
    one, other = two
    task = one.schedule(CallTask('math.sqrt', [-1], time=NOON))
    transaction.commit()
    assert one.process(NOON).failed == 1
    with pytest.raises(AlreadyScheduled, match='discard it there first'):
        other.schedule(task)


def test_a_task_that_was_unscheduled_may_come_into_another_schedule(two):
    one, other = two
    task = one.schedule(Noted(name='a', time=NOON))
    transaction.commit()
    one.unschedule(task)
    other.schedule(task)
    transaction.commit()
    assert (list(one), list(other)) == ([], [task])


def test_the_schedule_of_before_may_be_gone(two):
    one, other = two
    task = one.schedule(Noted(name='a', time=NOON))
    transaction.commit()
    root = one._p_jar.root()
    del root['one']
    root['task'] = task
    transaction.commit()
    db = one._p_jar.db()
    db.pack()
    with db.transaction() as connection:
        found = connection.root()['task']
        assert connection.root()['other'].schedule(found) is found


def test_the_schedule_of_before_may_be_something_else(two):
    one, other = two
    task = one.schedule(Noted(name='a', time=NOON))
    one.unschedule(task)
    setattr(task, STAMP, (0, oid_of(one._p_jar.root())))
    assert other.schedule(task) is task
