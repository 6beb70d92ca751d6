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
"""A mail server and a web server on localhost, which can be down and up."""

import json
import socketserver
import threading
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer


class Receiver:
    """A server that keeps its port while it is down.

    What it has received is in `received`.
    """

    handler = None
    server_class = None

    def __init__(self):
        self.received = []
        #: what it does instead of what is right
        self.fault = None
        self.port = 0
        self.server = None

    def start(self):
        self.server = self.server_class(('127.0.0.1', self.port), self.handler)
        self.server.daemon_threads = True
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(.01,), daemon=True)
        self.thread.start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None


class TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    block_on_close = False


class Talk(socketserver.StreamRequestHandler):
    """One conversation in SMTP, as short as it can be."""

    timeout = 5

    def say(self, line):
        self.wfile.write(f'{line}\r\n'.encode())

    def handle(self):
        receiver = self.server.receiver
        if receiver.fault == 'busy':
            return self.say('421 too busy')
        self.say('220 ready')
        for line in self.rfile:
            verb = line.decode().strip().partition(' ')[0].upper()
            if verb == 'DATA':
                self.say('354 go on')
                body = b''.join(iter(self.rfile.readline, b'.\r\n'))
                receiver.received.append(
                    message_from_bytes(body, policy=default))
                if receiver.fault == 'no answer':
                    return None
                self.say('250 taken')
            elif verb == 'QUIT':
                return receiver.fault == 'rude' or self.say('221 bye')
            elif verb == 'RCPT' and receiver.fault == 'unknown' and (
                    b'ann@' in line):
                self.say('550 unknown')
            elif verb == 'STARTTLS' or verb == 'AUTH':
                self.say('502 not here')
            else:
                self.say('250 yes')
        return None


class MailServer(Receiver):
    """Takes each mail; `received` has them as messages."""

    handler = Talk
    server_class = TCPServer


class Answer(BaseHTTPRequestHandler):
    """Takes each call."""

    def do_GET(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        receiver.received.append((
            self.command, self.path, dict(self.headers),
            json.loads(body) if body else None))
        if receiver.fault == 'no answer':
            self.close_connection = True
            return
        self.send_response(receiver.fault or 200)
        if receiver.fault == 302:
            self.send_header('Location', '/elsewhere')
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args):
        """It says nothing."""


class WebServer(Receiver):
    """`received` has the method, the path, the headers and the JSON."""

    handler = Answer
    server_class = ThreadingHTTPServer

    def address(self, path='hook'):
        return f'http://127.0.0.1:{self.port}/{path}'
