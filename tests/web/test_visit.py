"""What a page may show of errors."""

import pytest
from webob import Request

from zodbschedule.reading.masking import HIDDEN
from zodbschedule.reading.masking import mask_of
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Visit


TOLD = '''\
Traceback (most recent call last):
  File "shop.py", line 1, in open
    raise KeyError(key)
KeyError: 'hunter2'
'''


def visit(**options):
    return Visit(Request.blank('/'), Site(None, 'schedule', **options),
                 '', None, '')


def test_an_error_is_shown():
    assert visit().error("KeyError: 'hunter2'") == "KeyError: 'hunter2'"
    assert visit(mask=mask_of('a')).error(None) is None


def test_with_a_mask_an_error_is_shown_by_its_class():
    found = visit(mask=mask_of('a')).error("KeyError: 'hunter2'")
    assert found == f'KeyError: {HIDDEN}'


@pytest.mark.parametrize('mask', [None, mask_of('a')])
def test_a_traceback_is_not_shown_unless_that_is_allowed(mask):
    assert visit(mask=mask).traceback(TOLD) is None


def test_a_traceback_is_shown_where_that_is_allowed():
    assert visit(tracebacks=True).traceback(TOLD) == TOLD
    assert visit(tracebacks=True).traceback('') is None


def test_with_a_mask_a_traceback_has_no_values():
    found = visit(tracebacks=True, mask=mask_of('a')).traceback(TOLD)
    assert 'shop.py' in found
    assert 'hunter2' not in found
