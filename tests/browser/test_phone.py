"""The pages on a phone: nothing has to be moved sideways to be read."""

import pytest
from browsed_shop import addresses


pytestmark = pytest.mark.slow


def test_each_page_fits_a_phone(shop, chromium):
    context = chromium.new_context(
        viewport={'width': 390, 'height': 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    for address in addresses(shop):
        page.goto(f'{shop.url}/{address}')
        assert page.evaluate('document.documentElement.scrollWidth') <= 390, (
            address)
    context.close()


def test_the_menu_is_in_reach_of_a_thumb(shop, chromium):
    context = chromium.new_context(
        viewport={'width': 390, 'height': 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(shop.url)
    for link in page.get_by_role('navigation', name='Pages').get_by_role(
            'link').all():
        assert link.bounding_box()['height'] >= 24
    page.get_by_role('link', name='Settings').tap()
    page.wait_for_url('**/settings')
    context.close()
