"""Workers that live where Zope lives, in real processes over ZEO."""

import json
import signal
import urllib.request

import pytest
from instances import Instance
from instances import end
from instances import wait_until

from zodbschedule import CallTask


@pytest.fixture
def instance(tmp_path):
    found = Instance(tmp_path)
    yield found
    found.close()


MAKE = """
from conftest import make_site
from zodbschedule.zope import install
import transaction
for name in {names!r}:
    site = make_site(app, name)
    transaction.savepoint()
    install(site)
transaction.commit()
"""


@pytest.fixture
def sites(instance, tmp_path):
    """Make sites of those names in it."""
    def make(*names):
        script = tmp_path / 'make.py'
        script.write_text(MAKE.format(names=names))
        instance.run('zconsole', 'run', instance.conf, script)

    return make


def schedule_of(root, name):
    return getattr(root['Application'], name).__annotations__['zodbschedule']


def schedule(instance, name, *calls):
    with instance.root() as root:
        found = schedule_of(root, name)
        for func, *args in calls:
            found.schedule(CallTask(f'instances.{func}', args))


def outcomes(instance, *names):
    with instance.root() as root:
        return {name: [each.outcome for each in schedule_of(
            root, name).history] for name in names}


def lines(instance, name):
    with instance.root() as root:
        return list(getattr(getattr(root['Application'], name), 'lines', ()))


def has_no_claims(instance, *names):
    with instance.root() as root:
        return not any(schedule_of(root, name).claims for name in names)


def has_counted_no_crash(instance, name):
    with instance.root() as root:
        return not schedule_of(root, name).crashes


class TestServing:

    def test_tasks_run_where_requests_are_served(self, instance, sites):
        sites('a', 'b')
        schedule(instance, 'a', ('note', 'first'))
        process = instance.serve()
        schedule(instance, 'b', ('note', 'second'))
        wait_until(lambda: lines(instance, 'a') and lines(instance, 'b'),
                   'runs', process)
        assert lines(instance, 'a') == [f'first {process.pid}']
        with urllib.request.urlopen(
                f'http://127.0.0.1:{process.port}/a/absolute_url') as answer:
            assert answer.status == 200
        assert end(process) == -signal.SIGTERM
        assert has_no_claims(instance, 'a', 'b')

    def test_a_site_that_is_added_later_is_found(self, instance, sites):
        sites('a')
        process = instance.serve()
        schedule(instance, 'a', ('note', 'first'))
        wait_until(lambda: lines(instance, 'a'), 'a run', process)
        sites('b')
        schedule(instance, 'b', ('note', 'second'))
        wait_until(lambda: lines(instance, 'b'), 'a run', process)

    def test_sigterm_lets_a_run_end(self, instance, sites, tmp_path):
        sites('a')
        marks = tmp_path / 'marks'
        schedule(instance, 'a', ('mark', str(marks), 2), ('note', 'later'))
        process = instance.serve()
        wait_until(marks.exists, 'a run', process)
        assert end(process) == -signal.SIGTERM
        assert lines(instance, 'a') == [f'marked {process.pid}']
        assert has_no_claims(instance, 'a')
        assert marks.read_text().splitlines() == [str(process.pid)]

    def test_so_do_sighup_and_ctrl_c(
            self, instance, sites, tmp_path):
        sites('a')
        for number, code in ((signal.SIGINT, 0),
                             (signal.SIGHUP, -signal.SIGHUP)):
            marks = tmp_path / number.name
            schedule(instance, 'a', ('mark', str(marks), 1))
            process = instance.serve()
            wait_until(marks.exists, 'a run', process)
            assert end(process, number) == code
            assert lines(instance, 'a')[-1] == f'marked {process.pid}'
            assert has_no_claims(instance, 'a')

    def test_what_a_signal_cuts_off_is_back_in_its_place(
            self, instance, sites, tmp_path):
        sites('a')
        instance.configure(grace=0.2)
        marks = tmp_path / 'marks'
        schedule(instance, 'a', ('mark', str(marks), 60))
        process = instance.serve()
        wait_until(marks.exists, 'a run', process)
        assert end(process, signal.SIGHUP) == -signal.SIGHUP
        assert has_no_claims(instance, 'a')
        assert has_counted_no_crash(instance, 'a')
        with instance.root() as root:
            assert len(list(schedule_of(root, 'a'))) == 1

    def test_killed_hard_it_goes_on_when_it_is_started_again(
            self, instance, sites, tmp_path):
        sites('a')
        marks = tmp_path / 'marks'
        schedule(instance, 'a', ('mark', str(marks), 2))
        process = instance.serve()
        wait_until(marks.exists, 'a run', process)
        assert end(process, signal.SIGKILL) == -signal.SIGKILL
        assert lines(instance, 'a') == []
        again = instance.serve()
        wait_until(lambda: lines(instance, 'a'), 'a run', again)
        assert lines(instance, 'a') == [f'marked {again.pid}']

    @pytest.mark.parametrize('command', ['script', 'debug'])
    def test_none_work_in_a_console(self, instance, sites, tmp_path, command):
        sites('a')
        schedule(instance, 'a', ('note', 'first'))
        code = ('import threading, time; time.sleep(2); '
                'print([thread.name for thread in threading.enumerate() '
                'if "zodbschedule" in thread.name])\n')
        if command == 'script':
            script = tmp_path / 'script.py'
            script.write_text(code)
            output = instance.run('zconsole', 'run', instance.conf, script)
        else:
            output = instance.run(
                'zconsole', 'debug', instance.conf, text=code)
        assert '[]' in output
        assert lines(instance, 'a') == []

    def test_none_with_no_threads(self, instance, sites):
        sites('a')
        instance.configure(threads=0)
        process = instance.serve()
        schedule(instance, 'a', ('note', 'first'))
        wait_until(lambda: 'threads is 0' in process.log.read_text(),
                   'a line of log', process)
        # No worker is drained: it ends as without the filter.
        assert end(process) == -signal.SIGTERM
        assert lines(instance, 'a') == []


class TestWorking:

    def test_a_worker_of_its_own(self, instance, sites):
        sites('a', 'b')
        process = instance.work('--name', 'one')
        schedule(instance, 'a', ('note', 'first'))
        schedule(instance, 'b', ('note', 'second'))
        wait_until(lambda: lines(instance, 'a') and lines(instance, 'b'),
                   'runs', process)
        with instance.root() as root:
            assert [one.name for one in schedule_of(root, 'a').workers] == [
                'one']
        assert end(process) == 0, process.log.read_text()
        assert has_no_claims(instance, 'a', 'b')

    def test_it_may_serve_some_sites_only(self, instance, sites):
        sites('a', 'b')
        process = instance.work('--path', '/b')
        schedule(instance, 'a', ('note', 'first'))
        schedule(instance, 'b', ('note', 'second'))
        wait_until(lambda: lines(instance, 'b'), 'a run', process)
        assert end(process) == 0
        assert lines(instance, 'a') == []

    def test_two_clients_run_each_task_once(self, instance, sites, tmp_path):
        sites('a', 'b')
        marks = [tmp_path / str(number) for number in range(40)]
        for name, some in ('a', marks[::2]), ('b', marks[1::2]):
            schedule(instance, name, *(
                ('mark', str(each)) for each in some))
        processes = [instance.serve(), instance.work()]
        wait_until(lambda: sum(map(len, outcomes(
            instance, 'a', 'b').values())) == len(marks), 'runs')
        assert {each.read_text().count('\n') for each in marks} == {1}
        assert len(lines(instance, 'a') + lines(instance, 'b')) == 40
        assert {end(process) for process in processes} == {
            -signal.SIGTERM, 0}
        assert has_no_claims(instance, 'a', 'b')


WITHOUT = """
import sys
sys.modules['zodbschedule'] = None
"""

GO_ON = """
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import system

newSecurityManager(None, system)
app.a.manage_addFolder('new')
transaction.commit()
app.manage_renameObject('a', 'b')
transaction.commit()
print('goes on:', sorted(app.objectIds('Folder')))
"""

BACK = """
import transaction
from zodbschedule.zope import install

schedule = install(app.b)
transaction.commit()
print('paused:', schedule.paused().reason, len(list(schedule)))
"""


def test_without_the_package_a_site_works_all_the_same(
        instance, sites, tmp_path):
    sites('a')
    schedule(instance, 'a', ('note', 'first'))
    blocked = tmp_path / 'without'
    blocked.mkdir()
    (blocked / 'sitecustomize.py').write_text(WITHOUT)
    script = tmp_path / 'script.py'
    script.write_text(GO_ON)
    instance.include.rename(tmp_path / 'include')
    output = instance.run('zconsole', 'run', instance.conf, script,
                          path=[blocked])
    assert "goes on: ['b']" in output
    # And when it is there again, so are the tasks.
    (tmp_path / 'include').rename(instance.include)
    script.write_text(BACK)
    output = instance.run('zconsole', 'run', instance.conf, script)
    assert 'paused: this site was moved' in output
    assert ' run here too 1\n' in output


ADD_ON = """\
<configure xmlns:schedule="http://namespaces.zope.org/schedule"
           i18n_domain="tests">
  <include package="zodbschedule.zope" />
  <schedule:task name="ours" title="Count" handler="instances.count"
                 every="1h" />
</configure>
"""

SYNCHRONIZE = """
import transaction
from zodbschedule.zope import synchronize
synchronize(app.a)
transaction.commit()
"""


class TestCommands:

    @pytest.fixture
    def command(self, instance):
        """A command for that Zope; what it prints."""
        def command(name, *arguments, code=0):
            return instance.run('zodbschedule', name, '--zope', instance.conf,
                                *arguments, code=code)

        return command

    def test_each_is_for_the_only_site_that_has_a_schedule(
            self, sites, command):
        sites('a')
        task = command('add', 'instances.count').split()[-1]
        assert 'instances.count' in command('list')
        assert 'instances.count' in command('show', task)
        assert '1 succeeded' in command('process')
        assert 'succeeded' in command('history')

    def test_if_there_are_several_it_has_to_be_said_which(
            self, sites, command):
        said = command('list', code=2)
        assert 'is empty; start the Zope once' in said
        sites('a', 'b')
        assert 'have a schedule: /a, /b' in command('list', code=2)
        command('add', 'instances.count', '--path', '/b')
        assert 'instances.count' in command('list', '--path', '/b')
        assert 'instances.count' not in command('list', '--path', '/a')

    def test_a_site_is_given_one(self, command):
        assert '--path is missing' in command('init', code=2)
        assert 'was created' in command('init', '--path', '/')
        assert 'already exists' in command('init', '--path', '/')
        command('list')

    def test_what_is_not_there_is_said(self, instance, command):
        assert 'is not a site' in command(
            'init', '--path', '/acl_users', code=2)
        assert 'there is no object at /c' in command(
            'list', '--path', '/c', code=2)
        assert 'there is no schedule at' in command(
            'list', '--path', '/acl_users', code=2)
        assert '--db and --zope are both given' in instance.run(
            'zodbschedule', 'list', '--zope', instance.conf, '--db', 'x',
            code=2)

    def test_what_add_ons_contribute(
            self, instance, sites, command, tmp_path):
        assert 'there is no schedule' in command(
            'contributed', '--path', '/', code=2)
        sites('a')
        assert 'no tasks are contributed' in command('contributed')
        add_on = instance.include.with_name('add_on-configure.zcml')
        add_on.write_text(ADD_ON)
        script = tmp_path / 'synchronize.py'
        script.write_text(SYNCHRONIZE)
        instance.run('zconsole', 'run', instance.conf, script)
        assert 'unchanged' in command('contributed')
        [facts] = json.loads(
            command('contributed', '--json', '--path', '/a'))
        assert facts == {
            'name': 'ours', 'id': facts['id'], 'description': 'Count',
            'explanation': None, 'absent': False, 'unscheduled': False,
            'pause': None, 'changed': [], 'state': 'waiting',
            'time': facts['time'], 'recurrence': facts['recurrence'],
            'problem': None, 'last': None}
        with instance.root() as root:
            task = schedule_of(root, 'a').get(facts['id'])
            task.missed = 'all'
        command('pause', facts['id'])
        assert 'paused, changed: missed' in command('contributed')
        assert 'ours was reset' in command('reset', 'ours')
        assert 'unchanged' in command('contributed')
        command('cancel', facts['id'])
        add_on.unlink()
        assert 'add-on missing, unscheduled' in command('contributed')
        assert "contributes no task named 'ours' to /a" in command(
            'reset', 'ours', code=2)

    def test_without_zope_it_says_so(self, instance, tmp_path):
        (tmp_path / 'sitecustomize.py').write_text(
            "import sys; sys.modules['Zope2'] = None")
        output = instance.run('zodbschedule', 'list', '--zope', instance.conf,
                              code=2, path=[tmp_path])
        assert '--zope needs Zope' in output
        assert 'Traceback' not in output

    def test_a_zope_that_does_not_start_is_said_in_a_line(
            self, instance, tmp_path):
        conf = tmp_path / 'wrong.conf'
        conf.write_text('nonsense\n')
        output = instance.run('zodbschedule', 'list', '--zope', conf, code=2)
        assert 'Zope does not start' in output
        assert 'Traceback' not in output

