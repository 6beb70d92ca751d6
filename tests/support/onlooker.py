"""Somebody who looks at a database while others work on it."""

from contextlib import contextmanager

from databases import wait_until


class Onlooker:
    """Looks, and changes things, in a connection of its own."""

    def __init__(self, database, path='schedule'):
        self.connection = database.client().open()
        self.manager = self.connection.transaction_manager
        self.path = path

    @property
    def schedule(self):
        """The schedule, in the transaction of the moment."""
        return self.connection.root()[self.path]

    @contextmanager
    def transaction(self):
        """Inside, what is changed is committed; gives the schedule."""
        with self.root():
            yield self.schedule

    @contextmanager
    def root(self):
        """Inside, what is changed is committed; gives the root."""
        self.manager.abort()
        with self.manager:
            yield self.connection.root()
        self.manager.begin()

    def add(self, *tasks):
        """Schedule *tasks*, and commit that."""
        with self.transaction() as schedule:
            for task in tasks:
                schedule.schedule(task)

    def look(self, see):
        """What *see* finds in the schedule of this moment."""
        self.manager.abort()
        self.manager.begin()
        return see(self.schedule)

    def wait(self, see, what='what a worker is to do'):
        """Return when *see* finds something in the schedule."""
        wait_until(lambda: self.look(see), what)

    def outcomes(self):
        """The description and outcome of each run, the first one first."""
        return self.look(lambda schedule: [
            (entry.description, entry.outcome)
            for entry in reversed(list(schedule.history))])

    def endings(self):
        """The same, with what went wrong."""
        return self.look(lambda schedule: [
            (entry.description, entry.outcome, entry.error)
            for entry in reversed(list(schedule.history))])

    def ran(self):
        """The descriptions of the tasks that have succeeded, in order."""
        return [name for name, outcome in self.outcomes()
                if outcome == 'succeeded']

    def wait_for(self, *names):
        """Return when each of these tasks has succeeded."""
        wait_until(lambda: set(names) <= set(self.ran()), f'{names}')

    def claims(self):
        """The names of those who have a claim."""
        return self.look(lambda schedule: [
            claim.name for claim in schedule.claims.values()])

    def names(self):
        """What waits, by description."""
        return self.look(lambda schedule: [
            task.description for task in schedule])

    def turns(self):
        """How many turns those have made who work."""
        return self.look(lambda schedule: sum(
            claim.turns for claim in schedule.claims.values()))

    def tid(self):
        """The last transaction of the database, as this client knows it."""
        self.manager.abort()
        self.manager.begin()
        return self.connection._storage.lastTransaction()
