"""Errors whose classes do not let them be told, each in a way of its own."""

from datetime import timedelta

from zodbschedule import GiveUp
from zodbschedule import RetryLater


def refuse(self, *args):
    raise RuntimeError('odd')


class StrRaises(Exception):
    __str__ = __repr__ = refuse


class StrExits(Exception):
    def __str__(self):
        raise SystemExit('odd')


class StrIsNumber(Exception):
    def __str__(self):
        return 5


class OddText(str):
    split = join = encode = isascii = __format__ = __len__ = refuse


class StrIsOdd(Exception):
    def __str__(self):
        return OddText('odd')


class AllRaises(Exception):
    __getattribute__ = refuse


class Meta(type):
    def __getattribute__(cls, name):
        if name in ('__module__', '__qualname__', '__name__', '__mro__'):
            raise RuntimeError('odd')
        return super().__getattribute__(name)


class OddMeta(Exception, metaclass=Meta):
    pass


class FalseError(Exception):
    def __bool__(self):
        return False


class BoolRaises(Exception):
    __bool__ = refuse


class LenRaises(Exception):
    __len__ = refuse


class EqRaises(Exception):
    __eq__ = __hash__ = refuse


class Server(RetryLater):
    """It does not call the __init__ of its base."""

    def __init__(self):
        self.server = 's1'


class Gone(GiveUp):
    def __init__(self):
        self.url = 'u'


class GoneSays(Gone):
    __str__ = refuse


class ReasonIsNone(RetryLater):
    def __init__(self):
        super().__init__()
        self.reason = None


def with_property(name, base=Exception):
    return type(f'Odd{name}', (base,), {
        name: property(refuse), '__module__': __name__,
        '__init__': lambda self, *args: None})('said')


def later(delay):
    error = RetryLater()
    error.delay = delay
    return error


def noted():
    error = ValueError('said')
    error.__notes__ = 7
    return error


def looped():
    one, two = ValueError('one'), ValueError('two')
    one.__cause__, two.__cause__ = two, one
    return one


def led_to_by(cause):
    error = ValueError('said')
    error.__cause__ = cause
    return error


def deep():
    error = ValueError('said')
    for _ in range(3000):
        error = ExceptionGroup('g', [error])
    return error


def without_module():
    cls = type('Local', (Exception,), {'__module__': None})
    return cls('said')


def of_no_module():
    """As code makes one that runs outside of any module."""
    names = {}
    exec("error = type('Local', (Exception,), {})('said')", names)
    return names['error']


class DirRaises:
    __dir__ = refuse


class SubclassOfGroup(ExceptionGroup):
    @property
    def exceptions(self):
        raise RuntimeError('odd')


#: what it is -> makes such an error
FAILING = {
    'str raises': StrRaises,
    'str exits': StrExits,
    'str is a number': StrIsNumber,
    'str is odd': StrIsOdd,
    'every attribute raises': AllRaises,
    'metaclass raises': OddMeta,
    'false': FalseError,
    'bool raises': BoolRaises,
    'len raises': LenRaises,
    'eq raises': EqRaises,
    'notes raise': lambda: with_property('__notes__'),
    'cause raises': lambda: with_property('__cause__'),
    'context raises': lambda: with_property('__context__'),
    'class raises': lambda: with_property('__class__'),
    'traceback raises': lambda: with_property('__traceback__'),
    'args raise': lambda: with_property('args'),
    'notes are a number': noted,
    'led to each other': looped,
    'odd cause': lambda: led_to_by(StrRaises()),
    'false cause': lambda: led_to_by(FalseError('the cause')),
    'cause whose bool raises': lambda: led_to_by(BoolRaises('the cause')),
    'syntax: text is a number': lambda: SyntaxError('bad', ('f', 1, 1, 5)),
    'syntax: far columns': lambda: SyntaxError(
        'bad', ('f', 1, 10**6, 'x', 1, -5)),
    'syntax: all are odd': lambda: SyntaxError(
        'bad', (b'f', 'l', 'o', object(), [], {})),
    'attribute of what has no dir': lambda: AttributeError(
        'bad', name='x', obj=DirRaises()),
    'surrogates': lambda: ValueError('\udcff\x00\x1b'),
    'huge': lambda: ValueError('x' * 3_000_000),
    'no module': without_module,
    'of no module': of_no_module,
    'group in group in group': deep,
    'group that hides': lambda: SubclassOfGroup('g', [ValueError('x')]),
    'gives up without a reason': Gone,
    'gives up, and cannot say why': GoneSays,
    'an odd one in a group': lambda: ExceptionGroup('g', [AllRaises()]),
}
#: those that ask to be tried again
ASKING = {
    'no init': Server,
    'no reason': ReasonIsNone,
    'reason raises': lambda: with_property('reason', RetryLater),
    'delay raises': lambda: with_property('delay', Server),
    'delay is a number': lambda: later(60),
    'delay is negative': lambda: later(-timedelta(days=1)),
}
