"""Every piece of Python in the chapter on Zope does what it says."""

import re
import textwrap
from pathlib import Path

import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from conftest import make_site
from OFS.Folder import Folder
from test_contributions import forget

from zodbschedule.zope import contribution_states
from zodbschedule.zope import synchronize


PAGE = Path(__file__).parents[2] / 'docs' / 'zope.rst'
BLOCK = re.compile(r'^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', re.M)


class Document(Folder):
    """Can be indexed, as what has a catalog."""

    def reindexObject(self):
        """Nothing to do."""


def test_the_chapter_on_zope(app, clock):
    site = make_site(app, 'example')
    site._setObject('document', Document('document'))
    site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
    newSecurityManager(None, system)
    transaction.savepoint()
    names = {'site': site, 'document': site.document}
    blocks = BLOCK.findall(PAGE.read_text(encoding='utf-8'))
    assert len(blocks) == 5
    for block in blocks[:3]:
        exec(textwrap.dedent(block), names)
    waiting = [task.description for task in names['schedule']]
    assert waiting == 2 * ['reindexObject of document']
    try:
        for block in blocks[3:]:
            exec(textwrap.dedent(block), names)
        synchronize(site)
        assert [state.name for state in contribution_states(site)] == [
            'my.addon.check']
    finally:
        forget()
    assert [entry.outcome for entry in names['schedule'].history] == [
        'succeeded', 'succeeded']
