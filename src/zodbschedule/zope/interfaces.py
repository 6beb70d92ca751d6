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
"""What others may provide for the sites of a Zope."""

from zope.interface import Interface
from zope.schema import TextLine


class IContributed(Interface):
    """A task that an add-on contributes; a utility, named as the task."""

    name = TextLine(title='By which it is known, in all sites')
    title = TextLine(title='For people')
    description = TextLine(title='What it does', required=False)

    def applies(site):
        """Whether *site* is to have it."""

    def options(site):
        """What it is to be in *site*: a dict of the options of `Task`."""

    def __call__(site):
        """Do what is to be done there."""
