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
"""Text as it can be stored, printed and logged anywhere."""

import re


# In characters.  Longer, and the message of a database driver fills a screen;
# shorter, and the end of a long path, which tells most, is lost.
MAX_LENGTH = 500


def one_line(text: object, limit: int = MAX_LENGTH) -> str:
    """*text* in one printable line of at most *limit* characters."""
    line = ' '.join(str(text).split())
    line = ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}'
                   for c in line)
    return line if len(line) <= limit else f'{line[:limit]}…'


def text(value: str, limit: int) -> str:
    """*value* as valid Unicode, of about *limit* characters at most.

    The middle is left out.
    """
    if not value.isascii():
        value = value.encode('utf-8', 'replace').decode('utf-8')
    if len(value) <= limit:
        return value
    half = limit // 2
    return f'{value[:half]}\n…\n{value[-half:]}'


def without_password(name: str) -> str:
    """The URI or the name of a database, as it may be shown.

    The log is read, and so are, for example, the mails of cron.
    """
    name = re.sub(r'(://[^:/@]*:)[^/]*@', r'\1***@', name)
    return re.sub(r'\b(password|passwd)=[^&\s]*', r'\1=***', name)
