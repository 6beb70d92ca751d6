"""The schedule is in memory."""

from in_memory import schedule as schedule
