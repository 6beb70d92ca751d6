"""Print constraints for pip: each dependency at the oldest version we allow.

Reads pyproject.toml, whose dependencies all say ``name>=version``.
"""

import sys
import tomllib
from pathlib import Path


def main(path):
    project = tomllib.loads(Path(path).read_text(encoding='utf-8'))['project']
    for dependency in project['dependencies']:
        name, separator, version = dependency.partition('>=')
        if not separator or not version.replace('.', '').isdigit():
            sys.exit(f'{dependency!r} does not say name>=version')
        print(f'{name}=={version}')


if __name__ == '__main__':
    main(sys.argv[1])
