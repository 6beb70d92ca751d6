"""What a person does with the pages, in a real browser, while a worker works.
"""

import re

import pytest
from browsed_shop import LETTERS


pytestmark = pytest.mark.slow


class Person:
    """Looks at the pages of a shop."""

    def __init__(self, context, shop, has_scripts):
        self.shop = shop
        self.has_scripts = has_scripts
        self.page = context.new_page()

    def go(self, address=''):
        """Go to that page."""
        self.page.goto(f'{self.shop.url}/{address}')

    def follow(self, name):
        """Click on the link in the menu."""
        self.page.get_by_role('navigation', name='Pages').get_by_role(
            'link', name=name).click()

    def press(self, name):
        """Click on that button; what came of it."""
        self.page.get_by_role('button', name=name).first.click()
        return self.page.get_by_role('status').inner_text()

    def sees(self, locator, until=lambda found: True):
        """Wait for it; without scripts, by asking for the page again."""
        for _ in range(100):
            if locator.count() and until(locator.first):
                return locator.first
            self.page.wait_for_timeout(300)
            if not self.has_scripts:
                self.page.reload()
        raise AssertionError(self.page.locator('main').inner_text())


@pytest.fixture(params=['with JavaScript', 'without'])
def person(request, shop, context):
    """Somebody whose browser has JavaScript, or has not."""
    has_scripts = request.param == 'with JavaScript'
    return Person(
        context(java_script_enabled=has_scripts), shop, has_scripts)


def test_a_day_at_the_shop(person):
    see_what_works(person)
    see_the_timeline(person)
    watch_the_progress_and_cancel(person)
    run_one_now(person)
    try_again_and_discard(person)
    cancel_many(person)
    filter_the_history(person)
    try_a_rule(person)


def see_what_works(person):
    person.go()
    person.sees(person.page.get_by_text('Workers alive'))
    person.sees(person.page.get_by_text('3 failed'))
    person.sees(person.page.get_by_role('link', name='look for mail'))


def see_the_timeline(person):
    person.follow('Timeline')
    person.sees(person.page.get_by_role('link', name='make thumbnails'))
    person.page.get_by_label('Show').select_option(label='a week')
    person.page.get_by_label('Text').fill('weekly')
    person.page.get_by_role('button', name='Show').click()
    person.sees(person.page.get_by_role('link', name='weekly letter'))


def watch_the_progress_and_cancel(person):
    person.follow('Running')
    progress = person.page.get_by_role(
        'progressbar', name='Progress of make thumbnails')
    begun = float(person.sees(progress).get_attribute('value'))
    person.sees(progress, lambda it: float(it.get_attribute('value')) > begun)
    assert 'was cancelled' in person.press('Cancel make thumbnails')
    person.sees(person.page.get_by_text('No worker holds a task.'))


def run_one_now(person):
    person.go(f'tasks/{person.shop.id_of(LETTERS[-1])}')
    person.page.get_by_label('Reason, for the record').first.fill('in haste')
    assert 'is due now' in person.press('Run now')
    person.go(f'history?text={LETTERS[-1]}&outcome=succeeded')
    for _ in range(100):
        if person.page.get_by_role('link', name=LETTERS[-1]).count():
            break
        person.page.reload()
    person.go(f'history?text={LETTERS[-1]}&outcome=requested')
    person.sees(person.page.get_by_text('in haste'))


def try_again_and_discard(person):
    person.follow('Parked')
    assert 'is scheduled for' in person.press(
        'Try again import prices of Acme')
    for supplier in 'Globex', 'Initech':
        person.page.get_by_label(f'Choose import prices of {supplier}').check()
    assert '2' in person.press('Discard the checked')
    assert not person.page.get_by_role('link', name='Globex').count()


def cancel_many(person):
    person.go('upcoming?text=send+letter+1')
    person.page.get_by_role('link', name='Cancel', exact=True).click()
    person.sees(person.page.get_by_role('heading', name='11 tasks'))
    assert 'This page shows how far it is' in person.press(
        re.compile('all of them'))
    for _ in range(100):
        person.go('upcoming?text=send+letter+1')
        if person.page.get_by_text('No task that waits is meant.').count():
            break
    person.go('history?text=send+letter+1&outcome=unscheduled')
    assert person.page.locator('#history tbody tr').count() == 11


def filter_the_history(person):
    person.follow('History')
    person.page.get_by_label('Outcome').select_option('failed')
    person.page.get_by_role('button', name='Filter').click()
    rows = person.page.locator('#history tbody tr')
    assert rows.count() >= 3
    assert all('failed' in text for text in rows.all_inner_texts())


def try_a_rule(person):
    person.follow('Rules')
    person.page.get_by_label('Rule', exact=True).fill('30 2 * * *')
    person.page.get_by_label('Time zone').fill('Europe/Berlin')
    person.page.get_by_role('button', name='Tell').click()
    person.sees(person.page.get_by_text('02:00 to 03:00 does not exist'))
    person.page.get_by_label('Rule', exact=True).fill('90 * * * *')
    person.page.get_by_role('button', name='Tell').click()
    person.sees(person.page.get_by_role('alert'))
