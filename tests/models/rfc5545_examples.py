"""What RFC 5545 and calendars say: when which rules occur.

Each is a start, the text of a rule, and its first occurrences, or all where it
ends.
"""

from datetime import datetime


def days(text, time='09:00'):
    """The times of '1997-09: 2 12, 1997-10: 2'."""
    return [
        datetime.fromisoformat(f'{month}-{int(day):02}T{time}')
        for month, _, numbers in (
            each.partition(': ') for each in text.split(', '))
        for day in numbers.split()]


def hours(text):
    """The times of '1997-09-02: 9:00 9:30, 1997-09-03: 9:00'."""
    return [
        datetime.fromisoformat(f'{day}T{time:0>5}')
        for day, _, times in (
            each.partition(': ') for each in text.split(', '))
        for time in times.split()]


# The examples of RFC 5545, section 3.8.5.3, in its order, those within a day
# apart.  They end with COUNT or UNTIL, or else are the first of many.
DAYS = [
    ('1997-09-02', 'FREQ=DAILY;COUNT=10',
     '1997-09: 2 3 4 5 6 7 8 9 10 11'),
    ('1997-09-02', 'FREQ=DAILY;INTERVAL=2',
     '1997-09: 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30, 1997-10: 2 4 6'),
    ('1997-09-02', 'FREQ=DAILY;INTERVAL=10;COUNT=5',
     '1997-09: 2 12 22, 1997-10: 2 12'),
    ('1997-09-02', 'FREQ=WEEKLY;COUNT=10',
     '1997-09: 2 9 16 23 30, 1997-10: 7 14 21 28, 1997-11: 4'),
    ('1997-09-02', 'FREQ=WEEKLY;UNTIL=19971224T000000Z',
     '1997-09: 2 9 16 23 30, 1997-10: 7 14 21 28, 1997-11: 4 11 18 25, '
     '1997-12: 2 9 16 23'),
    ('1997-09-02', 'FREQ=WEEKLY;INTERVAL=2;WKST=SU',
     '1997-09: 2 16 30, 1997-10: 14 28, 1997-11: 11 25, 1997-12: 9 23, '
     '1998-01: 6 20, 1998-02: 3 17'),
    ('1997-09-02', 'FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH',
     '1997-09: 2 4 9 11 16 18 23 25 30, 1997-10: 2'),
    ('1997-09-02', 'FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH',
     '1997-09: 2 4 9 11 16 18 23 25 30, 1997-10: 2'),
    ('1997-09-01', 'FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;'
     'BYDAY=MO,WE,FR',
     '1997-09: 1 3 5 15 17 19 29, 1997-10: 1 3 13 15 17 27 29 31, '
     '1997-11: 10 12 14 24 26 28, 1997-12: 8 10 12 22'),
    ('1997-09-02', 'FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH',
     '1997-09: 2 4 16 18 30, 1997-10: 2 14 16'),
    ('1997-09-05', 'FREQ=MONTHLY;COUNT=10;BYDAY=1FR',
     '1997-09: 5, 1997-10: 3, 1997-11: 7, 1997-12: 5, 1998-01: 2, '
     '1998-02: 6, 1998-03: 6, 1998-04: 3, 1998-05: 1, 1998-06: 5'),
    ('1997-09-05', 'FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR',
     '1997-09: 5, 1997-10: 3, 1997-11: 7, 1997-12: 5'),
    ('1997-09-07', 'FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU',
     '1997-09: 7 28, 1997-11: 2 30, 1998-01: 4 25, 1998-03: 1 29, '
     '1998-05: 3 31'),
    ('1997-09-22', 'FREQ=MONTHLY;COUNT=6;BYDAY=-2MO',
     '1997-09: 22, 1997-10: 20, 1997-11: 17, 1997-12: 22, 1998-01: 19, '
     '1998-02: 16'),
    ('1997-09-28', 'FREQ=MONTHLY;BYMONTHDAY=-3',
     '1997-09: 28, 1997-10: 29, 1997-11: 28, 1997-12: 29, 1998-01: 29, '
     '1998-02: 26'),
    ('1997-09-02', 'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15',
     '1997-09: 2 15, 1997-10: 2 15, 1997-11: 2 15, 1997-12: 2 15, '
     '1998-01: 2 15'),
    ('1997-09-30', 'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1',
     '1997-09: 30, 1997-10: 1 31, 1997-11: 1 30, 1997-12: 1 31, '
     '1998-01: 1 31, 1998-02: 1'),
    ('1997-09-10', 'FREQ=MONTHLY;INTERVAL=18;COUNT=10;'
     'BYMONTHDAY=10,11,12,13,14,15',
     '1997-09: 10 11 12 13 14 15, 1999-03: 10 11 12 13'),
    ('1997-09-02', 'FREQ=MONTHLY;INTERVAL=2;BYDAY=TU',
     '1997-09: 2 9 16 23 30, 1997-11: 4 11 18 25, 1998-01: 6 13 20 27, '
     '1998-03: 3 10 17 24 31'),
    ('1997-06-10', 'FREQ=YEARLY;COUNT=10;BYMONTH=6,7',
     '1997-06: 10, 1997-07: 10, 1998-06: 10, 1998-07: 10, 1999-06: 10, '
     '1999-07: 10, 2000-06: 10, 2000-07: 10, 2001-06: 10, 2001-07: 10'),
    ('1997-03-10', 'FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3',
     '1997-03: 10, 1999-01: 10, 1999-02: 10, 1999-03: 10, 2001-01: 10, '
     '2001-02: 10, 2001-03: 10, 2003-01: 10, 2003-02: 10, 2003-03: 10'),
    ('1997-01-01', 'FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200',
     '1997-01: 1, 1997-04: 10, 1997-07: 19, 2000-01: 1, 2000-04: 9, '
     '2000-07: 18, 2003-01: 1, 2003-04: 10, 2003-07: 19, 2006-01: 1'),
    ('1997-05-19', 'FREQ=YEARLY;BYDAY=20MO',
     '1997-05: 19, 1998-05: 18, 1999-05: 17'),
    ('1997-05-12', 'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO',
     '1997-05: 12, 1998-05: 11, 1999-05: 17'),
    ('1997-03-13', 'FREQ=YEARLY;BYMONTH=3;BYDAY=TH',
     '1997-03: 13 20 27, 1998-03: 5 12 19 26, 1999-03: 4 11 18 25'),
    ('1997-06-05', 'FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8',
     '1997-06: 5 12 19 26, 1997-07: 3 10 17 24 31, 1997-08: 7 14 21 28, '
     '1998-06: 4 11 18 25, 1998-07: 2 9 16 23 30, 1998-08: 6 13 20 27'),
    ('1997-09-02', 'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13',
     '1998-02: 13, 1998-03: 13, 1998-11: 13, 1999-08: 13, 2000-10: 13'),
    ('1997-09-13', 'FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13',
     '1997-09: 13, 1997-10: 11, 1997-11: 8, 1997-12: 13, 1998-01: 10, '
     '1998-02: 7, 1998-03: 7, 1998-04: 11, 1998-05: 9, 1998-06: 13'),
    ('1996-11-05', 'FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;'
     'BYMONTHDAY=2,3,4,5,6,7,8',
     '1996-11: 5, 2000-11: 7, 2004-11: 2'),
    ('1997-09-04', 'FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3',
     '1997-09: 4, 1997-10: 7, 1997-11: 6'),
    ('1997-09-29', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2',
     '1997-09: 29, 1997-10: 30, 1997-11: 27, 1997-12: 30, 1998-01: 29, '
     '1998-02: 26, 1998-03: 30'),
    ('1997-08-05', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO',
     '1997-08: 5 10 19 24'),
    ('1997-08-05', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU',
     '1997-08: 5 17 19 31'),
    ('2007-01-15', 'FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5',
     '2007-01: 15 30, 2007-02: 15, 2007-03: 15 30'),
]
JANUARY = ' '.join(map(str, range(1, 32)))
JANUARIES = [
    ('1998-01-01', text, f'1998-01: {JANUARY}, 1999-01: {JANUARY}, '
                         f'2000-01: {JANUARY}')
    for text in (
        'FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;'
        'BYDAY=SU,MO,TU,WE,TH,FR,SA',
        'FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1')]
HOURS = [
    ('1997-09-02T09:00', 'FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z',
     '1997-09-02: 9:00 12:00 15:00'),
    ('1997-09-02T09:00', 'FREQ=MINUTELY;INTERVAL=15;COUNT=6',
     '1997-09-02: 9:00 9:15 9:30 9:45 10:00 10:15'),
    ('1997-09-02T09:00', 'FREQ=MINUTELY;INTERVAL=90;COUNT=4',
     '1997-09-02: 9:00 10:30 12:00 13:30'),
    ('1997-09-02T09:00', 'FREQ=DAILY;BYHOUR=9,16;BYMINUTE=0,20,40',
     '1997-09-02: 9:00 9:20 9:40 16:00 16:20 16:40, 1997-09-03: 9:00 9:20'),
    ('1997-09-02T09:00', 'FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,16',
     '1997-09-02: 9:00 9:20 9:40 16:00 16:20 16:40, 1997-09-03: 9:00 9:20'),
    ('1997-01-05T08:30', 'FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;'
     'BYHOUR=8,9;BYMINUTE=30',
     '1997-01-05: 8:30 9:30, 1997-01-12: 8:30 9:30, 1997-01-19: 8:30 9:30, '
     '1997-01-26: 8:30 9:30, 1999-01-03: 8:30 9:30'),
]
EXAMPLES = [
    *((datetime.fromisoformat(f'{start}T09:00'), text, days(expected))
      for start, text, expected in [*DAYS, *JANUARIES]),
    *((datetime.fromisoformat(start), text, hours(expected))
      for start, text, expected in HOURS)]

# Found by hand in calendars, where the RFC has no example.
OTHER_DAYS = [
    # each Wednesday, and the last Monday
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=WE,-1MO',
     '2024-01: 3 10 17 24 29 31, 2024-02: 7 14 21 26 28'),
    # the first Monday is one of the Mondays
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=MO,TU,1MO',
     '2024-01: 1 2 8 9 15 16 22 23 29 30, 2024-02: 5 6'),
    # no month has eight Mondays, some have five
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=1MO,8MO', '2024-01: 1, 2024-02: 5'),
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=5MO', '2024-01: 29, 2024-04: 29'),
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=-5MO', '2024-01: 1, 2024-04: 1'),
    # in the year, or in each of the months
    ('2024-01-01', 'FREQ=YEARLY;BYDAY=1MO,-1SU',
     '2024-01: 1, 2024-12: 29, 2025-01: 6, 2025-12: 28'),
    ('2024-01-01', 'FREQ=YEARLY;BYDAY=53MO',
     '2024-12: 30, 2029-12: 31, 2035-12: 31'),
    ('2024-01-01', 'FREQ=YEARLY;BYDAY=2TU;BYMONTH=1,3',
     '2024-01: 9, 2024-03: 12, 2025-01: 14'),
    # the days of a BYDAY that the other part has, too
    ('2024-01-01', 'FREQ=MONTHLY;BYDAY=1MO,FR;BYMONTHDAY=1,2,3,4,5',
     '2024-01: 1 5, 2024-02: 2 5, 2024-03: 1 4'),
    ('2024-01-01', 'FREQ=YEARLY;BYDAY=WE;BYYEARDAY=1,-1',
     '2025-01: 1, 2025-12: 31, 2031-01: 1, 2031-12: 31'),
    # Wednesday is in the first week, and the second day to choose from
    ('2024-01-03', 'FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1',
     '2024-01: 8 15 22'),
    ('2024-01-03', 'FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2',
     '2024-01: 3 10 17'),
    ('2024-01-03', 'FREQ=WEEKLY;BYDAY=SU,WE;BYSETPOS=1;WKST=SU',
     '2024-01: 7 14 21'),
    ('2024-01-20', 'FREQ=MONTHLY;BYMONTHDAY=1,15,25;BYSETPOS=-1,1',
     '2024-01: 25, 2024-02: 1 25'),
    # every month has a fourth
    ('2024-02-10', 'FREQ=YEARLY;BYMONTHDAY=4', '2024-03: 4, 2024-04: 4'),
    ('2024-02-29', 'FREQ=YEARLY', '2024-02: 29, 2028-02: 29'),
    ('2024-01-31', 'FREQ=MONTHLY', '2024-01: 31, 2024-03: 31, 2024-05: 31'),
    ('2024-01-31', 'FREQ=YEARLY;BYMONTH=1,2,3', '2024-01: 31, 2024-03: 31'),
    ('2024-01-04', 'FREQ=DAILY;BYMONTHDAY=-1', '2024-01: 31, 2024-02: 29'),
    # week 20 of 2024 begins on 13 May, 2024-01-04 is a Thursday
    ('2024-01-04', 'FREQ=YEARLY;BYWEEKNO=20',
     '2024-05: 16, 2025-05: 15, 2026-05: 14'),
    # ISO week 1 of 2025 begins on 2024-12-30, that of 2026 on 2025-12-29
    ('2024-01-01', 'FREQ=YEARLY;BYWEEKNO=1',
     '2024-01: 1, 2024-12: 30, 2025-12: 29, 2027-01: 4'),
    ('2024-01-04', 'FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO,WE',
     '2024-12: 30, 2025-01: 1, 2025-12: 29 31'),
    # 2020 and 2026 have 53 weeks, which begin on 2019-12-30 and 2025-12-29
    # and end on 3 January
    ('2020-01-01', 'FREQ=YEARLY;BYWEEKNO=53;BYDAY=TH,SU',
     '2020-12: 31, 2021-01: 3, 2026-12: 31, 2027-01: 3'),
    ('2020-01-04', 'FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO',
     '2025-12: 29'),
    ('2021-01-01', 'FREQ=YEARLY;BYWEEKNO=-1;BYDAY=FR',
     '2021-01: 1, 2021-12: 31, 2022-12: 30, 2023-12: 29'),
    # weeks that begin on Sunday: week 1 of 2025 begins on 2024-12-29, and
    # 2023 begins with a week that has seven days in it
    ('2023-01-01', 'FREQ=YEARLY;BYWEEKNO=1;BYDAY=SU;WKST=SU',
     '2023-01: 1, 2023-12: 31, 2024-12: 29, 2026-01: 4'),
    ('2023-01-01', 'FREQ=YEARLY;BYWEEKNO=1;BYDAY=SU',
     '2023-01: 8, 2024-01: 7, 2025-01: 5, 2026-01: 4'),
    # positions are in the calendar year of the days
    ('2024-01-01', 'FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;BYSETPOS=-1',
     '2024-12: 30, 2025-12: 29, 2027-01: 4'),
    ('2024-01-01', 'FREQ=YEARLY;BYYEARDAY=60,-306',
     '2024-02: 29, 2024-03: 1, 2025-03: 1, 2026-03: 1'),
    ('2024-01-01', 'FREQ=YEARLY;BYYEARDAY=366', '2024-12: 31, 2028-12: 31'),
    # two years later has no such day
    ('2023-05-31', 'FREQ=MONTHLY;INTERVAL=9', '2023-05: 31, 2025-08: 31'),
]
OTHER_HOURS = [
    # 9:30 is in the first period, but before the start
    ('2024-01-01T09:45', 'FREQ=HOURLY;BYMINUTE=30,50',
     '2024-01-01: 9:50 10:30 10:50'),
    ('2024-01-01T09:45', 'FREQ=HOURLY;BYMINUTE=30,50;BYSETPOS=1',
     '2024-01-01: 10:30 11:30'),
    ('2024-01-01T09:45', 'FREQ=DAILY;BYHOUR=9,10;BYMINUTE=40,50;BYSETPOS=2,-1',
     '2024-01-01: 9:50 10:50, 2024-01-02: 9:50'),
    ('2024-01-01T22:10', 'FREQ=HOURLY;INTERVAL=5;BYDAY=TU;BYHOUR=3,8,12,13',
     '2024-01-02: 3:10 8:10 13:10, 2024-01-16: 12:10'),
    ('2024-01-01T09:00', 'FREQ=MINUTELY;INTERVAL=7;BYMINUTE=5,7,14',
     '2024-01-01: 9:07 9:14'),
    ('2024-02-28T23:59', 'FREQ=MINUTELY;BYMONTHDAY=29;BYHOUR=0;BYMINUTE=0,1',
     '2024-02-29: 0:00 0:01'),
    ('2024-01-01T09:00', 'FREQ=SECONDLY;INTERVAL=45;BYSECOND=0',
     '2024-01-01: 9:00 9:03 9:06'),
]
OTHERS = [
    *((datetime.fromisoformat(f'{start}T09:00'), text, days(expected))
      for start, text, expected in OTHER_DAYS),
    *((datetime.fromisoformat(start), text, hours(expected))
      for start, text, expected in OTHER_HOURS)]
