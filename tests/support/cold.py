"""What is loaded when nothing is in the cache."""


def cold_loads(schedule, read):
    """How many objects *read* loads into an empty cache."""
    connection = schedule._p_jar.db().open()
    try:
        again = connection.get(schedule._p_oid)
        connection.cacheMinimize()
        connection.getTransferCounts(clear=True)
        read(again)
        return connection.getTransferCounts()[0]
    finally:
        connection.close()


class Counting:
    """Counts what connections of a database load, until they are closed."""

    loads = 0

    def closedConnection(self, connection):
        self.loads += connection.getTransferCounts(clear=True)[0]


def loads_of_all(db, read):
    """How many objects the connections that *read* opens load, all cold."""
    db._connectionMap(lambda each: each.getTransferCounts(clear=True))
    db.cacheMinimize()
    counting = Counting()
    db.setActivityMonitor(counting)
    read()
    db.setActivityMonitor(None)
    return counting.loads
