"""An SMTP server that keeps every mail: smtp_sink.py FOLDER PORT [option=value …]

Each mail is FOLDER/NNNNNN.eml, below three headers that say how it came. Before a mail is answered
with 250 there is a line "<message-id> <recipient>" for each of its recipients in FOLDER/accepted.log,
on the disk: whoever sent it and lost it cannot say that we never had it. Port 0 is a free one.

  login=USER:PASSWORD   nobody sends without; by PLAIN and LOGIN, over TLS if there is a certificate
  echo=1                says a wrong password back, in clear and as base64
  starttls=PEM          offers STARTTLS with this certificate and key
  tls=PEM               TLS from the first byte
  refuse=ADDRESS,…      550 for these recipients
  later=PATH            451 for every recipient while there is this file
  hang=PATH             no answer to a mail's content while there is this file
  drip=PATH             a byte now and then, for ever, on connections made while there is this file
"""
import asyncio
import base64
import email
import email.policy
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, port = sys.argv[1], int(sys.argv[2])
options = dict(word.split("=", 1) for word in sys.argv[3:])
refused = set(filter(None, options.get("refuse", "").split(",")))


def durable(path, content, flags):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)


class Keeper:
    def __init__(self):
        numbers = [int(name[:6]) for name in os.listdir(folder) if name.endswith(".eml")]
        self.number = max(numbers, default=0)
        self.directory = os.open(folder, os.O_RDONLY)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if os.path.exists(options.get("later", "")):
            return "451 4.7.1 come back later"
        if address in refused:
            return "550 5.1.1 there is no %s" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 well"

    async def handle_DATA(self, server, session, envelope):
        while os.path.exists(options.get("hang", "")):
            await asyncio.sleep(0.05)
        content = envelope.original_content
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        login = session.auth_data.login.decode() if session.auth_data else "-"
        head = "X-Peer-To: %s\r\nX-Peer-Tls: %s\r\nX-Peer-Login: %s\r\n" % (
            ", ".join(envelope.rcpt_tos),
            "tls" in options or session.ssl is not None,
            login,
        )
        self.number += 1
        path = os.path.join(folder, "%06d.eml" % self.number)
        durable(path + ".part", head.encode() + content, os.O_TRUNC)
        os.rename(path + ".part", path)
        lines = ["%s %s\n" % (message["Message-ID"], to) for to in envelope.rcpt_tos]
        durable(os.path.join(folder, "accepted.log"), "".join(lines).encode(), os.O_APPEND)
        os.fsync(self.directory)
        return "250 2.0.0 kept as %06d" % self.number


class Dripper(asyncio.Protocol):
    def connection_made(self, transport):
        self.task = asyncio.ensure_future(self.drip(transport))

    async def drip(self, transport):
        while not transport.is_closing():
            transport.write(b"2")
            await asyncio.sleep(0.05)

    def connection_lost(self, error):
        self.task.cancel()


def context(pem):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made


async def main():
    keeper = Keeper()
    settings = {"hostname": "sink.test", "ident": "smtp_sink"}
    if "login" in options:
        known = tuple(part.encode() for part in options["login"].split(":", 1))

        def judge(server, session, envelope, mechanism, data):
            right = (data.login, data.password) == known
            if not right and "echo" in options:
                encoded = [base64.b64encode(word).decode() for word in
                           (data.password, b"\0" + data.login + b"\0" + data.password)]
                words = "535 5.7.8 no: %s %s %s" % (data.password.decode(), *encoded)
                return AuthResult(success=False, handled=False, message=words)
            return AuthResult(success=right, handled=False, auth_data=data)

        settings |= {"authenticator": judge, "auth_required": True, "auth_require_tls": "starttls" in options}
    if "starttls" in options:
        settings |= {"tls_context": context(options["starttls"])}
    loop = asyncio.get_running_loop()
    tls = context(options["tls"]) if "tls" in options else None

    def conversation():
        if os.path.exists(options.get("drip", "")):
            return Dripper()
        return SMTP(keeper, loop=loop, **settings)

    server = await loop.create_server(conversation, "127.0.0.1", port, ssl=tls)
    print("ready", server.sockets[0].getsockname()[1], os.getpid(), flush=True)
    await server.serve_forever()


asyncio.run(main())
