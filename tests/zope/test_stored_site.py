"""The site in `tests/data`, which was written once, opens and works today."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
import transaction
import ZODB
from shapes import fields_on_page
from shapes import shapes_of
from shapes import stored_fields
from stored import DAY
from stored import NOW
from stored_content import Uuid
from stored_site import FILE
from stored_site import contributing
from stored_site import write

from zodbschedule import clock
from zodbschedule import reading
from zodbschedule.reading.tasks import all_tasks
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.testing import SettableClock
from zodbschedule.zope import contexts
from zodbschedule.zope.sites import schedule_of


DATA = Path(__file__).parents[1] / 'data'


@pytest.fixture
def db(zope, tmp_path, monkeypatch):
    """A copy of the database."""
    monkeypatch.setattr(contexts, 'IUUID', Uuid())
    shutil.copy(DATA / FILE, tmp_path)
    with clock.use(SettableClock(NOW)), contributing('visits'), closing(
            ZODB.DB(str(tmp_path / FILE))) as db:
        yield db


@pytest.fixture
def site(db):
    """The site, in a connection on the manager of the thread."""
    with closing(db.open(transaction.manager)) as connection:
        yield connection.root()['Application'].site
        transaction.abort()


def states(schedule):
    return {row.description: row.state for row in all_tasks(schedule)}


def test_all_tasks_are_there_and_sound(site):
    schedule = schedule_of(site)
    assert not list(flaws(schedule))
    assert states(schedule) == {
        'claimed': 'running', 'by uuid': 'waiting', 'by path': 'waiting',
        'method': 'waiting', 'paused': 'paused', 'Visit visits': 'waiting',
        'Visit gone': 'waiting'}
    assert [row.description for row in reading.parked(schedule).items] == [
        'parked']
    assert schedule.url == 'https://www.example.org'


def test_each_task_does_its_work(site):
    schedule = schedule_of(site)
    clock.current().set(NOW + 2 * DAY)
    schedule.process(clock.now())
    site._p_jar.sync()
    assert sorted(site.doc.title.split('+')) == ['', 'None', 'jane']
    assert site.plain.title == '+None'
    assert site.title == '+None'
    assert states(schedule) == {
        'paused': 'paused', 'Visit visits': 'waiting',
        'Visit gone': 'paused'}
    assert not schedule.claims
    assert not list(flaws(schedule))


def test_a_parked_task_runs_when_a_person_says_so(site):
    schedule = schedule_of(site)
    [entry] = schedule.parked
    schedule.unpark(entry)
    transaction.commit()
    schedule.process(NOW)
    site._p_jar.sync()
    assert site.doc.title.startswith('+')
    assert not len(schedule.parked)


def ours(shapes):
    return {key: kinds for key, kinds in shapes.items()
            if key[0].startswith('zodbschedule.')}


def test_this_code_writes_what_is_in_the_data(db, tmp_path):
    """If it fails, the format has changed: read docs/compatibility.rst."""
    (tmp_path / 'written').mkdir()
    write(tmp_path / 'written')
    with closing(ZODB.DB(str(tmp_path / 'written' / FILE))) as written:
        assert ours(shapes_of(written)) == ours(shapes_of(db))


def test_the_page_names_all_that_is_stored(db):
    for path, fields in stored_fields(shapes_of(db)).items():
        assert set(fields) - {''} <= set(fields_on_page(path)), path
