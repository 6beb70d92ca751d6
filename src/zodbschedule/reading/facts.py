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
"""What is read, as plain frozen data, and its one shape in JSON.

Each kind is a dataclass.  Its fields hold texts, numbers, instants in UTC,
durations, other facts, tuples of these, and None; never a task, which a
template would call.  The shape in JSON, and its JSON Schema, follow from the
fields: the command line prints it with ``--json``, and pages and services
answer with it.
"""

import types
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import Field
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import Generic
from typing import TypeVar
from typing import get_args
from typing import get_origin
from typing import get_type_hints


T = TypeVar('T', bound='Facts')

# The mark of a field that is for people only.
UNSAID = {'json': False}

#: what a plain type is in JSON Schema (draft 2020-12)
SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {'type': 'string'},
    bool: {'type': 'boolean'},
    int: {'type': 'integer'},
    float: {'type': 'number'},
    type(None): {'type': 'null'},
    datetime: {'type': 'string', 'format': 'date-time'},
    timedelta: {'type': 'number'},
    Any: {}}


@dataclass(frozen=True)
class Facts:
    """Some facts about a thing, as data."""



@dataclass(frozen=True)
class Page(Facts, Generic[T]):
    """Some of many, in order."""

    items: tuple[T, ...]
    #: where the next page begins; None: there is none
    cursor: str | None = None


def unsaid() -> Any:
    """A field that is for people only: JSON leaves it out."""
    return field(default=None, metadata=UNSAID)


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC, as in 2030-01-31T09:00:00Z."""
    return instant.astimezone(UTC).isoformat().replace('+00:00', 'Z')


# -- JSON --------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """*value* as what `json.dumps` takes.

    Facts become an object, an instant a text in UTC (ISO 8601), a duration a
    number of seconds.  Raises TypeError for what is no plain data.
    """
    match value:
        case None | str() | int() | float():
            return value
        case datetime():
            return iso(value)
        case timedelta():
            return value.total_seconds()
        case Facts():
            return {each.name: to_json(getattr(value, each.name))
                    for each in _said(type(value))}
        case Mapping():
            return {name: to_json(each) for name, each in value.items()}
        case Iterable():
            return [*map(to_json, value)]
        case _:
            raise TypeError(f'{value!r} cannot be written as JSON')


def _said(kind: type[Facts]) -> list[Field[Any]]:
    return [each for each in fields(kind) if each.metadata != UNSAID]


def json_schema(kind: type[Facts]) -> dict[str, Any]:
    """The JSON Schema of what `to_json` makes of that kind of facts."""
    found: dict[str, Any] = {}
    reference = _schema_of(kind, found)
    return {'$schema': 'https://json-schema.org/draft/2020-12/schema',
            **reference, '$defs': found}


def _schema_of(hint: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those of facts go to *found*."""
    origin, of = get_origin(hint), get_args(hint)
    if hint in SCHEMAS:
        return SCHEMAS[hint]
    if isinstance(hint, types.UnionType):
        return {'anyOf': [_schema_of(each, found) for each in of]}
    if origin in (tuple, list):
        return {'type': 'array', 'items': _schema_of(of[0], found)}
    if origin is dict:
        return {'type': 'object',
                'additionalProperties': _schema_of(of[1], found)}
    return _schema_of_facts(hint, found)


def _schema_of_facts(kind: type[Facts], found: dict[str, Any]
                     ) -> dict[str, Any]:
    name = kind.__name__
    if name not in found:
        found[name] = {}  # it may contain itself
        hints = get_type_hints(kind)
        properties = {each.name: _schema_of(hints[each.name], found)
                      for each in _said(kind)}
        found[name] = {
            'type': 'object', 'properties': properties,
            'required': [*properties], 'additionalProperties': False}
    return {'$ref': f'#/$defs/{name}'}
