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
