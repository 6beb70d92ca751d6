"""Upcoming: what waits, chosen by a form, page by page, back and forth."""

import pytest
from browsing import ask
from browsing import look
from in_memory import BEGIN
from sample_tasks import MINUTE

from zodbschedule.web import links


@pytest.fixture
def letters(schedule, commit):
    """Four letters, one a minute; the last one is paused, and has a key."""
    tasks = [schedule.call('os.getcwd', time=BEGIN + minute * MINUTE,
                           description=f'letter {minute}',
                           key='last' if minute == 3 else None)
             for minute in range(4)]
    schedule.pause(tasks[-1], by='zoe')
    commit()
    return schedule


@pytest.mark.parametrize('query, found', [
    ('', '0123'), ('text=TTER+2', '2'), ('key=la*', '3'),
    ('state=paused', '3'), ('function=os.*', '0123'), ('function=x', ''),
    ('from=2030-01-31', '0123'), ('from=2030-02-01', ''),
    ('from=2030-01-31&state=waiting&text=1', '1')])
def test_a_form_chooses(letters, query, found):
    page = look(letters, f'/upcoming?{query}')
    shown = [word for number, word in enumerate(page.said.split())
             if page.said.split()[number - 1] == 'letter']
    assert ''.join(shown) == found
    assert ('No task that waits is meant.' in page.said) == (not found)
    assert ('Show all' in page.said) == bool(query)


def test_the_form_keeps_what_was_chosen(letters):
    html = look(
        letters, '/upcoming?text=a%22b&state=paused&from=2030-01-31').html
    assert 'value="a&quot;b"' in html
    assert 'value="paused" selected="selected"' in html
    assert 'value="2030-01-31"' in html


@pytest.mark.parametrize('query', [
    'from=yesterday', 'from=2030-13-01', 'state=running', 'text=' + 501 * 'x',
    'cursor=x', 'live=on'])
def test_what_cannot_be_asked_is_refused(letters, query):
    assert ask(letters, f'/upcoming?{query}').status_code == 400


def test_what_was_looked_at_in_vain_is_not_all(schedule, commit):
    for number in range(102):
        schedule.call(print, time=BEGIN + number * MINUTE,
                      description=f'letter {number}')
    commit()
    page = look(schedule, '/upcoming?text=letter+101')
    assert 'None of the tasks that were looked at is meant.' in page.said
    [more] = [link for link in page.links if 'cursor=' in link]
    assert 'text=letter+101' in more
    assert 'letter 101' in look(schedule, more).said


# -- page by page


def turned(schedule, page, name):
    """The page to which a button of the pager leads; None: there is none."""
    found = {link for link in page.links
             if f'rel="{name}" href="{link.replace("&", "&amp;")}"'
             in page.html}
    return look(schedule, *found) if found else None


def first_letter(page):
    return page.said.partition('letter ')[2].partition(' ')[0]


@pytest.fixture
def many(schedule, commit):
    for number in range(12 * 50):
        schedule.call(print, time=BEGIN + number * MINUTE,
                      description=f'letter {number}')
    commit()
    return schedule


def test_one_goes_on_and_back(many):
    page = look(many, '/upcoming?text=letter')
    assert turned(many, page, 'prev') is None
    second = turned(many, page, 'next')
    third = turned(many, second, 'next')
    assert [first_letter(each) for each in (page, second, third)] == [
        '0', '50', '100']
    again = turned(many, third, 'prev')
    assert first_letter(again) == '50'
    assert first_letter(turned(many, again, 'prev')) == '0'


def test_one_goes_back_so_many_pages_and_then_to_the_first(many):
    page = look(many, '/upcoming')
    for _ in range(links.BACK + 2):
        page = turned(many, page, 'next')
    assert first_letter(page) == '500'
    for number in range(links.BACK):
        page = turned(many, page, 'prev')
        assert first_letter(page) == str(450 - number * 50)
    page = turned(many, page, 'prev')
    assert first_letter(page) == '0'
    assert turned(many, page, 'prev') is None


# -- who may change something


def test_tasks_are_checked_and_changed(letters):
    page = look(letters, '/upcoming?text=2', allow_changes=True,
                who=lambda _: 'zoe')
    assert 'aria-label="Choose letter 2"' in page.html
    assert page.html.count('form="several" name="action"') == 4
    assert 'name="query" value="text=2"' in page.html
    assert '/bulk?action=cancel&text=2' in page.links
    assert 'name="chosen"' not in look(letters, '/upcoming').html
