"""Requests to a Plone as a client of its services sends them.

What a test records of them stands in the docs.  With the variable
ZODBSCHEDULE_WRITE_EXAMPLES in the environment it is written there; without,
the docs must say the same.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from plone.protect.interfaces import IDisableCSRFProtection
from plone.testing._z2_testbrowser import Zope2Caller
from webob import Request
from zope.component import getGlobalSiteManager
from ZPublisher.interfaces import IPubAfterTraversal
from ZPublisher.interfaces import IPubBeforeCommit


EXAMPLES = Path(__file__).parents[2] / 'docs' / 'http-examples'
WRITE = 'ZODBSCHEDULE_WRITE_EXAMPLES'
PASSWORD = 'secret-secret'


class Client:
    """Somebody who sends requests; '' is Anonymous."""

    def __init__(self, app, user='', accept='application/json'):
        self.wsgi = Zope2Caller(SimpleNamespace(handleErrors=True), app)
        self.user = user
        self.accept = accept
        #: what stands in an example for an id that each run makes anew
        self.names = {}

    def send(self, method, path, example=None, raw=None, **body):
        """The answer: its `status` and its `json`."""
        url = path if path.startswith('http') else (
            f'http://localhost/plone{path}')
        request = Request.blank(url, method=method, accept=self.accept)
        request.host = 'localhost'
        if self.user:
            request.authorization = ('Basic', f'{self.user}:{PASSWORD}')
        if body or raw:
            request.content_type = 'application/json'
            request.body = raw or json.dumps(body).encode()
        answer = request.get_response(self.wsgi)
        if example is not None:
            self.compare(example, request, body, answer)
        return answer

    def get(self, path, example=None):
        return self.send('GET', path, example)

    def compare(self, example, request, body, answer):
        sent = [f'{request.method} {request.path_qs} HTTP/1.1',
                f'Accept: {self.accept}',
                f'Authorization: Basic {self.user}:secret']
        if body:
            sent += ['Content-Type: application/json', '',
                     json.dumps(body, indent=2)]
        got = [f'HTTP/1.1 {answer.status}',
               f'Content-Type: {answer.content_type}', '', answer.text]
        for suffix, lines in ('req', sent), ('resp', got):
            text = '\n'.join(map(str.rstrip, '\n'.join(lines).split('\n')))
            for id, name in self.names.items():
                text = text.replace(id, name)
            agree(EXAMPLES / f'{example}.{suffix}', f'{text}\n')


def agree(path, text):
    """Have the file say that text, or see that it does."""
    if os.environ.get(WRITE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding='utf-8')
    assert path.read_text(encoding='utf-8') == text


@contextmanager
def looked_at():
    """What each request has changed in its connection, and has loaded.

    With an empty cache, from when its service was found until it was done.
    """
    seen = []

    def begin(event):
        connection = event.request['PARENTS'][-1]._p_jar
        connection.cacheMinimize()
        connection.getTransferCounts(clear=True)

    def end(event):
        connection = event.request['PARENTS'][-1]._p_jar
        seen.append((list(connection._registered_objects),
                     connection.getTransferCounts()[0]))

    with handling((begin, [IPubAfterTraversal]), (end, [IPubBeforeCommit])):
        yield seen


@contextmanager
def let_through():
    """Whether plone.protect was told to let each request write."""
    seen = []

    def look(event):
        seen.append(IDisableCSRFProtection.providedBy(event.request))

    with handling((look, [IPubBeforeCommit])):
        yield seen


@contextmanager
def handling(*handlers):
    """Inside this context these handlers are given events of those kinds."""
    manager = getGlobalSiteManager()
    for handler, required in handlers:
        manager.registerHandler(handler, required)
    try:
        yield
    finally:
        for handler, required in handlers:
            manager.unregisterHandler(handler, required)
