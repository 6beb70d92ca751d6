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
"""The texts of a form, and which of them the person has changed.

A form sends each text twice: as it is now, and as it was shown.  What is the
same is left alone, even if somebody else has changed it meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from zodbschedule.web.visit import Visit


# Before the name of a field: what was shown in it.
WAS = 'was-'


@dataclass
class Fields:
    """Texts by the names of their fields, and what is wrong with them."""

    texts: dict[str, str]
    was: dict[str, str]
    #: by the name of the field; '' for the whole form
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def sent(cls, visit: Visit, names: list[str]) -> 'Fields':
        """What a browser has sent."""
        return cls(*({name: _line_ends(visit.request.POST.get(
            f'{prefix}{name}', '')) for name in names}
            for prefix in ('', WAS)))

    @classmethod
    def shown(cls, texts: dict[str, str]) -> 'Fields':
        """What is shown to begin with."""
        return cls(dict(texts), dict(texts))

    @property
    def changed(self) -> list[str]:
        """The names of those that the person has changed."""
        return [name for name, text in self.texts.items()
                if text != self.was[name]]

    def read(self, name: str, meaning: Callable[[str], Any]) -> Any:
        """What *meaning* makes of a text; notes it if that is a ValueError."""
        try:
            return meaning(self.texts[name])
        except ValueError as error:
            self.errors[name] = str(error)


def _line_ends(text: str) -> str:
    """As a browser has been given it, whatever it does to ends of lines."""
    return '\n'.join(text.strip().splitlines())
