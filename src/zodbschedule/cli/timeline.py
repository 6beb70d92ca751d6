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
"""A timeline of future runs: a column for each day, a row for each task.

A cell has a few characters, each of which represents some hours of the day.
It shows a mark for each run, at its time of day, or if the marks do not fit,
the number of runs.  Days that do not fit into the width continue below, in
bands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from rich.text import Text

from zodbschedule.plain_text import one_line
from zodbschedule.reading import words


DAY = timedelta(days=1)

# More runs, and the drawing takes long; more days, and it fills many screens.
# This number of runs takes about two seconds.
MOST_RUNS = 50_000
MOST_DAYS = 100

# The numbers of characters that a day may have: they divide 24 hours, and a
# count fits into each.
SIZES = (24, 12, 8, 6, 4, 3)

# The width of the names of the tasks: at least so many characters if they
# need them, at most this part of the whole.
NARROWEST = 12
PART = 1 / 3

STYLES = {'run': 'cyan', 'noted': 'bold yellow', 'many': 'bold cyan',
          'shade': 'dim', 'line': 'dim', 'today': 'bold', 'id': 'dim'}


@dataclass(frozen=True)
class Marks:
    """The characters that it is drawn with."""

    run: str = '●'
    noted: str = '◆'
    times: str = '×'
    shade: str = '░'
    across: str = '─'
    down: str = '│'
    both: str = '┼'


ASCII = Marks('o', '!', 'x', '.', '-', '|', '+')


@dataclass(frozen=True)
class Frame:
    """The period that is drawn, and the time zone of its days."""

    start: datetime
    end: datetime
    zone: tzinfo

    def day_of(self, moment: datetime) -> date:
        """The local date."""
        return moment.astimezone(self.zone).date()

    def part_of_day(self, moment: datetime) -> float:
        """The local time as a fraction of its day, from 0 to below 1."""
        local = moment.astimezone(self.zone)
        return (local.hour * 60 + local.minute) / (24 * 60)


@dataclass
class Cell:
    """The runs of one task on one day."""

    number: int = 0
    #: their times as fractions of the day; of the first few only
    parts: list[float] = field(default_factory=list)
    noted: set[float] = field(default_factory=set)

    def add(self, part: float, noted: bool) -> None:
        self.number += 1
        if self.number <= max(SIZES):
            self.parts.append(part)
        if noted:
            self.noted.add(part)

    def columns(self, size: int) -> dict[int, bool] | None:
        """The columns of the marks, and which have a note.

        None if the marks do not fit.
        """
        found = {int(part * size): part in self.noted for part in self.parts}
        return found if len(found) == self.number else None


@dataclass
class Row:
    """One task."""

    id: str
    what: str
    cells: dict[date, Cell] = field(default_factory=dict)


class Drawing:
    """Collects runs in order of time, and draws them."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.rows: dict[str, Row] = {}
        self.number = 0
        self.first = frame.day_of(frame.start)
        #: where the drawing was cut off, if it was
        self.cut: datetime | None = None

    def add(self, time: datetime, id: str, what: str, noted: bool) -> bool:
        """Add a run; False if the drawing is full."""
        day = self.frame.day_of(time)
        if self.number >= MOST_RUNS or (day - self.first).days >= MOST_DAYS:
            self.cut = time
            return False
        self.number += 1
        row = self.rows.setdefault(id, Row(id, what))
        cell = row.cells.setdefault(day, Cell())
        cell.add(self.frame.part_of_day(time), noted)
        return True

    def lines(self, width: int, limit: int, marks: Marks = Marks()
              ) -> Iterator[Text]:
        """The drawing, *limit* tasks at most; 0 for all."""
        if not self.rows:
            yield Text(f'no runs until {words.timestamp(self.frame.end)}')
            return
        rows = list(self.rows.values())[:limit or None]
        yield from Sheet(self.frame, rows, self.end, width, marks).lines()
        if len(rows) < len(self.rows):
            yield Text(f'there are {len(self.rows)} tasks; --limit 0 shows '
                       f'all')
        if self.cut is not None:
            yield Text(f'the timeline ends at {words.timestamp(self.cut)}; '
                       f'there are more runs')

    @property
    def end(self) -> datetime:
        return self.cut or self.frame.end


class Sheet:
    """The rows, laid out for one width."""

    def __init__(self, frame: Frame, rows: list[Row], end: datetime,
                 width: int, marks: Marks) -> None:
        self.frame = frame
        self.rows = rows
        self.end = end
        self.width = width
        self.marks = marks
        first, last = frame.day_of(frame.start), frame.day_of(end)
        self.days = [first + number * DAY
                     for number in range((last - first).days + 1)]
        self.id_width = max(len(row.id) for row in rows)
        longest = max(Text(one_line(row.what)).cell_len for row in rows)
        most = max(NARROWEST, int(width * PART))
        self.label = min(self.id_width + 2 + longest, most)
        room = width - self.label - 1
        self.size = next((size for size in SIZES
                          if len(self.days) * (size + 1) <= room), SIZES[-1])
        #: the number of days in one band
        self.across = max(1, room // (self.size + 1))
        self.used: set[str] = set()

    def lines(self) -> Iterator[Text]:
        for days in self._bands():
            yield self._months(days)
            yield self._heading(days)
            yield self._rule(days)
            for row in self.rows:
                if any(day in row.cells for day in days):
                    yield self._row(row, days)
            yield Text()
        yield from self._legend()

    def _bands(self) -> Iterator[list[date]]:
        """The days, in bands of about the same size."""
        number = -(-len(self.days) // self.across)
        size = -(-len(self.days) // number)
        for start in range(0, len(self.days), size):
            yield self.days[start:start + size]

    # -- above the rows

    def _months(self, days: list[date]) -> Text:
        """The name of each month above its first day, if it fits."""
        line = ' ' * (self.label + 2)
        for number, day in enumerate(days):
            column = self.label + 2 + number * (self.size + 1)
            if (number == 0 or day.day == 1) and len(line) <= column:
                line = f'{line:<{column}}{day:%B %Y} '
        return Text(line.rstrip(), style=STYLES['today'])

    def _heading(self, days: list[date]) -> Text:
        line = Text(' ' * (self.label + 1))
        for day in days:
            line.append(self.marks.down, STYLES['line'])
            named = f'{day:%a} {day.day}'
            name = named if len(named) <= self.size else f'{day.day}'
            style = STYLES['today'] if day == self.days[0] else (
                STYLES['shade'] if day.weekday() > 4 else '')
            line.append(f'{name:<{self.size}}', style)
        return line

    def _rule(self, days: list[date]) -> Text:
        cell = self.marks.both + self.marks.across * self.size
        return Text(self.marks.across * (self.label + 1) + cell * len(days),
                    STYLES['line'])

    # -- the rows

    def _row(self, row: Row, days: list[date]) -> Text:
        line = Text(f'{row.id:<{self.id_width}}  ', STYLES['id'])
        line.append(one_line(row.what), 'not dim')
        line.truncate(self.label, overflow='ellipsis', pad=True)
        line.append(' ')
        for day in days:
            line.append(self.marks.down, STYLES['line'])
            line.append_text(self._cell(row.cells.get(day), day))
        return line

    def _cell(self, cell: Cell | None, day: date) -> Text:
        drawn = [self._ground(day, column) for column in range(self.size)]
        if cell is None:
            return Text.assemble(*drawn)
        columns = cell.columns(self.size)
        if columns is None:
            self.used.add('many')
            style = STYLES['noted' if cell.noted else 'many']
            return Text(f'{self._count(cell.number):^{self.size}}', style)
        for column, noted in columns.items():
            drawn[column] = self._mark('noted' if noted else 'run')
        return Text.assemble(*drawn)

    def _mark(self, name: str) -> tuple[str, str]:
        self.used.add(name)
        return getattr(self.marks, name), STYLES[name]

    def _ground(self, day: date, column: int) -> tuple[str, str]:
        """A column without a run: shaded outside the period."""
        frame = self.frame
        is_over = day == self.days[0] and (
            (column + 1) / self.size <= frame.part_of_day(frame.start))
        is_beyond = day == self.days[-1] and (
            column / self.size > frame.part_of_day(self.end))
        return self._mark('shade') if is_over or is_beyond else (' ', '')

    def _count(self, number: int) -> str:
        """A number, shortened to fit into a cell."""
        text = f'{self.marks.times}{number}'
        if len(text) <= self.size:
            return text
        return f'{number}' if number < 1000 else f'{number // 1000}k'

    # -- below them

    def _legend(self) -> Iterator[Text]:
        line = ''
        for text in self._legend_entries():
            if line and len(line) + len(text) + 3 > self.width:
                yield Text(line, STYLES['shade'])
                line = ''
            line += f'   {text}' if line else text
        yield Text(line, STYLES['shade'])

    def _legend_entries(self) -> Iterator[str]:
        marks = self.marks
        legend = {
            'run': f'{marks.run} run',
            'noted': f'{marks.noted} run with a note',
            'many': f'{marks.times}9 number of runs',
            'shade': f'{marks.shade} outside the period'}
        yield from (text for name, text in legend.items() if name in self.used)
        yield f'1 character is {24 // self.size} h'
        yield f'time zone {self.frame.zone}'
