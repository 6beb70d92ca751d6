"""Every piece of Python in the chapter on Zope does what it says."""

import re
import textwrap
from pathlib import Path
from smtplib import SMTP

import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import nobody
from AccessControl.users import system
from conftest import make_site
from OFS.Folder import Folder
from test_contributions import forget
from zope.component import getGlobalSiteManager
from zope.component import provideHandler

from zodbschedule.zope import contribution_states
from zodbschedule.zope import synchronize


PAGE = Path(__file__).parents[2] / 'docs' / 'zope.rst'
BLOCK = re.compile(r'^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', re.M)


class Document(Folder):
    """Can be indexed, as what has a catalog."""

    def reindexObject(self):
        """Nothing to do."""


def test_the_chapter_on_zope(app, clock, monkeypatch):
    site = make_site(app, 'example')
    site._setObject('document', Document('document'))
    site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
    newSecurityManager(None, system)
    transaction.savepoint()
    names = {'site': site, 'document': site.document}
    blocks = BLOCK.findall(PAGE.read_text(encoding='utf-8'))
    assert len(blocks) == 10
    for block in blocks[:2] + blocks[3:4]:
        exec(textwrap.dedent(block), names)
    # Then on behalf of the site, for somebody who may not.
    newSecurityManager(None, nobody.__of__(site.acl_users))
    exec(textwrap.dedent(blocks[2]), names)
    assert names['task'].principalId is None
    names['schedule'].unschedule(names['task'])
    waiting = [task.description for task in names['schedule']]
    assert waiting == 2 * ['reindexObject of document']
    try:
        exec(textwrap.dedent(blocks[4]), names)
        exec(textwrap.dedent(blocks[9]), names)
        synchronize(site)
        assert [state.name for state in contribution_states(site)] == [
            'my.addon.check']
    finally:
        forget()
    assert [entry.outcome for entry in names['schedule'].history] == [
        'succeeded', 'succeeded']
    exec(textwrap.dedent(blocks[5]), names)
    assert names['found'].message == 'my.addon.check is paused.'
    exec(textwrap.dedent(blocks[7]), names)
    names['schedule'].unschedule(names['task'])
    newSecurityManager(None, system.__of__(site.acl_users))
    exec(textwrap.dedent(blocks[8]), {'document': site.document})
    assert [entry.outcome for entry in names['schedule'].history][:1] == [
        'unscheduled']
    exec(textwrap.dedent(blocks[6]), names)
    [mail] = mails_of_a_parked_task(
        names['mail'], names['schedule'], clock, monkeypatch)
    assert mail['Subject'] == '/example: math.sqrt was parked'
    assert 'ValueError: ' in mail.get_content()


def mails_of_a_parked_task(subscriber, schedule, clock, monkeypatch):
    """What the example sends, as registered by ZCML."""
    sent = []
    monkeypatch.setattr(SMTP, 'connect', lambda *args: (220, b''))
    monkeypatch.setattr(
        SMTP, 'send_message', lambda smtp, message: sent.append(message))
    provideHandler(subscriber)
    try:
        for func in 'math.sqrt', 'math.cos':
            schedule.call(func, -1, time=clock.now())
        transaction.commit()
        schedule.process(clock.now())
    finally:
        getGlobalSiteManager().unregisterHandler(subscriber)
    return sent
