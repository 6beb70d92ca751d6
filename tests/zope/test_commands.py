"""Commands for a Zope: most do not start it, and it may not start."""

import logging
import os
import re
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import ZODB
import ZODB.FileStorage
from Acquisition import aq_base
from App.config import getConfiguration
from App.config import setConfiguration
from conftest import make_site
from OFS.Application import Application
from OFS.Folder import Folder
from Products.ZODBMountPoint.MountedObject import MountedObject
from webob import Request
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from zope.configuration.exceptions import ConfigurationError
from Zope2.Startup import run

from zodbschedule.cli import kept_open
from zodbschedule.cli import logs
from zodbschedule.cli import web
from zodbschedule.cli import zope_databases
from zodbschedule.cli.commands import commands
from zodbschedule.cli.database import Access
from zodbschedule.cli.zope_objects import APPLICATION
from zodbschedule.cli.zope_site import ZopeFailed
from zodbschedule.cli.zope_site import ZopeLocation
from zodbschedule.zope import ContextTask
from zodbschedule.zope import get_schedule
from zodbschedule.zope import install


@pytest.fixture
def command(zope, tmp_path, monkeypatch, capsys):
    """What a command says of a Zope, and its exit code."""
    conf = tmp_path / 'zope.conf'
    conf.touch()
    # An environment is left as it was found.
    monkeypatch.setenv('ZOPE_CONFIG', '')

    def command(name, *options):
        with pytest.raises(SystemExit) as ended:
            commands([name, '--zope', str(conf), *options],
                     prog_name='zodbschedule')
        *_, said = capsys.readouterr().err.splitlines()
        return said, ended.value.code

    return command


@pytest.fixture
def failing(zope, monkeypatch):
    """Have a step of the start fail."""
    def fail(error, module=zope, name='startup_wsgi'):
        def start(*args):
            raise error

        monkeypatch.setattr(run, 'configure_wsgi', lambda conf: None)
        monkeypatch.setattr(module, name, start)

    return fail


@pytest.mark.parametrize('error', [
    ClientDisconnected('timed out waiting for connection'),
    ConfigurationError('an add-on'), SystemExit('an add-on')])
@pytest.mark.parametrize('name', [
    'worker', 'process', 'contributed', 'resume'])
def test_that_it_may_start_another_time_is_said_by_the_exit_code(
        command, failing, error, name):
    failing(error)
    said, found = command(name, *['--all'][:name == 'resume'])
    assert found == 3
    assert 'zope.conf: Zope does not start: ' in said
    assert f'{type(error).__name__}: {error}' in said


@pytest.mark.parametrize('name', ['worker', 'list'])
def test_a_wrong_configuration_does(command, failing, name):
    failing(ValueError('no such key'), run, 'configure_wsgi')
    said, found = command(name)
    assert found == 2
    assert 'Zope does not start: ValueError: no such key' in said


INI = """\
[app:zope]
use = egg:Zope#main
zope_conf = %(here)s/zope.conf

[loggers]
keys = root

[handlers]
keys = eventlog

[formatters]
keys = message

[logger_root]
level = WARN
handlers = eventlog

[handler_eventlog]
class = FileHandler
args = (r'%(here)s/event.log', 'a')
formatter = message

[formatter_message]
format = %(name)s says %(message)s
"""


@pytest.fixture
def logged(command, tmp_path, monkeypatch):
    """What a worker logs to the event log of the server, and else."""
    @contextmanager
    def started(self):
        for name in 'zodbschedule', 'other':
            logging.getLogger(name).info('info')
            logging.getLogger(name).warning('warning')
        for handler in logging.getLogger().handlers:
            handler.close()
        raise ZopeFailed('that is all')
        yield

    def logged(*options, name='zope.ini', ini=INI):
        (tmp_path / name).write_text(ini)
        said, _ = command('worker', *options)
        log = tmp_path / 'event.log'
        return log.read_text().splitlines() if log.exists() else said

    monkeypatch.setattr(ZopeLocation, 'started', started)
    return logged


@pytest.mark.parametrize('name', ['zope.ini', 'wsgi.ini'])
def test_a_worker_logs_as_the_server_of_the_zope_does(logged, name):
    assert logged(name=name) == [
        'zodbschedule says warning', 'other says warning']


def test_what_is_chosen_on_the_command_line_goes_before_that(logged):
    assert logged('--log-level', 'INFO') == [
        'zodbschedule says info', 'zodbschedule says warning',
        'other says info', 'other says warning']


def test_another_log_is_shown_instead(logged, monkeypatch):
    assert 'that is all' in logged('--log-format', 'text')
    monkeypatch.setattr(logs, 'is_shown', lambda: True)  # as by -v
    assert 'that is all' in logged()


def test_a_file_that_says_nothing_of_the_log_is_none(logged):
    said = logged(ini=INI.partition('[loggers]')[0])
    assert 'Error: that is all' in said


# -- without a Zope that is started


CONF = """\
instancehome {home}
<zodb_db main>
    <filestorage>
        path {home}/main.fs
    </filestorage>
    mount-point /
</zodb_db>
<zodb_db other>
    <filestorage>
        path {home}/other.fs
    </filestorage>
    mount-point /mounted
</zodb_db>
"""

ADDON = """
from OFS.Folder import Folder
from persistent import Persistent
from BTrees.OOBTree import OOBTree
from zodbschedule import Task

class Site(Folder):
    meta_type = 'of an add-on'

class Big(Folder):
    def __init__(self, name):
        super().__init__(name)
        self._tree = OOBTree()

    def _setOb(self, name, value):
        self._tree[name] = value

    def _getOb(self, name, default=None):
        return self._tree[name].__of__(self)

class Listed(list):
    pass

class Mapped(dict):
    pass

class Odd:
    def __getstate__(self):
        return 1, 2

    def __setstate__(self, state):
        assert state == (1, 2)

def make(*args):
    return args

class Made:
    def __reduce__(self):
        return make, (1,)

class OfAddOn(Task):
    def __call__(self):
        pass
"""


class Instance:
    """The databases of a Zope, as the Zope itself has left them."""

    def __init__(self, home):
        self.home = home
        self.conf = home / 'zope.conf'
        self.conf.write_text(CONF.format(home=home))
        self.addon = types.ModuleType('gone_addon')
        exec(ADDON, vars(self.addon))

    @contextmanager
    def open(self):
        """The application root of the first, with the code that it needs."""
        sys.modules['gone_addon'] = self.addon
        databases = {}
        for name in 'main', 'other':
            storage = ZODB.FileStorage.FileStorage(
                os.fspath(self.home / f'{name}.fs'))
            ZODB.DB(storage, database_name=name, databases=databases)
        try:
            with databases['main'].transaction() as connection:
                yield connection.root()
        finally:
            del sys.modules['gone_addon']
            for db in databases.values():
                db.close()

    def fill(self, root):
        """Sites of an add-on, one in each kind of place."""
        root[APPLICATION] = app = Application()
        other = root._p_jar.get_connection('other').root()
        other[APPLICATION] = there = Application()
        there._setObject('mounted', Folder('mounted'))
        app._setOb('mounted', MountedObject('/mounted'))
        app._setObject('big', self.addon.Big('big'))
        root._p_jar.transaction_manager.savepoint()
        for parent in app, app.big, aq_base(there.mounted).__of__(app):
            install(self.make_site(parent))
        app._setObject('plain', Folder('plain'))

    def make_site(self, parent):
        site = make_site(parent, 'site', self.addon.Site)
        site.title = 'a title'
        site.parts = [self.addon.Listed([1, 2]), self.addon.Mapped(a=1),
                      self.addon.Odd(), self.addon.Made()]
        aq_base(parent)._p_jar.transaction_manager.savepoint()
        return site


SITES = '/site', '/big/site', '/mounted/site'


@pytest.fixture
def instance(zope, tmp_path):
    """An instance, with a task in each of its sites."""
    made = Instance(tmp_path)
    with made.open() as root:
        made.fill(root)
        app = root[APPLICATION]
        for site in app.site, app.big._getOb('site'):
            get_schedule(site).schedule(ContextTask(site, 'getId'))
    configuration = getConfiguration()
    yield made
    setConfiguration(configuration)


@pytest.fixture
def shell(instance, capsys):
    """What a command says for that instance."""
    def run(*arguments, code=0, conf=instance.conf):
        with pytest.raises(SystemExit) as ended:
            commands([*arguments, '--zope', str(conf)], prog_name='x')
        said = capsys.readouterr()
        assert ended.value.code == code, said
        return said.out + said.err

    return run


@pytest.mark.parametrize('path', SITES)
@pytest.mark.parametrize('exists', [True, False])
def test_a_site_is_found_and_its_code_is_not_imported(
        shell, tmp_path, monkeypatch, path, exists):
    if exists:
        (tmp_path / 'gone_addon.py').write_text(ADDON)
        monkeypatch.syspath_prepend(os.fspath(tmp_path))
    said = shell('list', '--path', path)
    assert ('getId of the site' in said) is not path.startswith('/mounted')
    assert 'class missing' not in said
    assert 'gone_addon' not in sys.modules


@pytest.fixture
def ask(instance):
    """What the pages answer that show all sites, or those *paths*."""
    @contextmanager
    def serving(*paths, allow_changes=False):
        conf = str(instance.conf)
        locations = [ZopeLocation(conf, path) for path in paths or [None]]
        with web.database_of(locations, allow_changes, 2) as db:
            app = web.application_of(
                db, locations, {'allow_changes': allow_changes})
            yield lambda address, **options: Request.blank(
                address, {'REMOTE_USER': 'zoe'}, **options).get_response(app)

    return serving


def test_the_pages_show_all_sites_and_import_no_code(ask):
    with ask() as get:
        page = get('/')
        for path in SITES:
            assert f'href="/at{path}/"' in page.text
            assert get(f'/at{path}/upcoming').status_code == 200
        assert 'getId of the site' in get('/at/site/upcoming').text
        assert 'zodbschedule_up{schedule="big/site"} 1.0' in (
            get('/metrics').text)
    assert 'gone_addon' not in sys.modules


def test_the_pages_show_one_site(ask):
    with ask('/big/site') as get:
        assert 'getId of the site' in get('/upcoming').text
    with ask('/plain') as get:
        answer = get('/')
        assert answer.status_code == 404
        assert 'There is no schedule at /plain.' in answer.text


def test_the_pages_show_what_is_new(ask, instance, monkeypatch):
    monkeypatch.setattr(kept_open, 'LOOK_EVERY', 0)
    with ask('/site') as get:
        assert 'getId of the site' in get('/upcoming').text
        with instance.open() as root:
            schedule = get_schedule(root[APPLICATION].site)
            for task in list(schedule):
                schedule.unschedule(task)
        assert 'getId of the site' not in get('/upcoming').text


def pressed(get, page, act, **fields):
    """What is answered to a button of that page."""
    answer = get(page)
    token = re.search('name="token" value="([^"]+)"', answer.text)[1]
    cookie = answer.headers['Set-Cookie'].partition(';')[0]
    return get(act, POST={'token': token, **fields}, headers={
        'Cookie': cookie})


def test_the_buttons_of_the_pages_need_no_code(ask):
    with ask(allow_changes=True) as get:
        page = '/at/big/site/upcoming'
        id = re.search('/tasks/([0-9a-f]+)"', get(page).text)[1]
        for act in 'pause', 'resume', 'run-now', 'cancel':
            answer = pressed(get, page, f'/at/big/site/{act}', id=id)
            assert answer.status_code == 303
        assert 'getId of the site' not in get(page).text
        answer = pressed(get, '/at/big/site/settings',
                         '/at/big/site/start-bulk', action='cancel')
        assert answer.status_code == 303
        assert get(answer.location).status_code == 200
    assert 'gone_addon' not in sys.modules


def test_a_whole_schedule_is_resumed_by_its_zope_alone(ask):
    with ask('/site', allow_changes=True) as get:
        for act in 'pause', 'resume':
            assert pressed(get, '/settings', f'/{act}').status_code == 303
        assert 'by zoe' in get('/').text


def test_one_thread_on_the_way_does_not_mislead_another(instance):
    conf = str(instance.conf)
    with instance.open() as root:
        oid = root[APPLICATION].plain._p_oid
    with zope_databases.zope_database(conf, Access.READ) as db, (
            db.transaction()) as connection:
        with db.classFactory.application(connection), ThreadPoolExecutor(
                1) as other, db.transaction() as connection:
            assert other.submit(
                lambda: type(connection.get(oid))).result() is Folder


def test_what_is_beside_the_way_has_its_class_afterwards(instance):
    with instance.open() as root:
        oid = root[APPLICATION].plain._p_oid
    conf = str(instance.conf)
    with zope_databases.zope_database(conf, Access.READ) as db:
        with db.transaction() as connection:
            assert list(ZopeLocation(conf, '/site').find(connection))
            assert type(connection.get(oid)) is Folder


def test_which_of_the_sites_has_to_be_said(shell):
    assert '/big/site, /mounted/site, /site' in shell('list', code=2)


def test_metrics_are_of_all_sites_or_of_those_that_are_named(shell):
    said = shell('metrics')
    for path in SITES:
        assert f'zodbschedule_up{{schedule="{path}"}} 1.0' in said
    assert 'zodbschedule_tasks_waiting{schedule="/site"} 1.0' in said
    said = shell('metrics', '--path', '/site', '--path', '/no', code=2)
    assert 'zodbschedule_up{schedule="/site"} 1.0' in said
    assert 'zodbschedule_up{schedule="/no"} 0.0' in said
    assert '/big/site' not in said


def test_metrics_of_a_database_that_is_missing_say_so(shell, tmp_path):
    (tmp_path / 'main.fs').unlink()
    assert 'zodbschedule_up{schedule=""} 0.0' in shell('metrics', code=2)


@pytest.mark.parametrize('path, message', [
    ('/no', 'there is no object at /no in'),
    ('/no/such', 'there is no object at /no/such in'),
    ('/site/title', 'there is no object at /site/title in'),
    ('/plain', 'there is no schedule at /plain in'),
    ('/', 'there is no schedule at / in')])
def test_that_there_is_none_is_said(shell, path, message):
    assert message in shell('list', '--path', path, code=2)


def test_what_a_command_changes_is_all_that_changes(shell, instance):
    shell('cancel', '--all', '--yes', '--path', '/site')
    shell('pause', '--all', '--path', '/site')
    shell('settings', '--path', '/site', 'lease=20s')
    with instance.open() as root:
        site = root[APPLICATION].site
        schedule = get_schedule(site)
        assert type(aq_base(site)) is instance.addon.Site
        assert site.title == 'a title'
        assert schedule.__parent__ is aq_base(site)
        assert not list(schedule)
        assert schedule.paused().by
        assert schedule.lease.total_seconds() == 20
        assert list(get_schedule(root[APPLICATION].big._getOb('site')))
    said = shell('check', '--path', '/site')
    assert 'paused' in said
    assert 'Warning: no address is set for the site /site' in said


def test_the_alarms_of_a_site_need_no_zope(shell, instance):
    shell('alarm-settings', '--path', '/site', 'failures=2')
    assert 'workers' not in shell('alarms', '--path', '/site')
    with instance.open() as root:
        schedule = get_schedule(root[APPLICATION].site)
        assert schedule.alarms.failures == 2
        assert 'look for alarms' in [task.description for task in schedule]
    shell('alarm-settings', '--path', '/site', '--off')


def test_the_site_itself_cannot_be_changed(shell, instance):
    with zope_databases.zope_database(str(instance.conf), Access.CHANGE) as db:
        with pytest.raises(TypeError, match=(
                'class gone_addon.Site cannot be changed without its code')):
            with db.transaction() as connection:
                with db.classFactory.application(connection) as app:
                    site = db.classFactory.object_at(app, '/site')
                    site.title = 'another'


def test_a_class_that_cannot_be_imported_is_missing(
        shell, instance, tmp_path, monkeypatch):
    (tmp_path / 'failing_addon.py').write_text('1 / 0')
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    with instance.open() as root:
        schedule = get_schedule(root[APPLICATION].site)
        schedule.schedule(instance.addon.OfAddOn(description='of an add-on'))
        instance.addon.OfAddOn.__module__ = 'failing_addon'
        sys.modules['failing_addon'] = instance.addon
    del sys.modules['failing_addon']
    said = shell('list', '--path', '/site')
    assert 'of an add-on' in said
    assert 'class missing' in said


def test_what_tasks_call_is_not_imported(
        shell, instance, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    (tmp_path / 'slow_addon.py').write_text('def check(): pass')
    with instance.open() as root:
        get_schedule(root[APPLICATION].site).call('slow_addon.check')
        del sys.modules['slow_addon']
    assert 'slow_addon.check' in shell('list', '--path', '/site')
    shell('check', '--path', '/site')
    assert 'slow_addon' not in sys.modules


def test_while_another_process_has_the_files_only_reading_works(
        shell, instance):
    with instance.open():
        assert 'getId' in shell('list', '--path', '/site')
        assert 'is in use by another process' in shell(
            'cancel', '--all', '--yes', '--path', '/site', code=2)


def test_a_database_without_an_application_root_has_no_site(shell, instance):
    with instance.open() as root:
        del root[APPLICATION]
        root._p_jar.get_connection('other').root().clear()
    assert 'have a schedule: none' in shell('list', code=2)
    assert 'there is no object at /site' in shell(
        'list', '--path', '/site', code=2)


def test_nor_is_one_that_is_new(shell, instance):
    for name in 'main', 'other':
        (instance.home / f'{name}.fs').write_bytes(b'')
    assert 'the database at / is empty; start the Zope once' in shell(
        'list', code=2)


def test_a_mount_point_without_its_object_leads_nowhere(shell, instance):
    with instance.open() as root:
        root._p_jar.get_connection('other').root().clear()
    assert 'there is no object at /mounted/site' in shell(
        'list', '--path', '/mounted/site', code=2)


def test_a_file_that_is_missing_is_not_made(shell, instance):
    (instance.home / 'other.fs').unlink()
    for command in ['list'], ['cancel', '--all']:
        assert f'there is no database at {instance.home}/other.fs' in shell(
            *command, '--path', '/site', code=2)
    assert not (instance.home / 'other.fs').exists()


def test_a_server_that_is_away_is_said(
        shell, instance, monkeypatch):
    def connect(*args, read_only, **options):
        assert read_only
        raise ClientDisconnected('away')

    monkeypatch.setattr(ClientStorage, '__init__', connect)
    text = instance.conf.read_text()
    instance.conf.write_text(text.replace(
        f'<filestorage>\n        path {instance.home}/main.fs\n    '
        f'</filestorage>',
        '<zeoclient>\n        server 127.0.0.1:1\n    </zeoclient>'))
    said = shell('list', code=2)
    assert 'the database at / cannot be opened: ' in said
    assert 'ClientDisconnected: away' in said
