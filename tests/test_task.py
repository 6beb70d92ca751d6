"""Tasks to subclass."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from zoneinfo import ZoneInfo

import pytest
import transaction

from zodbschedule import InvalidTask
from zodbschedule import InvalidTime
from zodbschedule import Task
from zodbschedule.plain_text import text
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import task_id


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
PARIS = ZoneInfo('Europe/Paris')


class Minimal(Task):
    """What a subclass has to define, and no more."""

    def __call__(self):
        """Do nothing."""


@pytest.mark.parametrize('time', [
    NOON,
    NOON.astimezone(PARIS),
    NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
    datetime(2024, 10, 27, 2, 30, tzinfo=PARIS),
    datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1),
    datetime(2024, 3, 31, 2, 30, tzinfo=PARIS),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
])
def test_a_time_in_any_zone_comes_back_in_utc(schedule, time):
    task = schedule.schedule(Task(time))
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    assert task.time == time.astimezone(UTC)
    assert task.time.tzinfo is UTC
    assert task.time.fold == 0


def test_the_two_hours_of_a_fold_are_an_hour_apart():
    time = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS)
    first, second = Task(time).time, Task(time.replace(fold=1)).time
    assert second - first == timedelta(hours=1)


@pytest.mark.parametrize('time', [datetime(2003, 4, 1), '12:00', 5])
def test_a_time_that_is_not_aware_is_refused(time):
    with pytest.raises(InvalidTime):
        Task(time)
    task = Task(NOON)
    with pytest.raises(InvalidTime, match='^time is '):
        task.time = time
    assert task.time == NOON


def test_a_time_cannot_be_taken_away():
    task = Task(NOON)
    with pytest.raises(InvalidTime):
        task.time = None


@pytest.mark.parametrize('name', ['description', 'principalId'])
@pytest.mark.parametrize('value', [5, b'text', ['text']])
def test_texts_have_to_be_texts(name, value):
    with pytest.raises(InvalidTask) as error:
        Task(NOON, **{name: value})
    assert str(error.value).startswith(
        f'{name} is {value!r}; it has to be a str')


def test_what_is_not_given_is_not_stored():
    task = Minimal()
    assert (task.time, task.principalId) == (None, None)
    assert task.__getstate__() is None or task.__getstate__() == {}
    assert set(vars(Minimal(NOON))) == {'_time'}


def test_what_is_given_is_kept(schedule):
    task = schedule.schedule(
        Minimal(NOON, description='to do', principalId='bob'))
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    assert (task.time, task.description, task.principalId) == (
        NOON, 'to do', 'bob')


def test_a_task_that_does_not_say_what_to_do_fails(schedule):
    with pytest.raises(TypeError, match='^Task does not define __call__$'):
        Task(NOON)()
    schedule.schedule(Task(NOON))
    transaction.commit()
    assert schedule.process(NOON).failed == 1


def test_a_task_is_executed_once(schedule):
    assert Minimal(NOON).schedule() is None
    schedule.schedule(Minimal(NOON))
    transaction.commit()
    assert schedule.process(NOON).succeeded == 1
    assert list(schedule) == []


def test_a_task_says_what_it_is(schedule):
    task = Minimal(NOON, description='to do')
    assert repr(task) == (
        "<Minimal (new) 'to do' at 2003-04-01 12:00:00+00:00>")
    schedule.schedule(task)
    transaction.commit()
    assert repr(task).startswith(f'<Minimal {task_id(task)} ')


class Catching(Minimal):
    """A class that says otherwise than ours."""

    missed = 'all'
    description = 'catches up'


def test_what_is_not_given_is_as_the_class_says():
    assert Catching().missed == 'all'
    assert Catching().description == 'catches up'
    assert vars(Catching()) == {}
    assert Minimal().missed == 'one'


def test_what_is_given_goes_before_what_the_class_says():
    assert Catching(missed='one').missed == 'one'
    assert Catching(description='no').description == 'no'


def test_an_id_is_the_oid_in_hex(schedule):
    task = schedule.schedule(Task(NOON))
    assert task_id(task) is None
    transaction.commit()
    assert int(task_id(task), 16) == int.from_bytes(task._p_oid, 'big')


@pytest.mark.parametrize('id, normal', [
    ('2a', '2a'), ('2A', '2a'), ('0x2a', '2a'), ('0002a', '2a'), ('x', 'x'),
    ('', '')])
def test_an_id_can_be_written_in_many_ways(id, normal):
    assert normal_id(id) == normal


def test_a_text_is_cut_in_the_middle():
    assert text('abc', 3) == 'abc'
    assert text('abcdef', 4) == 'ab\n…\nef'


def test_a_text_is_valid_unicode():
    assert text('a\ud800b', 10) == 'a?b'
