"""Every piece of Python in the chapter on Zope does what it says."""

import re
import textwrap
from pathlib import Path

import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system
from conftest import make_site
from OFS.Folder import Folder


PAGE = Path(__file__).parents[2] / 'docs' / 'zope.rst'
BLOCK = re.compile(r'^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', re.M)


class Document(Folder):
    """Can be indexed, as what has a catalog."""

    def reindexObject(self):
        """Nothing to do."""


def test_the_chapter_on_zope(app, clock):
    site = make_site(app, 'example')
    site._setObject('document', Document('document'))
    newSecurityManager(None, system)
    transaction.savepoint()
    names = {'site': site, 'document': site.document}
    blocks = BLOCK.findall(PAGE.read_text(encoding='utf-8'))
    assert len(blocks) == 3
    for block in blocks:
        exec(textwrap.dedent(block), names)
    waiting = [task.description for task in names['schedule']]
    assert waiting == 2 * ['reindexObject of /example/document']
