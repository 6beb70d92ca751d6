"""A short storm: see `storm`, which is also a program that runs for hours."""

import pytest
import storm


@pytest.mark.parametrize('storage', storm.STORAGES)
def test_nothing_is_lost_doubled_or_stopped(storage, tmp_path, unmeasured):
    counts, problems = storm.run(storage, tmp_path, seconds=4)
    print(counts)
    assert not problems, '\n'.join(problems)
    assert counts['kills'] and counts['batches'] and counts['edits']
