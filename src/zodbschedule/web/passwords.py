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
"""HTTP basic authentication by a file of passwords.

Each line is ``user:scrypt$n$r$p$salt$hash``.  To try a password takes memory
and time on purpose, so few are tried at once, and who was right is remembered
for some minutes: a page that updates itself asks every few seconds.
"""

import hashlib
import secrets
import threading
import time
from base64 import b64decode
from base64 import b64encode
from collections.abc import Iterable
from typing import NamedTuple
from unicodedata import normalize

from webob import Request
from webob.exc import HTTPTooManyRequests
from webob.exc import HTTPUnauthorized

from zodbschedule.logger import log
from zodbschedule.web.seal import Seal


# What a new hash costs: 32 MiB and some 0.1 s.  Less, and who has the file
# tries passwords faster; more, and each login takes longer.
N, R, P = 2 ** 15, 8, 1

# What a hash may cost, so that a wrong line takes neither all memory nor
# minutes: 128 bytes times n times r, and that p times.
MOST = 2 ** 28

# How many passwords are tried at once.  More, and whoever has none keeps more
# of the processors and of the threads that serve pages.
AT_ONCE = 2

# For how many seconds who was right is remembered, and how many.
KEPT = 300
MOST_KEPT = 1000

# In characters; longer ones are wrong.
LONGEST = 1000


class InvalidPasswords(ValueError):
    """A line that is none of a password file."""


class Hash(NamedTuple):
    """What is kept of a password."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    @classmethod
    def of(cls, password: str) -> 'Hash':
        """A new one."""
        made = cls(N, R, P, secrets.token_bytes(16), b'')
        return made._replace(hash=made.scrypt(password))

    @classmethod
    def parsed(cls, text: str) -> 'Hash':
        """The one that a line holds; raises ValueError for no such text."""
        kind, n, r, p, salt, hash = text.split('$')
        found = cls(int(n), int(r), int(p), b64decode(salt, validate=True),
                    b64decode(hash, validate=True))
        if kind != 'scrypt' or not found._is_sound():
            raise ValueError
        return found

    def _is_sound(self) -> bool:
        """Whether it can be tried, and has a hash and a salt."""
        return (self.n > 1 and self.n & self.n - 1 == 0 and self.r > 0
                and self.p > 0 and 128 * self.n * self.r * self.p <= MOST
                # As the algorithm demands.
                and self.n.bit_length() <= 16 * self.r
                and len(self.salt) >= 8 and len(self.hash) == 64)

    def scrypt(self, password: str) -> bytes:
        """The hash of that password."""
        return hashlib.scrypt(
            normal(password).encode('utf-8', 'replace'), salt=self.salt,
            n=self.n, r=self.r, p=self.p,
            maxmem=128 * self.r * (self.n + self.p + 2) + 2 ** 20)

    def is_of(self, password: str) -> bool:
        """Whether it is the right one; takes the same time for all."""
        return secrets.compare_digest(self.scrypt(password), self.hash)

    def __str__(self) -> str:
        return '$'.join(('scrypt', str(self.n), str(self.r), str(self.p),
                         b64encode(self.salt).decode(),
                         b64encode(self.hash).decode()))


def line_for(user: str, password: str) -> str:
    """A line of a password file; raises `InvalidPasswords`."""
    if not _is_name(user):
        raise InvalidPasswords(
            f'the user {user!r} has no name, or one with a colon, a number '
            f'sign, or space around it; choose another')
    return f'{user}:{Hash.of(password)}'


def _is_name(user: str) -> bool:
    """Whether a line can hold it."""
    return (user.isprintable() and user == user.strip() != ''
            and ':' not in user and not user.startswith('#'))


def normal(text: str) -> str:
    """The same letters as browsers send them, however they were typed."""
    return normalize('NFC', text)


def parse(lines: Iterable[str]) -> dict[str, Hash]:
    """The users in those lines; raises `InvalidPasswords`."""
    users = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith('#'):
            continue
        user, _, text = line.strip().partition(':')
        try:
            if not _is_name(user):
                raise ValueError
            users[normal(user)] = Hash.parsed(text)
        except ValueError as error:
            # The line is not shown: a password may stand in it.
            raise InvalidPasswords(
                f'line {number} is not user:scrypt$n$r$p$salt$hash; make '
                f'it with: zodbschedule web --make-password USER') from error
    if not users:
        raise InvalidPasswords(
            'it has no user; make a line with: zodbschedule web '
            '--make-password USER')
    return users


class Passwords:
    """Who asks, by HTTP basic authentication: see `zodbschedule.web.access`.
    """

    def __init__(self, users: dict[str, Hash]) -> None:
        self.users = users
        #: tried for who is no user, so that this costs the same
        self.nobody = next(iter(users.values()))._replace(hash=bytes(64))
        self.seal = Seal()
        #: until when what was right is remembered
        self.right: dict[str, float] = {}
        self.slots = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, request: Request) -> str:
        """The user; raises HTTPUnauthorized unless the password is right."""
        user, password = _credentials(request)
        mark = self.seal.mark('login', user, password)
        if self.right.get(mark, 0) < time.monotonic():
            self._try(user, password)
            self._remember(mark)
        return user

    def _try(self, user: str, password: str) -> None:
        if not self.slots.acquire(blocking=False):
            raise HTTPTooManyRequests(
                'Many passwords are tried just now. Try again in a moment.',
                headers={'Retry-After': '1'})
        try:
            right = self.users.get(user, self.nobody).is_of(password)
        finally:
            self.slots.release()
        if not right:
            log.warning('A wrong password was given %s.',
                        f'for {user}' if user in self.users else
                        'for a user that does not exist')
            raise _unauthorized()

    def _remember(self, mark: str) -> None:
        if len(self.right) >= MOST_KEPT:
            self.right.clear()
        self.right[mark] = time.monotonic() + KEPT


def _credentials(request: Request) -> tuple[str, str]:
    """What the browser has sent; raises HTTPUnauthorized."""
    scheme, _, sent = request.headers.get('Authorization', '').partition(' ')
    try:
        text = b64decode(sent, validate=True).decode()
    except ValueError:
        text = ''
    user, colon, password = normal(text).partition(':')
    if scheme.lower() != 'basic' or not colon or len(text) > LONGEST:
        raise _unauthorized()
    return user, password


def _unauthorized() -> HTTPUnauthorized:
    return HTTPUnauthorized(
        'Log in with your name and your password.', headers={
            'WWW-Authenticate': 'Basic realm="zodbschedule", charset="UTF-8"'})
