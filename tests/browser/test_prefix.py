"""The pages inside of a Pyramid application, under a prefix of its own."""

import pytest
from browsed_shop import open_shop
from databases import Child
from databases import Client
from databases import free_port
from databases import listens
from databases import wait_until

from zodbschedule.web import application


pytestmark = pytest.mark.slow


def serve(uri, port):
    """A Pyramid application that has the pages at ``/ops``."""
    from pyramid.config import Configurator
    from pyramid.wsgi import wsgiapp2
    from waitress import serve

    pages = wsgiapp2(application(Client(uri).db, allow_changes=True))

    def ops(context, request):
        request.environ['REMOTE_USER'] = 'zoe'
        return pages(context, request)

    with Configurator() as config:
        config.add_route('ops', '/ops*subpath')
        config.add_view(ops, route_name='ops')
    serve(config.make_wsgi_app(), host='127.0.0.1', port=int(port))


@pytest.fixture
def ops(client):
    """The address of the pages there."""
    open_shop(client)
    port = free_port()
    server = Child('test_prefix.serve', client.uri(), str(port))
    try:
        wait_until(lambda: listens(port), 'the pages', server.process)
        yield f'http://localhost:{port}/ops'
    finally:
        server.kill()


def test_all_stays_under_the_prefix(ops, context):
    page = context().new_page()
    asked = []
    page.on('request', lambda request: asked.append(request.url))
    page.goto(f'{ops}/')
    page.get_by_role('link', name='Upcoming').click()
    page.get_by_label('Choose send letter 7', exact=True).check()
    page.get_by_role('button', name='Pause the checked').click()
    assert 'Paused: 1' in page.get_by_role('status').inner_text()
    page.get_by_role('link', name='send letter 7', exact=True).click()
    assert page.get_by_role('button', name='Resume').count() == 1
    assert all(url.startswith(ops) for url in asked)
    assert any(url.endswith('.css') for url in asked)
