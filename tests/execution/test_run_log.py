##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""What the log says of runs: which task, what became of it, how long it took.
"""

import logging

import pytest
import transaction
import ZODB
from sample_tasks import MINUTE
from sample_tasks import Doing
from sample_tasks import Fading
from sample_tasks import Stage
from sample_tasks import gone
from ZODB.POSException import ConflictError

from zodbschedule import CurrentRunFilter
from zodbschedule import GiveUp
from zodbschedule import Retry
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.events import report_parked
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.inspection import task_id
from zodbschedule.task import label_of


@pytest.fixture
def stage(clock):
    db = ZODB.DB(None)
    stage = Stage(db, transaction.TransactionManager(explicit=True), clock)
    yield stage
    stage.close()
    db.close()


@pytest.fixture
def log(caplog):
    """The records of ours, from a level on."""
    def log(level=logging.INFO):
        return [record for record in caplog.records
                if record.name == 'zodbschedule' and record.levelno >= level]

    caplog.set_level(logging.INFO, 'zodbschedule')
    return log


def texts(records):
    return [record.getMessage() for record in records]


def fail(task):
    raise ValueError('no luck')


# -- Which task


@pytest.mark.parametrize('label, text', [
    (TaskLabel(23), '17'),
    (TaskLabel(23, type='shop.confirm'), '17 (shop.confirm)'),
    (TaskLabel(23, 'shop.confirm', 'shop.confirm', attempt=1),
     '17 (shop.confirm)'),
    (TaskLabel(23, 'send invoice', 'shop.confirm'),
     "17 'send invoice' (shop.confirm)"),
    (TaskLabel(23, 'two\nlines', 'shop.confirm', 'nightly', 2),
     r"17 'two\nlines' (shop.confirm, key 'nightly', attempt 2)")])
def test_a_task_is_named_by_all_that_is_known_of_it(label, text):
    assert str(label) == text


def test_a_long_description_is_cut():
    assert len(str(TaskLabel(23, 'x' * 1000, 'shop.confirm'))) < 150


def test_each_line_says_which_task_and_so_do_the_attributes(stage, log):
    task = stage.add('send invoice', call=fail, minutes=1, key='nightly',
                     retry=Retry(2, delay=MINUTE))
    stage.process()
    stage.process(2)
    name = f"{task_id(task)} 'send invoice' (sample_tasks.Doing, key 'nightly'"
    assert all(name in text for text in texts(log()))
    assert {(record.task_id, record.task_description, record.task_function,
             record.task_key) for record in log()} == {
        (task_id(task), 'send invoice', 'sample_tasks.Doing', 'nightly')}
    assert [record.task_attempt for record in log()] == [1] * 3 + [2] * 3
    assert {record.schedule_worker for record in log()} == {'process()'}
    [parked] = log(logging.ERROR)
    assert parked.getMessage() == (
        f'Task {name}, attempt 2) was parked: ValueError: no luck')


def test_what_is_not_known_of_a_task_is_none(stage, log):
    stage.add('', call=lambda task: None)
    stage.process()
    record = log()[0]
    assert (record.task_description, record.task_key) == (
        'sample_tasks.Doing', None)


def test_a_task_whose_class_is_missing_is_named_as_well(stage, caplog):
    task = stage.add('send invoice', cls=Fading, minutes=1, key='nightly')
    with gone(stage.db, 'Fading'):
        stage.process()
    [record] = caplog.records
    assert record.getMessage() == (
        f"Task {task_id(task)} 'send invoice' (gone.Fading, key 'nightly') is "
        f'left in its place: gone.Fading cannot be imported')
    assert record.task_id == task_id(task)


def test_a_task_whose_function_is_missing_is_named_as_well(
        stage, caplog, monkeypatch):
    with stage.transaction() as root:
        task = root['schedule'].call(
            function, time=stage.now, description='send invoice')
    monkeypatch.delattr(f'{__name__}.function')
    stage.process()
    [record] = caplog.records
    assert record.getMessage().startswith(
        f"Task {task_id(task)} 'send invoice' ({__name__}.function) is left "
        f'in its place: ')


def function():
    """Something to call."""


def test_what_is_parked_without_a_run_is_named_as_well(stage, caplog):
    stage.add('send invoice', call=fail, key='nightly')
    stage.process()
    caplog.clear()
    with stage.transaction() as root:
        [entry] = root['schedule'].parked
        report_parked(parked_event(root['schedule'], entry))
        assert caplog.messages == [
            f'Task {label_of(entry.task)} was parked: ValueError: no luck']


# -- From its beginning to its end


def test_a_run_is_logged_when_it_begins_and_when_it_has_ended(
        stage, log, clock):
    task = stage.add(
        'send invoice', call=lambda task: clock.advance(2 * MINUTE))
    stage.process()
    name = f"task {task_id(task)} 'send invoice' (sample_tasks.Doing)"
    assert texts(log()) == [
        f'The run of {name} begins.',
        f'The run of {name} has ended after 120.000 s: succeeded']
    end = log()[-1]
    assert (end.run_outcome, end.run_duration) == ('succeeded', 120.0)
    assert not log(logging.WARNING)


def test_a_task_that_is_not_called_has_no_such_lines(stage, log):
    stage.add('late', minutes=2, expires=MINUTE)
    assert stage.process() == Tally(expired=1)
    assert not [text for text in texts(log()) if 'The run of' in text]


def test_a_planned_retry_is_one_line_and_gives_no_traceback(stage, log):
    stage.add('bad', call=fail, retry=Retry(2, delay=MINUTE))
    stage.process()
    [line] = log(logging.WARNING)
    assert 'failed, and attempt 2 begins at' in line.getMessage()
    assert line.exc_info is None
    assert log()[-1].run_outcome == 'retried'


def test_the_traceback_of_the_last_attempt_begins_with_the_task(stage, log):
    stage.add('bad', call=fail)
    stage.process()
    [line] = log(logging.ERROR)
    frame = line.exc_info[2].tb_frame
    assert frame.f_code is Doing.__call__.__code__
    assert log()[-1].run_outcome == 'failed'


def test_all_of_each_traceback_is_there_for_debugging(stage, log, caplog):
    caplog.set_level(logging.DEBUG, 'zodbschedule')
    stage.add('bad', call=fail, retry=Retry(2, delay=MINUTE))
    stage.process()
    stage.process(2)
    whole = [record for record in log(logging.DEBUG)
             if record.levelno == logging.DEBUG and record.exc_info]
    assert [record.task_attempt for record in whole] == [1, 2]
    assert all('execution' in record.exc_info[2].tb_frame.f_code.co_filename
               for record in whole)


def test_an_error_of_a_function_in_c_has_no_frames(stage, log):
    with stage.transaction() as root:
        root['schedule'].call('math.sqrt', -1, time=stage.now)
    stage.process()
    [line] = log(logging.ERROR)
    assert line.exc_info[0] is ValueError and line.exc_info[2] is None


def test_a_run_that_conflicts_begins_again(stage, log):
    stage.add('bad', call=_conflict_once())
    stage.process()
    assert [text.split(') ')[1] for text in texts(log())] == [
        'begins.',
        'begins again, since its transaction was not committed.',
        'has ended after 0.000 s: succeeded']


def _conflict_once():
    errors = [ConflictError()]

    def call(task):
        if errors:
            raise errors.pop()

    return call


def test_a_run_that_goes_on_conflicting_is_left_in_its_place(stage, log):
    def call(task):
        raise ConflictError

    stage.add('bad', call=call)
    stage.process()
    assert log()[-1].run_outcome == 'left in its place'


def test_a_run_that_ends_the_call_was_interrupted(stage, log):
    def call(task):
        raise KeyboardInterrupt

    stage.add('bad', call=call)
    with pytest.raises(KeyboardInterrupt):
        stage.process()
    assert 'interrupted' in [
        getattr(record, 'run_outcome', None) for record in log()]


def test_what_gives_up_has_a_line_with_its_reason(stage, log):
    def call(task):
        raise GiveUp('the customer is gone')

    stage.add('bad', call=call, retry=Retry(5))
    stage.process()
    [line] = log(logging.ERROR)
    assert line.getMessage().endswith('was parked: the customer is gone')


def test_a_turn_is_logged_for_debugging(stage, log, caplog):
    caplog.set_level(logging.DEBUG, 'zodbschedule')
    stage.add('a')
    stage.process()
    assert any(text.startswith('A turn has taken 1 tasks into the claim ')
               for text in texts(log(logging.DEBUG)))


# -- The lines of the application


@pytest.fixture
def application(caplog):
    """The logger of an application, and the records that it has made."""
    logger = logging.getLogger('shop')
    caplog.set_level(logging.INFO, 'shop')
    added = CurrentRunFilter()
    caplog.handler.addFilter(added)
    yield logger, lambda: [
        record for record in caplog.records if record.name == 'shop']
    caplog.handler.removeFilter(added)


def test_a_line_of_the_application_says_in_which_task_it_was_written(
        stage, application):
    logger, records = application
    task = stage.add('send invoice', key='nightly',
                     call=lambda task: logger.info('sent'))
    stage.process()
    [record] = records()
    assert (record.task_id, record.task_description, record.task_function,
            record.task_key, record.task_attempt, record.schedule_worker) == (
        task_id(task), 'send invoice', 'sample_tasks.Doing', 'nightly', 1,
        'process()')


def test_outside_of_a_run_it_says_that_there_is_none(application):
    logger, records = application
    logger.info('hello')
    [record] = records()
    assert (record.task_id, record.task_attempt, record.schedule_path) == (
        None,) * 3


def test_what_the_application_says_itself_has_precedence(application):
    logger, records = application
    logger.info('hello', extra={'task_id': 'of its own'})
    assert records()[0].task_id == 'of its own'


def test_a_format_may_name_the_task(application):
    logger, records = application
    logger.info('hello')
    assert logging.Formatter('%(task_id)s %(message)s').format(
        records()[0]) == 'None hello'
