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
"""The style sheet and the script of the panel, which other pages do not load.
"""

from functools import cache
from typing import Any

from Products.Five import BrowserView
from webob.exc import HTTPNotFound
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse
from zope.publisher.interfaces import NotFound

from zodbschedule.web import assets


STYLES = 'zodbschedule.css'

# The pages ask the browser whether it is dark; here the theme says it.
BY_BROWSER = '@media screen and (prefers-color-scheme: dark) {\n  & {'
BY_THEME = '@media screen {\n  [data-bs-theme="dark"] & {'

# Where the theme has the same class for another thing.
OURS = """
color: var(--text);
font-size: 0.9375rem;
h2, h3 { line-height: 1.3; }
> .title { font-size: 1.25rem; }
.lead { font-size: inherit; font-weight: 400; margin-top: 0; }
.card { display: block; }
table { margin: 0; color: inherit; }
legend { float: none; width: auto; }
"""


@cache
def scoped_styles() -> bytes:
    """The style sheet of the pages, for what is inside of the panel alone."""
    text = assets.response(f'{assets.FOLDER}{STYLES}').text
    text = text.replace(':root {', '& {').replace(BY_BROWSER, BY_THEME)
    return f'.zodbschedule {{\n{text}{OURS}}}\n'.encode()


@implementer(IPublishTraverse)
class StaticView(BrowserView):
    """A file, by its name."""

    name = ''

    def publishTraverse(self, request: Any, name: str) -> Any:
        """Take the name."""
        if self.name:
            raise NotFound(self, name, request)
        self.name = name
        return self

    def __call__(self) -> bytes:
        try:
            found = assets.response(f'{assets.FOLDER}{self.name}')
        except HTTPNotFound:
            raise NotFound(self.context, self.name, self.request) from None
        for name in ('Content-Type', 'Cache-Control'):
            self.request.response.setHeader(name, found.headers[name])
        return scoped_styles() if self.name == STYLES else bytes(found.body)
