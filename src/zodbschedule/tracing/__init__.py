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
"""Traces of what is scheduled, and of runs, by OpenTelemetry.

It needs the extra ``opentelemetry``.  Importing it does nothing: see
`instrument`.
"""

from importlib.util import find_spec


if find_spec('opentelemetry') is None:
    raise ImportError(
        "traces need opentelemetry-api; install it with: pip install "
        "'zodbschedule[opentelemetry]'")

from zodbschedule.tracing.switch import Instrumentor
from zodbschedule.tracing.switch import instrument
from zodbschedule.tracing.switch import uninstrument


__all__ = ['Instrumentor', 'instrument', 'uninstrument']
