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
"""What add-ons may provide for the sites of a Zope."""

from zope.interface import Interface
from zope.schema import Bool
from zope.schema import TextLine
from zope.schema import Tuple


class IContribution(Interface):
    """The definition of a task that an add-on contributes to sites.

    A global utility.  Its name is the name of the task.
    """

    name = TextLine(
        title='Name', description='Identifies the task in all sites.')
    title = TextLine(title='Title', description='Is shown to people.')
    description = TextLine(
        title='Description', description='What the task does.',
        required=False)
    enabled = Bool(
        title='Enabled',
        description='If not, the task of a site is paused at first.')
    formerly = Tuple(
        title='Formerly', description='The names that it had before.',
        value_type=TextLine())

    def applies(site):
        """Return whether *site* gets the task, a bool; writes nothing."""

    def options(site):
        """Return the options of the task of *site*.

        A dict of keyword arguments of `Task`, without *time* and *key*.
        Writes nothing.
        """

    def __call__(site):
        """Do the work of the task in *site*.

        Called in the transaction of the run.  Returns and raises what
        `ITask.__call__` does.
        """
