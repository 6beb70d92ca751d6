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
"""The command that runs the due tasks, and its progress bar."""

import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple

import click
import zope.event
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import logs
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import open_connection
from zodbschedule.cli.errors import EXIT_ALERT
from zodbschedule.cli.errors import EXIT_CODES
from zodbschedule.cli.errors import EXIT_INTERRUPTED
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import grace_option
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import log_options
from zodbschedule.cli.signals import Signals
from zodbschedule.cli.signals import exit_at_once
from zodbschedule.execution import process as processing
from zodbschedule.execution.stopping import HAND_BACK
from zodbschedule.execution.stopping import SUPERVISE
from zodbschedule.execution.stopping import Stop
from zodbschedule.instant import as_utc
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.logger import working_for
from zodbschedule.outcomes import INTERRUPTED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.outcomes import Tally
from zodbschedule.reading.one_task import PauseFacts
from zodbschedule.reading.one_task import pause_facts


# Seconds.  Shorter, and a bar flashes up where there is nothing to wait for.
BAR_DELAY = 1.0

# The most due tasks that are counted beforehand: counting loads the lists
# that they are in.  Beyond that the bar has no end.
MOST_COUNTED = 10_000


@click.command(epilog=EXIT_CODES)
@click.option('--until', type=parse.moment, metavar='TIME',
              help='Run the tasks that are due at this time.  Default: now.')
@grace_option
@import_option
@log_options
@json_option
@location_options
@click.pass_context
def process(ctx: click.Context, location: Location, until: datetime | None,
            grace: timedelta, modules: tuple[str, ...], log: logs.Chosen,
            as_json: bool) -> None:
    """Run all due tasks, each in its own transaction, and exit.

    SIGTERM or Ctrl-C lets the current task end and returns the others.
    """
    parked: list[TaskParked] = []
    with (Signals() as signals, working_for(schedule_path=location.path),
          logs.shown(log, partial(import_modules, modules), False)):
        tally, remains = _make_pass(location, until, parked, signals, grace)
        if as_json:
            _tally_as_json(tally, parked, remains)
        else:
            _tally_as_text(tally, parked, remains)
    if signals.first == signal.SIGINT:
        ctx.exit(EXIT_INTERRUPTED)
    ctx.exit(EXIT_ALERT if parked else 0)


class Remains(NamedTuple):
    """What is due after a pass, since the pass was not to run it."""

    #: the pause of the whole schedule
    pause: PauseFacts | None
    #: how many due tasks are paused by themselves
    paused: int
    #: how many due tasks are held by workers, and by other calls
    claimed: int
    #: whether a signal has ended the pass
    stopped: bool


def _make_pass(location: Location, until: datetime | None,
               parked: list[TaskParked], signals: Signals, grace: timedelta
               ) -> tuple[Tally, Remains]:
    until = until or clock.now()
    with open_connection(location, Access.RUN) as connection:
        reason = processing.why_disabled(connection)
        if reason:
            raise CommandError(f'nothing was run: {reason}')
        schedule = location.find(connection)
        with subscribed(_collect_parked(parked)):
            with progress_bar(schedule, until):
                with stoppable(signals, grace) as stop:
                    tally = _process(schedule, until, stop)
        return tally, _remains(schedule, until, stop)


def _remains(schedule: Schedule, until: datetime, stop: Stop) -> Remains:
    waiting = filter(None, (
        schedule.waits(paused.task) for paused in schedule.paused_tasks()))
    return Remains(
        pause_facts(schedule.paused()),
        sum(time <= until for time in waiting),
        sum(each.time <= until for each in schedule.claimed()),
        stop.was_asked())


def _process(schedule: Schedule, until: datetime, stop: Stop) -> Tally:
    try:
        return processing.process(schedule, as_utc(until), stop=stop)
    except SystemExit as error:
        # Its exit code would be taken for ours.
        raise CommandError(
            f'a task called sys.exit({error.code!r}); it, and the tasks that '
            f'did not run, are back in the schedule') from error


def _collect_parked(parked: list[TaskParked]) -> Callable[[object], None]:
    def collect(event: object) -> None:
        if isinstance(event, TaskParked):
            parked.append(event)

    return collect


def _tally_as_json(tally: Tally, parked: list[TaskParked],
                   remains: Remains) -> None:
    counts = {name: getattr(tally, name) for name in format.OUTCOMES}
    output.show_json(counts | {'parked': [
        {'id': each.id, 'time': each.time, 'reason': each.reason,
         'description': each.description, 'principalId': each.principalId}
        for each in parked],
        'schedule_pause': remains.pause, 'paused': remains.paused,
        'claimed': remains.claimed})


def _tally_as_text(tally: Tally, parked: list[TaskParked],
                   remains: Remains) -> None:
    counts = [f'{getattr(tally, name)} {words}'
              for name, words in format.OUTCOMES.items()
              if getattr(tally, name)]
    idle = 'no tasks were run' if any(remains) else 'no tasks were due'
    click.echo(', '.join(counts) or idle)
    for line in _why_not_run(remains, not counts):
        output.show(output.cell(line))
    for each in parked:
        output.show(output.cell(f'parked: {each.id} {each.reason}'))


def _why_not_run(remains: Remains, idle: bool) -> Iterator[str]:
    """Lines that say why not all due tasks were run; *idle*: why none was."""
    if remains.pause is not None:
        yield format.schedule_pause(remains.pause)
    if idle and remains.paused:
        yield f'{format.tasks_are(remains.paused)} due and paused'
    if idle and remains.claimed:
        yield f'{format.tasks_are(remains.claimed)} due and held by workers'
    if remains.stopped:
        yield 'a signal has ended the pass'


# -- while it runs -----------------------------------------------------------


@contextmanager
def stoppable(signals: Signals, grace: timedelta) -> Iterator[Stop]:
    """Inside this context a pass stops as *signals* ask; a thread sees to it.

    The thread ends the process if it has cut off a run, which goes on.
    """
    signals.work = stop = Stop('The pass', grace)
    ended = threading.Event()

    def supervise() -> None:
        while not ended.wait(SUPERVISE):
            if stop.has_begun() and stop.is_over():
                complete = stop.cut_off()
                # It may just have ended by itself.
                if not (complete and ended.wait(HAND_BACK)):
                    output.console(stderr=True).show_cursor()
                    exit_at_once(signals.code or 128 + (signals.first or 0))

    with logs.stopping_shown():
        thread = threading.Thread(
            target=supervise, name='zodbschedule stopping', daemon=True)
        thread.start()
        try:
            yield stop
        finally:
            ended.set()
            thread.join()


@contextmanager
def subscribed(subscriber: Callable[[object], None]) -> Iterator[None]:
    """Inside this context *subscriber* gets all events of this process."""
    zope.event.subscribers.append(subscriber)
    try:
        yield
    finally:
        zope.event.subscribers.remove(subscriber)


@contextmanager
def progress_bar(schedule: Schedule, until: datetime) -> Iterator[None]:
    """Inside this context a bar counts the runs, if they take long.

    It appears on standard error, if that is a terminal.
    """
    screen = output.console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    progress = Progress(
        TextColumn('processing'), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=screen, transient=True)
    bar = progress.add_task('', total=count_due(schedule, until))
    counted = subscribed(each_run(partial(progress.advance, bar)))
    try:
        with counted, after(BAR_DELAY, progress.start):
            yield
    finally:
        progress.stop()


def each_run(act: Callable[[], None]) -> Callable[[object], None]:
    """A subscriber of all events that does this when a run has ended."""
    def told(event: object) -> None:
        # What was interrupted is run again.
        if isinstance(event, RunEnded) and (
                event.outcome != OUTCOMES[INTERRUPTED]):
            act()

    return told


@contextmanager
def after(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Do that if this context lasts so long, as one long run may."""
    began = time.monotonic()
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        if time.monotonic() - began < seconds:
            timer.cancel()
        timer.join()


def count_due(schedule: Schedule, until: datetime) -> int | None:
    """The number of due tasks; None if it is above `MOST_COUNTED`."""
    due = islice(schedule.tasks(max=until), MOST_COUNTED + 1)
    number = sum(1 for _ in due)
    return number if number <= MOST_COUNTED else None
