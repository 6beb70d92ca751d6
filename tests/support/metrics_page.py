"""What the chapter on metrics says that there is."""

import re
from pathlib import Path


PAGE = Path(__file__).parents[2].joinpath('docs', 'metrics.rst')


def documented():
    """The metrics of the page: name -> labels, beside ``schedule``."""
    rows = re.findall(
        r'^   \* - ``(zodbschedule_\w+)``\n     -(.*)\n',
        PAGE.read_text(encoding='utf-8'), re.M)
    return {name: set(re.findall(r'``(\w+)``', labels))
            for name, labels in rows}
