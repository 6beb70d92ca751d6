"""The trip of one task through the modules: how many it visits, and moves.

A move is from one module of the package to another, at a call.  Counted are
one `schedule()` and one `process()` of a task that does nothing, at once; they
are the same on each machine.  What each further task of that pass adds is the
length of the hot path.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import transaction
from measuring import NOW
from measuring import Database
from measuring import NoOp
from measuring import arguments
from measuring import new_schedule
from measuring import show
from measuring import verdict

import zodbschedule
from zodbschedule import Every
from zodbschedule import clock
from zodbschedule.testing import SettableClock


# How many further tasks of one pass are counted.
MORE = 10

HOME = str(Path(zodbschedule.__file__).parent)


class Trail:
    """The modules whose functions are called while it is entered."""

    def __enter__(self) -> 'Trail':
        self.modules: list[str] = []
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: Any, event: str, argument: object) -> None:
        code = frame.f_code
        # A comprehension or a generator expression is no call of a function.
        if event == 'call' and code.co_filename.startswith(HOME) and (
                not code.co_name.startswith('<')):
            self.modules.append(code.co_filename)

    @property
    def visited(self) -> int:
        """How many different modules."""
        return len(set(self.modules))

    @property
    def moves(self) -> int:
        """How often from one module to another, and into the first."""
        before = [None, *self.modules]
        return sum(one != other for one, other in zip(
            before, self.modules, strict=False))


def trail(work: Callable[[], Any]) -> Trail:
    """The way of *work* through the package."""
    with Trail() as found:
        work()
    return found


def trips(schedule: Any, make: Callable[[], NoOp], others: int = 0
          ) -> tuple[Trail, Trail]:
    """Of `schedule()` and of `process()`; the second time, with warm caches.

    Some *others* are processed with it, each a second earlier.
    """
    for _ in range(2):
        task = make()
        scheduled = trail(lambda: schedule.schedule(task))
        for number in range(others):
            other = make()
            other.time -= timedelta(seconds=1 + number)
            schedule.schedule(other)
        transaction.commit()
        processed = trail(lambda: schedule.process(NOW))
    return scheduled, processed


def measured(make: Callable[[], NoOp], others: int = 0
             ) -> tuple[Trail, Trail]:
    """The trips in a new schedule."""
    with Database() as database, clock.use(SettableClock(NOW)):
        schedule = new_schedule(database.root)
        transaction.commit()
        return trips(schedule, make, others)


def tell(what: str, make: Callable[[], NoOp], modules: int, moves: int
         ) -> None:
    """Print how a task went, and what was to be reached."""
    scheduled, processed = measured(make)
    show(f'{what}, schedule()', f'{scheduled.visited} modules',
         f'{scheduled.moves} moves')
    verdict(f'{what}, process(), modules', [processed.visited],
            f'<= {modules}', '.0f', 'visited')
    verdict(f'{what}, process(), moves', [processed.moves],
            f'<= {moves}', '.0f', 'between them')
    _, several = measured(make, MORE)
    show(f'{what}, each further one',
         f'{(several.moves - processed.moves) / MORE:.0f} moves')


def main() -> None:
    arguments(__doc__)
    tell('a plain task', lambda: NoOp(NOW), 20, 90)
    tell('a recurring task', lambda: NoOp(
        NOW, recurrence=Every(timedelta(days=366))), 22, 110)


if __name__ == '__main__':
    main()
