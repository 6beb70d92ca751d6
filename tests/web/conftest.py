"""The schedule is in memory, and the clock stands still."""

from in_memory import clock as clock
from in_memory import commit as commit
from in_memory import schedule as schedule
