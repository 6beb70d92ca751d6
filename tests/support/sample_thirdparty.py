"""Task classes of somebody else, who inherits nothing of ours."""

from datetime import timedelta

from persistent import Persistent
from persistent.list import PersistentList
from zope.interface import implementer

from zodbschedule.interfaces import ITask


@implementer(ITask)
class Plain(Persistent):
    """A plain one, which repeats as often as it is told to."""

    principalId = None
    description = 'plain'
    repeats = 0
    broken = False

    def __init__(self, time, log):
        self.time = time
        self.log = log

    def __call__(self):
        if self.broken:
            raise ValueError('broken')
        self.log.append(self.time)

    def schedule(self):
        if not self.repeats:
            return None
        self.repeats -= 1
        self.time += timedelta(hours=1)
        return self


class Slots(Plain):
    """One whose instances take no attributes but these."""

    __slots__ = ()


@implementer(ITask)
class OnlySlots(Persistent):
    """One that has no ``__dict__`` at all."""

    __slots__ = ('time', 'log', 'repeats', 'broken')
    principalId = None
    description = 'slots'

    def __init__(self, time, log):
        self.time = time
        self.log = log
        self.repeats = 0
        self.broken = False

    __call__ = Plain.__call__
    schedule = Plain.schedule


class ReadOnly(Plain):
    """One that refuses to be changed from outside."""

    def __init__(self, time, log):
        vars(self).update(time=time, log=log)

    def __setattr__(self, name, value):
        if not name.startswith('_p_'):
            raise AttributeError(f'{name} is read-only')
        super().__setattr__(name, value)

    def let(self, **values):
        """Change it."""
        self._p_activate()
        vars(self).update(values)
        self._p_changed = True

    def schedule(self):
        if self.repeats:
            self.let(time=self.time + timedelta(hours=1),
                     repeats=self.repeats - 1)
            return self


class Forgetful(Plain):
    """One that stores what it knows of, and drops everything else."""

    def __getstate__(self):
        return self.time, self.log, self.repeats, self.broken

    def __setstate__(self, state):
        vars(self).clear()
        vars(self).update(zip(
            ('time', 'log', 'repeats', 'broken'), state, strict=True))


class Secretive(Plain):
    """One that denies to have what it does not know of."""

    def __getattribute__(self, name):
        if name == '_zodbschedule':
            raise AttributeError(name)
        return super().__getattribute__(name)


class Talkative(Plain):
    """One that has an answer to everything."""

    def __getattr__(self, name):
        if name.startswith('_p_') or name.startswith('__'):
            raise AttributeError(name)
        return f'my {name}'


@implementer(ITask)
class Listing(PersistentList):
    """One that is a list, and equals others that hold the same."""

    principalId = None
    description = 'a list'
    repeats = 0
    broken = False

    def __init__(self, time, log):
        super().__init__()
        self.time = time
        self.log = log

    __call__ = Plain.__call__
    schedule = Plain.schedule


CLASSES = (Plain, Slots, OnlySlots, ReadOnly, Forgetful, Secretive, Talkative,
           Listing)
