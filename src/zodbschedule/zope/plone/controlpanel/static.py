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

# What the pages bring along for themselves, and where it is in a Plone:
# its own theme says whether it is dark.
DARK = '@media screen and (prefers-color-scheme: dark)'
PLACES = ((':root {', '& {'), (f'{DARK} {{\n  & {{',
                               '@media screen {\n  [data-bs-theme="dark"] & {'))

# What the theme says of classes that have other meanings here.
OURS = """
  color: var(--text);
  font-size: 0.9375rem;
  h2 { line-height: 1.3; }
  .card { display: block; word-wrap: normal; min-width: 0; }
  section.card, .filters, .facts { color: var(--text); }
  .state, .message { --bs-link-color-rgb: inherit; }
  table { color: inherit; margin: 0; }
  .actions { margin: 0; padding: 0; }
  legend { float: none; width: auto; }
  .hidden { display: block; }
  .form .actions { border: 0; }
"""


@cache
def scoped_styles() -> bytes:
    """The style sheet of the pages, for what is inside of the panel alone."""
    text = assets.response(f'{assets.FOLDER}{STYLES}').text
    for theirs, ours in PLACES:
        text = text.replace(theirs, ours)
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
