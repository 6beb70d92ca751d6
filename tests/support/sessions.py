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
"""What somebody types and sees on a page: files, commands, times that pass.

A page is gone through from the top to the bottom.  A code block with a caption
is a file that is written, as a deployment does; its module is imported anew.
In a console block ``sleep`` lets time pass, ``python`` runs such a file,
``cat`` shows one, and ``echo $?`` the last exit code.
"""

import importlib
import re
import runpy
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import pattern

from zodbschedule.cli import parse
from zodbschedule.cli.commands import commands


BLOCK = re.compile(
    r'^\.\. code-block:: (python|console|text)\n((?: +:.*\n)*)\n'
    r'((?:(?: .*)?\n)+)', re.M)


class Session:
    """A user who types what a page says, in the directory of *shell*."""

    def __init__(self, shell, clock, log):
        self.shell = shell
        self.clock = clock
        self.log = log
        #: the ids of the tasks, by those that the page shows
        self.ids = {}
        self.code = 0
        self.typed = 0
        #: what the page says that is not so
        self.wrong = []

    def follow(self, page: str) -> 'Session':
        """Do all that *page* says."""
        for language, options, text in BLOCK.findall(page):
            text = textwrap.dedent(text).strip() + '\n'
            if language == 'console':
                self.type_all(text)
            elif language == 'text':
                self.compare_log(text)
            elif options:
                self.write(options.split()[-1], text)
        return self

    def write(self, name: str, text: str) -> None:
        """Deploy a file."""
        Path(name).write_text(text)
        self.restart()

    def restart(self) -> None:
        """Forget the modules of the page, as a new process does."""
        here = str(Path.cwd())
        for name, module in list(sys.modules.items()):
            if (getattr(module, '__file__', None) or '').startswith(here):
                del sys.modules[name]
        importlib.invalidate_caches()

    def type_all(self, text: str) -> None:
        for command, expected in steps(text):
            self.typed += 1
            printed = self.type(*command)
            if command[1:2] == ['add'] and self.code == 0 or (
                    command[0] == 'python' and printed):
                # The page shows ids of its own.
                self.ids[expected] = printed
            self.compare(shlex.join(command), expected, printed)

    def type(self, program: str, *args: str) -> str:
        """What that command prints."""
        self.shell.capsys.readouterr()
        match program:
            case 'sleep':
                self.clock.advance(parse.duration(args[0]))
            case 'python':
                runpy.run_path(args[0])
            case 'rm':
                Path(args[0]).unlink()
                self.restart()
            case 'cat':
                return Path(args[0]).read_text().strip()
            case 'echo':
                return str(self.code)
            case _:
                with pytest.raises(SystemExit) as ended:
                    commands([self.ids.get(arg, arg) for arg in args])
                self.code = ended.value.code
        return ''.join(self.shell.capsys.readouterr()).strip()

    def translated(self, text: str) -> str:
        """With the ids that the tasks have, instead of those of the page."""
        return re.sub(r'\b[\da-f]+\b', lambda shown: self.ids.get(
            shown[0], shown[0]), text)

    def compare(self, what: str, expected: str, printed: str) -> None:
        expected = self.translated(expected)
        if not re.fullmatch(pattern(expected), printed, re.S):
            self.wrong.append(f'$ {what}\n{printed}\n')

    def compare_log(self, text: str) -> None:
        """Each paragraph has to be in the log."""
        said = [f'{record.levelname} {record.getMessage()}'
                for record in self.log.records]
        for line in text.split('\n\n'):
            wanted = pattern(self.translated(line))
            if not any(re.fullmatch(wanted, each, re.S) for each in said):
                self.wrong += [f'not in the log: {line}', *said]


def steps(text: str) -> Iterator[tuple[list[str], str]]:
    """The commands of a block, each with what it is said to print."""
    for step in re.split(r'^\$ ', text, flags=re.M)[1:]:
        command, _, output = step.partition('\n')
        yield shlex.split(command), output.strip()
