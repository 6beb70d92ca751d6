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
ZODB's pickler, into nothing, and lets every persistent object stand for
itself.
"""

import io
from collections.abc import Iterator
from typing import Any

import zodbpickle.pickle
from persistent import Persistent
from persistent.wref import WeakRef
from transaction.interfaces import TransientError

from zodbschedule.interfaces import InvalidTask


# The protocol of ZODB's records.
PROTOCOL = 3

# What pickles by itself and needs no look: saves half of the time.
PLAIN = frozenset({
    type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set,
    frozenset, type})


def refuse_unstorable(task: Persistent, jar: Any) -> None:
    """Raise `InvalidTask`, naming the culprit, if *task* cannot be stored.

    *jar* is the connection of the schedule, or None if it has none yet.
    """
    trial = _Trial(jar)
    todo: list[Persistent] = [task]
    for obj in todo:  # grows while it is walked
        try:
            todo.extend(trial.new_objects_of(obj))
        except TransientError:
            raise
        except Exception as error:
            path, culprit = trial.culprit(obj)
            where = 'it' if obj is task else f'its {type(obj).__name__}'
            raise InvalidTask(
                f'{task!r} cannot be stored: {path or where} is '
                f'{_short(culprit)}: {error}') from error


class _Trial:
    """One attempt to pickle whatever hangs together."""

    def __init__(self, jar: Any) -> None:
        self.jar = jar
        self.found: list[Persistent] = []
        self.seen: set[int] = set()

    def new_objects_of(self, obj: Persistent) -> list[Persistent]:
        """Pickle *obj*; the new persistent objects that it refers to."""
        self.found = []
        self.seen.add(id(obj))
        self._dump(type(obj))
        self._dump(obj.__getstate__())
        return self.found

    def _dump(self, value: object) -> None:
        pickler = zodbpickle.pickle.Pickler(io.BytesIO(), PROTOCOL)
        pickler.persistent_id = self._reference
        pickler.dump(value)

    def _reference(self, obj: object) -> str | None:
        cls = type(obj)
        if cls in PLAIN:
            return None
        if cls is not obj.__class__:
            raise InvalidTask(
                'it is wrapped or proxied; pass the object itself')
        if cls is WeakRef:
            return 'weak'
        if not isinstance(obj, Persistent):
            return None
        if obj._p_jar is None:
            if id(obj) not in self.seen:
                self.seen.add(id(obj))
                self.found.append(obj)
        else:
            refuse_foreign(obj, self.jar)
        return 'persistent'

    def culprit(self, obj: Persistent) -> tuple[str, object]:
        """The path to, and the value of, what cannot be pickled in *obj*."""
        path, value = '', obj.__getstate__()
        walked: set[int] = set()
        while id(value) not in walked:
            walked.add(id(value))
            for step, child in _parts(value, top=not path):
                if not self._passes(child):
                    path, value = path + step, child
                    break
        return path, value if path else obj

    def _passes(self, value: object) -> bool:
        try:
            self._dump(value)
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
        'it belongs to another database; a schedule stands in the database '
        'of the objects that its tasks change')


def _parts(value: object, top: bool) -> Iterator[tuple[str, object]]:
    """What *value* is made of, each with the step that leads to it."""
    if type(value) is dict:
        for key, part in value.items():
            yield (key if top else f'[{key!r}]'), part
    elif type(value) in (list, tuple):
        for index, part in enumerate(value):  # type: ignore[arg-type]
            yield f'[{index}]', part
    elif type(value) in (set, frozenset):
        for part in value:  # type: ignore[attr-defined]
            yield '{…}', part
    elif hasattr(value, '__dict__') and not isinstance(value, type):
        for key, part in vars(value).items():
            yield f'.{key}', part


def _short(value: object) -> str:
    text = object.__repr__(value) if isinstance(
        value, Persistent) else repr(value)
    return text if len(text) <= 200 else f'{text[:200]}…'
