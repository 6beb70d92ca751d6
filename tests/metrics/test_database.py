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
"""What is read of a database, within bounds, and what is said if it is away.
"""

import threading
from datetime import timedelta

import pytest
import ZODB
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from transaction import TransactionManager

from zodbschedule import Schedule
from zodbschedule import clock as the_clock
from zodbschedule.metrics.database import DatabaseMetrics
from zodbschedule.metrics.database import figures_of
from zodbschedule.metrics.database import registry_of
from zodbschedule.reading.healthcheck import MOST_LOOKED_AT


MINUTE = timedelta(minutes=1)


@pytest.fixture
def schedule():
    db = ZODB.DB(None)
    connection = db.open(TransactionManager())
    found = connection.root()['schedule'] = Schedule()
    connection.transaction_manager.commit()
    yield found
    connection.transaction_manager.abort()
    db.close()


def parsed(registry):
    """A scrape: name and labels, by their names -> value."""
    text = generate_latest(registry).decode()
    return {key_of(sample): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples}


def key_of(sample):
    return (sample.name.removeprefix('zodbschedule_'),
            *(text for _, text in sorted(sample.labels.items())))


def said_of(schedule):
    return parsed(registry_of({'here': figures_of(schedule)}))


def test_what_waits_and_what_is_due_is_said(schedule):
    now = the_clock.now()
    for minutes in (-3, -2, 9):
        schedule.call('os.getcwd', time=now + minutes * MINUTE)
    said = said_of(schedule)
    assert said['up', 'here'] == 1
    assert said['tasks_waiting', 'here'] == 3
    assert said['tasks_due', 'here'] == 2
    assert 180 <= said['oldest_due_seconds', 'here'] < 240
    assert said['tasks_claimed', 'here'] == said['paused', 'here'] == 0
    assert said['workers', 'here', 'alive'] == 0


def test_what_is_due_is_counted_up_to_a_bound(schedule):
    past = the_clock.now() - MINUTE
    for _ in range(MOST_LOOKED_AT + 5):
        schedule.call('os.getcwd', time=past)
    said = said_of(schedule)
    assert said['tasks_due', 'here'] == MOST_LOOKED_AT
    assert said['tasks_waiting', 'here'] == MOST_LOOKED_AT + 5


def test_a_paused_task_is_not_due(schedule):
    past = the_clock.now() - MINUTE
    paused = schedule.call('os.getcwd', time=past)
    schedule.call('os.getcwd', time=past)
    schedule._p_jar.transaction_manager.commit()
    schedule.pause(paused)
    assert said_of(schedule)['tasks_due', 'here'] == 1


def test_a_parked_task_and_a_pause_are_said(schedule):
    schedule.call('math.sqrt', -1)
    schedule._p_jar.transaction_manager.commit()
    schedule.process(the_clock.now())
    schedule.pause()
    said = said_of(schedule)
    assert said['tasks_parked', 'here'] == said['paused', 'here'] == 1


def test_what_a_worker_holds_is_said_while_it_runs(schedule, monkeypatch):
    seen = []
    db = schedule._p_jar.db()

    def look():
        connection = db.open(TransactionManager())
        seen.append(said_of(connection.root()['schedule']))
        connection.close()

    monkeypatch.setattr('os.getcwd', look)
    schedule.call('os.getcwd')
    schedule._p_jar.transaction_manager.commit()
    schedule.process(the_clock.now())
    assert [said['tasks_claimed', 'here'] for said in seen] == [1]


def test_nothing_is_written_by_reading(schedule):
    schedule.call('math.sqrt', -1)
    schedule._p_jar.transaction_manager.commit()
    schedule.process(the_clock.now())
    transaction_before = schedule._p_jar.db().lastTransaction()
    figures_of(schedule)
    assert not schedule._p_jar._registered_objects
    assert schedule._p_jar.db().lastTransaction() == transaction_before


def test_a_schedule_that_cannot_be_read_is_down_and_others_are_not(schedule):
    said = parsed(registry_of({'one': figures_of(schedule), 'two': None}))
    assert said['up', 'one'] == 1
    assert said['up', 'two'] == 0
    assert ('tasks_due', 'one') in said
    assert ('tasks_due', 'two') not in said


# -- as a collector


@pytest.fixture
def scrape(schedule):
    """Scrape what is read by that function, kept for so many seconds."""
    made = []

    def metrics_by(read, keep=60, wait=60, paths=('here',)):
        registry = CollectorRegistry(auto_describe=True)
        made.append(DatabaseMetrics(read, paths, keep, wait))
        registry.register(made[-1])
        return lambda: parsed(registry)

    yield metrics_by
    for each in made:
        each.reading.finish()


def test_what_was_read_is_told_again_for_a_while(scrape, schedule):
    figures, reads = figures_of(schedule), []

    def read():
        reads.append(1)
        return {'here': figures}

    kept = scrape(read)
    assert reads == []
    assert kept() == kept()
    assert reads == [1]
    not_kept = scrape(read, keep=0)
    assert not_kept() == not_kept() == kept()
    assert len(reads) == 3


def test_a_database_that_does_not_answer_is_waited_for_only_so_long(
        scrape, schedule):
    answers, reads = threading.Event(), []
    figures = figures_of(schedule)

    def read():
        reads.append(1)
        answers.wait(60)
        return {'here': figures}

    metrics = scrape(read, wait=.01)
    assert metrics() == {('up', 'here'): 0}
    assert metrics() == {('up', 'here'): 0}
    # One thread waits, and not one for each scrape.
    assert reads == [1]
    answers.set()
    while not metrics()['up', 'here']:
        pass
    assert metrics()['tasks_due', 'here'] == 0


def test_the_end_waits_for_what_reads(schedule):
    begun, answers, ended = (threading.Event() for _ in range(3))

    def read():
        begun.set()
        answers.wait(60)
        ended.set()
        return {}

    metrics = DatabaseMetrics(read, (), 60, .01)
    metrics.reading.get()
    begun.wait()
    metrics.reading.wait = 60
    threading.Timer(.01, answers.set).start()
    metrics.reading.finish()
    assert ended.is_set()


def test_a_failure_is_said_and_logged_once(scrape, caplog):
    def read():
        raise OSError('no route')

    metrics = scrape(read, keep=0)
    assert metrics() == metrics() == {('up', 'here'): 0}
    assert [record.getMessage() for record in caplog.records] == [
        'The metrics of the database cannot be read: OSError: no route']


def test_where_schedules_were_is_known_while_the_database_is_away(
        scrape, schedule):
    found = [{'/Plone': figures_of(schedule)}]
    metrics = scrape(lambda: found.pop(), keep=0, paths=())
    assert metrics()['up', '/Plone'] == 1
    assert metrics() == {('up', '/Plone'): 0}
    assert scrape(lambda: 1 / 0, paths=())() == {('up', ''): 0}
