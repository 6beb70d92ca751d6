"""Commands for a Zope that does not start."""

import pytest
from ZEO.Exceptions import ClientDisconnected
from zope.configuration.exceptions import ConfigurationError
from Zope2.Startup import run

from zodbschedule.cli.commands import commands


@pytest.fixture
def command(zope, tmp_path, monkeypatch, capsys):
    """What a command says of a Zope, and its exit code."""
    conf = tmp_path / 'zope.conf'
    conf.touch()
    # An environment is left as it was found.
    monkeypatch.setenv('ZOPE_CONFIG', '')

    def command(name):
        with pytest.raises(SystemExit) as ended:
            commands([name, '--zope', str(conf)], prog_name='zodbschedule')
        said, = capsys.readouterr().err.splitlines()
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
@pytest.mark.parametrize('name, code', [('worker', 3), ('list', 2)])
def test_what_may_pass_does_not_keep_a_worker_from_another_start(
        command, failing, error, name, code):
    failing(error)
    said, found = command(name)
    assert found == code
    assert 'zope.conf: Zope does not start: ' in said
    assert f'{type(error).__name__}: {error}' in said


@pytest.mark.parametrize('name', ['worker', 'list'])
def test_a_wrong_configuration_does(command, failing, name):
    failing(ValueError('no such key'), run, 'configure_wsgi')
    said, found = command(name)
    assert found == 2
    assert 'Zope does not start: ValueError: no such key' in said
