"""A shop whose schedule is looked at in a browser, and its worker."""

import random
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from databases import wait_until

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.store.history import record


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

LETTERS = [f'send letter {number}' for number in range(60)]

# The oid of a task that has ended.
GONE = 0x999

# How long one of the thumbnails takes, in seconds.
STEP = .2


def send_letter(name):
    """Nothing goes wrong."""


def import_prices(supplier):
    """Something always goes wrong."""
    raise ConnectionError(f'{supplier} does not answer')


def rotate_logs():
    """Nothing goes wrong."""


class MakeThumbnails(Task):
    """Shows its progress until it has made all."""

    def __init__(self, number, time):
        super().__init__(time, description='make thumbnails')
        self.number = number

    def __call__(self):
        run = current_run()
        for done in range(self.number):
            run.progress(done, self.number)
            if run.cancelled:
                return
            time.sleep(STEP)


def open_shop(client, now=None):
    """A schedule with something of every kind, and nothing that runs yet."""
    now = now or datetime.now(UTC)
    with client.db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        declare_series(schedule)
        remember_an_hour(schedule, now)
        for number, letter in enumerate(LETTERS):
            schedule.call(send_letter, f'customer {number}',
                          description=letter,
                          time=now + 40 * HOUR + number * MINUTE)
        for supplier in 'Acme', 'Globex', 'Initech':
            schedule.call(import_prices, supplier, time=now,
                          description=f'import prices of {supplier}')
        schedule.schedule(MakeThumbnails(600, now))
        schedule.call(rotate_logs, time=now, description='rotate logs')
        schedule.call(send_letter, 'nobody', time=now + 50 * HOUR,
                      description='greet <script>alert("!")</script>')


def remember_an_hour(schedule, now):
    """What ran in the last hour: most of it well, and nearly in time."""
    chance = random.Random(2003)
    for minute in range(60, 0, -3):
        begun = now - minute * MINUTE
        schedule.history.add(
            [outcome_of(begun + number * timedelta(seconds=20), chance)
             for number in range(8)], begun, 'till')


def outcome_of(due, chance):
    """What is on record of a run."""
    began = due + timedelta(seconds=chance.expovariate(8))
    ended = began + timedelta(seconds=chance.expovariate(4))
    outcome, error = chance.choices(
        [(SUCCEEDED, None), (RETRIED, 'ConnectionError: Globex')], [60, 1])[0]
    return record(
        GONE, to_micros(due), outcome, to_micros(ended), 'copy orders',
        'browsed_shop.rotate_logs', error=error, began=to_micros(began))


def declare_series(schedule):
    """What comes again and again."""
    schedule.call(rotate_logs, recurrence=Cron('0 3 * * *', 'Europe/Berlin'),
                  description='rotate logs at night', key='logs')
    schedule.call(send_letter, 'all', recurrence=Cron(
        '30 8 * * mon', 'America/New_York'), description='weekly letter')
    schedule.call(rotate_logs, recurrence=Every(timedelta(minutes=15)),
                  description='look for mail')
    for hour, what in ((6, 'build the catalog'), (9, 'count what is left'),
                       (21, 'close the tills')):
        schedule.call(rotate_logs, description=what, recurrence=Cron(
            f'0 {hour} * * mon-sat', 'Europe/Berlin'))


def wait_until_open(client):
    """Until what fails has failed, and what lasts is running."""
    def is_open():
        with client.db.transaction() as connection:
            schedule = connection.root()['schedule']
            return len(schedule.parked) == 3 and any(
                each.running for each in schedule.claimed())

    wait_until(is_open, 'the shop to be open')


def addresses(shop):
    """The page of each kind."""
    return ['', 'upcoming', 'timeline', 'timeline?span=week', 'running',
            'parked', 'history', 'workers', 'rules',
            'rules?rule=30+2+*+*+*&zone=Europe/Berlin', 'settings',
            f'tasks/{shop.id_of("rotate logs at night")}',
            f'tasks/{shop.id_of("make thumbnails")}', 'tasks/ffff']
