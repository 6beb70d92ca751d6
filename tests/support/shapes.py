"""What the records of a database look like: their classes and their fields.

A record is read as it is stored.  So this tells when a class writes something
else than it did, whatever it makes of it when it is loaded.
"""

import io
from collections import defaultdict

from persistent import Persistent
from ZODB._compat import PersistentUnpickler
from ZODB.broken import find_global
from ZODB.utils import z64


# Of what is longer, the kinds of the members are told, and not their order.
LONG = 16


class Reference:
    """A reference to another record."""

    def __init__(self, reference):
        if isinstance(reference, tuple):
            self.oid, self.cls = reference
        else:
            self.oid, self.cls = reference, object


def shapes_of(db):
    """The kinds of what is stored, by class path and field.

    The field is '' for a record that has none, and 'values' for a BTree.
    """
    found = defaultdict(set)
    connection = db.open()
    for oid, cls, state in records(db):
        path = path_of(cls)
        if path.startswith('BTrees.') and hasattr(cls, 'values'):
            values = connection.get(oid).values()
            found[path, 'values'].update(
                kind_of(value, path_of_object) for value in values)
        elif isinstance(state, dict):
            for name, value in state.items():
                found[path, name].add(kind_of(value))
        else:
            found[path, ''].add(kind_of(state))
    connection.close()
    return dict(found)


def records(db):
    """All that can be reached from the root: oid, class and state."""
    storage = db.storage
    seen, left = set(), [z64]
    while left:
        oid = left.pop()
        if oid in seen:
            continue
        seen.add(oid)
        cls, state, references = loaded(storage.load(oid)[0])
        yield oid, cls, state
        left += [reference.oid for reference in references]


def loaded(data):
    """The class, the state, and what it refers to."""
    references = []

    def refer(reference):
        references.append(Reference(reference))
        return references[-1]

    unpickler = PersistentUnpickler(find_global, refer, io.BytesIO(data))
    cls = unpickler.load()
    if isinstance(cls, tuple):
        cls = cls[0]
        if isinstance(cls, tuple):
            cls = find_global(*cls)
    return cls, unpickler.load(), references


def path_of(cls):
    """Module and name."""
    return f'{cls.__module__}.{cls.__name__}'


def path_of_object(value):
    """The class path of a persistent object; None if it is not one."""
    return path_of(type(value)) if isinstance(value, Persistent) else None


def path_of_reference(value):
    """The class path of what a record refers to; None: it is not that."""
    return path_of(value.cls) if isinstance(value, Reference) else None


def kind_of(value, referred=path_of_reference):
    """What *value* is, in words that do not tell what it holds."""
    path = referred(value)
    if path is not None:
        return f'<{path}>'
    if isinstance(value, tuple | list):
        kinds = [kind_of(each, referred) for each in value]
        if len(kinds) > LONG:
            kinds = [f'many {" or ".join(sorted(set(kinds)))}']
        return f'{type(value).__name__}({", ".join(kinds)})'
    if isinstance(value, dict):
        return f'dict({", ".join(_fields(value, referred))})'
    if type(value).__module__.startswith('zodbschedule'):
        return f'{path_of(type(value))}({", ".join(_fields(vars(value)))})'
    return type(value).__name__


def _fields(values, referred=path_of_reference):
    return [f'{name}={kind_of(value, referred)}'
            for name, value in sorted(values.items(), key=repr)]
