"""Signals that end a process, where tests run in the background."""

import signal


def heed_signals():
    """Let the processes of tests heed signals that ours was told to ignore.

    What ``nohup``, or a shell in the background, has ignored is inherited.
    """
    for number in signal.SIGHUP, signal.SIGQUIT, signal.SIGINT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
