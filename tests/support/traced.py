"""What tests of traces run, and a worker that prints its spans."""

import json

from crew import worker
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from persistent import Persistent
from zope.interface import implementer

from zodbschedule import Task
from zodbschedule import tracing
from zodbschedule.interfaces import ITask


#: what `Act` tasks do, by their descriptions
acts = {}


class Act(Task):
    """Does what the test has said."""

    runs = 0

    def __call__(self):
        self.runs += 1
        return acts.get(self.description, nothing)(self)


def nothing(task):
    """Nothing more."""


@implementer(ITask)
class Foreign(Persistent):
    """A task of another class, which returns itself once."""

    description = ''
    principalId = None
    ran = False

    def __init__(self, time):
        self.time = time

    def __call__(self):
        ran, self.ran = self.ran, True
        return None if ran else self

    def schedule(self):
        """Once."""


class Closed(Foreign):
    """It takes no other attribute."""

    def __setattr__(self, name, value):
        if name not in ('time', 'ran') and not name.startswith('_p_'):
            raise AttributeError(name)
        super().__setattr__(name, value)


def printing_worker(uri):
    """A worker whose spans are lines of JSON."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(
        formatter=lambda span: f'{span.to_json(indent=None)}\n')))
    tracing.instrument(provider)
    assert worker(uri, name='mill').run()


def printed(text):
    """The spans in what such a worker has printed."""
    return [json.loads(line) for line in text.splitlines()
            if line.startswith('{')]
