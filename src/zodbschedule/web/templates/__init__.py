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

from chameleon import PageTemplateLoader

from zodbschedule.web.links import live
from zodbschedule.web.links import pager
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.wording import Words
from zodbschedule.worker.config import path_text


LOADER = PageTemplateLoader(
    str(Path(__file__).parent), default_extension='.pt')


def body(visit: Visit, shown: Body) -> str:
    """The body of a page alone, for any layout."""
    html: str = LOADER[shown.template].render(
        visit=visit, macros=LOADER['macros'].macros, live=live(visit),
        pager=partial(pager, visit), words=words(visit), **shown.values)
    return html


def page(visit: Visit, shown: Body, menu: list[tuple[str, str]]) -> str:
    """The whole page; *menu* has the addresses and titles of all."""
    html: str = LOADER['layout'].render(
        visit=visit, title=shown.title, body=body(visit, shown), menu=menu,
        words=words(visit), place=path_text(visit.site.path))
    return html


def words(visit: Visit) -> Words:
    """What shows times, in the zone of the site."""
    return Words(visit.now, visit.site.zone)
