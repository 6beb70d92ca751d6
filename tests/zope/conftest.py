"""A Zope in this process, with a database in memory, and sites in it."""

import os
from contextlib import contextmanager

import pytest
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import noSecurityManager
from Acquisition import aq_base
from OFS.Folder import Folder
from Products.Five.component import enableSite
from Products.ZODBMountPoint.MountedObject import manage_addMounts
from zope.component import globalSiteManager
from zope.component.hooks import setHooks
from zope.component.hooks import setSite
from zope.component.persistentregistry import PersistentComponents

from zodbschedule.zope import install


pytest_plugins = ['zodbschedule.testing']
pytest.register_assert_rewrite('lives')

CONF = """\
instancehome {home}
<zodb_db main>
    <mappingstorage>
    </mappingstorage>
    mount-point /
</zodb_db>
<zodb_db mounted>
    <mappingstorage>
    </mappingstorage>
    mount-point /mounted
    container-class OFS.Folder.Folder
</zodb_db>
<product-config zodbschedule>
    urls /set=https://www.example.org /set/below=http://example.org:8080/a/b
</product-config>
"""

SITE = """\
<configure xmlns="http://namespaces.zope.org/zope">
  <include package="Products.Five" />
  <include package="zodbschedule.zope" />
</configure>
"""


@pytest.fixture(scope='session')
def zope(tmp_path_factory):
    """The module `Zope2`, started up."""
    return start(tmp_path_factory.mktemp('zope'))


def start(home):
    """Start up a Zope with that home; the module `Zope2`."""
    (home / 'etc').mkdir()
    (home / 'etc' / 'site.zcml').write_text(SITE)
    (home / 'zope.conf').write_text(CONF.format(home=home))
    import Zope2
    from Zope2.Startup.run import configure_wsgi
    configure_wsgi(os.fspath(home / 'zope.conf'))
    Zope2.startup_wsgi()
    return Zope2


@contextmanager
def application(zope):
    """The application root, in a connection on the manager of the thread.

    In the end it is as it was.
    """
    app = zope.app()
    before = set(app.objectIds())
    yield app
    noSecurityManager()
    setSite(None)
    transaction.abort()
    for path in {*app.objectIds()} - before:
        app._delObject(path)
    for name in list(getattr(aq_base(app), '__annotations__', None) or ()):
        del app.__annotations__[name]
    transaction.commit()
    app._p_jar.close()


@pytest.fixture
def app(zope):
    """The application root, for one test."""
    with application(zope) as app:
        yield app


@pytest.fixture
def mounted(app):
    """A folder in a database of its own."""
    manage_addMounts(app, ['/mounted'])
    transaction.commit()
    yield app.mounted
    transaction.abort()
    for name in list(app.mounted.objectIds()):
        app.mounted._delObject(name)
    transaction.commit()


def make_site(parent, name, factory=Folder):
    """A folder that is a site, with a user folder."""
    parent._setObject(name, factory(name))
    site = parent._getOb(name)
    components = PersistentComponents('++etc++site')
    components.__bases__ = (globalSiteManager,)
    components.__parent__ = aq_base(site)
    site.setSiteManager(components)
    enableSite(site)
    setHooks()
    site.manage_addUserFolder()
    return site


@pytest.fixture
def site(app):
    """A site with a schedule, at ``/site``; a user, jane, with a role."""
    site = make_site(app, 'site')
    site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
    transaction.savepoint()
    install(site)
    transaction.commit()
    return site


@pytest.fixture
def schedule(site):
    """The schedule of that site."""
    from zodbschedule.zope import get_schedule
    return get_schedule(site)


@pytest.fixture
def login(site):
    """Be a user of the site from now on."""
    def login(name, folder=None):
        folder = site.acl_users if folder is None else folder
        newSecurityManager(
            None, folder.getUserById(name).__of__(folder))

    return login


#: what tasks have seen
seen = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()
