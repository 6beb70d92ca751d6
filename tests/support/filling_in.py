"""A browser without scripts, and a schedule whose pages it reads."""

from contextlib import contextmanager
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import ZODB
from webob import Request
from webob.multidict import MultiDict

from zodbschedule import Schedule
from zodbschedule.web import application


FIELDS = 'input', 'textarea', 'select'


class Browser:
    """Reads pages, fills in their forms, and keeps cookies.

    Each page has to be well-formed.
    """

    def __init__(self, app, user='zoe'):
        self.app = app
        self.user = user
        self.cookies = {}

    def open(self, address, **options):
        """Go there, and where that leads."""
        self.answer = answer = self._send(address, **options)
        if answer.status_code == 303:
            return self.open(answer.location)
        self.address = address
        self.text = answer.text
        if answer.content_type == 'text/html':
            self.page = ElementTree.fromstring(
                answer.text.partition('<!DOCTYPE html>')[2])
        return self

    def _send(self, address, **options):
        if self.cookies:
            options['headers'] = {'Cookie': '; '.join(
                f'{name}={value}' for name, value in self.cookies.items())}
        parts = urlsplit(address)
        request = Request.blank(
            f'{parts.path}?{parts.query}', {'REMOTE_USER': self.user},
            **options)
        answer = request.get_response(self.app)
        for line in answer.headers.getall('Set-Cookie'):
            name, _, value = line.partition(';')[0].partition('=')
            self.cookies[name] = value
            if 'Max-Age=0' in line:
                del self.cookies[name]
        return answer

    # -- what it shows

    @property
    def status(self):
        return self.answer.status_code

    @property
    def said(self):
        """The texts of the messages, with the spaces of one line."""
        return [words(each) for each in self.all('message')]

    def all(self, kind):
        """The elements of that class."""
        return [each for each in self.page.iter()
                if kind in each.get('class', '').split()]

    def shows(self, *texts):
        """Whether a reader finds them on the page."""
        return all(text in words(self.page) for text in texts)

    def rows(self, table):
        """The texts of the rows of the table with that id."""
        found = self.page.find(f'.//table[@id="{table}"]/tbody')
        return [] if found is None else [
            [words(cell) for cell in row] for row in found]

    def links(self, text):
        """Where the links with that text lead."""
        return [each.get('href') for each in self.page.iter('a')
                if words(each) == text]

    def follow(self, text):
        """Go where the first link with that text leads."""
        return self.open(self.links(text)[0])

    # -- forms

    def buttons(self):
        """The texts on them."""
        return [words(each) for each in self.page.iter('button')]

    def field(self, name):
        """What stands in the first field with that name."""
        return value_of(next(
            each for each in self.page.iter() if each.tag in FIELDS
            and each.get('name') == name))

    def press(self, text, /, **filled):
        """Press the first button with that text; see `open`.

        *filled* has what was typed; for boxes, the list of those checked.
        """
        button = next(each for each in self.page.iter('button')
                      if words(each).startswith(text))
        form = self._form_of(button)
        fields = MultiDict(self._fields(form, filled))
        if button.get('name'):
            fields.add(button.get('name'), button.get('value'))
        action = button.get('formaction') or form.get('action')
        if form.get('method') == 'post':
            return self.open(action, POST=fields)
        query = Request.blank('/', POST=fields).body.decode()
        return self.open(f'{action}?{query}')

    def _form_of(self, button):
        parents = {child: each for each in self.page.iter() for child in each}
        if button.get('form'):
            return self.page.find(f'.//form[@id="{button.get("form")}"]')
        while button.tag != 'form':
            button = parents[button]
        return button

    def _fields(self, form, filled):
        inside = set(form.iter())
        for each in self.page.iter():
            name = each.get('name')
            if each.tag not in FIELDS or not (
                    each in inside if each.get('form') is None
                    else each.get('form') == form.get('id')):
                continue
            if each.get('type') == 'checkbox':
                if value_of(each) in filled.get(name, ()):
                    yield name, value_of(each)
            else:
                yield name, filled.get(name, value_of(each))


def value_of(field):
    """What stands in a field."""
    if field.tag == 'textarea':
        return field.text or ''
    if field.tag == 'select':
        return next((each.get('value') for each in field
                     if each.get('selected')), field[0].get('value'))
    return field.get('value', '')


def words(element):
    """The text of an element, with the spaces of one line."""
    return ' '.join(' '.join(element.itertext()).split())


class Stage:
    """A schedule, and browsers that look at it."""

    def __init__(self, db):
        self.db = db

    def browser(self, user='zoe', **options):
        options.setdefault('allow_changes', True)
        return Browser(application(self.db, **options), user)

    @contextmanager
    def schedule(self):
        """The schedule, in a transaction that is committed."""
        with self.db.transaction() as connection:
            yield connection.root()['schedule']

    def process(self, now):
        """Run what is due."""
        connection = self.db.open()
        try:
            return connection.root()['schedule'].process(now)
        finally:
            connection.close()

    def decisions(self):
        """What people have decided: what, who, why."""
        with self.schedule() as schedule:
            return [(each.outcome, each.principalId, each.error)
                    for each in schedule.history if not each.worker]


@pytest.fixture
def stage():
    """A schedule in memory, with nothing in it."""
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield Stage(db)
    db.close()
