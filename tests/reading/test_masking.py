"""What must not be shown is not, and neither is what cannot be told."""

import traceback
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from persistent import Persistent

from zodbschedule import CallTask
from zodbschedule import reading
from zodbschedule.reading.attributes import attributes
from zodbschedule.reading.masking import HIDDEN
from zodbschedule.reading.masking import mask_of
from zodbschedule.reading.masking import masked_error
from zodbschedule.reading.masking import masked_traceback
from zodbschedule.store.arguments import LARGE


MASK = mask_of(['password', '*_key'])


class Account(Persistent):
    """Says its password itself, and has a method."""

    password = 'hunter2'

    def __repr__(self):
        return f'<Account {self.password}>'

    def log_in(self, password, again=False):
        """A method with an argument that must not be shown."""


def log_in(user, password, /, *more, api_key=None, options=None):
    """A function with arguments that must not be shown."""


def log_in_twice(*passwords):
    """A function whose arguments have no names."""


def shown(func, *args, **kwargs):
    return attributes(CallTask(func, args, kwargs), MASK)


def test_without_a_name_nothing_is_masked():
    assert mask_of([]) is None
    task = CallTask(log_in, ('zoe', 'hunter2'))
    assert attributes(task)['args'] == ('zoe', 'hunter2')


@pytest.mark.parametrize('name, hidden', [
    ('password', True), ('PassWord', True), ('api_key', True),
    ('passwords', False), ('key', False)])
def test_a_name_is_a_pattern_in_any_case(name, hidden):
    assert MASK(name) is hidden


def test_a_positional_argument_has_the_name_of_its_parameter():
    assert shown(log_in, 'zoe', 'hunter2')['args'] == ['zoe', HIDDEN]
    assert shown(Account().log_in, 'hunter2', True)['args'] == [HIDDEN, True]


def test_an_argument_without_a_name_is_hidden():
    assert shown(log_in, 'zoe', 'hunter2', 'more')['args'] == [
        'zoe', HIDDEN, HIDDEN]
    assert shown(log_in_twice, 'hunter2')['args'] == [HIDDEN]


def test_the_arguments_of_what_is_not_loaded_are_hidden():
    task = CallTask(log_in, ('zoe', 'hunter2'))
    for func in 'gone.log_in', 'builtins.dict':
        task.func = func
        assert attributes(task, MASK)['args'] == [HIDDEN, HIDDEN]


def test_keywords_are_looked_into():
    found = shown(log_in, 'zoe', 'p', api_key='hunter2', options={
        'password': 'hunter2', 'at': ['home', {'x_key': 1, 'y': (2,)}]})
    assert found['kwargs'] == {'api_key': HIDDEN, 'options': {
        'password': HIDDEN, 'at': ['home', {'x_key': HIDDEN, 'y': [2]}]}}


def test_an_object_says_its_class_alone():
    found = shown(log_in, Account(), 'p', options={
        'of': [Account()], Account(): 1})
    assert 'hunter2' not in repr(found)
    assert f'<{__name__}.Account>' in found['args']


def test_what_is_plain_is_shown():
    now = datetime(2030, 1, 31, tzinfo=UTC)
    found = shown(log_in, now, 'p', options=[timedelta(1), None, 2.5, b'x'])
    assert repr(now) in found['args']
    assert found['kwargs'] == repr({
        'options': [timedelta(1), None, 2.5, '<builtins.bytes>']})


def test_what_has_no_end_is_hidden():
    endless = deep = []
    endless.extend([endless] * 1000)
    for _ in range(30):
        deep = [deep]
    found = shown(log_in, endless, 'p', options=[deep])
    assert found['args'][0] == [HIDDEN] * 1000
    assert HIDDEN in str(found['kwargs'])


def test_all_arguments_can_be_hidden():
    found = attributes(CallTask(log_in, ('zoe', 'p')), mask_of(['args']))
    assert found['args'] == HIDDEN


def test_large_arguments_are_masked_too(schedule, commit):
    task = schedule.call(log_in, 'x' * LARGE, 'hunter2')
    commit()
    [row] = reading.upcoming(schedule).items
    found = reading.task(schedule, row.id, mask=MASK)
    assert task._arguments is not None
    assert found.attributes['args'][1] == HIDDEN


def test_a_parked_task_is_masked_too(schedule, clock, commit):
    schedule.call('operator.truediv', 1, 0)
    commit()
    schedule.process(clock.now())
    [entry] = reading.parked(schedule).items
    found = reading.task(schedule, entry.id, mask=mask_of(['a']))
    assert found.attributes['args'] == [HIDDEN, 0]


@pytest.mark.parametrize('text, left', [
    ("KeyError: 'hunter2'", 'KeyError'), ('shop.Refused: hunter2\nmore',
                                          'shop.Refused'),
    ('ValueError', 'ValueError'), ('hunter2', None), ('', None),
    ('zlib.error: hunter2', 'zlib.error'), ('hunter2: no', None),
    ('no: hunter2', None), ('we say hunter2', None)])
def test_an_error_is_shown_by_its_class(text, left):
    assert masked_error(text) == (f'{left}: {HIDDEN}' if left else HIDDEN)


def test_a_traceback_keeps_places_and_classes():
    try:
        try:
            {}['hunter2']
        except KeyError as error:
            raise ValueError('hunter2\nhunter2\n  hunter2') from error
    except ValueError:
        told = traceback.format_exc()
    assert masked_traceback(told).splitlines() == [
        *told.splitlines()[1:3], f'KeyError: {HIDDEN}',
        *[line for line in told.splitlines()[5:]
          if line.startswith(('  File', '    raise'))],
        f'ValueError: {HIDDEN}']
