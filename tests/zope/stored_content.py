"""The content of the site in `tests/data`, and what its tasks do.

The database names these: do not rename or move them.
"""

from AccessControl import getSecurityManager
from Acquisition import aq_base
from OFS.SimpleItem import SimpleItem


class Document(SimpleItem):
    """Has a UUID, as content of Plone has."""

    title = ''

    def __init__(self, id, uuid=None):
        self.id = id
        self.uuid = uuid


class Uuid:
    """Stands for `IUUID`."""

    def __call__(self, context, default):
        return getattr(aq_base(context), 'uuid', default)


def visit(context, mark='+'):
    """Say on the object who was there."""
    user = getSecurityManager().getUser().getId()
    context.title += f'{mark}{user}'
