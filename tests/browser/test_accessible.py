"""Each page can be read and used by everybody: WCAG 2.2 AA, as axe sees it.
"""

from importlib.resources import files

import pytest
from browsed_shop import addresses


pytestmark = pytest.mark.slow

RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
         'best-practice']


def findings(page):
    """What is wrong with a page, each with where it is."""
    page.evaluate(files('axe_playwright_python').joinpath(
        'axe.min.js').read_text('utf-8'))
    found = page.evaluate(
        'rules => axe.run({runOnly: {type: "tag", values: rules}})', RULES)
    return [(each['id'], node['html'], node.get('failureSummary'))
            for each in found['violations'] for node in each['nodes']]


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_every_page_is_accessible(shop, context, theme):
    # The policy of the pages forbids the script of axe.
    page = context(color_scheme=theme, bypass_csp=True).new_page()
    found = {}
    for address in addresses(shop):
        page.goto(f'{shop.url}/{address}')
        found[address] = findings(page)
    assert not any(found.values()), found
