"""Zones that a test invents, and can change as governments do."""

import inspect
import struct
import sys
import zoneinfo

from zodbschedule import recurrence


class ZoneDatabase:
    """A folder of zone files, the first that zoneinfo looks into."""

    def __init__(self, folder):
        self.folder = folder
        self.names = set()
        zoneinfo.reset_tzpath(to=[str(folder), *zoneinfo.TZPATH])

    def update(self, name, rule):
        """Write the file of a zone, such as CET-1CEST,M3.5.0,M10.5.0/3.

        This process does not see it before `restart`.
        """
        self.names.add(name)
        (self.folder / name).write_bytes(zone_file(rule))

    def restart(self):
        """Forget what a process remembers of these zones, as its end would.

        Not of others: tests compare these by identity.
        """
        zoneinfo.ZoneInfo.clear_cache(only_keys=self.names)
        for name, module in [*sys.modules.items()]:
            if name.startswith(recurrence.__name__):
                for cached in cached_in(module):
                    cached.cache_clear()

    def close(self):
        zoneinfo.reset_tzpath()
        self.restart()


def cached_in(module):
    """What a module, or a class in it, has in a cache."""
    places = [module, *(one for _, one in inspect.getmembers(
        module, inspect.isclass))]
    return [one for place in places for one in vars(place).values()
            if hasattr(one, 'cache_clear')]


def zone_file(rule):
    """A zone file (RFC 9636) whose rule holds at all times."""
    def block(version):
        # one type of local time, which nothing refers to, with the name UTC
        return (b'TZif' + version + bytes(15)
                + struct.pack('>6l', 0, 0, 0, 0, 1, 4)
                + struct.pack('>lbb', 0, 0, 0) + b'UTC\0')

    return block(b'2') + block(b'2') + f'\n{rule}\n'.encode()
