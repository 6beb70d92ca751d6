"""The pages inside of a Pyramid application, under a prefix of its own."""

import threading

import pytest


pytestmark = pytest.mark.slow


@pytest.fixture
def pyramid(client):
    """The address of a Pyramid application that has the pages at ``/ops``."""
    from browsed_shop import open_shop
    from pyramid.config import Configurator
    from pyramid.wsgi import wsgiapp2
    from waitress.server import create_server

    from zodbschedule.web import application

    open_shop(client)
    with Configurator() as config:
        config.add_route('ops', '/ops*subpath')
        config.add_view(wsgiapp2(application(client.db, allow_changes=True)),
                        route_name='ops')
        server = create_server(
            config.make_wsgi_app(), host='127.0.0.1', port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f'http://localhost:{server.effective_port}/ops'
    server.close()
    thread.join()


def test_all_stays_under_the_prefix(pyramid, chromium):
    context = chromium.new_context()
    page = context.new_page()
    asked = []
    page.on('request', lambda request: asked.append(request.url))
    page.goto(f'{pyramid}/')
    page.get_by_role('link', name='Upcoming').click()
    page.get_by_label('Choose send letter 7', exact=True).check()
    page.get_by_role('button', name='Pause the checked').click()
    assert 'paused' in page.get_by_role('status').inner_text()
    page.get_by_role('link', name='send letter 7', exact=True).click()
    assert page.get_by_role('button', name='Resume').count() == 1
    assert all(url.startswith(pyramid) for url in asked)
    assert any(url.endswith('.css') for url in asked)
    context.close()
