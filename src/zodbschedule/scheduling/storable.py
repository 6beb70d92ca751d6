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
"""Whether something can be stored, tried without touching the database.

A savepoint would poison the caller's transaction, and ZODB's own
ObjectWriter hands out oids that nobody takes back.  So this pickles with
ZODB's pickler, into nothing, and replaces every persistent object by
a reference.
"""

from collections.abc import Iterator
from typing import Any

import zodbpickle.pickle
from persistent import Persistent
from persistent.wref import WeakRef
from transaction.interfaces import TransientError

from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import InvalidTask


# The protocol of ZODB's records.
PROTOCOL = 3

# How many steps lead to a culprit that is named, at most.  Deeper, and a
# message is hard to read; and what is nested so deep that it cannot be pickled
# would be walked to its end.
DEPTH = 20

# What pickles by itself and needs no look: saves half of the time.
PLAIN = frozenset({
    type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set,
    frozenset, type})


def refuse_unstorable(task: Persistent, jar: Any) -> int:
    """The size of the record of *task*, in bytes, about.

    Raises `InvalidTask`, naming the culprit, if it cannot be stored.  *jar*
    is the connection of the schedule, or None if it has none yet.
    """
    try:
        return _Trial(jar).store(task)
    except TransientError:
        raise
    except Exception as error:
        path, culprit = _culprit(task, jar)
        raise InvalidTask(
            f'{task!r} cannot be stored: {path or "it"} is '
            f'{_short(culprit)}: {ErrorText(error).message}') from error


class Nowhere:
    """A file that keeps of what is written to it the size alone."""

    size = 0

    def write(self, data: bytes) -> None:
        """Count *data*, and drop it."""
        self.size += len(data)


class _Trial:
    """One attempt to pickle whatever hangs together."""

    def __init__(self, jar: Any) -> None:
        self.jar = jar
        self.todo: list[Persistent] = []
        self.seen: set[int] = set()
        self.file = Nowhere()
        self.pickler = zodbpickle.pickle.Pickler(self.file, PROTOCOL)
        self.pickler.persistent_id = self._reference

    def store(self, obj: Persistent) -> int:
        """Pickle *obj*, and the new persistent objects that hang on it.

        The size of *obj* itself.
        """
        self.seen.add(id(obj))
        self._store_one(obj)
        size = self.file.size
        self._store_todo()
        return size

    def pickle(self, value: object) -> None:
        """Pickle *value*, and the new persistent objects that hang on it."""
        self._dump(value)
        self._store_todo()

    def _store_todo(self) -> None:
        for obj in self.todo:  # grows while it is walked
            self._store_one(obj)

    def _store_one(self, obj: Persistent) -> None:
        self._dump((type(obj), obj.__getstate__()))

    def _dump(self, value: object) -> None:
        self.pickler.clear_memo()
        self.pickler.dump(value)

    def _reference(self, obj: object) -> str | None:
        cls = type(obj)
        if cls in PLAIN:
            return None
        if cls is not obj.__class__:
            raise InvalidTask(
                'it is wrapped or proxied; pass the object itself')
        if cls is WeakRef:
            return self._weak_reference(obj)
        if not isinstance(obj, Persistent):
            return None
        if obj._p_jar is None:
            if id(obj) not in self.seen:
                self.seen.add(id(obj))
                self.todo.append(obj)
        else:
            refuse_foreign(obj, self.jar)
        return 'persistent'

    def _weak_reference(self, ref: Any) -> str:
        # ZODB stores a new object even if it is referred to weakly only.
        target = ref() if ref.oid is None else None
        return 'weak' if target is None else self._reference(target) or ''


def _culprit(task: Persistent, jar: Any) -> tuple[str, object]:
    """The path to, and the value of, what cannot be pickled in *task*."""
    path, value = '', task
    walked: list[object] = [task]
    parts = _parts(task)
    while True:
        found = next((
            (step, part) for step, part in parts
            if not any(part is one for one in walked)
            and not _passes(part, jar)), None)
        if found is None:
            return path.removeprefix('.'), value
        path, value = path + found[0], found[1]
        walked.append(value)
        stored = isinstance(value, Persistent) and value._p_jar is not None
        too_deep = len(walked) > DEPTH
        parts = iter(()) if stored or too_deep else _parts(value)


def _passes(value: object, jar: Any) -> bool:
    try:
        _Trial(jar).pickle(value)
    except Exception:
        return False
    return True


def refuse_foreign(obj: Persistent, jar: Any) -> None:
    """Raise `InvalidTask` if *obj* is stored, but not through *jar*."""
    if jar is None or obj._p_jar is None or obj._p_jar is jar:
        return
    if obj._p_jar.db() is jar.db():
        raise InvalidTask(
            'it was loaded through another connection; load it through the '
            "schedule's own")
    raise InvalidTask(
        'it belongs to another database; a schedule is kept in the '
        'database of the objects that its tasks change')


def _parts(value: Any) -> Iterator[tuple[str, object]]:
    """What *value* is made of, each with the step that leads to it."""
    cls = type(value)
    if cls is dict:
        return ((f'[{key!r}]', part) for key, part in value.items())
    if cls in (list, tuple):
        return ((f'[{index}]', part) for index, part in enumerate(value))
    if cls in (set, frozenset):
        return (('{…}', part) for part in value)
    if cls is not value.__class__ or cls is type:
        return iter(())
    return ((f'.{name}', part) for name, part in _attributes(value).items())


def _attributes(obj: Any) -> dict[str, object]:
    """What is stored of an object, if it is stored by attributes."""
    try:
        state = obj.__getstate__()
    except Exception:
        return {}
    if type(state) is tuple and len(state) == 2:  # with __slots__
        state = {**(state[0] or {}), **(state[1] or {})}
    return state if type(state) is dict else {}


def _short(value: object) -> str:
    try:
        text = object.__repr__(value) if isinstance(
            value, Persistent) else repr(value)
    except Exception:
        text = f'a {type(value).__name__}'
    return text if len(text) <= 200 else f'{text[:200]}…'
