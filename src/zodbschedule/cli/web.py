##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""The command that shows schedules in the browser."""

import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import closing
from contextlib import contextmanager
from datetime import tzinfo
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult
from urllib.parse import unquote_to_bytes
from urllib.parse import urlsplit

import click
from ZODB.Connection import Connection
from ZODB.DB import DB

from zodbschedule.cli import logs
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import Source
from zodbschedule.cli.database import refuse_other
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.kept_open import KeptOpen
from zodbschedule.cli.listening import Bind
from zodbschedule.cli.listening import bind_of
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.options import locations_options
from zodbschedule.cli.options import log_options
from zodbschedule.cli.options import timezone_option
from zodbschedule.cli.signals import Signals
from zodbschedule.cli.user import system_user
from zodbschedule.cli.worker import fix_asyncio
from zodbschedule.cli.worker import log_of
from zodbschedule.cli.zope_databases import configured
from zodbschedule.cli.zope_site import ZopeLocation
from zodbschedule.logger import log
from zodbschedule.reading.masking import Mask
from zodbschedule.reading.masking import mask_of


EXIT_CODES = """\b
Exit codes:
  0    stopped by SIGTERM, SIGINT, SIGHUP or SIGQUIT
  2    wrong usage, or it could not start
  129, 130, 131, 143
       a second signal, SIGHUP, SIGINT, SIGQUIT or SIGTERM, has cut off what
       was being answered"""

# How many requests are answered at once, and how many connections are open.
# More, and the database has more to do; fewer, and one slow page holds up
# others.
MOST_THREADS = 32
MOST_CONNECTIONS = 200

# Bytes of a request: its headers; and its body, which is a form.
LARGEST_HEADERS = 16_384
LARGEST_BODY = 131_072

# The names of this machine for itself.
LOCAL_NAMES = 'localhost', '127.0.0.1', '[::1]'


def required(name: str) -> Any:
    """That module of the extra; CommandError without it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise CommandError(
            f"the pages need WebOb, Chameleon and waitress ({error}); install "
            f"them with: pip install 'zodbschedule[cli,web]'") from error


def make_password(ctx: click.Context, param: click.Parameter,
                  user: str | None) -> None:
    """Print a line of a password file, and end."""
    if user is None:
        return
    passwords = required('zodbschedule.web.passwords')
    password = click.prompt('Password', hide_input=True, err=True,
                            confirmation_prompt=True)
    try:
        click.echo(passwords.line_for(user, password))
    except ValueError as error:
        raise CommandError(str(error)) from error
    ctx.exit()


@click.command(epilog=EXIT_CODES)
@click.option('--bind', metavar='HOST:PORT', default='127.0.0.1:8060',
              show_default=True,
              help='Where to listen; port 0: a free one, which the log names.')
@click.option('--url', metavar='URL',
              help='The address at which a proxy shows the pages, such as '
                   'https://shop.example.com/schedule.')
@click.option('--allow-changes', is_flag=True,
              help='Show the buttons that change something.')
@click.option('--user-header', metavar='NAME',
              help='The header in which a proxy, which asks for a password, '
                   'sends the name of the user.')
@click.option('--passwords', metavar='FILE', type=click.Path(
              exists=True, dir_okay=False, path_type=Path),
              help='Ask for a password: one of this file.')
@click.option('--make-password', metavar='USER', expose_value=False,
              is_eager=True, callback=make_password,
              help='Print a line for --passwords, and exit.')
@click.option('--mask', 'masks', metavar='NAME', multiple=True,
              help='Do not show arguments and attributes with this name, such '
                   'as password or *_key.  May be given several times.')
@click.option('--show-tracebacks', is_flag=True,
              help='Show the tracebacks of failed tasks.')
@click.option('--threads', metavar='N', default=4, show_default=True,
              type=click.IntRange(1, MOST_THREADS),
              help='How many requests are answered at the same time.')
@timezone_option
@import_option
@log_options
@locations_options
@click.pass_context
def web(ctx: click.Context, locations: list[Any], bind: str, url: str | None,
        allow_changes: bool, user_header: str | None, passwords: Path | None,
        masks: tuple[str, ...], show_tracebacks: bool, threads: int,
        zone: tzinfo, modules: tuple[str, ...], log: logs.Chosen) -> None:
    """Show schedules in the browser, until SIGTERM or Ctrl-C.

    The pages only read, unless --allow-changes is given.  They are for this
    machine alone: for others, give --passwords or --user-header, too.
    """
    required('zodbschedule.web')
    place = bind_of(bind)
    proxy = proxy_of(url)
    options = {
        'who': who_of(place, proxy, user_header, passwords), 'zone': zone,
        'allow_changes': allow_changes, 'mask': mask_by(masks),
        'tracebacks': show_tracebacks}
    with (Signals() as signals, logs.shown(
            log_of(locations[0], log), partial(import_modules, modules)),
          database_of(locations, allow_changes, threads) as db):
        app = application_of(db, locations, options)
        signals.work = served = Served(app, place, threads, proxy)
        served.run()
    ctx.exit(signals.code)


def mask_by(names: tuple[str, ...]) -> Mask | None:
    """The mask of those names; raises CommandError for one that is empty."""
    if '' in names:
        raise CommandError(
            "--mask '' names nothing; write, for example, password or *_key")
    return mask_of(names)


# -- who may look ------------------------------------------------------------


def who_of(place: Bind, proxy: dict[str, str], header: str | None,
           passwords: Path | None) -> Any:
    """How the application knows who asks; raises CommandError."""
    if header is not None and passwords is not None:
        raise click.UsageError(
            '--user-header and --passwords are both given; give one')
    if passwords is not None:
        return _passwords_in(passwords)
    access = required('zodbschedule.web.access')
    if header is not None:
        return access.header_user(_header_name(header))
    _refuse_others(place, proxy)
    names = {*LOCAL_NAMES, place.host, f'[{place.host}]'}
    return access.local_user(system_user(), names)


def _refuse_others(place: Bind, proxy: dict[str, str]) -> None:
    """Raise CommandError for an address that others on the net reach."""
    reached = None if place.is_local else f'--bind {place}'
    if proxy.get('host', LOCAL_NAMES[0]) not in LOCAL_NAMES:
        reached = f'--url {proxy["scheme"]}://{proxy["host"]}'
    if reached is not None:
        raise CommandError(
            f'{reached} lets others on the net in, and nobody is asked for a '
            f'password; give --passwords FILE, or --user-header NAME if a '
            f'proxy asks for one, or listen at 127.0.0.1 without a proxy')


def _header_name(name: str) -> str:
    """That name; servers and proxies drop a header with another one."""
    if not re.fullmatch('[A-Za-z0-9-]+', name):
        raise CommandError(
            f'--user-header {name!r} is not the name of a header; write, for '
            f'example, X-Remote-User')
    return name


def _passwords_in(path: Path) -> Any:
    passwords = required('zodbschedule.web.passwords')
    try:
        return passwords.Passwords(passwords.parse(
            path.read_text(encoding='utf-8-sig').splitlines()))
    except (OSError, ValueError) as error:
        raise CommandError(f'--passwords {path}: {error}') from error


def proxy_of(url: str | None) -> dict[str, str]:
    """What the address of a proxy says: its scheme, its host, a prefix."""
    if url is None:
        return {}
    found = _split(url)
    if found is None or found.scheme not in ('http', 'https') or (
            not found.hostname or found.query or found.fragment):
        raise CommandError(
            f'--url {url} is not the address of a page; write, for example, '
            f'https://shop.example.com/schedule')
    host = found.hostname
    # A server decodes the path, and takes each byte for a character.
    prefix = unquote_to_bytes(found.path).decode('latin-1')
    return {'scheme': found.scheme, 'host': f'[{host}]' if ':' in host else
            host, 'prefix': prefix.rstrip('/')}


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None if it is none."""
    try:
        return urlsplit(url)
    except ValueError:  # a bracket is missing
        return None


# -- the database ------------------------------------------------------------


@contextmanager
def database_of(locations: list[Any], allow_changes: bool, threads: int
                ) -> Iterator[KeptOpen]:
    """The database of those schedules, to be opened by many threads.

    A local file is opened at once: waiting would not make it appear.
    """
    access = Access.CHANGE if allow_changes else Access.READ
    first = locations[0]
    fix_asyncio()
    away = required('zodbschedule.web.site').DatabaseAway
    if isinstance(first, ZopeLocation):
        configured(first.conf)
        opener: Callable[[], AbstractContextManager[DB]] = partial(
            first.database, access)
        local = False
    else:
        source = Source(first.uri, access)
        opener = partial(_opened, source, locations)
        local = source.file is not None
    with closing(KeptOpen(opener, threads + 2, away)) as db:
        if local:
            db.prepare()
        yield db


@contextmanager
def _opened(source: Source, locations: list[DatabaseLocation]
            ) -> Iterator[DB]:
    with closing(source.open()) as db:
        with db.transaction() as connection:
            for location in locations:
                refuse_other(connection, location)
        yield db


# -- the application ---------------------------------------------------------


def application_of(db: KeptOpen, locations: list[Any],
                   options: dict[str, Any]) -> Any:
    """The WSGI application for the schedules at those locations."""
    application = required('zodbschedule.web').application
    if len(locations) == 1 and locations[0].path is not None:
        return application(db, path_of(locations[0]), **options)
    return application(db, places=partial(places, locations), **options)


def places(locations: list[Location], connection: Connection
           ) -> Mapping[str, Any]:
    """Where the schedules are now."""
    return {each.label: path_of(each) for location in locations
            for each in location.schedules(connection)}


def path_of(location: Location) -> Any:
    """What the application finds that schedule by."""
    if isinstance(location, ZopeLocation):
        return SitePath(location)
    return location.label


class SitePath:
    """Finds the schedule of a site of a Zope."""

    def __init__(self, location: ZopeLocation) -> None:
        self.location = location

    def __str__(self) -> str:
        return self.location.label

    def __call__(self, root: Any) -> Any:
        """The schedule, or None."""
        try:
            return self.location.find(root._p_jar)
        except CommandError as error:
            log.debug('%s', error.message)
            return None


# -- the server --------------------------------------------------------------


class Served:
    """Serves an application until a signal ends that."""

    def __init__(self, app: Any, place: Bind, threads: int,
                 proxy: dict[str, str]) -> None:
        self.sockets = place.sockets()
        self.server = required('waitress.server').create_server(
            app, sockets=self.sockets, threads=threads, ident=None,
            url_scheme=proxy.get('scheme', 'http'),
            url_prefix=proxy.get('prefix', ''),
            connection_limit=MOST_CONNECTIONS,
            max_request_header_size=LARGEST_HEADERS,
            max_request_body_size=LARGEST_BODY)

    def run(self) -> None:
        """Answer requests; returns when that was ended."""
        for each in self.sockets:
            host, port, *_ = each.getsockname()
            log.info('The pages are at http://%s:%d/',
                     f'[{host}]' if ':' in host else host, port)
        self.server.run()
        self.server.close()

    def finish(self) -> None:
        """Answer what was asked, and end: waitress ends by this."""
        raise SystemExit

    abort = finish
