"""Whether a page is well formed, and can be used without eyes or a mouse."""

import re
from html.parser import HTMLParser


# Of the HTML standard: they have no end.
VOID = {'input', 'img', 'meta', 'link', 'br', 'hr'}

# What SVG lets end at once.
DRAWN = {'rect', 'circle', 'path', 'line'}

LABELLED = {'input', 'select', 'textarea'}


class Page(HTMLParser):
    """Collects what is wrong with a page, and what is on it."""

    def __init__(self, html):
        super().__init__()
        self.problems = []
        self.open = []
        self.ids = []
        self.targets = []
        self.fields = []
        self.headings = []
        self.links = []
        self.tables = 0
        self.captions = 0
        self.text = []
        self.feed(html)
        self.close()
        self.problems += [f'{tag} is not closed' for tag in self.open]
        self.problems += self._references()
        self.problems += self._headings()
        if self.tables != self.captions:
            self.problems.append('a table has no caption')

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if len(given) < len(attrs):
            self.problems.append(f'{tag} has an attribute twice: {attrs}')
        self._look_at(tag, given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        if tag not in VOID | DRAWN:
            self.problems.append(f'{tag} ends at once')
        self._look_at(tag, dict(attrs))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f'</{tag}> ends something else')

    def handle_data(self, data):
        if self.open and self.open[-1] not in ('script', 'style'):
            self.text.append(data)

    def _look_at(self, tag, given):
        self.tables += tag == 'table'
        self.captions += tag == 'caption'
        if 'id' in given:
            self.ids.append(given['id'])
        if tag == 'label' or 'aria-labelledby' in given:
            self.targets.append(given.get('for', given.get('aria-labelledby')))
        if tag in LABELLED and given.get('type') != 'hidden':
            self.fields.append(given)
        if re.fullmatch('h[1-6]', tag):
            self.headings.append(int(tag[1]))
        if 'href' in given and tag == 'a':
            self.links.append(given['href'])
        self.problems += self._wrong(tag, given)

    def _wrong(self, tag, given):
        """What our policy does not let pass, or what nobody can read."""
        if 'style' in given or tag == 'style' or (
                tag == 'script' and 'src' not in given) or any(
                name.startswith('on') for name in given):
            yield f'inline style or script: {tag} {given}'
        if tag == 'th' and 'scope' not in given:
            yield 'th has no scope'
        if tag == 'img' and 'alt' not in given:
            yield 'img has no alt'
        if tag in ('progress', 'nav') and 'aria-label' not in given:
            yield f'{tag} has no label'
        if any(value is None and name not in ('checked', 'selected')
               for name, value in given.items()):
            yield f'{tag} has an attribute without a value: {given}'

    def _references(self):
        for id in set(self.ids):
            if self.ids.count(id) > 1:
                yield f'id {id} is there {self.ids.count(id)} times'
        for target in self.targets:
            if target is not None and target not in self.ids:
                yield f'nothing has the id {target}'
        for field in self.fields:
            if field.get('id') not in self.targets and (
                    'aria-label' not in field):
                yield f'a field has no label: {field}'

    def _headings(self):
        if self.headings.count(1) != 1:
            yield f'there are {self.headings.count(1)} headings h1'
        for before, after in zip([0, *self.headings], self.headings,
                                 strict=False):
            if after > before + 1:
                yield f'h{after} follows h{before}'


def problems_of(html):
    """What is wrong with a page; empty if nothing is."""
    return Page(html).problems
