##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""The board and the alert rules speak of what there is, and come in time."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import click
import pytest
import yaml
from databases import needs
from metrics_page import PAGE
from metrics_page import documented
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest

from zodbschedule.cli.commands import commands
from zodbschedule.metrics.database import Figures
from zodbschedule.metrics.database import Reported
from zodbschedule.metrics.runs import RunMetrics


DOCS = PAGE.parent
ALERTS = DOCS / 'monitoring' / 'alerts.yaml'
BOARD = DOCS / 'monitoring' / 'grafana.json'
CASES = Path(__file__).parent / 'alerts_test.yaml'

#: what others tell, and the labels that Prometheus gives to all
FOREIGN = {'up': set(), 'node_textfile_mtime_seconds': {'file'}}
TARGET = {'job', 'instance'}
#: what Grafana puts into an expression, as Prometheus could have it
IN_PLACE = {'$__rate_interval': '5m', '$job': '.+', '$schedule': '.+'}

METRIC = re.compile(r'\b(zodbschedule_\w+|node_\w+|up\b)(?:\{([^}]*)\})?')
GROUPED = re.compile(r'\b(?:by|on|without|ignoring) ?\(([^)]*)\)')


def rules():
    [group] = yaml.safe_load(ALERTS.read_text(encoding='utf-8'))['groups']
    return group['rules']


def panels():
    board = json.loads(BOARD.read_text(encoding='utf-8'))
    return [each for each in board['panels'] if each['type'] != 'row']


def variables():
    board = json.loads(BOARD.read_text(encoding='utf-8'))
    return {each['name']: each for each in board['templating']['list']}


def queries():
    """The expressions of the board."""
    return [target['expr'] for each in panels() for target in each['targets']]


def expressions():
    return [rule['expr'] for rule in rules()] + queries()


def known():
    """The metrics as a query names them: name -> labels."""
    found = dict(FOREIGN)
    for name, labels in documented().items():
        if name != 'zodbschedule_worker_healthy':
            labels = labels | {'schedule'}
        if name in ('zodbschedule_start_lag_seconds',
                    'zodbschedule_run_duration_seconds'):
            found |= {f'{name}_bucket': labels | {'le'},
                      f'{name}_sum': labels, f'{name}_count': labels}
        else:
            found[name] = labels
    return found


def unknown(expression):
    """What an expression speaks of although it is not exported."""
    metrics, labels, found = known(), {'le', *TARGET}, []
    for name, selector in METRIC.findall(expression):
        own = metrics.get(name, set()) | TARGET
        labels |= own
        found += [name] * (name not in metrics)
        found += {label for label in re.findall(r'(\w+) ?[!=]', selector)
                  if label not in own}
    for group in GROUPED.findall(expression):
        found += set(re.findall(r'\w+', group)) - labels
    return found


# -- names and labels


@pytest.mark.parametrize('expression', expressions())
def test_an_expression_speaks_of_metrics_and_labels_that_are_exported(
        expression):
    assert METRIC.search(expression)
    assert unknown(expression) == []


@pytest.mark.parametrize('expression, found', [
    ('zodbschedule_none > 0', ['zodbschedule_none']),
    ('zodbschedule_runs', ['zodbschedule_runs']),
    ('rate(zodbschedule_start_lag_seconds[5m])',
     ['zodbschedule_start_lag_seconds']),
    ('zodbschedule_up{worker="a"}', ['worker']),
    ('sum by (job, kind) (zodbschedule_up)', ['kind']),
    ('max by (schedule) (zodbschedule_worker_healthy)', ['schedule']),
    ('sum by (le) (rate(zodbschedule_start_lag_seconds_bucket[5m]))', [])])
def test_one_that_does_not_is_found(expression, found):
    assert unknown(expression) == found


def test_each_metric_is_on_the_board():
    shown = {re.sub('_(bucket|sum|count)$', '', name)
             for query in queries() for name, _ in METRIC.findall(query)}
    assert shown == set(documented())


def test_a_legend_has_labels_that_its_expression_leaves():
    for each in panels():
        for target in each['targets']:
            used = set(re.findall(r'{{(\w+)}}', target['legendFormat']))
            left = {label for group in GROUPED.findall(target['expr'])
                    for label in re.findall(r'\w+', group)}
            assert used <= left, each['title']


# -- PromQL


@pytest.fixture(scope='module')
def promtool():
    """Call promtool."""
    program = shutil.which('promtool')
    needs(program, 'promtool', 'install Prometheus, or put promtool alone on '
          'the PATH')
    return lambda *args, **options: subprocess.run(
        [program, *map(str, args)], capture_output=True, text=True, **options)


def as_rules(*expressions):
    for name, text in IN_PLACE.items():
        expressions = [each.replace(name, text) for each in expressions]
    return yaml.safe_dump({'groups': [{'name': 'board', 'rules': [
        {'record': f'board:{number}', 'expr': each}
        for number, each in enumerate(expressions)]}]})


def test_the_rules_and_the_board_are_promql(promtool, tmp_path):
    board = tmp_path / 'board.yaml'
    board.write_text(as_rules(*queries()))
    done = promtool('check', 'rules', ALERTS, board)
    assert done.returncode == 0, done.stderr
    assert re.findall(r'(\d+) rules found', done.stdout) == [
        str(len(rules())), str(len(queries()))]
    board.write_text(as_rules('sum by (zodbschedule_up'))
    assert promtool('check', 'rules', board).returncode == 1


def test_the_metrics_are_named_as_prometheus_advises(promtool):
    runs, registry = RunMetrics('w1'), CollectorRegistry()
    runs.runs.labels('schedule', 'w1', 'shop.sell', 'succeeded').inc()
    runs.duration.labels('schedule', 'w1', 'shop.sell').observe(1)
    runs.lag.labels('schedule', 'w1').observe(1)
    runs.parked.labels('schedule', 'w1', 'shop.sell').inc()
    runs.retries.labels('schedule', 'w1', 'shop.sell').inc()
    runs.conflicts.labels('schedule', 'w1').inc()
    registry.register(runs)
    registry.register(Reported({'schedule': Figures(
        1, 1, 1.5, 1, 1, True, {'alive': 1, 'silent': 0, 'dead': 0})}))
    told = generate_latest(registry).decode()
    done = promtool('check', 'metrics', input=told)
    assert (done.returncode, done.stdout + done.stderr) == (0, '')
    done = promtool('check', 'metrics', input='# TYPE a counter\na 1\n')
    assert done.returncode == 3


# -- alerts


@pytest.mark.slow
def test_the_alerts_come_when_they_should(promtool):
    done = promtool('test', 'rules', CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_each_alert_it_is_tried_that_it_comes_and_that_it_does_not():
    cases = [each for test in yaml.safe_load(CASES.read_text())['tests']
             for each in test['alert_rule_test']]
    names = {rule['alert'] for rule in rules()}
    assert {each['alertname'] for each in cases
            if each.get('exp_alerts')} == names
    assert {each['alertname'] for each in cases
            if not each.get('exp_alerts')} == names


def anchors(page):
    titles = re.findall(
        r'^(.+)\n(?:=+|-+)$', page.read_text(encoding='utf-8'), re.M)
    return {re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')
            for title in titles}


@pytest.mark.parametrize('rule', rules(), ids=lambda rule: rule['alert'])
def test_an_alert_says_what_to_do_and_where_more_is_said(rule):
    said = rule['annotations']
    assert set(said) == {'summary', 'description', 'runbook'}
    page, anchor = said['runbook'].split('#')
    assert page == 'docs/troubleshooting.rst'
    assert anchor in anchors(DOCS / 'troubleshooting.rst')
    assert rule['labels'] in [{'severity': 'critical'},
                              {'severity': 'warning'}]


@pytest.mark.parametrize('rule', rules(), ids=lambda rule: rule['alert'])
def test_an_alert_names_commands_and_options_that_there_are(rule):
    parent = click.Context(commands, info_name='zodbschedule')
    for name, options in re.findall(
            r'zodbschedule ([a-z-]+)((?: --[a-z]+)*)',
            rule['annotations']['description']):
        command = commands.get_command(parent, name)
        assert command is not None, name
        assert set(options.split()) <= {
            option for each in command.params for option in each.opts}


def test_the_page_has_each_alert():
    assert set(re.findall(r'^``(Zodbschedule\w+)``  ', PAGE.read_text(),
                          re.M)) == {rule['alert'] for rule in rules()}


def test_the_yaml_of_the_page_is_what_its_readers_need():
    scraping, providing, alerting = map(yaml.safe_load, re.findall(
        r'^\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)', PAGE.read_text(),
        re.M))
    [scraped] = scraping['scrape_configs']
    # The alert of a worker that is down knows it by that name.
    assert scraped['job_name'].startswith('zodbschedule')
    assert providing['providers'][0]['options']['path']
    assert alerting['rule_files'] == [ALERTS.name]


# -- the board


def test_the_board_is_one_that_grafana_10_reads():
    board = json.loads(BOARD.read_text(encoding='utf-8'))
    assert board['schemaVersion'] == 38
    assert 'id' not in board  # it would replace another one
    assert board['title'] == board['uid'] == 'zodbschedule'


def test_each_panel_says_what_it_shows_and_in_which_unit():
    for each in panels():
        assert each['title'] and each['description'].endswith('.')
        assert each['fieldConfig']['defaults']['unit']
        assert each['targets']


def test_no_panel_covers_another():
    board = json.loads(BOARD.read_text(encoding='utf-8'))
    places = [each['gridPos'] for each in board['panels']]
    assert len({each['id'] for each in board['panels']}) == len(places)
    for one, two in combinations(places, 2):
        assert (one['x'] + one['w'] <= two['x']
                or two['x'] + two['w'] <= one['x']
                or one['y'] + one['h'] <= two['y']
                or two['y'] + two['h'] <= one['y'])
    assert all(each['x'] + each['w'] <= 24 for each in places)


def test_each_query_is_of_what_was_chosen_at_the_top():
    assert set(variables()) == {'datasource', 'job', 'schedule'}
    for each in panels():
        assert each['datasource']['uid'] == '${datasource}'
        for target in each['targets']:
            assert target['datasource'] == each['datasource']
            for name, selector in METRIC.findall(target['expr']):
                asked = set(re.findall(r'(\w+)=~"\$\1"', selector))
                assert asked == {'job', 'schedule'} & (known()[name] | TARGET)


def test_what_can_be_chosen_is_asked_of_metrics_that_there_are():
    for name in 'job', 'schedule':
        query = variables()[name]['definition']
        assert query == variables()[name]['query']['query']
        assert METRIC.findall(query)
        assert unknown(query) == []
