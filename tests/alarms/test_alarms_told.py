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
"""Each message is handed over once, whatever happens meanwhile."""

import threading
from contextlib import closing
from contextlib import suppress
from datetime import timedelta

import alarm_kills
import pytest
import ZODB
from databases import Child
from receivers import MailServer
from ZODB.POSException import ConflictError
from ZODB.POSException import StorageError

from zodbschedule import Retry
from zodbschedule import alarms as the_alarms
from zodbschedule import clock as the_clock
from zodbschedule.alarms import looking
from zodbschedule.alarms import telling
from zodbschedule.alarms import wording
from zodbschedule.alarms.setup import looking as task_that_looks
from zodbschedule.alarms.telling import HANDED
from zodbschedule.alarms.telling import PATIENT
from zodbschedule.alarms.telling import Own
from zodbschedule.alarms.telling import Taken
from zodbschedule.alarms.telling import hand_over
from zodbschedule.testing import SettableClock


MINUTE = timedelta(minutes=1)


@pytest.fixture
def queue(schedule, alarms, clock, commit):
    """Queue a message; nothing looks."""
    schedule.unschedule(task_that_looks(schedule))

    def queue(subject='wrong'):
        looking.queue(schedule, alarms, subject, 'What is wrong.\n',
                      wording.News({}, {}), clock.now())
        commit()
        return list(alarms.outbox)[-1]
    return queue


@pytest.fixture
def run(schedule, clock):
    """Run what is due in the next minutes, one by one."""
    def run(minutes=0):
        schedule.process(clock.now())
        for _ in range(minutes):
            clock.advance(MINUTE)
            schedule.process(clock.now())
    return run


@pytest.fixture
def own(schedule):
    """Commit by itself, as the task does."""
    return Own(schedule._p_jar.db(), schedule._p_oid)


def outcomes(schedule):
    return [row.outcome for row in schedule.history][::-1]


# -- a server that is down, and up again


def test_a_mail_server_that_is_down_gets_it_once_when_it_is_up(
        schedule, alarms, queue, run, mails):
    mails.stop()
    name = queue()
    run(2)
    assert outcomes(schedule) == ['retried', 'retried']
    assert 'ConnectionRefusedError' in alarms.outbox[name].error
    mails.start()
    run(60)
    mail, = mails.received
    assert mail['Message-ID'] == f'<{name.split()[0]}@example.org>'
    assert outcomes(schedule) == ['retried', 'retried', 'succeeded']
    assert len(alarms.outbox) == 0


def test_a_web_server_that_is_down_gets_it_once_when_it_is_up(
        schedule, alarms, queue, run, web):
    alarms.mail = None
    alarms.webhook = web.address()
    web.stop()
    name = queue()
    run(2)
    web.start()
    run(60)
    (method, path, headers, data), = web.received
    assert (method, path) == ('POST', '/hook')
    assert headers['Idempotency-Key'] == data['id'] == name.split()[0]
    assert data['subject'] == 'wrong'


def test_each_channel_is_told_by_itself(
        schedule, alarms, queue, run, mails, web):
    alarms.webhook = web.address()
    mails.stop()
    queue()
    run(2)
    assert len(web.received) == 1
    mails.start()
    run(60)
    assert (len(mails.received), len(web.received)) == (1, 1)
    (_, _, headers, _), = web.received
    assert mails.received[0]['Message-ID'].startswith(
        f'<{headers["Idempotency-Key"]}@')


def test_while_a_message_cannot_be_sent_not_all_is_well(
        schedule, alarms, queue, run, mails, clock, commit):
    mails.stop()
    queue()
    run()
    assert not the_alarms.look(schedule, alarms, clock.now()).well
    commit()
    mails.start()
    run(60)
    assert the_alarms.look(schedule, alarms, clock.now()).well


def test_a_message_is_tried_for_a_day():
    tried = sum((PATIENT.delay_after(number, '', OSError()) or timedelta(0)
                 for number in range(1, 101)), timedelta(0))
    assert tried >= timedelta(days=1)


def test_what_was_tried_so_often_is_parked_and_can_be_sent_still(
        schedule, alarms, queue, run, mails, clock, monkeypatch):
    monkeypatch.setattr(the_alarms.Tell, 'retry', Retry(3, MINUTE, 1))
    mails.stop()
    queue()
    run(5)
    entry, = schedule.parked
    assert the_alarms.look(schedule, alarms, clock.now()).standing == {}
    mails.start()
    schedule.unpark(entry)
    schedule._p_jar.transaction_manager.commit()
    run()
    assert len(mails.received) == 1


def test_what_does_not_succeed_is_no_alarm(
        schedule, alarms, queue, run, mails, clock, commit):
    mails.stop()
    queue()
    run(10)
    clock.advance(timedelta(days=1))
    assert the_alarms.look(schedule, alarms, clock.now()).standing == {}


# -- conflicts, and errors after it was handed over


def test_a_run_that_conflicts_after_it_has_sent_does_not_send_again(
        schedule, alarms, queue, run, mails, monkeypatch):
    real, calls = telling.hand_over, []

    def conflicting(*args):
        calls.append(real(*args))
        if len(calls) < 3:
            raise ConflictError

    monkeypatch.setattr(telling, 'hand_over', conflicting)
    queue()
    run(60)
    assert calls == [True, False, False]
    assert len(mails.received) == 1


def test_a_run_that_fails_after_it_has_sent_does_not_send_again(
        schedule, alarms, queue, run, mails, monkeypatch):
    real, calls = telling.hand_over, []

    def failing(*args):
        calls.append(real(*args))
        if len(calls) < 3:
            raise RuntimeError('late')

    monkeypatch.setattr(telling, 'hand_over', failing)
    queue()
    run(60)
    assert calls == [True, False, False]
    assert len(mails.received) == 1


def test_what_could_not_be_noted_is_not_sent_again_by_this_process(
        alarms, queue, own, mails):
    name = queue()
    seen = []

    def commit(work):
        seen.append(work)
        if len(seen) == 2:
            raise StorageError('the database is away')
        return own(work)

    with pytest.raises(StorageError):
        hand_over(name, commit)
    assert HANDED == {name}
    assert hand_over(name, commit)
    assert HANDED == set()
    assert len(mails.received) == 1
    assert not hand_over(name, own)


@pytest.mark.parametrize('parked', [True, False])
def test_what_is_taken_down_is_not_on_record_as_sent(
        schedule, queue, run, mails, commit, monkeypatch, parked):
    if parked:
        monkeypatch.setattr(telling.Tell, 'retry', None)
    mails.stop()
    queue()
    run()
    the_alarms.take_down(schedule)
    commit()
    run(1)
    assert list(schedule) == []
    assert list(schedule.history.select(outcome='succeeded')) == []


def test_what_is_given_up_is_not_on_record_as_sent(
        schedule, queue, run, monkeypatch):
    monkeypatch.setattr(looking, 'MOST_KEPT', 1)
    queue('one')
    queue('two')
    run()
    assert [entry.description for entry in schedule.history.select(
        outcome='succeeded')] == ['tell by mail: two']


@pytest.mark.parametrize('up', [True, False])
def test_what_is_taken_down_meanwhile_is_no_error(
        schedule, alarms, queue, own, mails, commit, up):
    name = queue()

    def taking_down(work):
        found = own(work)
        the_alarms.take_down(schedule)
        commit()
        return found

    if up:
        assert hand_over(name, taking_down)
    else:
        mails.stop()
        with pytest.raises(ConnectionRefusedError):
            hand_over(name, taking_down)
    assert not hand_over(name, own)


@pytest.mark.parametrize('channel', ['mail', 'webhook'])
def test_a_channel_that_was_switched_off_gets_nothing(
        alarms, queue, own, mails, web, commit, channel):
    alarms.mail = None
    setattr(alarms, channel, {
        'mail': 'ops@example.org', 'webhook': web.address()}[channel])
    name = queue()
    setattr(alarms, channel, None)
    commit()
    assert not hand_over(name, own)
    alarms._p_jar.transaction_manager.begin()
    assert (mails.received, web.received, len(alarms.outbox)) == ([], [], 0)


# -- two at once, and a kill


def test_while_one_sends_it_no_other_does(
        schedule, alarms, queue, own, run, mails, clock, monkeypatch):
    name = queue()
    own(lambda alarms: telling._take(name, alarms))
    with pytest.raises(Taken):
        hand_over(name, own)
    run(1)
    assert outcomes(schedule) == ['retried']
    assert mails.received == []
    run(60)
    assert len(mails.received) == 1


def test_of_many_that_send_at_once_each_message_is_sent_by_one(
        alarms, queue, own, mails):
    for _ in range(9):
        queue()
    names, sent = sorted(alarms.outbox), []

    def send():
        for name in names:
            with suppress(Taken):
                if hand_over(name, own):
                    sent.append(name)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(sent) == names
    assert len(mails.received) == len(
        {mail['Message-ID'] for mail in mails.received}) == 9


def test_a_clock_that_was_ahead_keeps_nothing_from_being_sent(
        alarms, queue, own, mails, clock):
    clock.advance(timedelta(days=1))
    name = queue()
    own(lambda alarms: telling._take(name, alarms))
    clock.advance(timedelta(days=-1))
    assert hand_over(name, own)


@pytest.fixture(scope='module')
def killed():
    """Run what is due in a process that ends at a step."""
    forking = Child('alarm_kills.serve')

    def killed(path, step):
        forking.tell(f'{step} {path}')
        assert forking.line() == 'ended'

    yield killed
    forking.wait()


@pytest.fixture
def stored(tmp_path):
    """A file with a schedule, one message, and a server that takes it."""
    server = MailServer().start()
    path = tmp_path / 'Data.fs'
    alarm_kills.build(str(path), str(server.port))
    yield str(path), server
    server.stop()


def finish(path, minutes):
    """Run what is left, that much later; the number of messages left."""
    with (the_clock.use(SettableClock(alarm_kills.BEGIN)) as clock,
          closing(ZODB.DB(path)) as db):
        with closing(db.open()) as connection:
            schedule = connection.root()['schedule']
            for _ in range(minutes):
                clock.advance(MINUTE)
                schedule.process(clock.now())
            return len(schedule.alarms.outbox)


@pytest.mark.parametrize('step', ['before', 'noted'])
def test_a_process_that_is_killed_before_it_sends_has_told_nothing(
        killed, stored, step):
    path, server = stored
    killed(path, step)
    assert server.received == []
    assert finish(path, 5) == 0
    assert len(server.received) == 1


def test_one_that_is_killed_when_it_has_sent_may_repeat_the_same_message(
        killed, stored):
    path, server = stored
    killed(path, 'sent')
    assert len(server.received) == 1
    assert finish(path, 5) == 0
    ids = [mail['Message-ID'] for mail in server.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_one_that_is_killed_when_that_is_noted_repeats_nothing(killed, stored):
    path, server = stored
    killed(path, 'done')
    assert finish(path, 5) == 0
    assert len(server.received) == 1
