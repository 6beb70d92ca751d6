"""The moments of every commit that a process makes, told to a test.

Nothing happens between the end of one step of a commit and the beginning of
the next that anybody else could see.  So these are the moments before each
step, within the last one, when all is stored and the client does not know
that yet, and after it.
"""

from relstorage.storage import RelStorage
from ZODB.mvccadapter import MVCCAdapter


STEPS = ('tpc_begin', 'store', 'checkCurrentSerialInTransaction', 'tpc_vote',
         'tpc_finish')

#: all moments
MOMENTS = [*(f'before {step}' for step in STEPS),
           'in tpc_finish', 'after tpc_finish']

#: those until which nobody else waits for the end of the commit
UNSEEN = 'before tpc_begin', 'before tpc_vote'

#: the last before all is stored, and the first after that
EDGES = 'before tpc_finish', 'in tpc_finish'


def tell_moments(reached):
    """Call *reached* with the name of each moment, from now on, for good."""
    for cls in MVCCAdapter, RelStorage:
        cls.new_instance = _telling(cls.new_instance, reached)


def _telling(new_instance, reached):
    """Each connection has an instance of its storage of its own."""
    def told(self, *args, **options):
        storage = new_instance(self, *args, **options)
        for step in STEPS:
            setattr(storage, step, _tell(
                step, getattr(storage, step), reached))
        return storage
    return told


def _tell(step, original, reached):
    def before(*args):
        reached(f'before {step}')
        return original(*args)

    def around(transaction, done=lambda tid: None):
        def within(tid):
            reached('in tpc_finish')
            done(tid)

        reached('before tpc_finish')
        tid = original(transaction, within)
        reached('after tpc_finish')
        return tid

    return around if step == 'tpc_finish' else before
