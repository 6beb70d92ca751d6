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
"""Which ways of adopting a principal a process knows."""

import threading

import pytest
from zope.interface import Invalid
from zope.interface import implementer
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule import principals
from zodbschedule.interfaces import IPrincipals
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.interfaces import ScheduleError


@implementer(IPrincipals)
class Guarded:
    """One that provides all there is to provide."""

    name = 'guarded'

    def ready(self):
        """Never called here."""

    def adopt(self, principal_id, task):
        """Never called here."""


@pytest.fixture(autouse=True)
def _registry_as_it_was(monkeypatch):
    monkeypatch.setattr(principals, '_known', dict(principals._known))


# -- The plain one -----------------------------------------------------------


def test_the_plain_one_provides_its_interface():
    assert verifyClass(IPrincipals, principals.Plain)
    assert verifyObject(IPrincipals, principals.Plain())


def test_the_plain_one_is_known_without_being_registered():
    plain = principals.find('plain')
    assert isinstance(plain, principals.Plain)
    plain.ready()


@pytest.mark.parametrize('principal_id', [None, '', 'bob'])
def test_the_plain_one_adopts_anybody_and_enforces_nothing(principal_id):
    plain = principals.Plain()
    with plain.adopt(principal_id, object()) as adopted:
        assert adopted is None
        with plain.adopt('another', object()):
            pass
    with pytest.raises(SystemExit), plain.adopt(principal_id, object()):
        raise SystemExit


def test_the_plain_one_makes_no_object_for_a_run():
    plain = principals.Plain()
    assert plain.adopt('bob', None) is plain.adopt('eve', None)


# -- The registry ------------------------------------------------------------


def test_what_was_registered_is_found_by_its_name():
    guarded = Guarded()
    assert principals.register(guarded) is None
    assert principals.find('guarded') is guarded


def test_a_second_one_of_the_same_name_replaces_the_first():
    first, second = Guarded(), Guarded()
    principals.register(first)
    assert principals.register(second) is first
    assert principals.find('guarded') is second


def test_what_was_unregistered_is_not_found():
    guarded = Guarded()
    principals.register(guarded)
    assert principals.unregister('guarded') is guarded
    assert principals.unregister('guarded') is None
    with pytest.raises(PrincipalsMissing):
        principals.find('guarded')


def test_a_process_can_give_up_the_plain_one():
    principals.unregister('plain')
    with pytest.raises(PrincipalsMissing):
        principals.find('plain')


def test_the_error_names_what_is_asked_for_what_is_there_and_the_remedy():
    principals.register(Guarded())
    with pytest.raises(PrincipalsMissing) as caught:
        principals.find('zope.security')
    message = str(caught.value)
    assert "asks for the principals 'zope.security'" in message
    assert "knows: 'guarded', 'plain'." in message
    assert 'zodbschedule.principals.register() before process()' in message
    assert 'may look, cancel and discard, but does not run' in message
    assert isinstance(caught.value, ScheduleError)
    assert caught.value.__suppress_context__


def test_the_error_says_so_if_nothing_is_there():
    principals.unregister('plain')
    with pytest.raises(PrincipalsMissing, match='knows: none.'):
        principals.find('plain')


def test_what_does_not_provide_the_interface_is_refused():
    class Undeclared:
        name = 'undeclared'

    with pytest.raises(Invalid, match='IPrincipals'):
        principals.register(Undeclared())
    with pytest.raises(Invalid, match='IPrincipals'):
        principals.register(Guarded)
    with pytest.raises(PrincipalsMissing):
        principals.find('undeclared')


def test_what_lacks_a_method_or_takes_other_arguments_is_refused():
    @implementer(IPrincipals)
    class NoReady:
        name = 'incomplete'
        adopt = Guarded.adopt

    class OtherArguments(Guarded):
        def adopt(self):
            """Takes too little."""

    with pytest.raises(Invalid, match='ready'):
        principals.register(NoReady())
    with pytest.raises(Invalid, match='adopt'):
        principals.register(OtherArguments())


@pytest.mark.parametrize('name', [None, b'guarded', 'two\nlines'])
def test_a_name_that_is_not_one_line_of_text_is_refused(name):
    guarded = Guarded()
    guarded.name = name
    with pytest.raises(Invalid):
        principals.register(guarded)


def test_of_many_threads_each_gets_the_one_that_it_replaced():
    ours = [Guarded() for _ in range(8)]
    replaced = []
    barrier = threading.Barrier(len(ours))

    def register(guarded):
        barrier.wait(30)
        for _ in range(200):
            replaced.append(principals.register(guarded))

    threads = [threading.Thread(target=register, args=(guarded,))
               for guarded in ours]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # Each registration was replaced once; only the last one stands.
    replaced.append(principals.find('guarded'))
    assert replaced.count(None) == 1
    assert [replaced.count(guarded) for guarded in ours] == [200] * 8
