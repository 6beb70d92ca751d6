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
"""What probes and Prometheus ask: whether it works, and how much there is."""

import time
from collections.abc import Callable
from collections.abc import Mapping
from functools import cached_property
from functools import partial
from importlib import import_module
from typing import Any

from webob import Response
from webob.exc import HTTPNotFound

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.schedule import Schedule
from zodbschedule.web.site import Site


#: gives the schedules, by their paths
Sites = Callable[[], Mapping[str, Site]]

# For how many seconds `Readiness` says the same.
KEPT = 1.0


def alive() -> Response:
    """That the process answers; the database is not asked."""
    return Response('ok\n', content_type='text/plain', charset='utf-8')


class Readiness:
    """Whether pages can be shown; anybody may ask, so no more than that.

    What was found is said again for a moment, so that whoever asks again and
    again does not keep the database busy.
    """

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        #: what keeps them from being shown; '' if nothing does
        self.problem = ''
        #: until when that is said, by a monotonic clock
        self.until = float('-inf')

    def response(self) -> Response:
        """That it is ready, or 503 and why not."""
        if time.monotonic() >= self.until:
            self.problem = self._problem()
            self.until = time.monotonic() + KEPT
        if not self.problem:
            return alive()
        return Response(f'not ready: {self.problem}\n', status=503,
                        content_type='text/plain', charset='utf-8')

    def _problem(self) -> str:
        try:
            for site in self.sites().values():
                with site.reading() as schedule:
                    schedule.paused()
        except HTTPNotFound:
            return 'there is no schedule where one should be'
        except Exception:
            return 'the database does not answer'
        return ''


class Metrics:
    """What the database says of the schedules, for Prometheus."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    def response(self, accept: str) -> Response:
        """All of it, in a format that *accept*, a header, asks for.

        Raises HTTPNotFound without the extra `metrics`.
        """
        prometheus, registry = self.registry
        choose = prometheus.exposition.choose_encoder
        try:
            encode, content_type = choose(accept)
        except (TypeError, ValueError):  # it asks for a version that is none
            encode, content_type = choose('')
        return Response(encode(registry), headers={
            'Content-Type': content_type})

    @cached_property
    def registry(self) -> tuple[Any, Any]:
        """The module prometheus_client, and a registry with the schedules."""
        try:
            metrics = import_module('zodbschedule.metrics.database')
            prometheus = import_module('prometheus_client')
        except ImportError as error:
            raise HTTPNotFound(str(error)) from error
        registry = prometheus.CollectorRegistry()
        registry.register(metrics.DatabaseMetrics(
            partial(self._read, metrics.figures_of)))
        return prometheus, registry

    def _read(self, figures_of: Callable[[Schedule], Any]
              ) -> dict[str, Any]:
        return {label: _figures(site, figures_of)
                for label, site in self.sites().items()}


def _figures(site: Site, figures_of: Callable[[Schedule], Any]) -> Any:
    """What is read of one schedule; None if it cannot be read."""
    try:
        with site.reading() as schedule:
            return figures_of(schedule)
    except Exception as error:
        log.debug('The metrics of %s cannot be read.', site.label,
                  exc_info=ErrorText(error).exc_info)
        return None
