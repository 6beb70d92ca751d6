"""The layers for the tests of add-ons, by the runner of Zope."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


HERE = Path(__file__).parent


# As where there is no pytest.
RUN = """\
import sys
sys.modules['pytest'] = None
from zope.testrunner import run
run()
"""


def test_tests_in_our_layers_pass():
    # A Zope of its own: that of the layers is another one than ours.
    done = subprocess.run(
        [sys.executable, '-c', RUN, '--path', os.fspath(HERE),
         '--tests-pattern', '^layered$', '-vv'],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Total: 12 tests, 0 failures, 0 errors' in done.stdout


@pytest.mark.parametrize('module, missing', [
    ('testing', 'plone.testing'), ('plone_testing', 'plone.app.testing')])
def test_without_what_they_are_made_of_they_say_what_to_install(
        module, missing):
    done = subprocess.run(
        [sys.executable, '-c',
         f'import sys; sys.modules[{missing!r}] = None; '
         f'import zodbschedule.zope.{module}'], capture_output=True, text=True)
    assert 'pip install' in done.stderr
    assert f'zodbschedule.zope.{module} needs {missing}' in done.stderr
