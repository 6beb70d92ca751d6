"""What Sphinx needs to know; build with ``sphinx-build -W docs BUILT``."""

from importlib.metadata import version as installed_version
from pathlib import Path
from runpy import run_path


HERE = Path(__file__).parent

# At each build, so that the picture cannot differ from the code.
picture = run_path(str(HERE / 'draw_packages.py'))
HERE.joinpath('packages.svg').write_text(
    picture['draw'](picture['modules']()), encoding='utf-8')
del picture

project = 'zodbschedule'
author = 'zodbschedule contributors'
copyright = '2026, zodbschedule contributors'
release = installed_version('zodbschedule')
version = '.'.join(release.split('.')[:2])

extensions = [
    'sphinx.ext.autodoc',
    'sphinx.ext.viewcode',
]

nitpicky = False
# a link where the name is known, and no complaint where it is not
default_role = 'py:obj'
exclude_patterns = ['_build']

autodoc_default_options = {
    'members': True,
    'member-order': 'bysource',
}
autodoc_typehints = 'description'

html_theme = 'alabaster'
html_theme_options = {
    'description': 'A task scheduler that lives in the ZODB',
    'fixed_sidebar': True,
}
