"""The pictures in README and docs are of these pages.

``ZODBSCHEDULE_RENEW_PICTURES=1 pytest -m slow tests/browser/test_pictures.py``
takes them anew, for example after the style sheet was changed.
"""

import os
from pathlib import Path

import pytest


pytestmark = pytest.mark.slow

PICTURES = Path(__file__).parents[2] / 'docs' / 'images'

#: the name of each -> the address, the theme, and the width
TAKEN = {
    'overview': ('', 'light', 1280),
    'timeline': ('timeline?span=week', 'light', 1100),
    'task': ('tasks/{rotate logs at night}', 'light', 1100),
    'running': ('running', 'dark', 1100),
    'phone': ('parked', 'light', 390)}


@pytest.mark.parametrize('name', TAKEN)
def test_there_is_a_picture_of_the_page(shop, context, tmp_path, name):
    address, theme, width = TAKEN[name]
    page = context(color_scheme=theme, viewport={
        'width': width, 'height': 780}).new_page()
    before, _, rest = address.partition('{')
    if rest:
        before += shop.id_of(rest.rstrip('}'))
    page.goto(f'{shop.url}/{before}')
    page.wait_for_timeout(6000)  # what is live is drawn anew
    renewed = os.environ.get('ZODBSCHEDULE_RENEW_PICTURES')
    folder = PICTURES if renewed else tmp_path
    taken = folder / f'{name}.png'
    page.screenshot(path=taken)
    assert size(taken) == size(PICTURES / taken.name)


def size(picture):
    """The width and the height of a PNG."""
    return picture.read_bytes()[16:24]
