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
"""Importing what an application registers in its modules."""

import importlib
import os
import sys
from collections.abc import Iterable

from zodbschedule.cli.errors import Problem


def import_modules(names: Iterable[str]) -> None:
    """Import them in order, also from the current directory.

    That comes first on the path then, as ``python -m`` has it.
    """
    for name in names:
        _look_here()
        _import(name)


def _look_here() -> None:
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and (
                f'{name}.'.startswith(f'{error.name}.')):
            raise Problem(f'--import {name}: there is no module '
                          f'{error.name}') from error
        raise Problem(f'--import {name}: {type(error).__name__}: {error}'
                      ) from error
