"""The benchmark of a run in Plone runs, in a small size."""

import os
import re
import subprocess
import sys
from pathlib import Path


SCRIPT = Path(__file__).parents[2] / 'benchmarks' / 'plone_run.py'


def test_it_prints_what_a_run_costs():
    done = subprocess.run(
        [sys.executable, SCRIPT, '--quick'], capture_output=True, text=True,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore'})
    assert done.returncode == 0, done.stderr
    ratios = re.findall(r'against a bare one: ratio [0-9.]+', done.stdout)
    assert len(ratios) == 4
    assert re.search(r'of a run in Plone, the user +\d+ us', done.stdout)
