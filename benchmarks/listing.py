"""What `zodbschedule list` costs, with few tasks and with many.

The processor time of the whole command, as a user calls it: a process that
starts, imports, opens a FileStorage, prints a table and ends.  Against a floor
in the same run: a process that imports the libraries that the command cannot
do without; and against the same command with few tasks.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import transaction
import ZODB
from measuring import arguments
from measuring import distinct
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from ZODB.FileStorage import FileStorage


FEW = 100

# Tasks in one transaction, while the databases are made.
BATCH = 5000

FLOOR = [sys.executable, '-c',
         'import ZODB.DB, ZODB.FileStorage.FileStorage, click, rich.table']


def make_database(path: Path, number: int) -> list[str]:
    """A database with that many tasks; the command that lists them."""
    db = ZODB.DB(FileStorage(str(path)))
    connection = db.open()
    schedule = new_schedule(connection.root())
    for done, time in enumerate(distinct(number)):
        schedule.call('gc.collect', time=time)
        if done % BATCH == 0:
            transaction.commit()
            connection.cacheMinimize()
    transaction.commit()
    db.close()
    return [sys.executable, '-m', 'zodbschedule', 'list', '--db', str(path)]


def processor_time(command: list[str], folder: Path) -> float:
    """The seconds that the process of *command* used, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # With compiled modules, as where the package is installed.
    env = {**os.environ, 'PYTHONPYCACHEPREFIX': str(folder)}
    env.pop('PYTHONDONTWRITEBYTECODE', None)
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime
            + after.ru_stime - before.ru_stime)


def measure(folder: Path, many: int, rounds: int) -> None:
    commands = {
        'floor': FLOOR,
        'few': make_database(folder / 'few.fs', FEW),
        'many': make_database(folder / 'many.fs', many)}
    for command in commands.values():
        processor_time(command, folder)  # compiles
    taken = [
        {name: processor_time(command, folder)
         for name, command in commands.items()} for _ in range(rounds)]
    show('median of', *(
        f'{name} {median(each[name] for each in taken):.3f} s'
        for name in commands))
    verdict(f'list of {many}', [each['many'] for each in taken], '<= 0.4',
            '.3f', 'seconds')
    verdict(f'list of {many} against the imports',
            [each['many'] / each['floor'] for each in taken], '<= 2.5')
    verdict(f'list of {many} against {FEW}',
            [each['many'] / each['few'] for each in taken], '<= 1.25')


def main() -> None:
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), 1000 if args.quick else 100_000,
                1 if args.quick else 9)


if __name__ == '__main__':
    main()
