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
"""Metrics for Prometheus: of the runs of a process, and of a database.

It needs the extra ``metrics``.
"""

from importlib.util import find_spec


if find_spec('prometheus_client') is None:
    raise ImportError(
        "metrics need prometheus_client; install it with: pip install "
        "'zodbschedule[metrics]'")
