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
"""The lines of the application say which task they belong to."""

import logging

from zodbschedule.execution.current import current_run
from zodbschedule.logger import place
from zodbschedule.store.inspection import TaskLabel


#: what a record has of a task; None where there is none
NOTHING = dict.fromkeys((
    *TaskLabel(0).log_attributes(), 'schedule_worker', 'schedule_path'))


class CurrentRunFilter(logging.Filter):
    """A filter that lets all pass, and gives each record the current task.

    The attributes are ``task_id``, ``task_description``, ``task_function``,
    ``task_key``, ``task_attempt``, ``schedule_worker`` and ``schedule_path``.
    Outside of a run they are None.  Put it on a handler::

        handler.addFilter(CurrentRunFilter())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes, unless the record has them; True."""
        run = current_run()
        task = {} if run is None else run.label.log_attributes()
        for name, value in {**NOTHING, **place.get(), **task}.items():
            vars(record).setdefault(name, value)
        return True
