"""Pages of the web application, as a browser asks for them."""

from html_check import Page
from webob import Request

from zodbschedule.web import application


def ask(schedule, address, **options):
    """The answer to a GET, from the database of *schedule*."""
    app = application(schedule._p_jar.db(), **options)
    return Request.blank(address).get_response(app)


def look(schedule, address, **options):
    """What is on that page, which is as it should be."""
    answer = ask(schedule, address, **options)
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    assert page.problems == []
    page.html = answer.text
    page.said = ' '.join(' '.join(page.text).split())
    return page
