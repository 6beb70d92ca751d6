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
"""The HTML: a layout, and the body of each page.

A template gets plain data only, `visit`, and the functions of `wording`.
Everything is escaped, unless a template says ``structure``.
"""

from functools import partial
from pathlib import Path
from typing import Any

from chameleon import PageTemplateLoader

from zodbschedule.web.links import live
from zodbschedule.web.links import pager
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.visitor import Visitor
from zodbschedule.web.wording import Words
from zodbschedule.worker.config import path_text


LOADER = PageTemplateLoader(
    str(Path(__file__).parent), default_extension='.pt')


def body(visit: Visit, shown: Body) -> str:
    """The body of a page alone, for any layout."""
    return _body(visit, shown, live=live(visit), pager=partial(pager, visit))


def page(visit: Visit, shown: Body, menu: list[tuple[str, str]]) -> str:
    """The whole page; *menu* has the addresses and titles of all."""
    return _layout(visit, shown.title, body(visit, shown), menu)


def page_without_schedule(visitor: Visitor, shown: Body,
                          menu: list[tuple[str, str]]) -> str:
    """The same for a page that is not about one schedule."""
    return _layout(visitor, shown.title, _body(visitor, shown), menu)


def words(visitor: Visitor) -> Words:
    """What shows times, in the zone of the site."""
    return Words(visitor.now, visitor.site.zone)


def _body(visitor: Visitor, shown: Body, **values: Any) -> str:
    html: str = LOADER[shown.template].render(
        visit=visitor, macros=LOADER['macros'].macros, words=words(visitor),
        **values, **shown.values)
    return unicode(html)


def _layout(visitor: Visitor, title: str, body: str,
            menu: list[tuple[str, str]]) -> str:
    html: str = LOADER['layout'].render(
        visit=visitor, title=title, body=body, menu=menu,
        words=words(visitor), place=path_text(visitor.site.path))
    return unicode(html)


def unicode(html: str) -> str:
    """The same, and a question mark for what cannot be sent.

    A str, such as a description, may hold half of a surrogate pair.
    """
    return html.encode('utf-8', 'replace').decode()
