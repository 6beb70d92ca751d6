"""Tasks that call a function: kept by name, found when they run."""

import functools
import os.path
import sys
import zlib
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from types import ModuleType
from types import SimpleNamespace

import pytest
import sample_functions
import transaction
from BTrees.OOBTree import OOBTree
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from sample_functions import Account
from transaction import TransactionManager
from ZODB.POSException import ConflictError
from zope.proxy import ProxyBase
from zope.security.checker import ProxyFactory

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import InvalidTask
from zodbschedule import InvalidTime
from zodbschedule import Retry
from zodbschedule.interfaces import CodeMissing
from zodbschedule.store.inspection import task_id


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Lying:
    """A wrapper as of Acquisition: it says that it is what it wraps."""

    def __init__(self, wrapped):
        self._wrapped = wrapped

    @property
    def __class__(self):
        return type(self._wrapped)

    def __getattr__(self, name):
        return getattr(type(self._wrapped), name).__get__(self)


@pytest.fixture
def root(schedule):
    root = schedule._p_jar.root()
    root['log'] = PersistentList()
    root['account'] = Account()
    transaction.commit()
    return root


@pytest.fixture
def log(root):
    return root['log']


def refusal(func, *args, **kwargs):
    with pytest.raises(InvalidTask) as error:
        CallTask(func, *args, **kwargs)
    return str(error.value)


def run(schedule):
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    return schedule.process(NOON)


# -- What can be called


#: the functions of the next test that need an argument
WITH_ARGUMENT = {'sample_functions.note', 'zlib.crc32', 'os.path.join',
                 f'{os.path.__name__}.join'}


@pytest.mark.parametrize('func, name', [
    (sample_functions.note, 'sample_functions.note'),
    ('sample_functions.note', 'sample_functions.note'),
    (print, 'builtins.print'),
    ('builtins.print', 'builtins.print'),
    (zlib.crc32, 'zlib.crc32'),
    ('os.path.join', 'os.path.join'),
    (os.path.join, f'{os.path.__name__}.join'),
    (sample_functions.wrapped, 'sample_functions.wrapped'),
    (sample_functions.cached, 'sample_functions.cached'),
    (sample_functions.Class, 'sample_functions.Class'),
    ('sample_functions.instance', 'sample_functions.instance'),
    ('sample_functions.renamed', 'sample_functions.renamed'),
])
def test_a_function_is_kept_by_its_dotted_name(func, name):
    task = CallTask(func, [[]] if name in WITH_ARGUMENT else ())
    assert task.func == name
    assert task.of is None


def test_a_function_is_called_with_what_it_is_given(schedule, log):
    schedule.call(sample_functions.note, log, 1, kwargs={'a': 2}, time=NOON)
    schedule.call('sample_functions.note', log, time=NOON)
    schedule.call(sample_functions.wrapped, log, time=NOON)
    schedule.call('sample_functions.renamed', log, time=NOON)
    assert run(schedule).succeeded == 4
    assert list(log) == [((1,), {'a': 2}), ((), {}), 'wrapped', 'renamed']


def test_a_method_of_a_persistent_object_is_called(schedule, root):
    task = schedule.call(
        root['account'].deposit, 5, kwargs={'times': 2}, time=NOON)
    assert (task.of, task.func) == (root['account'], 'deposit')
    assert run(schedule).succeeded == 1
    assert root['account'].balance == 10


def test_a_method_that_is_built_in_is_called(schedule, root):
    root['tree'] = tree = OOBTree()
    schedule.call(tree.update, {'a': 1}, time=NOON)
    schedule.call(tree.__setitem__, 'b', 2, time=NOON)
    assert run(schedule).succeeded == 2
    assert dict(tree) == {'a': 1, 'b': 2}


def test_a_method_of_a_new_persistent_object_is_called(schedule, root):
    account = Account()
    schedule.call(account.deposit, 5, time=NOON)
    root['account'] = account
    run(schedule)
    assert account.balance == 5


def test_an_object_and_its_method_are_one_object_after_the_run(
        schedule, root, log):
    schedule.call(log.append, root['account'], time=NOON)
    run(schedule)
    assert log[0] is root['account']


# -- What is refused


@pytest.mark.parametrize('func', [
    lambda: None,
    sample_functions.nested(),
    sample_functions.Class.method,
    sample_functions.Class.of_class,
    sample_functions.Class.static,
    sample_functions.Class().method,
    Account.deposit,
])
def test_what_another_process_cannot_find_by_name_is_refused(func):
    assert refusal(func) == (
        f'{func.__module__}.{func.__qualname__} cannot be found again by its '
        f'name from another process; move it to the top level of a module')


@pytest.mark.parametrize('func', [
    functools.partial(print), sample_functions.instance, 5, None, b'a.b',
    [].append, 'abc'.upper])
def test_what_has_no_name_is_refused(func):
    assert refusal(func) == (
        f'{func!r} has no name to find it again by; pass a module-level '
        f'function, and what it needs as arguments')


def test_a_function_of_the_main_module_is_refused(monkeypatch):
    def func():
        """Never called."""

    func.__module__, func.__qualname__ = '__main__', 'func'
    monkeypatch.setattr(sys.modules['__main__'], 'func', func, raising=False)
    assert '__main__.func cannot be found again' in refusal(func)


def test_a_function_that_its_module_does_not_have_is_refused(monkeypatch):
    func = sample_functions.note
    monkeypatch.setattr(sample_functions, 'note', print)
    assert refusal(func) == (
        f'sample_functions.note is now another object than {func!r}; pass '
        f'the object that the module has under that name')
    monkeypatch.delattr(sample_functions, 'note')
    assert 'sample_functions.note cannot be imported: AttributeError' in (
        refusal(func))


@pytest.mark.parametrize('name, message', [
    ('print',
     "'print' is not a dotted name; write package.module.function"),
    ('', "'' is not a dotted name"),
    ('.', "'.' is not a dotted name"),
    ('a..b', "'a..b' is not a dotted name"),
    ('.a.b', "'.a.b' is not a dotted name"),
    ('os.path:join', "'os.path:join' is not a dotted name"),
    ('os.path.join()', "'os.path.join()' is not a dotted name"),
    ('no_such_module.f', 'no_such_module.f cannot be imported: ModuleNotFoun'),
    ('os.no_such', 'os.no_such cannot be imported: AttributeError'),
    ('sample_functions.Class.static', 'sample_functions.Class.static cannot '),
    ('os.sep', 'os.sep cannot be called'),
])
def test_a_name_of_nothing_that_can_be_called_is_refused(name, message):
    assert refusal(name).startswith(message)


def test_a_method_that_its_object_does_not_have_by_its_name_is_refused():
    method = Account().renamed
    assert refusal(method) == (
        f'{method!r} is not what its object has under the name wrapper; '
        f'pass what is found there')


def test_what_an_object_makes_up_is_refused_as_what_it_is():
    assert 'cannot be found again by its name' in refusal(
        Account().generated)


@pytest.mark.parametrize('wrap', [ProxyBase, ProxyFactory, Lying])
def test_a_proxied_function_is_refused(wrap):
    assert 'is wrapped or proxied; pass the function itself' in refusal(
        wrap(sample_functions.note))


def test_a_method_of_a_proxied_object_is_refused():
    assert 'wrapped or proxied; pass the function itself' in refusal(
        ProxyFactory(Account().deposit))
    account = Lying(Account())
    assert 'is wrapped or proxied; pass a method of the object itself' in (
        refusal(account.deposit))


@pytest.mark.parametrize('args', ['abc', b'abc', 5])
def test_arguments_that_are_no_list_are_refused(args):
    assert refusal(print, args) == (
        f'args is {args!r}; it has to be a tuple or a list')


@pytest.mark.parametrize('kwargs', ['abc', [('a', 1)], 5, {1: 2}, {'a'}])
def test_keyword_arguments_that_are_no_names_are_refused(kwargs):
    assert refusal(print, (), kwargs) == (
        f'kwargs is {kwargs!r}; it has to be a mapping of names to values')


@pytest.mark.parametrize('func, args, kwargs, problem', [
    (sample_functions.note, (), {}, "missing a required argument: 'log'"),
    ('sample_functions.note', (), {'a': 1}, "missing a required argument"),
    (print, (), {'seperator': ''}, 'got an unexpected keyword argument'),
    (sample_functions.Class, (1,), {}, 'too many positional arguments'),
    ('sample_functions.instance', (1,), {}, 'too many positional arguments'),
    (Account().deposit, (), {}, "missing a required argument: 'amount'"),
    (Account().deposit, (1, 2, 3), {}, 'too many positional arguments')])
def test_a_wrong_number_of_arguments_is_refused(func, args, kwargs, problem):
    told = refusal(func, args, kwargs)
    assert f' cannot be called with what is given: {problem}' in told
    assert told.endswith('; other keywords are options of the task')


@pytest.mark.parametrize('func, args', [
    # what the decorator returns counts, and it takes anything
    (sample_functions.wrapped, (1, 2)),
    (sample_functions.cached, (1, 2)),
    # in C, and it tells no signature
    (OOBTree().update, (1, 2)),
    (dict, (1, 2, 3))])
def test_what_does_not_tell_what_it_takes_is_accepted(func, args):
    assert CallTask(func, args).args == args


def test_an_argument_among_the_options_is_refused(schedule):
    with pytest.raises(InvalidTask) as error:
        schedule.call(print, 'a', 'b', sep=', ')
    assert str(error.value) == (
        "a task has no option sep; if it is an argument of the function, "
        "give it in kwargs={'sep': ...}. The options are time, description, "
        "principalId, key, recurrence, missed, expires, retry")
    with pytest.raises(InvalidTask, match=(
            "argument: 'key'.* or are in kwargs={...}")):
        schedule.call(sample_functions.with_key, key='x')


def test_a_naive_time_is_refused():
    with pytest.raises(InvalidTime):
        CallTask(print, time=datetime(2003, 4, 1))


# -- What is stored


def test_arguments_are_copied_when_the_task_is_made():
    args, kwargs = [1, 2], {'a': 3}
    task = CallTask(sample_functions.note, args, kwargs, time=NOON)
    args.append('late')
    kwargs['late'] = True
    assert (task.args, task.kwargs) == ((1, 2), {'a': 3})
    persistent = PersistentMapping(end='')
    assert type(CallTask(print, (), persistent).kwargs) is dict


def test_tasks_share_no_default():
    first, second = CallTask(print), CallTask(print)
    assert first.args == second.args == ()
    assert first.kwargs is second.kwargs is None
    assert not {'args', 'kwargs', 'of', '_description'} & set(vars(first))


def test_what_a_run_does_to_arguments_does_not_reach_the_next(schedule, log):
    items, options = [], {}
    for _ in range(2):
        schedule.call(
            sample_functions.extend, log, items, options, time=NOON)
    run(schedule)
    assert list(log) == [(['changed'], {'changed': True})] * 2
    assert (items, options) == ([], {})


NOTE = 'sample_functions.note'
SMALL, LARGE = 'little', 'much' * 5_000


@pytest.mark.parametrize('size', [SMALL, LARGE])
@pytest.mark.parametrize('func, options', [
    ('extend', {'recurrence': Every(HOUR), 'missed': 'all'}),
    ('extend_and_return', {}),
    ('extend_and_fail', {'retry': Retry(9, jitter=0)})])
def test_what_a_run_does_to_arguments_does_not_reach_its_next_attempt(
        schedule, log, func, options, size):
    items, kwargs = [size, log], {'options': {'a': (log,)}}
    task = schedule.call(f'sample_functions.{func}', log, items,
                         kwargs=kwargs, time=NOON, **options)
    transaction.commit()
    for hours in range(3):
        tally = schedule.process(NOON + hours * HOUR)
        assert tally.succeeded + tally.retried == 1
    for given, named in log:
        assert given[:-1] == [size, log] and given[1] is log
        assert named == {'a': (log,), 'changed': True}
    assert len(log) == (0 if 'fail' in func else 3)
    errors = [one.error for one in schedule.history if one.error]
    assert len(errors) == (3 if 'fail' in func else 0)
    assert all(error.count("'changed'") == 2 for error in errors)
    transaction.begin()
    schedule._p_jar.cacheMinimize()
    assert task.args == (log, [size, log]) == (log, items)
    assert task.kwargs == {'options': {'a': (log,)}} == kwargs


@pytest.mark.parametrize('size', [SMALL, LARGE])
def test_nor_does_it_when_the_run_conflicts(
        schedule, log, size, monkeypatch):
    def conflict(log, items):
        items.append('changed')
        seen.append(items)
        if len(seen) < 3:
            raise ConflictError

    seen = []
    monkeypatch.setattr(sample_functions, 'note', conflict)
    schedule.call('sample_functions.note', log, [size], time=NOON)
    assert run(schedule).succeeded == 1
    assert seen == [[size, 'changed']] * 3


def test_what_cannot_be_changed_is_not_copied(schedule, log, monkeypatch):
    monkeypatch.setattr('zodbschedule.task.copied', None)
    schedule.call(NOTE, log, 'text', NOON, HOUR, None, time=NOON,
                  kwargs={'more': 1.5})
    assert run(schedule).succeeded == 1
    assert list(log) == [(('text', NOON, HOUR, None), {'more': 1.5})]


def test_the_description_defaults_to_what_is_called(root):
    assert CallTask(print).description == 'builtins.print'
    assert CallTask(root['account'].deposit, [5]).description == (
        'sample_functions.Account.deposit')
    task = CallTask(print, description='says hello')
    assert task.description == 'says hello'
    task.description = ''
    assert task.description == 'builtins.print'


def test_records_are_small(schedule):
    task = schedule.call(print, time=NOON)
    transaction.commit()
    assert set(vars(task)) == {'_time', 'func', '_zodbschedule'}
    record, _ = schedule._p_jar._storage.load(task._p_oid)
    assert len(record) < 130


# -- What it returns


def test_what_a_function_returns_is_dropped(schedule, log):
    schedule.call(sample_functions.note, log, time=NOON)
    schedule.call(sorted, [2, 1], time=NOON)
    assert run(schedule).succeeded == 2
    assert list(schedule) == []


def test_a_task_that_a_function_returns_takes_its_place(schedule, log):
    schedule.call(sample_functions.another, NOON + HOUR, log, time=NOON)
    assert run(schedule).retried == 1
    assert list(schedule.getTaskTimes()) == [NOON + HOUR]
    assert schedule.process(NOON + HOUR).succeeded == 1
    assert list(log) == ['again']


def test_what_a_function_raises_parks_the_task(schedule):
    schedule.call(sample_functions.fail, time=NOON)
    assert run(schedule).failed == 1
    [entry] = schedule.parked
    assert entry.reason == 'ValueError: it fails'
    assert 'sample_functions.py' in entry.traceback


# -- Code that is missing when it runs


@pytest.fixture
def module(monkeypatch):
    """A module that can be taken away."""
    module = ModuleType('sample_volatile')
    exec('''if True:
        from persistent import Persistent
        def act(log):
            log.append('acted')
        class Thing(Persistent):
            def act(self, log):
                log.append('acted')
        ''', module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def away():
        monkeypatch.delitem(sys.modules, module.__name__)

    def back():
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return SimpleNamespace(module=module, away=away, back=back)


def test_a_missing_function_is_reported_as_missing_code(module):
    log = PersistentList()
    task = CallTask(module.module.act, [log])
    module.away()
    with pytest.raises(CodeMissing) as error:
        task()
    assert str(error.value).startswith(
        'sample_volatile.act cannot be imported: ModuleNotFoundError: ')
    module.back()
    assert task() is None
    assert list(log) == ['acted']


def test_a_module_that_cannot_be_imported_for_any_reason_is_missing_code(
        tmp_path, monkeypatch):
    tmp_path.joinpath('sample_bad.py').write_text('raise KeyError(1)')
    monkeypatch.syspath_prepend(tmp_path)
    assert 'sample_bad.f cannot be imported: KeyError: 1' in refusal(
        'sample_bad.f')


def test_a_task_waits_until_its_function_is_back(schedule, log, module):
    schedule.call(module.module.act, log, time=NOON)
    transaction.commit()
    module.away()
    assert schedule.process(NOON).left == 1
    assert schedule.process(NOON + HOUR).left == 1
    assert list(schedule.parked) == []
    module.back()
    assert schedule.process(NOON + HOUR).succeeded == 1
    assert list(log) == ['acted']


def test_a_task_whose_function_stays_away_is_parked(schedule, log, module):
    schedule.call(module.module.act, log, time=NOON)
    transaction.commit()
    module.away()
    late = NOON + HOUR + timedelta(seconds=1)
    assert schedule.process(late).failed == 1
    [entry] = schedule.parked
    assert 'sample_volatile.act cannot be imported' in entry.reason
    module.back()
    schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(late).succeeded == 1


def test_a_database_opens_without_the_code(schedule, root, log, module):
    thing = root['thing'] = module.module.Thing()
    schedule.call(module.module.act, log, time=NOON)
    schedule.call(thing.act, log, time=NOON)
    transaction.commit()
    module.away()
    manager = TransactionManager()
    connection = schedule._p_jar.db().open(manager)
    theirs = connection.root()['schedule']
    assert [task.description for task in theirs] == [
        'sample_volatile.act', 'sample_volatile.Thing.act']
    assert theirs.process(NOON).left == 2
    assert len(list(theirs)) == 2
    with pytest.raises(CodeMissing, match='Thing cannot be imported'):
        theirs.get(task_id(list(theirs)[-1]))()
    assert theirs.process(NOON + 2 * HOUR).failed == 2
    module.back()
    manager.abort()
    connection.close()
    transaction.begin()
    for entry in list(schedule.parked):
        schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(NOON).succeeded == 2
    assert list(log) == ['acted', 'acted']


def test_a_method_that_is_missing_is_missing_code(root, monkeypatch):
    task = CallTask(root['account'].deposit, [1])
    monkeypatch.delattr(Account, 'deposit')
    with pytest.raises(CodeMissing) as error:
        task()
    assert str(error.value) == 'sample_functions.Account has no method deposit'
