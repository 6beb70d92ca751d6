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
"""Work that a call only prepares: then nobody would do it.

A call of a coroutine function or of a generator function does nothing of what
the function says; it returns an object that would.  Such functions are refused
when they are scheduled.  A decorator may hide one, and a plain function may
return such an object: then the run fails.
"""

import inspect
from collections.abc import Awaitable
from concurrent.futures import Future
from types import AsyncGeneratorType
from types import CoroutineType
from types import FunctionType
from types import GeneratorType
from typing import Any

from zodbschedule.interfaces import InvalidTask


# How the work is done to its end.
BY_LOOP = 'by a loop over it'
BY_ASYNCIO = 'with asyncio.run()'

#: the functions whose call only prepares their work, in words, and how it is
#: done to its end
KINDS = (
    (inspect.iscoroutinefunction, 'a coroutine function', BY_ASYNCIO),
    (inspect.isgeneratorfunction, 'a generator function', BY_LOOP),
    (inspect.isasyncgenfunction, 'an async generator function', BY_ASYNCIO))

# What marks them in their code.
PREPARES = (inspect.CO_COROUTINE | inspect.CO_GENERATOR
            | inspect.CO_ASYNC_GENERATOR)

# What they and others return.  Other iterators are no sign of work that is
# left: a file is one, and so is the cursor of a database.
PREPARED = (
    ((GeneratorType, map, filter), BY_LOOP),
    ((Awaitable, AsyncGeneratorType), BY_ASYNCIO),
    ((Future,), 'by result(), which waits for it'))



def refuse_deferring(func: Any, of: object, name: str = '') -> None:
    """Raise `InvalidTask` if a call of *func* would only prepare its work.

    *of* and *name* say where it was found.  What a decorator returns counts,
    and not what it has decorated: it may run that to its end.
    """
    if type(func) is FunctionType and not func.__dict__ and (
            not func.__code__.co_flags & PREPARES):
        return  # most are such, and this is quick
    for is_kind, kind, how in KINDS:
        if is_kind(func):
            raise InvalidTask(
                f'{of}{name} is {kind}: a call of it does not do its work; '
                f'schedule a function that does it to its end, for instance '
                f'{how}')


def refuse_deferred(name: str, result: Any) -> None:
    """Raise `InvalidTask` if *result* of a call is work that is not done."""
    for types, how in PREPARED:
        if isinstance(result, types):
            told = repr(result)
            if isinstance(result, CoroutineType):
                # Else Python warns of it, and that says less than the error.
                result.close()
            raise InvalidTask(
                f'{name} returned {told}, whose work nobody does; do it to '
                f'its end before, for instance {how}')
