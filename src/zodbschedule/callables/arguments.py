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
"""Whether a function takes the arguments that it is to be called with."""

import inspect
from collections.abc import Mapping
from functools import lru_cache
from inspect import Signature
from types import BuiltinFunctionType
from types import FunctionType
from types import MethodType
from typing import Any

from persistent import Persistent

from zodbschedule.interfaces import InvalidTask


#: what belongs to a module, and not to a database
OF_CODE = FunctionType, BuiltinFunctionType, type


def refuse_arguments(name: object, func: Any, args: tuple[Any, ...],
                     kwargs: Mapping[str, Any]) -> None:
    """Raise `InvalidTask` if *func* cannot be called with them.

    What tells no signature, as much that is written in C, takes anything.
    """
    if isinstance(func, MethodType):
        func, args = func.__func__, (func.__self__, *args)
    elif isinstance(getattr(func, '__self__', None), Persistent):
        return  # it is written in C
    try:
        # Else the cache would keep objects of a database.
        signature = (_known_signature if isinstance(func, OF_CODE) else
                     _signature)(func)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidTask(
            f'{name} cannot be called with what is given: {error}. Its '
            f'arguments follow it, or are in kwargs={{...}}; other keywords '
            f'are options of the task') from None


def _signature(func: Any) -> Signature:
    # What a decorator has decorated does not count: arguments may be its own.
    return inspect.signature(func, follow_wrapped=False)


# To read a signature takes longer than to schedule a task.
_known_signature = lru_cache(maxsize=500)(_signature)
