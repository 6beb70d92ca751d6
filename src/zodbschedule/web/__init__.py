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
"""A schedule in the browser: a small WSGI application beside any ZODB.

It needs the extra ``web``.  Whoever serves it, `application` makes it.
"""

from importlib.util import find_spec


if not all(map(find_spec, ('webob', 'chameleon'))):
    raise ImportError(
        "the pages need WebOb, Chameleon and waitress; install them with: pip "
        "install 'zodbschedule[web]'")

from zodbschedule.web.application import application


__all__ = ['application']
