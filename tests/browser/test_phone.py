"""The pages on a phone: nothing has to be moved sideways to be read."""

import pytest
from browsed_shop import addresses


pytestmark = pytest.mark.slow


@pytest.fixture
def page(context):
    """What a phone shows."""
    return context(viewport={'width': 390, 'height': 844}, has_touch=True,
                   is_mobile=True).new_page()


def test_each_page_fits_a_phone(shop, page):
    for address in addresses(shop):
        page.goto(f'{shop.url}/{address}')
        assert page.evaluate('document.documentElement.scrollWidth') <= 390, (
            address)


def test_the_menu_is_in_reach_of_a_thumb(shop, page):
    page.goto(shop.url)
    for link in page.get_by_role('navigation', name='Pages').get_by_role(
            'link').all():
        assert link.bounding_box()['height'] >= 24
    page.get_by_role('link', name='Settings').tap()
    page.wait_for_url('**/settings')
