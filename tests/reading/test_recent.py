"""What has ended lately, bin by bin, and how late it began."""

from datetime import timedelta

import jsonschema
import pytest
from cold import cold_loads
from in_memory import BEGIN

from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTime
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading import recent
from zodbschedule.store.history import REQUESTED
from zodbschedule.store.history import record


SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def end(schedule, commit):
    """Put on record that a run has ended so long ago, which began late."""
    def end(ago, outcome=SUCCEEDED, lag=timedelta(0)):
        ended = to_micros(BEGIN - ago)
        schedule.history.add([record(
            7, ended - lag // SECOND * 10 ** 6, outcome, ended, 'x', 'x',
            began=ended)], BEGIN - ago, 'worker')
        commit()

    return end


def counted(found):
    """The outcomes that are not zero."""
    return {name: number for name, number in vars(found.counts).items()
            if number}


def test_there_is_an_hour_in_minutes(schedule, end):
    for minutes, outcome in enumerate(OUTCOMES, 1):
        end(minutes * MINUTE, outcome)
    end(2 * HOUR)
    found = reading.activity(schedule)
    assert len(found.bins) == 60
    assert counted(found.total) == dict.fromkeys(OUTCOMES.values(), 1)
    assert [counted(each) for each in reversed(found.bins)][:7] == [
        {name: 1} for name in OUTCOMES.values()] + [{}]
    assert found.incomplete_before is None


def test_the_bins_are_the_whole_without_a_gap(schedule, end):
    for minutes in range(1, 60):
        end(minutes * MINUTE - SECOND)
    end(timedelta(0))
    since = BEGIN - HOUR - SECOND / 3
    for number in 1, 7, 60, 500:
        found = reading.activity(schedule, since, number)
        assert len(found.bins) == number
        assert sum(each.counts.succeeded for each in found.bins) == 60
        assert found.bins[0].since == since
        for one, two in zip(found.bins, found.bins[1:], strict=False):
            assert one.until == two.since


def test_the_lag_is_from_when_a_run_was_due(schedule, end):
    for seconds in 1, 2, 30:
        end(MINUTE, lag=seconds * SECOND)
    found = reading.activity(schedule).total
    assert (found.median_lag, found.greatest_lag) == (
        2 * SECOND, 30 * SECOND)


def test_by_a_clock_that_was_set_back_nothing_begins_early(schedule, end):
    end(MINUTE, FAILED, lag=-5 * SECOND)
    assert reading.activity(schedule).total.greatest_lag == timedelta(0)


def test_what_has_not_run_has_no_lag(schedule, end):
    end(MINUTE, 4, lag=HOUR)  # it has expired
    found = reading.activity(schedule).total
    assert (found.median_lag, found.greatest_lag) == (None, None)


def test_what_people_have_decided_is_not_counted(schedule, end):
    end(MINUTE, REQUESTED)
    assert counted(reading.activity(schedule).total) == {}


def test_what_is_from_the_future_counts_as_now(schedule, end):
    end(-MINUTE)
    found = reading.activity(schedule)
    assert counted(found.bins[-1]) == counted(found.total) == {'succeeded': 1}


@pytest.mark.parametrize('since', [BEGIN, BEGIN + HOUR])
def test_no_time_at_all_is_no_error(schedule, end, since):
    end(timedelta(0))
    found = reading.activity(schedule, since, bins=0)
    assert [counted(each) for each in found.bins] == [{'succeeded': 1}]
    assert found.total.since == BEGIN


def test_it_says_what_it_has_not_read(schedule, end, monkeypatch):
    monkeypatch.setattr(recent, 'MOST_READ', 3)
    for minutes in range(5, 0, -1):
        end(minutes * MINUTE)
    found = reading.activity(schedule)
    assert counted(found.total) == {'succeeded': 3}
    assert found.incomplete_before == BEGIN - 4 * MINUTE


def test_it_loads_few_objects_of_a_long_history(schedule, commit):
    for number in range(1000):
        ended = BEGIN - HOUR + number * SECOND
        schedule.history.add([record(
            7, to_micros(ended), SUCCEEDED, to_micros(ended), 'x', 'x',
            began=to_micros(ended))], ended, 'worker')
    commit()
    found = []
    assert cold_loads(schedule, lambda schedule: found.append(
        reading.activity(schedule))) < 200
    assert 100 < found[0].total.counts.succeeded < 200
    assert found[0].incomplete_before is not None


def test_it_has_the_shape_of_its_schema_and_nothing_is_written(schedule, end):
    end(MINUTE)
    found = reading.activity(schedule)
    schema = reading.json_schema(reading.Activity)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(reading.to_json(found), schema)
    assert not schedule._p_jar._registered_objects


def test_since_has_to_be_aware(schedule):
    with pytest.raises(InvalidTime):
        reading.activity(schedule, BEGIN.replace(tzinfo=None))
