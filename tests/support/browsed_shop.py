"""A shop whose schedule is looked at in a browser, and its worker."""

import signal
import time
from contextlib import closing
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from databases import Client
from databases import wait_until

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import Worker
from zodbschedule import current_run


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

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
        for number in range(60):
            schedule.call(send_letter, f'customer {number}',
                          description=f'send letter {number}',
                          time=now + HOUR + number * MINUTE)
        for supplier in 'Acme', 'Globex', 'Initech':
            schedule.call(import_prices, supplier, time=now,
                          description=f'import prices of {supplier}')
        schedule.schedule(MakeThumbnails(600, now))
        schedule.call(rotate_logs, time=now, description='rotate logs')
        schedule.call(send_letter, 'nobody', time=now + 2 * HOUR,
                      description='greet <script>alert("!")</script>')


def declare_series(schedule):
    """What comes again and again."""
    schedule.call(rotate_logs, recurrence=Cron('0 3 * * *', 'Europe/Berlin'),
                  description='rotate logs at night', key='logs')
    schedule.call(send_letter, 'all', recurrence=Cron(
        '30 8 * * mon', 'America/New_York'), description='weekly letter')
    schedule.call(rotate_logs, recurrence=Every(timedelta(minutes=15)),
                  description='look for mail')


def work(uri):
    """A worker with two threads, until SIGTERM."""
    with closing(Client(uri)) as client:
        worker = Worker(client.db, threads=2, name='till')
        signal.signal(signal.SIGTERM, lambda *_: worker.finish(grace=0))
        worker.run()


def wait_until_open(client):
    """Until what fails has failed, and what lasts is running."""
    def is_open():
        with client.db.transaction() as connection:
            schedule = connection.root()['schedule']
            return len(schedule.parked) == 3 and any(
                each.running for each in schedule.claimed())

    wait_until(is_open, 'the shop to be open')
