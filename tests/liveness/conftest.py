"""Claims that have been silent for so long, by our clock."""

from datetime import UTC
from datetime import datetime

import pytest
from persistent.TimeStamp import TimeStamp


@pytest.fixture
def silence(clock):
    """Have our clock show that a claim has been silent for so long."""
    def silence(claim, by):
        beaten = TimeStamp(claim.beaten()).timeTime()
        clock.set(datetime.fromtimestamp(beaten, UTC) + by)

    return silence
