"""The settings of a process for its sites."""

from datetime import timedelta

import pytest

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.zope import settings as module
from zodbschedule.zope.settings import Settings
from zodbschedule.zope.settings import read_settings


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    """What ``zope.conf`` says: nothing, or what a test puts there."""
    found = {}
    monkeypatch.setattr(module, '_configuration', lambda: dict(found))
    return found


def test_nothing_needs_to_be_said():
    assert read_settings() == Settings()


def test_the_environment_goes_before_the_configuration(
        configured, monkeypatch):
    configured.update(threads='3', name='here', lease='5')
    monkeypatch.setenv('ZODBSCHEDULE_THREADS', '0')
    monkeypatch.setenv('ZODBSCHEDULE_GRACE', '2.5')
    assert read_settings() == Settings(
        0, 'here', timedelta(seconds=5), timedelta(seconds=2.5))
    monkeypatch.setenv('ZODBSCHEDULE_NAME', '')
    assert read_settings().name is None


def test_what_is_given_goes_before_the_configuration(configured):
    configured.update(threads='3', name='here')
    assert read_settings({'threads': '2'}) == Settings(2, 'here')


def test_several_addresses(configured):
    configured['urls'] = '/a=https://a.org /b/c/=http://b.org:8080/x'
    found = read_settings().urls
    assert list(found) == ['/a', '/b/c']
    assert found['/b/c'].port == 8080


def test_where_metrics_are_served(configured, monkeypatch):
    assert read_settings().metrics_port is None
    configured.update(metrics_port='9464')
    assert read_settings()[4:6] == (9464, '127.0.0.1')
    monkeypatch.setenv('ZODBSCHEDULE_METRICS_ADDRESS', '0.0.0.0')
    assert read_settings()[4:6] == (9464, '0.0.0.0')


@pytest.mark.parametrize('name, value, message', [
    ('threads', 'many', "threads is 'many'"),
    ('threads', '101', 'from 0 to 100'),
    ('threads', '-1', 'from 0 to 100'),
    ('lease', '0', "lease is '0'"),
    ('lease', 'x', 'a positive number of seconds'),
    ('lease', '0.5', "lease is '0.5'; it has to be 1 or more seconds"),
    ('grace', '1e999', 'a positive number of seconds'),
    ('grace', 'nan', 'a positive number of seconds'),
    ('metrics_port', 'x', "metrics_port is 'x'"),
    ('metrics_port', '65536', 'from 0 to 65535'),
    ('metrics_address', '::', 'metrics_address needs metrics_port'),
    ('urls', 'https://a.org', 'write the path of a site'),
    ('urls', '/a=a.org', "'a.org' is not an address"),
    ('urls', '/a=ftp://a.org', 'is not an address'),
    ('urls', '/a=http://', 'is not an address'),
    ('urls', '/a=http://a.org:port', 'is not an address'),
    ('urls', '/a=http://a.org/?x=1', 'is not an address'),
    ('threds', '1', 'threds: not a setting of zodbschedule')])
def test_what_is_not_valid_is_refused(configured, name, value, message):
    configured[name] = value
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert message in str(caught.value)
