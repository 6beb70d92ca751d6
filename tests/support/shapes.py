"""What the records of a database look like: their classes and their fields.

A record is read as it is stored.  So this tells when a class writes something
else than it did, whatever it makes of it when it is loaded.
"""

import io
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from persistent import Persistent
from ZODB._compat import PersistentUnpickler
from ZODB.broken import find_global
from ZODB.utils import z64


PAGE = Path(__file__).parents[2] / 'docs' / 'compatibility.rst'

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


def length(kind):
    """How many members a record has that is a tuple."""
    depth = commas = 0
    for character in kind.partition('(')[2][:-1]:
        depth += {'(': 1, ')': -1}.get(character, 0)
        commas += character == ',' and not depth
    return commas + (kind.startswith('tuple(') and kind != 'tuple()')


# -- the page


def documented():
    """The fields of each class, as the page has them."""
    table = PAGE.read_text().partition('The records\n===')[2]
    rows = re.split(r'^   \* - ', table.partition('\n\n\n')[0], flags=re.M)
    return {names[0]: names[1:] for names in (
        re.findall(r'``([\w.]+)``', row) for row in rows[2:])}


def bases_of(path):
    """The class, and its bases, as far as they are on the page."""
    module, _, name = path.rpartition('.')
    return [f'{cls.__module__}.{cls.__name__}'
            for cls in getattr(import_module(module), name).__mro__]


def fields_on_page(path):
    """All fields of a class, with those of its bases."""
    page = documented()
    return [name for base in bases_of(path) for name in page.get(base, ())]


def stored_fields(shapes):
    """The fields of each class of this package, each with its kinds."""
    found = defaultdict(dict)
    for (path, name), kinds in shapes.items():
        found[path][name] = kinds
        for kind in kinds:
            inner, _, fields = kind.partition('(')
            found[inner].update(dict.fromkeys(
                re.findall(r'(\w+)=', fields), ()))
    return {path: fields for path, fields in found.items()
            if path.startswith('zodbschedule.')}
