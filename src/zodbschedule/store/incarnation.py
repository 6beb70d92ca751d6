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
"""Which process this is, so that others can find out whether it is gone.

Two incarnations are the same process if boot id, pid namespace, pid and start
time are equal: in containers every worker is pid 1, and pids are reused.  If
the system does not provide them (no ``/proc``), nothing is known, and only the
lease decides.
"""

import os
import socket
from typing import NamedTuple


class Incarnation(NamedTuple):
    """One life of one process.  Plain data, stored in its claims."""

    host: str
    machine: str  # boot id and pid namespace; '' if they are not known
    pid: int
    started: str  # clock ticks since boot; '' if that is not known


def this() -> Incarnation:
    """The current process.  Not cached, since a fork is another one."""
    pid = os.getpid()
    return Incarnation(
        socket.gethostname(), machine(), pid, started(pid) or '')


def is_gone(other: Incarnation) -> bool | None:
    """Whether that process has ended; None if that cannot be known here."""
    here = machine()
    if not here or not other.started or other.machine != here:
        return None
    now = started(other.pid)
    return None if now == '' else now != other.started


def is_at_work(other: Incarnation) -> bool:
    """Whether that process is known to be alive here, and not stopped."""
    return is_gone(other) is False and _state_and_start(other.pid)[0] not in (
        't', 'T')


def machine() -> str:
    """Boot id and pid namespace of this process, '' if unknown."""
    try:
        with open('/proc/sys/kernel/random/boot_id') as file:
            boot = file.read().strip()
        return f'{boot} {os.readlink("/proc/self/ns/pid")}'
    except OSError:
        return ''


def started(pid: int) -> str | None:
    """When that process began, in clock ticks since boot; None if it is gone.

    '' if it exists and the system hides the rest, as for processes of other
    users where /proc is mounted with hidepid.  A process that was killed and
    not yet waited for (states Z and X of proc(5)) is gone.
    """
    state, start = _state_and_start(pid)
    if not state:
        return None if has_ended(pid) else ''
    return None if state in 'ZX' else start


def _state_and_start(pid: int) -> tuple[str, str]:
    """As proc(5) has them; '' if it does not say."""
    try:
        with open(f'/proc/{pid}/stat', errors='replace') as file:
            # The second field is the name in parentheses, which may contain
            # any character; field 3 is the state, field 22 the start time.
            fields = file.read().rpartition(')')[2].split()
    except OSError:
        return '', ''
    return fields[0], fields[19]


def has_ended(pid: int) -> bool:
    """Whether no process has that id; one that has may be another."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
