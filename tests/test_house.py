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
"""The house: what a module may import and do, by the layer it stands in.

The modules are parsed, not imported.  Every rule comes with violations that
were planted, to show that it finds them.
"""

import ast
import re
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest


OURS = 'zodbschedule'

# Layer by layer from the bottom; within a layer, what comes first is below
# what comes after it.  Some of these rooms are not furnished yet.
LAYERS = {
    'a': (
        'execution',
        'liveness',
        'scheduling',
        'store',
        'transactions',
        'interfaces',
        'instant',
        'durations',
        'clock',
        'store.incarnation',
        'worker.availability',
        'recurrence.zones',
        'recurrence.walltimes',
        'recurrence.cron',
        'recurrence.rrule_dates',
        'recurrence.rrule',
        'recurrence.arguments',
        'recurrence.rules',
        'recurrence',
        'retry',
    ),
    'b': (
        'scheduling.storable',
        'store.spread',
        'store.timetable',
        'task',
        'store.stamp',
        'scheduling.series',
        'store.keys',
        'store.requests',
        'store.pauses',
        'store.parked',
        'store.claim',
        'store.history',
    ),
    'c': (
        'transactions.retrying',
        'transactions.workarounds',
        'execution.disabled',
        'principals',
        'liveness.heartbeat',
        'liveness.stale',
        'execution.backoff',
        'scheduling.parking',
        'transactions.savepoints',
        'transactions.guard',
        'execution.current',
        'scheduling.settlement',
        'scheduling.places',
        'scheduling.admission',
        'execution.outcome',
        'execution.failure',
        'execution.run',
        'scheduling.turn',
        'execution.consumer',
        'execution.process',
        'scheduling.control',
        'scheduling.forecast',
        'liveness.registry',
        'schedule',
    ),
    'd': (
        'worker.watcher',
        'worker.loop',
        'worker.thread',
        'worker.worker',
        'worker',
        '__init__',  # the public names, as the outward modules see them
    ),
    'e': (
        'zope_security',
        'zope.settings',
        'zope.sites',
        'zope.users',
        'zope.permissions',
        'zope.environment',
        'zope.context_task',
        'zope.interfaces',
        'zope.contributions',
        'zope.zcml',
        'zope.setuphandlers',
        'zope.workers',
        'zope',
        'zope.testing',
        'zope.plone_testing',
        'plone',
        'web',
        'metrics',
        'testing',
        'cli.problem',
        'cli.sites',
        'cli.logs',
        'cli.importing',
        'cli.mending',
        'cli.health',
        'cli.events',
        'cli.values',
        'cli.output',
        'cli.wording',
        'cli.rules',
        'cli.timeline',
        'cli.database',
        'cli.known',
        'cli.standing',
        'cli.progress',
        'cli.options',
        'cli.adding',
        'cli.contributions',
        'cli.changing',
        'cli.processing',
        'cli.working',
        'cli.watching',
        'cli.looking',
        'cli.foreseeing',
        'cli.checking',
        'cli.demo',
        'cli.live',
        'cli.commands',
        'cli',
        '__main__',
    ),
}
ORDER = [name for layer in LAYERS.values() for name in layer]
LAYER_OF = {name: layer for layer, names in LAYERS.items() for name in names}

# What the core, layers a to d, is made of.  A key is a package to import, a
# value the distribution that holds it.
CORE_IS_MADE_OF = {
    'BTrees': 'BTrees',
    'ZODB': 'ZODB',
    'cronsim': 'cronsim',
    'dateutil': 'python-dateutil',
    'persistent': 'persistent',
    'transaction': 'transaction',
    'zodbpickle': 'zodbpickle',
    'zope.event': 'zope.event',
    'zope.interface': 'zope.interface',
    'zope.schema': 'zope.schema',
}
PERSISTENCE = {'BTrees', 'ZODB', 'persistent', 'transaction', 'zodbpickle'}
# The modules that are packages.
PACKAGES = {'__init__', 'cli', 'zope', 'recurrence', 'transactions',
            'store', 'scheduling', 'liveness', 'execution', 'worker'}
MAY_COMMIT = {'transactions.retrying', 'execution.run', 'execution.failure',
              'execution.consumer', 'worker.worker',
              'testing', 'cli', 'cli.demo', 'zope'}
READS_A_CLOCK = {'now', 'utcnow', 'today', 'monotonic', 'monotonic_ns',
                 'perf_counter', 'perf_counter_ns', 'time_ns'}
# ``with manager:`` commits, although nobody says so.
COMMITS_AT_ITS_END = re.compile(
    r'(^|[._])(manager|tm|attempt)$|\.transaction\(\)$')


# -- Reading the modules


def package():
    """The folder of the package that the tests run with."""
    return Path(find_spec(OURS).submodule_search_locations[0])


def sources():
    """The modules by name, relative to the package, each as a tree."""
    found = {}
    for path in sorted(package().rglob('*.py')):
        parts = list(path.relative_to(package()).with_suffix('').parts)
        if parts[-1] == '__init__' and len(parts) > 1:
            parts.pop()
        found['.'.join(parts)] = ast.parse(path.read_text(encoding='utf-8'))
    return found


def imports(name, tree):
    """What a module imports, each with its full name, wherever it does.

    ``from a import b`` gives ``a.b``: b may be a module.
    """
    inside = [OURS] if name == '__init__' else [OURS, *name.split('.')]
    is_package = name in PACKAGES
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                up = len(inside) + is_package - node.level
                base = inside[:up] + base
            yield from ('.'.join([*base, alias.name]) for alias in node.names)


def own_module(imported):
    """Which of our modules an import names; None if it is not ours."""
    parts = imported.split('.')
    if parts[0] != OURS:
        return None
    inner = parts[1:]
    # from the longest, since what is imported may be a name in the module
    for length in range(len(inner), 0, -1):
        if '.'.join(inner[:length]) in LAYER_OF:
            return '.'.join(inner[:length])
    return '__init__'


def own_imports(name, tree):
    return sorted({
        own_module(imported) for imported in imports(name, tree)
        if own_module(imported)})


def foreign_imports(name, tree):
    """The packages of others that are imported, without the stdlib."""
    found = set()
    for imported in imports(name, tree):
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
            said = ast.unparse(node.func)
            yield said, said.rpartition('.')[2]


def entered(tree):
    """What ``with`` statements enter, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                yield ast.unparse(item.context_expr)


# -- The rules: each gives what is wrong with a module


def has_a_room(name, tree):
    if name not in LAYER_OF:
        yield f'{name} stands in no layer'


def imports_from_below(name, tree):
    """Only from layers below, or from below in the layer of its own."""
    here = ORDER.index(name)
    for other in own_imports(name, tree):
        if ORDER.index(other) >= here:
            yield f'{name} imports {other}, which is not below it'


def is_inward(name, tree):
    """Nothing below the outward layer imports from that."""
    if LAYER_OF[name] != 'e':
        for other in own_imports(name, tree):
            if LAYER_OF[other] == 'e':
                yield f'{name} imports {other}, which is outward'


def knows_no_persistence(name, tree):
    if LAYER_OF[name] == 'a':
        for package in foreign_imports(name, tree):
            if package in PERSISTENCE:
                yield f'{name} imports {package}'


def reads_no_clock(name, tree):
    if LAYER_OF[name] == 'b':
        for imported in imports(name, tree):
            if imported.split('.')[0] == 'time':
                yield f'{name} imports {imported}'
        for said, called in calls(tree):
            if called in READS_A_CLOCK or said == 'time.time':
                yield f'{name} calls {said}()'


def ends_no_transaction(name, tree):
    if LAYER_OF[name] in 'ab':
        for said, called in calls(tree):
            if called in ('commit', 'abort'):
                yield f'{name} calls {said}()'


def logs_nothing(name, tree):
    if LAYER_OF[name] == 'b':
        for imported in imports(name, tree):
            if imported.split('.')[0] == 'logging':
                yield f'{name} imports {imported}'


def leaves_committing_to_others(name, tree):
    if not MAY_COMMIT & {name, name.split('.')[0]}:
        for said, called in calls(tree):
            if called == 'commit':
                yield f'{name} calls {said}()'
        for said in entered(tree):
            if COMMITS_AT_ITS_END.search(said):
                yield f'{name} enters {said}, which commits'


def is_made_of_little(name, tree):
    if LAYER_OF[name] != 'e':
        for package in foreign_imports(name, tree):
            if package not in CORE_IS_MADE_OF:
                yield f'{name} imports {package}'


RULES = {
    rule: planted for rule, *planted in [
        (has_a_room,
         ('utils', ''),
         ('cli.helpers', '')),
        (imports_from_below,
         ('task', 'from zodbschedule.schedule import Schedule'),
         ('task', 'from zodbschedule import schedule'),
         ('task', 'from zodbschedule import Schedule'),
         ('task', 'from zodbschedule.store.parked import ParkedTask'),
         ('task', 'import zodbschedule'),
         ('task', 'import zodbschedule.execution.run'),
         ('task', 'from .run import Run'),
         ('task', 'from . import run'),
         ('task', 'def late():\n    from . import run'),
         ('task', 'from zodbschedule import task'),
         ('__init__', 'from .cli import main'),
         ('cli', 'from .. import __main__'),
         ('cli.problem', 'from . import values'),
         ('cli.problem', 'from .values import shown'),
         ('cli.problem', 'from zodbschedule.cli import values'),
         ('cli.demo', 'from zodbschedule.cli import main')),
        (is_inward,
         ('schedule', 'from zodbschedule.testing import clock'),
         ('execution.run', 'from zodbschedule import zope_security'),
         ('worker.worker', 'import zodbschedule.cli.problem')),
        (knows_no_persistence,
         ('interfaces', 'from persistent import Persistent'),
         ('clock', 'import transaction'),
         ('retry', 'from BTrees.OOBTree import OOBTree'),
         ('store.incarnation', 'import ZODB.utils')),
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
         ('clock', 'commit()')),
        (logs_nothing,
         ('store.parked', 'import logging'),
         ('store.parked', 'from logging import getLogger')),
        (leaves_committing_to_others,
         ('scheduling.turn', 'self.manager.commit()'),
         ('principals', 'transaction.commit()'),
         ('scheduling.turn', 'with self.manager:\n    pass'),
         ('scheduling.turn', 'with transaction.manager as t:\n    pass'),
         ('scheduling.turn', 'with tm:\n    pass'),
         ('scheduling.turn', 'with db.transaction() as one:\n    pass')),
        (is_made_of_little,
         ('task', 'import click'),
         ('schedule', 'from zope.component import queryUtility'),
         ('schedule', 'from zope import component'),
         ('worker.worker', 'import pytz')),
    ]
}


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    assert [] == [
        offence for name, tree in sources().items()
        if name in LAYER_OF or rule is has_a_room
        for offence in rule(name, tree)]


@pytest.mark.parametrize('rule, name, source', [
    (rule, name, source)
    for rule, planted in RULES.items() for name, source in planted])
def test_a_violation_is_found(rule, name, source):
    assert list(rule(name, ast.parse(source)))


@pytest.mark.parametrize('name, source', [
    ('schedule', 'from zodbschedule.task import Task'),
    ('schedule', 'from . import clock\nfrom .task import Task\nclock.now()'),
    ('store.parked', 'import datetime\nfrom zodbschedule.task import text'),
    ('task', 'task.time\nnow = moment\nstore(now)'),
    ('execution.run', 'self.manager.commit()\nimport logging'),
    ('principals', 'with _lock:\n    pass'),
    ('store.claim', 'from persistent import Persistent\nimport BTrees'),
    ('cli.commands', 'import click\nwith tm:\n    from . import values'),
    ('cli', 'from .commands import commands\nfrom . import problem'),
    ('testing', 'from zodbschedule import Schedule\nimport pytest'),
])
def test_what_is_allowed_breaks_no_rule(name, source):
    assert [] == [
        offence for rule in RULES for offence in rule(name, ast.parse(source))]


def test_no_module_has_two_rooms():
    assert len(ORDER) == len(set(ORDER))


def test_the_modules_are_found():
    assert {'__init__', 'interfaces', 'cli', 'cli.commands'} <= set(sources())


def test_the_core_depends_on_what_it_imports():
    project = tomllib.loads(
        Path(__file__).parents[1].joinpath('pyproject.toml').read_text(
            encoding='utf-8'))['project']
    imported = {
        CORE_IS_MADE_OF[package] for name, tree in sources().items()
        if LAYER_OF[name] != 'e' for package in foreign_imports(name, tree)}
    depended_on = {
        re.match(r'[\w.-]+', dependency).group()
        for dependency in project['dependencies']}
    assert imported == depended_on
