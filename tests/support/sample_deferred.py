"""Functions whose call does not do their work, and what hides or does it."""

import asyncio
import functools
from concurrent.futures import Future

from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Task
from zodbschedule.interfaces import ITask


async def coroutine(*args):
    """Never runs."""


def generator(*args):
    """Never runs."""
    yield


async def async_generator(*args):
    """Never runs."""
    yield


def _hidden(func):
    @functools.wraps(func)
    def wrapper(*args):
        return func(*args)

    return wrapper


def _run(func):
    @functools.wraps(func)
    def wrapper(*args):
        with asyncio.Runner() as runner:
            return runner.run(func(*args))

    return wrapper


@_hidden
async def decorated(*args):
    """Never runs: the decorator hides it."""


@functools.lru_cache
def cached():
    """Never runs: the cache hides it."""
    yield


@_run
async def run_by_its_decorator(log):
    log.append('run')


class Callable:
    """Its instances are called."""

    async def __call__(self):
        """Never runs."""

    @classmethod
    async def of_class(cls):
        """Never runs."""

    @staticmethod
    async def static():
        """Never runs."""


instance = Callable()
bound = instance.__call__
of_class = Callable.of_class
static = Callable.static
partial = functools.partial(coroutine, 1)


class Thing(Persistent):
    """Persistent, with methods."""

    async def work(self):
        """Never runs."""

    def steps(self):
        """Never runs."""
        yield

    @_hidden
    async def hidden(self):
        """Never runs."""


class Awaitable:
    """An object that is called by its class, and then to be awaited."""

    def __await__(self):
        return iter(())


def future():
    return Future()


def asyncio_future():
    loop = asyncio.new_event_loop()
    loop.close()
    return loop.create_future()


def mapped():
    return map(print, ['never printed'])


def filtered():
    return filter(print, ['never printed'])


def asynchronous():
    return async_generator()


class AsyncTask(Task):

    async def __call__(self):
        """Never runs."""


class GeneratorTask(Task):

    def __call__(self):
        """Never runs."""
        yield


class AsyncSchedule(Task):

    def __call__(self):
        """Never called."""

    async def schedule(self):
        """Never runs."""


@implementer(ITask)
class Foreign(Persistent):

    time = None
    principalId = None
    description = ''

    async def __call__(self):
        """Never runs."""


class HiddenTask(Task):

    @_hidden
    async def __call__(self):
        """Never runs."""


class HiddenSchedule(Task):

    def __call__(self):
        """Nothing to do."""

    @_hidden
    async def schedule(self):
        """Never runs."""
