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
"""Where a server listens, and whom that lets in."""

import socket
from ipaddress import ip_address
from typing import NamedTuple

from zodbschedule.cli.errors import CommandError


class Bind(NamedTuple):
    """What --bind says, and what that means here."""

    host: str
    port: int
    #: of each: the family, and what a socket is bound to
    addresses: tuple[tuple[int, tuple[str, int]], ...]

    def __str__(self) -> str:
        return f'[{self.host}]:{self.port}' if ':' in self.host else (
            f'{self.host}:{self.port}')

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches all of it."""
        return all(is_loopback(address[0]) for _, address in self.addresses)

    def sockets(self) -> list[socket.socket]:
        """Those that listen; raises CommandError."""
        found: list[socket.socket] = []
        try:
            for family, address in self.addresses:
                found.append(_bound(family, address))
        except OSError as error:
            for each in found:
                each.close()
            raise CommandError(
                f'--bind {self}: nobody can listen there: {error.strerror}; '
                f'choose another port or address') from error
        return found


def bind_of(text: str) -> Bind:
    """From ``127.0.0.1:8060``, ``[::1]:8060``, ``localhost:8060``.

    Raises CommandError.
    """
    host, colon, port = text.rpartition(':')
    host = host.removeprefix('[').removesuffix(']')
    if not host or not port.isascii() or not port.isdecimal() or (
            int(port) > 65535):
        raise CommandError(
            f'--bind {text} is not an address and a port; write, for example, '
            f'127.0.0.1:8060 or [::1]:8060')
    return Bind(host, int(port), _addresses(host, int(port)))


def _addresses(host: str, port: int
               ) -> tuple[tuple[int, tuple[str, int]], ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f'--bind {host}:{port}: the host is not known; give an address '
            f'of this machine') from error
    return tuple(dict.fromkeys(
        (int(family), (str(address[0]), port))
        for family, *_, address in found))


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches that address."""
    found = ip_address(address.partition('%')[0])
    mapped = getattr(found, 'ipv4_mapped', None)
    return bool((mapped or found).is_loopback)


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
