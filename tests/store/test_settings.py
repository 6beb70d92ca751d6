"""Settings: what is valid, and a database that holds what is not."""

import logging
from datetime import timedelta

import pytest
import transaction
import ZODB
from zope.schema import getFields

from zodbschedule import InvalidSetting
from zodbschedule import Schedule
from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IScheduleSettings


MINUTE = timedelta(minutes=1)
DURATIONS = 'import_grace', 'lease', 'catch_up', 'spread'


def reopened(schedule):
    """*schedule*, as another connection loads it."""
    return schedule._p_jar.db().open(
        transaction.TransactionManager()).root()['schedule']


@pytest.fixture
def schedule():
    """A schedule that is stored."""
    db = ZODB.DB(None)
    connection = db.open()
    found = connection.root()['schedule'] = Schedule()
    transaction.commit()
    yield found
    transaction.abort()
    db.close()


@pytest.mark.parametrize('name', DURATIONS)
@pytest.mark.parametrize('value', [60, 60.5, '60', None, True, -MINUTE])
def test_a_duration_is_a_timedelta_that_is_not_negative(
        schedule, name, value):
    before = getattr(schedule, name)
    with pytest.raises(InvalidSetting, match=f'{name} is .*; it has to be a '
                       r'timedelta of .*, such as timedelta\(seconds='):
        setattr(schedule, name, value)
    assert getattr(schedule, name) == before
    assert not schedule._p_changed


@pytest.mark.parametrize('name, value, message', [
    ('lease', 60, 'lease is 60; it has to be a timedelta of 0:00:01 or more, '
                  'such as timedelta(seconds=60)'),
    ('lease', .2, 'lease is 0.2; it has to be a timedelta of 0:00:01 or more, '
                  'such as timedelta(seconds=60)'),
    ('lease', timedelta(0), 'lease is datetime.timedelta(0); it has to be a '
                            'timedelta of 0:00:01 or more, such as '
                            'timedelta(seconds=60)'),
    ('spread', 1e99, 'spread is 1e+99; it has to be a timedelta of 0:00:00 or '
                     'more, such as timedelta(seconds=60)'),
    ('principals', None, 'principals is None; it has to be a str'),
])
def test_the_error_says_what_to_write(schedule, name, value, message):
    with pytest.raises(InvalidSetting) as caught:
        setattr(schedule, name, value)
    assert str(caught.value) == message


@pytest.mark.parametrize('name, value, message', [
    ('keep', '100', "keep is '100'; it has to be an int of 0 or more"),
    ('keep', -1, 'keep is -1; it has to be an int of 0 or more'),
    ('keep', True, 'keep is True; it has to be an int of 0 or more'),
    ('max_age', 90, 'max_age is 90; it has to be a timedelta of 0:00:01 or '
                    'more, such as timedelta(seconds=90)'),
])
def test_the_bounds_of_the_history_are_checked_too(
        schedule, name, value, message):
    with pytest.raises(InvalidSetting) as caught:
        setattr(schedule.history, name, value)
    assert str(caught.value) == message


def test_what_is_valid_is_stored(schedule):
    for name in DURATIONS:
        setattr(schedule, name, MINUTE)
    schedule.history.keep = 0
    schedule.history.max_age = None
    transaction.commit()
    other = reopened(schedule)
    assert [getattr(other, name) for name in DURATIONS] == [MINUTE] * 4
    assert other.history.keep == 0
    assert other.unfit_settings == other.history.unfit_settings == []


def test_what_an_older_release_has_stored_is_replaced_by_the_default(
        schedule):
    vars(schedule).update(lease=60, spread='a day', catch_up=MINUTE)
    vars(schedule.history)['keep'] = '100'
    schedule._p_changed = schedule.history._p_changed = True
    transaction.commit()
    other = reopened(schedule)
    assert other.lease == Schedule.lease
    assert other.spread == Schedule.spread
    assert other.catch_up == MINUTE
    assert other.history.keep == 10_000
    assert other.unfit_settings == [
        'lease is 60; it has to be a timedelta of 0:00:01 or more, such as '
        'timedelta(seconds=60)',
        "spread is 'a day'; it has to be a timedelta of 0:00:00 or more, such "
        'as timedelta(seconds=60)']
    assert other.history.unfit_settings == [
        "keep is '100'; it has to be an int of 0 or more"]


def test_tasks_run_by_the_default_and_the_log_says_so(schedule, caplog):
    vars(schedule)['lease'] = 60
    schedule._p_changed = True
    schedule.call('os.getcwd')
    transaction.commit()
    other = reopened(schedule)
    other._p_jar.transaction_manager.begin()
    task, = other
    with caplog.at_level(logging.WARNING, 'zodbschedule'):
        assert other.process(task.time).succeeded == 1
    assert [record.getMessage() for record in caplog.records] == [
        'A setting of the schedule is not valid, and its default is used: '
        'lease is 60; it has to be a timedelta of 0:00:01 or more, such as '
        'timedelta(seconds=60). Set it again.']


def test_it_is_mended_by_setting_it_again(schedule):
    vars(schedule)['lease'] = 60
    schedule._p_changed = True
    transaction.commit()
    other = reopened(schedule)
    other._p_jar.transaction_manager.begin()
    other.lease = 2 * MINUTE
    other._p_jar.transaction_manager.commit()
    third = reopened(schedule)
    assert third.lease == 2 * MINUTE
    assert third.unfit_settings == []


@pytest.mark.parametrize('schema, owner', [
    (IScheduleSettings, Schedule()), (IHistory, Schedule().history)])
def test_the_schema_names_the_defaults(schema, owner):
    for name, field in getFields(schema).items():
        assert field.default == getattr(owner, name)


def test_a_schedule_goes_along_to_another_database(schedule, tmp_path):
    """ZODB sets attributes of what it imports before that can be loaded."""
    schedule.lease = 2 * MINUTE
    transaction.commit()
    file = str(tmp_path / 'schedule.zexp')
    schedule._p_jar.exportFile(schedule._p_oid, file).close()
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = connection.importFile(file)
    with db.transaction() as connection:
        copy = connection.root()['schedule']
        assert copy.lease == 2 * MINUTE
        assert copy.import_grace == schedule.import_grace
    db.close()
