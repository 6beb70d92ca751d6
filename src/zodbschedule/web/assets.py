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
"""The files that pages load: one style sheet, one script, htmx."""

from functools import cache
from importlib.resources import files

from webob import Response
from webob.exc import HTTPNotFound


TYPES = {
    'htmx.min.js': 'text/javascript',
    'zodbschedule.css': 'text/css',
    'zodbschedule.svg': 'image/svg+xml'}
FOLDER = 'static/'


def response(path: str) -> Response:
    """The file at that path; raises HTTPNotFound for another one."""
    name = path.removeprefix(FOLDER)
    if name not in TYPES:
        raise HTTPNotFound('There is no such file.')
    return Response(_content(name), content_type=TYPES[name], charset='utf-8',
                    cache_control='public, max-age=3600')


@cache
def _content(name: str) -> bytes:
    return files('zodbschedule.web').joinpath('static', name).read_bytes()
