"""Every class keeps the contract that it declares."""

import dataclasses
import inspect
import pydoc
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import sample_thirdparty
import transaction
from zope.interface import Interface
from zope.interface import implementer
from zope.interface import providedBy
from zope.interface.interface import Method
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject
from zope.schema import getFields
from zope.schema.interfaces import ValidationError

import zodbschedule
from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import interfaces
from zodbschedule.execution.current import CurrentRun
from zodbschedule.interfaces import PauseChanged
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.liveness.registry import ClaimedTask
from zodbschedule.liveness.registry import WorkerState
from zodbschedule.outcomes import Tally
from zodbschedule.principals import Plain
from zodbschedule.scheduling.control import Move
from zodbschedule.scheduling.forecast import Forecast
from zodbschedule.store.history import History
from zodbschedule.store.history import Outcome
from zodbschedule.store.history import record
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.keys import Keys
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import ParkedTasks
from zodbschedule.store.pauses import Pause
from zodbschedule.store.pauses import PausedTask


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)


class Fails(Task):

    def __call__(self):
        raise ValueError('it fails')


def outcome():
    return Outcome.read(
        record(1, 0, 1, 0, '', '', began=0), 'worker', bytes(8))


def ended():
    return RunEnded('1', 'succeeded', NOON, '', '', None, 1, NOON, None)


def current():
    return CurrentRun(Task(NOON), None, TaskLabel(1), 0, NOON, NoWhere())


def worker():
    return WorkerState('1', 'worker', 'host', 1, NOON, timedelta(seconds=30),
                       'idle', NOON, timedelta(0), None, None, 0, Tally())


class Environment(Plain):
    """The least that a run environment is."""

    manager = transaction.manager

    def enter(self, schedule, commits=True):
        """Give *schedule* as it is."""


RULE = Every(timedelta(hours=1))


IMPLEMENTATIONS = [
    (interface, cls, make) for cls, make, *provided in [
        (Schedule, Schedule,
         interfaces.ISchedule, interfaces.IScheduling,
         interfaces.IScheduleControl, interfaces.IScheduleReading,
         interfaces.IScheduleSettings, interfaces.IParking,
         interfaces.IScheduleAdministration, interfaces.IWorkers),
        (Task, lambda: Task(NOON), interfaces.ITask,
         interfaces.IScheduledTask),
        (CallTask, lambda: CallTask(print, time=NOON), interfaces.ITask,
         interfaces.IScheduledTask),
        (Every, lambda: RULE, interfaces.IRecurrence),
        (Cron, lambda: Cron('@daily', 'UTC'), interfaces.IRecurrence),
        (RRule, lambda: RRule('FREQ=DAILY', NOON), interfaces.IRecurrence),
        (Retry, lambda: Retry(3), interfaces.IRetry),
        (Keys, Keys, interfaces.IKeys),
        (Pause, lambda: Pause(NOON, 'bob', 'why'), interfaces.IPause),
        (PausedTask, lambda: PausedTask('1', Task(NOON), NOON, 'bob', 'why'),
         interfaces.IPausedTask),
        (Move, lambda: Move(Task(NOON), NOON, NOON), interfaces.IMove),
        (Forecast, lambda: Forecast(NOON, NOON, Task(NOON), None),
         interfaces.IForecast),
        (CurrentRun, current, interfaces.ICurrentRun),
        (Tally, Tally, interfaces.ITally),
        (ClaimedTask, lambda: ClaimedTask(Task(NOON), NOON, 'a', True),
         interfaces.IClaimedTask),
        (WorkerState, worker, interfaces.IWorkerState),
        (History, lambda: History({}), interfaces.IHistory),
        (Outcome, outcome, interfaces.IOutcome),
        (ParkedTasks, ParkedTasks, interfaces.IParkedTasks),
        (ParkedTask, lambda: ParkedTask('1', Task(NOON), NOON, NOON, 'why'),
         interfaces.IParkedTask),
        (Every, lambda: Every(timedelta(1)), interfaces.IRecurrence),
        (Cron, lambda: Cron('@daily', 'UTC'), interfaces.IRecurrence),
        (RRule, lambda: RRule('FREQ=DAILY', NOON), interfaces.IRecurrence),
        (Retry, lambda: Retry(3), interfaces.IRetry),
        (Plain, Plain, interfaces.IPrincipals),
        (implementer(interfaces.IRunEnvironment)(Environment), Environment,
         interfaces.IRunEnvironment),
        (RunEnded, ended, interfaces.IScheduleEvent),
        (RunEnded, ended, interfaces.IRunEnded),
        (PauseChanged, lambda: PauseChanged('1', True, None, 'why'),
         interfaces.IPauseChanged),
        (TaskParked, lambda: TaskParked('1', NOON, 'why', '', None),
         interfaces.ITaskParked),
        *((cls, lambda cls=cls: cls(NOON, []), interfaces.ITask)
          for cls in sample_thirdparty.CLASSES),
    ] for interface in provided]

every = pytest.mark.parametrize(
    'interface, cls, make', IMPLEMENTATIONS,
    ids=lambda value: getattr(value, '__name__', None))


@every
def test_the_class_keeps_the_contract(interface, cls, make):
    assert verifyClass(interface, cls, tentative=False)


@every
def test_its_objects_keep_the_contract(interface, cls, make):
    assert verifyObject(interface, make(), tentative=False)


def test_every_interface_has_an_implementation_here():
    declared = {
        name for name in interfaces.__all__
        if isinstance(getattr(interfaces, name), type(Interface))}
    assert declared == {
        interface.__name__ for interface, *_ in IMPLEMENTATIONS}


# -- What an editor shows

SCHEDULE = [interface for interface, cls, _ in IMPLEMENTATIONS
            if cls is Schedule]


def parameters(method):
    """The names of the parameters of a method of an interface."""
    said = method.getSignatureInfo()
    return {*said['positional'], said['varargs'], said['kwargs']} - {None}


def methods(*wanted):
    return [pytest.param(interface, name, id=f'{interface.__name__}.{name}')
            for interface in wanted
            for name, member in interface.namesAndDescriptions()
            if isinstance(member, Method)]


def names_not_in(doc, names):
    return [name for name in names if not re.search(rf'\b{name}\b', doc)]


@pytest.mark.parametrize('interface, name', methods(*(
    getattr(interfaces, name) for name in interfaces.__all__
    if isinstance(getattr(interfaces, name), type(Interface)))))
def test_a_method_of_the_contract_says_what_it_takes(interface, name):
    method = interface[name]
    assert method.getDoc()
    assert names_not_in(method.getDoc(), parameters(method)) == []


@pytest.mark.parametrize('interface, name', methods(*SCHEDULE))
def test_a_method_of_a_schedule_shows_its_contract(interface, name):
    method = getattr(Schedule, name)
    doc = inspect.getdoc(method)
    assert doc
    assert not doc.startswith('See ')
    taken = list(inspect.signature(method).parameters)[1:]
    if not name.startswith('__'):
        assert [f':param {one}:' in doc for one in taken] == (
            [True] * len(taken))
    assert names_not_in(doc, taken) == []


@pytest.mark.parametrize('cls', [Task, CallTask])
def test_a_task_shows_its_options(cls):
    taken = inspect.signature(cls).parameters
    assert [f':param {one}:' in cls.__doc__ for one in taken] == (
        [True] * len(taken))
    for method in (cls.__call__, cls.schedule, cls.time.fget):
        assert inspect.getdoc(method)


def test_help_says_what_each_argument_of_a_call_is():
    shown = pydoc.render_doc(Schedule.call, renderer=pydoc.plaintext)
    for argument in ('func', 'args', 'kwargs', 'time', 'delay', 'duplicate',
                     'options'):
        assert f':param {argument}: ' in shown
    for word in ('transaction', 'aware datetime', ':returns:',
                 ':raises AlreadyScheduled:', ':raises InvalidTask:'):
        assert word in shown


# -- What really comes out


class NoWhere:

    def look(self, work):
        return work(None, None)


@pytest.fixture
def busy(schedule):
    """A schedule with an outcome, a parked and a waiting task."""
    schedule.call(print, time=NOON)
    schedule.schedule(Fails(NOON, description='why', principalId='bob'))
    schedule.schedule(Task(NOON + timedelta(hours=1)))
    transaction.commit()
    schedule.process(NOON)
    return schedule


def test_fields_hold_values_of_their_kind(busy):
    [entry] = busy.parked
    for interface, obj in [
            (interfaces.ITask, next(iter(busy))),
            (interfaces.ITask, CallTask(print, time=NOON)),
            (interfaces.IScheduledTask, CallTask(
                print, time=NOON, key='a', recurrence=RULE, retry=Retry(3),
                missed='all', expires=timedelta(1))),
            (interfaces.IRetry, Retry(3)),
            (interfaces.IPause, Pause(NOON, 'bob', 'why')),
            (interfaces.ICurrentRun, CurrentRun(
                Task(NOON), None, TaskLabel(1), 0, NOON, NoWhere())),
            (interfaces.IScheduleSettings, busy),
            (interfaces.IParkedTask, entry),
            (interfaces.IHistory, busy.history),
            (interfaces.ITally, busy.process(NOON)),
            (interfaces.IPrincipals, Plain()),
            *((interfaces.IOutcome, one) for one in busy.history)]:
        for name, field in getFields(interface).items():
            field.bind(obj).validate(getattr(obj, name))


def test_everything_that_is_handed_out_provides_its_interface(busy):
    [entry] = busy.parked
    assert interfaces.IParkedTasks.providedBy(busy.parked)
    assert interfaces.IParkedTask.providedBy(entry)
    assert interfaces.IHistory.providedBy(busy.history)
    assert all(map(interfaces.IOutcome.providedBy, busy.history))
    assert interfaces.ITally.providedBy(busy.process(NOON))
    for time in (entry.time, entry.parked_at, *busy.getTaskTimes(),
                 *(one.time for one in busy.history),
                 *(one.ended for one in busy.history)):
        assert time.tzinfo is UTC


# -- The contract of 2003


def test_the_names_of_2003_stay():
    assert list(interfaces.ISchedule['schedule'].positional) == ['task']
    assert list(interfaces.ISchedule['unschedule'].positional) == ['task']
    assert list(interfaces.IScheduleControl['process'].positional) == ['time']
    times = interfaces.IScheduleControl['getTaskTimes']
    assert not set(times.positional) - set(times.optional)
    assert set(interfaces.ITask) == {
        'time', 'principalId', 'description', '__call__', 'schedule'}
    assert interfaces.IScheduling.extends(interfaces.ISchedule)


def test_the_fields_of_a_task_are_those_of_2003():
    fields = getFields(interfaces.ITask)
    assert {name: type(field).__name__ for name, field in fields.items()} == {
        'time': 'Datetime', 'principalId': 'TextLine', 'description': 'Text'}
    assert fields['time'].required
    assert not fields['principalId'].required
    fields['principalId'].validate(None)
    with pytest.raises(ValidationError):
        fields['time'].validate('12:00')


# -- Events and errors


@pytest.mark.parametrize('event', [
    ended(), TaskParked('1', NOON, 'why', '', None),
    PauseChanged('1', True, None, 'why')])
def test_events_cannot_be_changed(event):
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.id = '2'


def test_all_errors_have_one_root():
    errors = [
        one for one in map(interfaces.__dict__.get, interfaces.__all__)
        if isinstance(one, type) and issubclass(one, Exception)
        and not issubclass(one, Warning)]
    assert len(errors) > 5
    assert all(issubclass(one, interfaces.ScheduleError) for one in errors)


@pytest.mark.parametrize('error, builtin', [
    ('InvalidTask', ValueError), ('InvalidTime', ValueError),
    ('InvalidTime', interfaces.InvalidTask),
    ('AlreadyScheduled', ValueError), ('NotScheduled', LookupError)])
def test_errors_are_also_what_python_calls_them(error, builtin):
    assert issubclass(getattr(interfaces, error), builtin)


def test_already_scheduled_carries_the_task():
    task = Task(NOON)
    error = interfaces.AlreadyScheduled('why', task)
    assert (str(error), error.task) == ('why', task)
    assert interfaces.AlreadyScheduled('why').task is None


# -- Names


def test_every_public_name_is_there_and_listed_once():
    for module in (zodbschedule, interfaces):
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


def test_the_interfaces_are_listed_in_their_order_from_that_of_2003():
    defined = [name for name, one in vars(interfaces).items()
               if getattr(one, '__module__', '') == interfaces.__name__]
    assert list(interfaces.__all__) == defined
    assert defined[:3] == ['ISchedule', 'IScheduleControl', 'ITask']


def test_all_errors_that_calls_raise_can_be_had_from_the_package():
    for name in ('InvalidTask', 'InvalidTime', 'AlreadyScheduled',
                 'NotScheduled', 'PendingChanges', 'NotStored',
                 'PrincipalsMissing', 'ClaimLost', 'ScheduleError'):
        assert getattr(zodbschedule, name) is getattr(interfaces, name)


# -- What a person sees in an interpreter


class Own(Schedule):

    shop = 'in Rome'


def test_dir_shows_the_interfaces_of_a_schedule_and_nothing_else():
    shown = [name for name in dir(Schedule()) if not name.startswith('_')]
    assert shown == sorted(
        name for each in providedBy(Schedule()) for name in each
        if not name.startswith('_'))
    assert {'call', 'schedule', 'process', 'history', 'spread'} <= set(shown)
    assert not {'timetable', 'crashes', 'seed', 'settings'} & set(shown)


def test_it_shows_what_a_subclass_adds():
    own = Own()
    own.manager = 'Anna'
    shown = set(dir(own)) - set(dir(Schedule()))
    assert shown == {'shop', 'manager'}


@pytest.mark.parametrize('name', [
    name for name in dir(Schedule())
    if not name.startswith('_') and callable(getattr(Schedule(), name))])
def test_help_of_each_method_says_what_it_does(name):
    told = pydoc.plain(pydoc.render_doc(getattr(Schedule(), name)))
    title = told.split('\n', 4)[3].strip()
    assert title.endswith('.')


def test_help_of_call_says_where_arguments_go():
    told = ' '.join(pydoc.plain(pydoc.render_doc(Schedule().call)).split())
    assert 'Schedule a call of *func*, in the caller\'s transaction.' in told
    assert 'All other keyword arguments of the call go into *kwargs*.' in told
