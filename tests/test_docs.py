"""Every piece of Python in the README and the docs does what it says.

A page is typed into an interpreter of its own, so to speak, from the top to
the bottom: what stands behind prompts is compared with what it prints, and a
code block without prompts is executed where it stands.
"""

import ast
import doctest
import gc
import re
import sys
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from types import ModuleType

import pytest
import transaction
import ZODB
import zope.event
from persistent import Persistent
from ZODB.Connection import Connection

from zodbschedule import clock as the_clock
from zodbschedule import principals


HOME = Path(__file__).parents[1]
PACKAGE = Path(find_spec('zodbschedule').origin).parent
#: what needs a Zope is executed there, see tests/zope; and what needs files,
#: in tests of its own
ELSEWHERE = {
    'zope.rst', 'plone.rst', 'tutorial.rst', 'deploying.rst',
    'troubleshooting.rst', 'metrics.rst'}
PAGES = [HOME / 'README.rst', *sorted(
    page for page in HOME.joinpath('docs').glob('*.rst')
    if page.name not in ELSEWHERE)]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(
    r'^\.\. code-block:: python *\n(?: +:.*\n)*\n((?:(?: .*)?\n)+)', re.M)


def examples_of(page):
    """What is to be executed of a page's text, in order."""
    found = doctest.DocTestParser().get_examples(page)
    for match in BLOCK.finditer(page):
        source = textwrap.dedent(match[1]).strip()
        if not source.startswith('>>>'):
            compile(source, 'code block', 'exec')
            found.append(doctest.Example(
                f'exec({source!r}, globals())', '',
                lineno=page.count('\n', 0, match.start(1))))
    return sorted(found, key=lambda example: example.lineno)


def execute(page, name):
    """What goes wrong with a page's text, as doctest reports it."""
    test = doctest.DocTest(examples_of(page), {}, name, name, 0, page)
    # Not a copy: classes that it defines can then be stored, as those of an
    # interpreter can.
    test.globs = vars(sys.modules['__main__'])
    report = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    return ''.join(report)


# A page may leave to the interpreter what that closes by itself.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning')


@pytest.fixture
def interpreter(monkeypatch, tmp_path):
    """A clean namespace, in an empty folder; nothing of it stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    module = ModuleType('__main__')
    monkeypatch.setitem(sys.modules, '__main__', module)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(principals, '_known', dict(principals._known))
    monkeypatch.setattr(zope.event, 'subscribers', [])
    monkeypatch.setattr(the_clock, '_current', the_clock.current())
    before = set(sys.modules)
    yield module
    transaction.abort()
    values = list(vars(module).values())
    for value in values:
        close_connection(value)
    for value in values:
        if isinstance(value, ZODB.DB):
            value.close()
    list(map(sys.modules.pop, set(sys.modules) - before))
    vars(module).clear()
    gc.collect()


def close_connection(value):
    """Close a connection, or that of a persistent object."""
    jar = value._p_jar if isinstance(value, Persistent) else value
    if isinstance(jar, Connection) and jar.opened:
        jar.close()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_a_page_does_what_it_says(page, interpreter):
    assert execute(page.read_text(encoding='utf-8'), page.name) == ''


def test_all_pages_are_found():
    assert {'README.rst', 'tasks.rst', 'repeating.rst', 'missed.rst',
            'failure.rst', 'keys.rst', 'history.rst', 'testing.rst',
            'api.rst', 'glossary.rst', 'architecture.rst',
            } <= {page.name for page in PAGES}


# -- It would be noticed


@pytest.mark.parametrize('page, report', [
    ('>>> 1 + 1\n3\n', 'Expected:\n    3\nGot:\n    2\n'),
    ('>>> 1 / 0\n', 'ZeroDivisionError'),
    ('text::\n\n    >>> 1 + 1\n    3\n', 'Got:\n    2\n'),
    ('.. code-block:: python\n\n    1 / 0\n\ntext\n', 'ZeroDivisionError'),
    ('.. code-block:: python\n\n    >>> 1 / 0\n\ntext\n', 'ZeroDivisionErr'),
    ('.. code-block:: python\n   :caption: a\n\n   1 / 0\n', 'ZeroDivision'),
    ('.. code-block:: python\n\n    a = 1\n\n    b = a\n    a / 0\n', 'Zero'),
])
def test_a_page_that_lies_is_reported(page, report, interpreter):
    assert report in execute(page, 'page')


def test_a_code_block_that_is_no_python_is_reported():
    with pytest.raises(SyntaxError):
        examples_of('.. code-block:: python\n\n    one two\n')


@pytest.mark.parametrize('page', [
    '',
    'Only text.\n',
    '.. code-block:: sh\n\n    not python\n',
    '.. code-block:: python\n\n    a = [1,\n         2]\n\n    b = 3\n\n'
    'text\n\n>>> a, b\n([1, 2], 3)\n>>> print("much\\nspace")\nmuch space\n'
    '>>> sorted("edcba")\n[...]\n',
    '>>> a = 1\n\n.. code-block:: python\n\n    assert a == 1\n    a = 2\n\n'
    '>>> a\n2\n',
])
def test_a_page_that_tells_the_truth_passes(page, interpreter):
    assert execute(page, 'page') == ''


def test_a_page_begins_with_nothing(interpreter):
    assert execute('>>> a = 1\n>>> __name__\n\'__main__\'\n', 'page') == ''
    assert sys.modules['__main__'].a == 1


# -- The architecture


#: ``path``: ``Name``, ``Other.name``: the path of a file of the tests, or of
#: a module or a package of ours in dotted form, and what is defined there
CITED = re.compile(r'``([\w./]+)``:\s+((?:``[\w.]+``(?:,\s+)?)+)')
#: a module alone
MODULE = re.compile(r'``([a-z_]+(?:\.[a-z_]+)+)``')


@pytest.fixture(scope='module')
def drawing():
    """The script that draws the packages."""
    return run_path(str(HOME / 'docs' / 'draw_packages.py'))


def wrong_imports(drawing, trees):
    """The imports against the layers, as pairs of modules."""
    found = list(drawing['imports'](trees))
    return {tuple(one) for one in drawing['against_the_layers'](found)}


def test_no_import_is_against_the_layers_of_the_picture(drawing):
    assert wrong_imports(drawing, drawing['modules']()) == set()


def test_an_import_against_the_layers_is_found_and_drawn_in_red(drawing):
    trees = drawing['modules']()
    trees['store.keys'] = ast.parse('from zodbschedule.worker import loop')
    assert ('store.keys', 'worker.loop') in wrong_imports(drawing, trees)
    assert f'stroke="{drawing["RED"]}"' in drawing['draw'](trees)


def defined(path):
    """The names that a module, or each module of a package, defines."""
    files = path.rglob('*.py') if path.is_dir() else [path]
    trees = [ast.parse(file.read_bytes()) for file in files]
    return {name for tree in trees for name in names_in(tree.body, '')}


def names_in(body, prefix):
    for node in body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets
                        if isinstance(target, ast.Name))
        if isinstance(node, ast.AnnAssign):
            yield node.target.id
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from names_in(node.body, f'{node.name}.')


def place_of(path):
    """Where that is, as the pages write it."""
    if path.startswith('tests/'):
        return HOME / path
    place = PACKAGE.joinpath(*path.split('.'))
    return place if place.is_dir() else place.with_suffix('.py')


def stale(page):
    """What a page cites that is not there (any more)."""
    for path, names in CITED.findall(page):
        place = place_of(path)
        known = defined(place) if place.exists() else set()
        yield from (f'{path}: {name}'
                    for name in re.findall(r'[\w.]+', names)
                    if name not in known)
    yield from (name for name in MODULE.findall(page)
                if not place_of(name).exists())


@pytest.mark.parametrize('name', ['architecture.rst', 'failure.rst'])
def test_what_a_page_cites_is_there(name):
    page = HOME.joinpath('docs', name).read_text('utf-8')
    assert len(CITED.findall(page)) > 40
    assert list(stale(page)) == []


@pytest.mark.parametrize('page, found', [
    ('``store.keys``: ``Keys.claim``, ``Lock``', ['store.keys: Lock']),
    ('``store.locks``:\n  ``Lock``', ['store.locks: Lock', 'store.locks']),
    ('``store.locks`` and ``store``', ['store.locks']),
    ('``tests/test_docs.py``: ``stale``, ``CITED``', []),
    ('``transactions``: ``transact``', []),
])
def test_what_is_cited_and_not_there_is_found(page, found):
    assert list(stale(page)) == found
