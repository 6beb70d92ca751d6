"""Leases that are shorter than may be set, so that no test waits for one."""

from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.worker.config import IWorkerArguments


LEASES = IScheduleSettings['lease'], IWorkerArguments['lease']


def allow_short_leases():
    """In this process, for good."""
    for field in LEASES:
        field.min = None
