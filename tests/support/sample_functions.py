"""Functions and objects for calls, as an application has them."""

from datetime import timedelta
from functools import lru_cache
from functools import wraps

from persistent import Persistent

from zodbschedule import Task
from zodbschedule import current_run


def note(log, *args, **kwargs):
    log.append((args, kwargs))
    return 'dropped'


def extend(log, items, options):
    """Changes what it is given."""
    items.append('changed')
    options['changed'] = True
    log.append((items, options))


def extend_and_fail(log, items, options):
    """Changes what it is given, and changes nothing else."""
    items.append('changed')
    options['changed'] = True
    raise ValueError(f'{items[2:]} {options}')


def extend_and_return(log, items, options):
    """Changes what it is given, and asks to be called again with that."""
    extend(log, items, options)
    task = current_run().task
    task.time += timedelta(minutes=1)
    return task


def another(time, log):
    """Asks for a retry by another task."""
    return Again(time, log)


def with_key(key):
    """Its argument has the name of an option."""


def fail(*args):
    raise ValueError('it fails')


def _decorated(func):
    @wraps(func)
    def wrapper(*args):
        return func(*args)

    return wrapper


def _anonymous(func):
    def wrapper(*args):
        return func(*args)

    return wrapper


@_decorated
def wrapped(log):
    log.append('wrapped')


@_anonymous
def renamed(log):
    log.append('renamed')


@lru_cache
def cached():
    """Does nothing, and that once."""


def nested():
    def inner():
        """Never called."""

    return inner


class Class:
    """Not persistent."""

    def method(self):
        """Never called."""

    @classmethod
    def of_class(cls):
        """Never called."""

    @staticmethod
    def static():
        """Never called."""

    def __call__(self):
        """Never called."""


instance = Class()


class Account(Persistent):
    """Persistent, with methods."""

    balance = 0

    def deposit(self, amount, times=1):
        self.balance += amount * times

    @_anonymous
    def renamed(self):
        """Never called."""

    def __getattr__(self, name):
        if name == 'generated':
            return lambda: setattr(self, 'balance', -1)
        raise AttributeError(name)


class Again(Task):

    def __init__(self, time, log):
        super().__init__(time)
        self.log = log

    def __call__(self):
        self.log.append('again')
