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
"""Draw the packages of zodbschedule, by layer, and what imports what.

The modules are parsed, not imported.  ``conf.py`` calls this at each build, so
that the picture cannot differ from the code; the tests ask it for imports
against the layers.  By hand: ``python docs/draw_packages.py > packages.svg``.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from math import log2
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape


# Where the package is that would be imported; nothing of it is.
SOURCE = Path(find_spec('zodbschedule').origin).parent

# The layers, from the bottom, each with the middle of its boxes in the image:
# a module may import from its own layer and from those before it.  Names that
# do not exist yet are not drawn.
LAYERS = (
    ('contract and time', 510, (
        'interfaces', 'errors', 'plain_text', 'outcomes', 'instant', 'clock',
        'durations', 'logger', 'retry', 'principals')),
    ('transactions and their errors', 790, ('transactions',)),
    ('pickled; when next', 400, (
        'recurrence', 'task', 'callables', 'store')),
    ('in the transaction of the caller', 420, ('scheduling',)),
    ('which workers are alive', 690, ('liveness',)),
    ('one task, one transaction', 600, ('execution',)),
    ('the facade', 520, ('schedule',)),
    ('the loop that waits', 730, ('worker',)),
    ('public names', 470, ('zodbschedule',)),
    ('what a schedule holds, as plain data', 600, ('reading',)),
    ('what a person does to it', 480, ('steering',)),
    ('outward', 510, (
        'cli', 'metrics', 'tracing', 'alarms', 'web', 'testing', 'zope',
        'zope_security')),
)
LAYER_OF = {name: number for number, (_, _, names) in enumerate(LAYERS)
            for name in names}
PARTS_OF = {'__main__': 'cli'}

# All but the lowest layer import this one.  Those arrows would hide the rest.
LEFT_OUT = 0

WIDTH = 900
ROW = 84
TOP = 44
BOX = 42
GAP = 34
# Both are visible on white and on black.
GRAY = '#7c8793'
RED = '#e5383b'
HUES = ('#c98a1b', '#2a9d8f', '#d1689b', '#8a7f5c', '#ba7a4e', '#5f93a8',
        '#5b8def', '#4c9f38', '#b07cd8', '#8d96a0', '#7a77d6', '#3fa7c4')


class Import(NamedTuple):
    """That one module imports another; both relative to the package."""

    module: str
    imported: str


# -- Reading the modules


def modules(source: Path = SOURCE) -> dict[str, ast.Module]:
    """The parsed modules by name; the package itself is ``zodbschedule``."""
    found = {}
    for path in sorted(source.rglob('*.py')):
        parts = path.relative_to(source).with_suffix('').parts
        name = '.'.join(part for part in parts if part != '__init__')
        found[name or source.name] = ast.parse(path.read_bytes())
    return found


def imports(trees: dict[str, ast.Module]) -> Iterator[Import]:
    """Each import of one of these modules by another."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            for name in _names(node):
                imported = _nearest(name, trees)
                if imported:
                    yield Import(module, imported)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f'{node.module}.{alias.name}' for alias in node.names]
    return []


def _nearest(name: str, trees: dict[str, ast.Module]) -> str | None:
    """The module of ours that holds that name, if one does."""
    package, *parts = name.split('.')
    if package != SOURCE.name:
        return None
    while parts and '.'.join(parts) not in trees:
        parts.pop()
    return '.'.join(parts) or package


def box_of(module: str) -> str:
    """The package or top-level module that is drawn for *module*."""
    name = module.partition('.')[0]
    return PARTS_OF.get(name, name)


def layer_of(module: str) -> int:
    """The number of its layer; KeyError for a module that has none."""
    return LAYER_OF[box_of(module)]


def against_the_layers(found: list[Import]) -> list[Import]:
    """The imports from a layer above that of the importing module."""
    return [one for one in found
            if layer_of(one.imported) > layer_of(one.module)]


# -- Drawing


class Box(NamedTuple):
    """Where a package is drawn, and how."""

    name: str
    x: float
    y: float
    width: float
    color: str
    note: str

    def port(self, number: int, count: int) -> float:
        """Where one of *count* arrows meets the box, from the left."""
        return self.x + self.width * (number + 1) / (count + 1)


def boxes(trees: dict[str, ast.Module]) -> dict[str, Box]:
    """The boxes by name."""
    known = set(map(box_of, trees))
    found = {}
    for number, (_, middle, names) in enumerate(LAYERS):
        here = [name for name in names if name in known]
        widths = [_width(name, number) for name in here]
        gap = 8 if number == LEFT_OUT else GAP
        x = middle - (sum(widths) + gap * (len(here) - 1)) / 2
        for name, width in zip(here, widths, strict=True):
            found[name] = Box(
                name, x, _y_of(number), width, _color(len(found), number),
                _note(name, trees))
            x += width + gap
    return found


def _width(name: str, layer: int) -> float:
    letters = 7.6 * len(name)
    return letters + 26 if layer == LEFT_OUT else max(104, letters + 30)


def _y_of(layer: int) -> float:
    return TOP + ROW * (len(LAYERS) - 1 - layer)


def _color(number: int, layer: int) -> str:
    return GRAY if layer == LEFT_OUT else HUES[number % len(HUES)]


def _note(name: str, trees: dict[str, ast.Module]) -> str:
    if name == SOURCE.name:
        return '__init__'
    inside = sum(module.startswith(f'{name}.') for module in trees)
    return f'{inside} modules' if inside else 'module'


class Arrow(NamedTuple):
    """The imports of one box by another."""

    source: Box
    target: Box
    count: int
    start: float
    end: float

    @property
    def is_wrong(self) -> bool:
        return layer_of(self.target.name) > layer_of(self.source.name)


def arrows(found: list[Import], placed: dict[str, Box]) -> list[Arrow]:
    """The arrows, which meet each box in the order in which they come."""
    counts = Counter(
        (box_of(one.module), box_of(one.imported)) for one in found)
    drawn = sorted(pair for pair in counts if _is_drawn(*pair))
    return [Arrow(placed[a], placed[b], counts[a, b],
                  _port(a, b, drawn, placed, 0), _port(b, a, drawn, placed, 1))
            for a, b in drawn]


def _is_drawn(source: str, target: str) -> bool:
    low, high = sorted((LAYER_OF[source], LAYER_OF[target]))
    return source != target and (
        low != LEFT_OUT or LAYER_OF[source] == LEFT_OUT != high)


def _port(box: str, other: str, drawn: list[tuple[str, str]],
          placed: dict[str, Box], side: int) -> float:
    """Where the arrow between the two meets *box*, which is on that side."""
    others = sorted(
        (pair[1 - side] for pair in drawn if pair[side] == box),
        key=lambda name: (placed[name].x, name))
    return placed[box].port(others.index(other), len(others))


def draw(trees: dict[str, ast.Module]) -> str:
    """The picture, as SVG."""
    found = list(imports(trees))
    placed = boxes(trees)
    height = _y_of(0) + BOX + 50
    shapes = [_layer(number, title)
              for number, (title, _, _) in enumerate(LAYERS)]
    shapes += map(_line, sorted(
        arrows(found, placed), key=lambda arrow: arrow.is_wrong))
    shapes += map(_shape, placed.values())
    shapes.append(
        f'<text x="{WIDTH / 2}" y="{height - 14}" text-anchor="middle" '
        f'class="layer">Imports of the contract and time, by every layer, '
        f'are left out.  A red arrow is against the layers.'
        f'</text>')
    return '\n'.join([_HEAD.format(width=WIDTH, height=height),
                      *map(_marker, sorted({GRAY, RED, *HUES})), '</defs>',
                      *shapes, '</svg>', ''])


_HEAD = '''\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" \
width="{width}" height="{height}" role="img" \
aria-label="The packages of zodbschedule by layer, and their imports">
<style>
text {{ font-family: Helvetica, Arial, "DejaVu Sans", sans-serif }}
.layer {{ font-size: 11.5px; fill: #7c8793 }}
.name {{ font-size: 14px; font-weight: bold; fill: #1d2733 }}
.note {{ font-size: 10.5px; fill: #44505c }}
</style>
<defs>'''


def _marker(color: str) -> str:
    return (
        f'<marker id="{_head_of(color)}" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" '
        f'orient="auto"><path d="M0,0.5 L8,4 L0,7.5 z" fill="{color}"/>'
        f'</marker>')


def _head_of(color: str) -> str:
    return f'head-{color[1:]}'


def _layer(number: int, title: str) -> str:
    y = _y_of(number)
    return (
        f'<path d="M8,{y + BOX + 21} H{WIDTH - 8}" stroke="{GRAY}" '
        f'stroke-opacity="0.25"/>\n'
        f'<text x="8" y="{y + 14}" class="layer">{escape(title)}</text>')


def _line(arrow: Arrow) -> str:
    """An arrow: out of the lower edge of one box, into the upper of another.

    Or from side to side, within a layer.
    """
    source, target = arrow.source, arrow.target
    color = RED if arrow.is_wrong else source.color
    path = _beside(source, target) if source.y == target.y else _down(arrow)
    width = 1 + 0.7 * log2(arrow.count)
    return (
        f'<path d="{path}" fill="none" stroke="{color}" '
        f'stroke-opacity="{1 if arrow.is_wrong else 0.75}" '
        f'stroke-width="{width:.1f}" marker-end="url(#{_head_of(color)})">'
        f'<title>{source.name} imports {target.name}: {arrow.count}</title>'
        f'</path>')


def _beside(source: Box, target: Box) -> str:
    y = source.y + BOX / 2
    if source.x < target.x:
        return f'M{source.x + source.width:.1f},{y} H{target.x:.1f}'
    return f'M{source.x:.1f},{y} H{target.x + target.width:.1f}'


def _down(arrow: Arrow) -> str:
    upward = arrow.is_wrong
    start = arrow.source.y + (0 if upward else BOX)
    end = arrow.target.y + (BOX + 2 if upward else -2)
    bend = (end - start) * 0.45
    return (
        f'M{arrow.start:.1f},{start} C{arrow.start:.1f},{start + bend:.1f} '
        f'{arrow.end:.1f},{end - bend:.1f} {arrow.end:.1f},{end}')


def _shape(box: Box) -> str:
    middle = box.x + box.width / 2
    return (
        f'<rect x="{box.x:.1f}" y="{box.y}" width="{box.width:.1f}" '
        f'height="{BOX}" rx="7" fill="#f4f6f8" stroke="{box.color}" '
        f'stroke-width="2"/>\n'
        f'<text x="{middle:.1f}" y="{box.y + 19}" text-anchor="middle" '
        f'class="name">{escape(box.name)}</text>\n'
        f'<text x="{middle:.1f}" y="{box.y + 33}" text-anchor="middle" '
        f'class="note">{escape(box.note)}</text>')


if __name__ == '__main__':
    sys.stdout.write(draw(modules()))
