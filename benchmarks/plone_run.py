"""What a run inside of Plone costs, against a bare run of the same process.

Needs a Plone: run it with the Python that has one, see
tests/plone/requirements.txt.  A task that does nothing, in a site, as the
system, as a user of the site and as one of the root; in the application root,
which is no site; and in a plain schedule of the same database, on a
FileStorage.  By the clock and in microseconds; then what surrounds a run, each
part by itself.
"""

import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measuring import NOW
from measuring import NoOp
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import show
from measuring import verdict


CONF = """\
instancehome {home}
<zodb_db main>
    <filestorage>
        path {home}/Data.fs
    </filestorage>
    mount-point /
</zodb_db>
"""

SITE = """\
<configure xmlns="http://namespaces.zope.org/zope"
           xmlns:five="http://namespaces.zope.org/five">
  <include package="Zope2.App" />
  <five:loadProducts file="meta.zcml" />
  <five:loadProducts />
</configure>
"""

ROUNDS = 5

#: what is timed by itself: of the environment, with the names to be shown
PARTS = {
    'make_request': 'the request', 'descend': 'going to the site',
    'find_user': 'the user'}


def start(home: Path) -> Any:
    """A Zope with a Plone site; the application root."""
    (home / 'etc').mkdir()
    (home / 'etc' / 'site.zcml').write_text(SITE)
    conf = home / 'zope.conf'
    conf.write_text(CONF.format(home=home))
    import Zope2
    from Zope2.Startup.run import configure_wsgi
    configure_wsgi(os.fspath(conf))
    Zope2.startup_wsgi()
    import transaction
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.users import system
    from Products.CMFPlone.factory import addPloneSite
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest
    app = makerequest(Zope2.app())
    setRequest(app.REQUEST)
    newSecurityManager(None, system)
    addPloneSite(app, 'Plone', title='A site', extension_ids=(
        'plone.app.contenttypes:default', 'zodbschedule.zope:default'))
    app.Plone.acl_users.userFolderAddUser(
        'jane', 'a-long-secret', ['Member'], [])
    app.acl_users.userFolderAddUser('joe', 'a-long-secret', ['Manager'], [])
    transaction.commit()
    return app


def cost(schedule: Any, principal_id: str | None, tasks: int) -> float:
    """Microseconds for each of so many runs."""
    manager = schedule._p_jar.transaction_manager
    for instant in distinct(tasks):
        task = NoOp(instant)
        task.principalId = principal_id
        schedule.schedule(task)
    manager.commit()
    begun = time.perf_counter()
    tally = schedule.process(NOW)
    seconds = time.perf_counter() - begun
    assert tally.succeeded == tasks, tally
    return seconds / tasks * 1e6


def parts(schedule: Any, principal_id: str, tasks: int) -> dict[str, float]:
    """Microseconds a run, of each part of what surrounds it."""
    from zodbschedule.zope import environment as environment
    spent: dict[str, float] = defaultdict(float)
    originals = {name: getattr(environment, name) for name in PARTS}

    def timed(name: str) -> Any:
        def call(*args: Any) -> Any:
            begun = time.perf_counter()
            try:
                return originals[name](*args)
            finally:
                spent[name] += time.perf_counter() - begun

        return call

    for name in PARTS:
        setattr(environment, name, timed(name))
    try:
        spent['whole'] = cost(schedule, principal_id, tasks) * tasks / 1e6
    finally:
        for name, original in originals.items():
            setattr(environment, name, original)
    return {name: seconds / tasks * 1e6 for name, seconds in spent.items()}


def main() -> None:
    args = arguments(__doc__)
    tasks, rounds = (20, 1) if args.quick else (1000, ROUNDS)
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name:
        app = start(Path(name))
        from zodbschedule.zope import get_schedule
        from zodbschedule.zope import install
        from zodbschedule.zope.users import SYSTEM
        root = app._p_jar.root()
        bare = new_schedule(root)
        plone, zope = get_schedule(app.Plone), install(app)
        app._p_jar.transaction_manager.commit()
        cases = {
            'in the root of Zope, as the system': (zope, SYSTEM),
            'in Plone, as the system': (plone, SYSTEM),
            'in Plone, as a user of the site': (plone, 'acl_users:jane'),
            'in Plone, as a user of the root': (plone, '/acl_users:joe')}
        floor = cost(bare, None, tasks)
        ratios: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for what, (schedule, principal_id) in cases.items():
                found = cost(schedule, principal_id, tasks)
                before, floor = floor, cost(bare, None, tasks)
                ratios[what].append(2 * found / (before + floor))
                show(what, f'{found:.0f} us', 'bare:', f'{floor:.0f} us')
        for what, values in ratios.items():
            verdict(f'a run {what}, against a bare one', values, 'none')
        spent = parts(plone, 'acl_users:jane', tasks)
        for part, what in PARTS.items():
            show(f'of a run in Plone, {what}', f'{spent[part]:.0f} us',
                 f'of {spent["whole"]:.0f} us')


if __name__ == '__main__':
    main()
