"""Print the README's commands, one a line, as they stand there.

They are the lines of literal blocks that make a virtual environment.  The
prose around them may change; that there are two of them may not.
"""

import sys
from pathlib import Path


BEGINNING = 'python3 -m venv'
EXPECTED = ('zodbschedule demo', 'pytest')


def commands(text):
    """Those of the indented lines that begin as a command of ours does."""
    return [
        line.strip()
        for line in text.splitlines()
        if line[:1].isspace() and line.lstrip().startswith(BEGINNING)
    ]


def main(path):
    found = commands(Path(path).read_text(encoding='utf-8'))
    if len(found) != len(EXPECTED) or not all(
            command.endswith('/' + end)
            for command, end in zip(found, EXPECTED)):
        sys.exit(
            f'{path} should hold {len(EXPECTED)} commands that begin with '
            f'{BEGINNING!r} and end with {EXPECTED}; found: {found}')
    print('\n'.join(found))


if __name__ == '__main__':
    main(sys.argv[1])
