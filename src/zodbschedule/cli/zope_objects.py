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
"""The objects of a Zope, read without the code that they are made of.

Schedules are in the annotations of sites.  The way to a site leads through
objects of Zope, of Plone and of add-ons.  To import their classes takes
seconds, and some of them may be missing::

    Application ─▶ folders ─▶ site ─▶ annotations ─▶ schedule ─▶ tasks
    ╰───────────── Outside ─────╯                    ╰── imported ──╯
"""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.broken import find_global
from ZODB.Connection import Connection


#: the key of the application root in the root of a database
APPLICATION = 'Application'

# The packages that are used on the way to a schedule.  Functions of others,
# such as copyreg, cannot make objects that are `Outside`.
INSIDE = frozenset({
    'BTrees', 'ZODB', '__builtin__', 'builtins', 'persistent', 'zodbschedule'})

#: the class of what stands for an object of another database
MOUNT = ('Products.ZODBMountPoint.MountedObject', 'MountedObject')

#: from the path of a mount point to the name of its database, the key in the
#: root of that, and the path from there
Mounts = Callable[[str], tuple[str, str, str]]


class Outside(Persistent):
    """Stands for an object of another class, in memory only.

    It takes whatever its record holds, and cannot be stored.
    """

    def __new__(cls, *args: Any, **options: Any) -> Any:
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        """Their meaning is not known."""

    def __getnewargs__(self) -> tuple[()]:
        # Because of this a reference to it is stored without its class.
        return ()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __getstate__(self) -> Any:
        raise TypeError(
            f'an object of the class {name_of(type(self))} cannot be changed '
            f'without its code')

    def append(self, item: Any) -> None:
        """The items of a list."""

    extend = append

    def __setitem__(self, key: Any, value: Any) -> None:
        """The items of a dict."""


def name_of(cls: type) -> str:
    """The dotted name of a class."""
    return f'{cls.__module__}.{cls.__name__}'


@cache
def _replaced(base: type, module: str, name: str) -> type:
    return type(name, (base,), {'__module__': module})


class Way(threading.local):
    """Whether this thread is on the way to a schedule; others may read one."""

    on = False


class Classes:
    """The class factory of the databases of a Zope, see `ZODB.DB`.

    Finds the schedule of a site, and imports nothing on the way to it.
    """

    #: what tasks call belongs to a Zope that is not started
    without_code = True

    def __init__(self, mounts: Mounts) -> None:
        self.mounts = mounts
        self.way = Way()
        #: the classes of the sites, to which their schedules refer
        self.outside: set[tuple[str, str]] = set()

    def __call__(self, connection: Connection, module: str, name: str
                 ) -> type:
        top = module.partition('.')[0]
        if (module, name) in self.outside or (
                self.way.on and top not in INSIDE):
            return _replaced(Outside, module, name)
        try:
            found: type = find_global(module, name)
            return found
        except Exception:
            # Its module is there, and cannot be imported without a Zope.
            return _replaced(Broken, module, name)

    @contextmanager
    def application(self, connection: Connection) -> Iterator[Any]:
        """The application root, on the way from there to a schedule.

        It is None if the database has none.  Afterwards only what was found
        is still in memory.
        """
        self.way.on = True
        try:
            yield connection.root().get(APPLICATION)
        finally:
            self.way.on = False
            for each in connection.connections.values():
                each.cacheMinimize()

    def object_at(self, start: Any, path: str) -> Any:
        """The object at *path* from *start*, or None."""
        found = start
        for name in filter(None, path.split('/')):
            if found is not None:
                found = self._mounted(_child(found, name))
        return found

    def _mounted(self, found: Any) -> Any:
        cls = type(found)
        if (cls.__module__, cls.__name__) != MOUNT:
            return found
        name, root, path = self.mounts(_state(found)['_path'])
        there = found._p_jar.get_connection(name).root()
        return self.object_at(there.get(root), path)

    def annotation(self, site: Any, key: str) -> Any:
        """An annotation of *site*, or None."""
        if site is None:
            return None
        cls = type(site)
        self.outside.add((cls.__module__, cls.__name__))
        annotations = _state(site).get('__annotations__')
        return None if annotations is None else annotations.get(key)


def is_without_zope(connection: Connection | None) -> bool:
    """Whether it is one to the database of a Zope that is not started."""
    return connection is not None and isinstance(
        connection.db().classFactory, Classes)


def _child(parent: Any, name: str) -> Any:
    """The object of that name in a folder, which may keep them in a BTree."""
    state = _state(parent)
    found = state.get(name)
    if found is None and state.get('_tree') is not None:
        found = state['_tree'].get(name)
    return found if isinstance(found, Persistent) else None


def _state(obj: Any) -> dict[str, Any]:
    obj._p_activate()
    state: dict[str, Any] = vars(obj)
    return state
