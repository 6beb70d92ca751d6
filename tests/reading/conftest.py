"""The schedule is in memory."""

from in_memory import clock as clock
from in_memory import commit as commit
from in_memory import schedule as schedule
