"""A record that a storage has lost, by a pack or by damage."""

from ZODB.POSException import POSKeyError


def lose(database, *objects):
    """Have the FileStorage of *database* lose the records of *objects*."""
    storage = database.db.storage
    lost = {one._p_oid for one in objects}
    load = storage.loadBefore

    def load_before(oid, tid):
        if oid in lost:
            raise POSKeyError(oid)
        return load(oid, tid)

    storage.loadBefore = load_before
    for one in objects:
        one._p_jar.cacheMinimize()
