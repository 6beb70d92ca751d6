"""A short storm: see `storm`, which is also a program that runs for hours."""

import pytest
import storm
from databases import HISTORY
from databases import SQLITE


@pytest.mark.parametrize('storage', ['ZEO', 'PostgreSQL', HISTORY, SQLITE])
def test_nothing_is_lost_doubled_or_stopped(storage, tmp_path, unmeasured):
    counts = storm.run(storage, tmp_path, seconds=4)
    print(counts)
    assert counts['kills'] and counts['batches'] and counts['edits']
