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
"""The house: what a module may import and do, by the package it belongs to.

Which package may import which is in pyproject.toml, as a contract of
import-linter.  Here is what that cannot say.  The modules are parsed, not
imported.  Every rule comes with violations that were planted, to show that it
finds them.
"""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest


OURS = 'zodbschedule'
PROJECT = Path(__file__).parents[1].joinpath('pyproject.toml')

# Names of modules, or of packages with all that they hold.
OUTWARD = ('__main__', 'cli', 'metrics', 'testing', 'tracing', 'web', 'zope',
           'zope_security')
# The contract, time, and rules: they know nothing of persistence.
PURE = ('interfaces', 'outcomes', 'clock', 'instant', 'durations', 'retry',
        'recurrence', 'errors', 'plain_text')
# What is pickled: it never reads a clock, commits, aborts or logs.
PICKLED = ('store', 'task')
# All these happen in the caller's transaction.
COMMITS_NOTHING = (*PURE, *PICKLED, 'callables', 'scheduling',
                   'liveness.stale', 'liveness.registry', 'principals',
                   'schedule', 'reading', 'steering')

# What the core is made of.  A key is a package to import, a value the
# distribution that holds it.
CORE_IS_MADE_OF = {
    'BTrees': 'BTrees',
    'ZODB': 'ZODB',
    'cronsim': 'cronsim',
    'persistent': 'persistent',
    'transaction': 'transaction',
    'zodbpickle': 'zodbpickle',
    'zope.event': 'zope.event',
    'zope.interface': 'zope.interface',
    'zope.schema': 'zope.schema',
}
PERSISTENCE = {'BTrees', 'ZODB', 'persistent', 'transaction', 'zodbpickle'}
READS_A_CLOCK = {'now', 'utcnow', 'today', 'monotonic', 'monotonic_ns',
                 'perf_counter', 'perf_counter_ns', 'time_ns'}
# ``with manager:`` commits, although the word is not there.
COMMITS_AT_ITS_END = re.compile(
    r'(^|[._])(manager|tm|attempt)$|\.transaction\(\)$')


# -- Reading the modules


def package():
    """The folder of the package that the tests run with."""
    return Path(find_spec(OURS).submodule_search_locations[0])


@cache
def sources():
    """The modules by name, relative to the package, each as a tree."""
    found = {}
    for path in sorted(package().rglob('*.py')):
        parts = list(path.relative_to(package()).with_suffix('').parts)
        if parts[-1] == '__init__' and len(parts) > 1:
            parts.pop()
        found['.'.join(parts)] = ast.parse(path.read_text(encoding='utf-8'))
    return found


def belongs_to(name, group):
    """Whether the module *name* is in *group*, or in a package of it."""
    return any(name == one or name.startswith(f'{one}.') for one in group)


def imports(tree):
    """What a module imports, each with its full name, wherever it does.

    ``from a import b`` gives ``a.b``: b may be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.' * node.level + (node.module or '')
            yield from (f'{base}.{alias.name}' for alias in node.names)


def foreign_imports(tree):
    """The packages of others that are imported, without the stdlib."""
    found = set()
    for imported in imports(tree):
        first, *others = imported.split('.')
        if first == 'zope':
            first = '.'.join([first, *others[:1]])
        if first != OURS and first not in sys.stdlib_module_names:
            found.add(first)
    return sorted(found)


def calls(tree):
    """What is called, as it is written, each with the last of its names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            written = ast.unparse(node.func)
            yield written, written.rpartition('.')[2]


def entered(tree):
    """What ``with`` statements enter, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                yield ast.unparse(item.context_expr)


def parameters(tree):
    """The parameters of all functions, each with its annotation or None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            for one in (*arguments.posonlyargs, *arguments.args,
                        *arguments.kwonlyargs):
                yield one.arg, one.annotation and ast.unparse(one.annotation)


# -- The rules: each gives what is wrong with a module


def imports_by_full_name(name, tree):
    """A relative import says nothing of the package that it is from."""
    for imported in imports(tree):
        if imported.startswith('.'):
            yield f'{name} imports {imported}'


def leaves_the_facade_alone(name, tree):
    """The package itself imports all of the core, so none of that imports it.
    """
    if not belongs_to(name, OUTWARD) and name != '__init__':
        modules = sources().keys()
        for imported in imports(tree):
            first, _, rest = imported.partition('.')
            if first == OURS and rest.partition('.')[0] not in modules:
                yield f'{name} imports {imported}'


def knows_what_a_schedule_is(name, tree):
    """No import hides behind a parameter without a type."""
    for parameter, annotation in parameters(tree):
        if parameter == 'schedule' and annotation in (
                None, 'Any', 'object') and not name.endswith('interfaces'):
            yield f'{name} takes a {parameter} of type {annotation}'


def knows_no_persistence(name, tree):
    if belongs_to(name, PURE):
        for foreign in foreign_imports(tree):
            if foreign in PERSISTENCE:
                yield f'{name} imports {foreign}'


def reads_no_clock(name, tree):
    if belongs_to(name, PICKLED):
        for imported in imports(tree):
            if imported.split('.')[0] == 'time':
                yield f'{name} imports {imported}'
        for written, called in calls(tree):
            if called in READS_A_CLOCK or written == 'time.time':
                yield f'{name} calls {written}()'


def ends_no_transaction(name, tree):
    if belongs_to(name, COMMITS_NOTHING):
        for written, called in calls(tree):
            if called in ('commit', 'abort'):
                yield f'{name} calls {written}()'
        for written in entered(tree):
            if COMMITS_AT_ITS_END.search(written):
                yield f'{name} enters {written}, which commits'


def logs_nothing(name, tree):
    if belongs_to(name, PICKLED):
        for imported in imports(tree):
            if imported.split('.')[0] == 'logging':
                yield f'{name} imports {imported}'


def is_made_of_little(name, tree):
    if not belongs_to(name, OUTWARD):
        for foreign in foreign_imports(tree):
            if foreign not in CORE_IS_MADE_OF:
                yield f'{name} imports {foreign}'


RULES = {
    rule: planted for rule, *planted in [
        (imports_by_full_name,
         ('task', 'from .execution import run'),
         ('cli', 'from .. import task'),
         ('store', 'def late():\n    from . import claim')),
        (leaves_the_facade_alone,
         ('task', 'from zodbschedule import Schedule'),
         ('task', 'import zodbschedule'),
         ('execution.run', 'def late():\n    from zodbschedule import Task')),
        (knows_what_a_schedule_is,
         ('scheduling.turn', 'def collect(schedule, claim: Claim): pass'),
         ('scheduling.turn', 'def collect(schedule: Any): pass'),
         ('cli.show', 'async def find(*, schedule: object): pass'),
         ('execution.run', 'def _look(self, schedule: Any): pass')),
        (knows_no_persistence,
         ('interfaces', 'from persistent import Persistent'),
         ('clock', 'import transaction'),
         ('retry', 'from BTrees.OOBTree import OOBTree'),
         ('recurrence.zones', 'import ZODB.utils')),
        (reads_no_clock,
         ('task', 'import time'),
         ('task', 'from time import time'),
         ('store.history', 'datetime.now(UTC)'),
         ('store.history', 'datetime.datetime.utcnow()'),
         ('store.history', 'clock.now()'),
         ('store.history', 'now()'),
         ('store.history', 'date.today()'),
         ('store.claim', 'time.time()')),
        (ends_no_transaction,
         ('store.timetable', 'transaction.commit()'),
         ('store.claim', 'self._p_jar.transaction_manager.get().abort()'),
         ('clock', 'commit()'),
         ('scheduling.turn', 'self.manager.commit()'),
         ('principals', 'transaction.commit()'),
         ('scheduling.turn', 'with self.manager:\n    pass'),
         ('scheduling.turn', 'with transaction.manager as t:\n    pass'),
         ('scheduling.turn', 'with tm:\n    pass'),
         ('schedule', 'with db.transaction() as one:\n    pass')),
        (logs_nothing,
         ('store.parked', 'import logging'),
         ('task', 'from logging import getLogger')),
        (is_made_of_little,
         ('task', 'import click'),
         ('schedule', 'from zope.component import queryUtility'),
         ('schedule', 'from zope import component'),
         ('worker.loop', 'import pytz')),
    ]
}


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    assert [] == [
        offence for name, tree in sources().items()
        for offence in rule(name, tree)]


@pytest.mark.parametrize('rule, name, source', [
    (rule, name, source)
    for rule, planted in RULES.items() for name, source in planted])
def test_a_violation_is_found(rule, name, source):
    assert list(rule(name, ast.parse(source)))


@pytest.mark.parametrize('name, source', [
    ('schedule', 'from zodbschedule.task import Task'),
    ('schedule', 'from zodbschedule import clock\nclock.now()'),
    ('store.parked', 'import datetime\nfrom zodbschedule.task import text'),
    ('task', 'task.time\nnow = moment\nstore(now)'),
    ('execution.run', 'self.manager.commit()\nimport logging'),
    ('principals', 'with _lock:\n    pass'),
    ('store.claim', 'from persistent import Persistent\nimport BTrees'),
    ('cli.commands', 'import click\nwith tm:\n    pass'),
    ('scheduling.turn', 'def collect(schedule: ScheduleState): pass'),
    ('testing', 'from zodbschedule import Schedule\nimport pytest'),
])
def test_what_is_allowed_breaks_no_rule(name, source):
    assert [] == [
        offence for rule in RULES for offence in rule(name, ast.parse(source))]


@pytest.mark.parametrize(
    'group', [OUTWARD, PURE, PICKLED, COMMITS_NOTHING], ids=lambda one: one[0])
def test_the_rules_speak_of_modules_that_are_there(group):
    assert set(group) <= sources().keys()


def lines_of(function):
    """How many lines of code a function has, without comments, docstring."""
    body = function.body[ast.get_docstring(function) is not None:]
    nodes = [one for part in (function.args, *body) for one in ast.walk(part)]
    lines = {function.lineno}
    for node in nodes:
        if hasattr(node, 'body') and hasattr(node, 'lineno'):
            lines.add(node.lineno)  # what is in it comes by itself
        elif hasattr(node, 'lineno'):
            lines.update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def test_functions_are_short():
    lengths = {
        f'{name}: {function.name}': lines_of(function)
        for name, tree in sources().items() for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)}
    assert {name for name, length in lengths.items() if length > 30} == set()
    assert sum(lengths.values()) / len(lengths) <= 7


def test_few_modules_are_at_the_top():
    at_top = {name for name, tree in sources().items() if '.' not in name
              and (package() / f'{name}.py').is_file()}
    assert {'__init__', 'interfaces', 'schedule', 'task'} <= at_top
    assert len(at_top) <= 16


def test_the_core_depends_on_what_it_imports():
    project = tomllib.loads(PROJECT.read_text(encoding='utf-8'))['project']
    imported = {
        CORE_IS_MADE_OF[foreign] for name, tree in sources().items()
        if not belongs_to(name, OUTWARD) for foreign in foreign_imports(tree)}
    depended_on = {
        re.match(r'[\w.-]+', dependency).group()
        for dependency in project['dependencies']}
    assert imported == depended_on
