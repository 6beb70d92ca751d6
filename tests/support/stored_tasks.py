"""The application whose tasks are in `tests/data`.

The databases name these classes and functions: do not rename or move them.
"""

import os

from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.interfaces import ITask


def note(text, much=''):
    """Leave a mark, with the transaction of the run."""
    run = current_run()
    run.task._p_jar.root()['effects'].append(text)


class Noting(Task):
    """Notes its description."""

    def __call__(self):
        note(self.description)


class OfUser(Noting):
    """Is for an object that has a UUID."""

    uuid = '5f6c'


class Failing(Noting):
    """Fails for good."""

    def __call__(self):
        super().__call__()
        raise ValueError('it is to fail')


class Wavering(Noting):
    """Fails the first time."""

    def __call__(self):
        super().__call__()
        if current_run().attempt == 1:
            raise ValueError('it is to fail once')


class Making(Noting):
    """Schedules another task."""

    def __init__(self, *args, other, **options):
        super().__init__(*args, **options)
        self.other = other

    def __call__(self):
        super().__call__()
        self._p_jar.root()['schedule'].schedule(self.other)


class Ending(Noting):
    """Ends the process, if it is to."""

    def __call__(self):
        super().__call__()
        if os.environ.get('STORED') == self.description:
            current_run().progress(2, 5)
            os._exit(0)


@implementer(ITask)
class Foreign(Persistent):
    """A task that does not inherit from a class of the package."""

    principalId = None
    description = 'foreign'

    def __init__(self, time):
        self.time = time

    def __call__(self):
        note(self.description)

    def schedule(self):
        pass


class Document(Persistent):
    """An object with a method that a task calls."""

    def publish(self, text):
        note(text)
