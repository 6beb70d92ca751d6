"""A worker that has taken tasks, without its process."""

from zodbschedule import clock
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


def hold(schedule, commit, incarnation=None, most=9, name='night'):
    """The claim of a worker that has taken *most* of what is due."""
    now = clock.now()
    claim = schedule.claims[name] = Claim(
        name, incarnation or this(), to_micros(now))
    commit()
    if most:
        turn.exchange(schedule, claim, most, None, now, lambda *task: True)
        commit()
    return claim
