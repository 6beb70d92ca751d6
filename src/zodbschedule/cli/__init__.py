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
"""The command line: ``zodbschedule COMMAND --db URI``.

This module imports nothing that the ``cli`` extra brings, so that an install
without it can say what is missing.
"""

import sys
from importlib.util import find_spec


#: what the ``cli`` extra brings
NEEDED = ('click', 'rich', 'zodburi')


def main() -> None:
    """Run the command that the arguments of the process name."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f'zodbschedule: the command line needs {", ".join(missing)}: '
              f"pip install 'zodbschedule[cli]'", file=sys.stderr)
        sys.exit(2)
    from zodbschedule.cli.commands import commands
    commands(prog_name='zodbschedule')
