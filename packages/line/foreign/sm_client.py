"""ISO/IEC 7816-4 secure messaging by a client that shares no line with Persoline: pyscard for the reader, python3-pycryptodome for ciphers.

Reads one JSON object from standard input, writes one to standard output:

  {"reader": NAME, "cipher": "3DES", "master": HEX, "serial": HEX, "kid": 8, "before": [HEX, ...], "commands": [HEX, ...]}
  {"opened": "9000", "answers": [{"data": HEX, "sw": HEX}, ...]}

`before` goes in plain. The seed of the session is the card's key `kid`: KDF3 of the master over the chip number. Key establishment and
3DES as in ICAO Doc 9303-11, 4.3 and 9.8; AES with CMAC and an encrypted counter as IV, likewise. "break": true spoils one MAC.
"""

import json
import os
import sys

from Cryptodome.Cipher import AES, DES, DES3
from Cryptodome.Hash import CMAC, SHA1
from smartcard.CardConnection import CardConnection
from smartcard.System import readers


def padded(data, block):
    data += b"\x80"
    return data + bytes(-len(data) % block)


def unpadded(data):
    end = data.rindex(b"\x80")
    if any(data[end + 1 :]):
        raise SystemExit("the padding is wrong")
    return data[:end]


class Des:
    block = 8
    algorithm = 1

    def mac(self, key, blocks):
        first = DES.new(key[:8], DES.MODE_CBC, bytes(8)).encrypt(blocks)[-8:]
        return DES.new(key[:8], DES.MODE_ECB).encrypt(DES.new(key[8:], DES.MODE_ECB).decrypt(first))

    def cbc(self, key, counter):
        return DES3.new(DES3.adjust_key_parity(key), DES3.MODE_CBC, bytes(8))

    def counter(self, card, host):
        return card[4:] + host[4:]


class Aes:
    block = 16
    algorithm = 2

    def mac(self, key, blocks):
        return CMAC.new(key, msg=blocks, ciphermod=AES).digest()[:8]

    def cbc(self, key, counter):
        iv = bytes(16) if counter is None else AES.new(key, AES.MODE_ECB).encrypt(counter)
        return AES.new(key, AES.MODE_CBC, iv)

    def counter(self, card, host):
        return bytes(16)


def derived(seed, number):
    return SHA1.new(seed + bytes([0, 0, 0, number])).digest()[:16]


def tlv(tag, value):
    length = bytes([len(value)]) if len(value) < 0x80 else bytes([0x81, len(value)])
    return bytes([tag]) + length + value


def objects(data):
    found = []
    while data:
        tag, length, at = data[0], data[1], 2
        if length == 0x81:
            length, at = data[2], 3
        found.append((tag, data[at : at + length]))
        data = data[at + length :]
    return found


class Session:
    def __init__(self, connection, cipher):
        self.connection = connection
        self.cipher = cipher

    def raw(self, apdu):
        data, sw1, sw2 = self.connection.transmit(list(apdu))
        return bytes(data), (sw1 << 8) | sw2

    def open(self, seed, kid):
        cipher = self.cipher
        card, sw = self.raw(bytes([0x00, 0x84, 0, 0, 8]))
        if sw != 0x9000:
            raise SystemExit(f"GET CHALLENGE: {sw:04X}")
        host, own = os.urandom(8), os.urandom(16)
        enc, mac = derived(seed, 1), derived(seed, 2)
        sealed = cipher.cbc(enc, None).encrypt(host + card + own)
        proof = sealed + cipher.mac(mac, padded(sealed, cipher.block))
        data, sw = self.raw(bytes([0x00, 0x82, cipher.algorithm, kid, len(proof)]) + proof + b"\x28")
        if sw != 0x9000:
            return sw
        answer, tag = data[:32], data[32:]
        if cipher.mac(mac, padded(answer, cipher.block)) != tag:
            raise SystemExit("the card's MAC is wrong")
        plain = cipher.cbc(enc, None).decrypt(answer)
        if plain[:16] != card + host:
            raise SystemExit("the card answered other challenges")
        shared = bytes(a ^ b for a, b in zip(own, plain[16:]))
        self.enc, self.mac = derived(shared, 1), derived(shared, 2)
        self.ssc = cipher.counter(card, host)
        return sw

    def count(self):
        self.ssc = (int.from_bytes(self.ssc, "big") + 1).to_bytes(len(self.ssc), "big")

    def tag(self, parts):
        block = self.cipher.block
        return self.cipher.mac(self.mac, padded(self.ssc + parts, block))

    def send(self, apdu, spoiled):
        block = self.cipher.block
        header, rest = bytes([apdu[0] | 0x0C]) + apdu[1:4], apdu[4:]
        plain, le = (b"", rest) if len(rest) <= 1 else (rest[1 : 1 + rest[0]], rest[1 + rest[0] :])
        self.count()
        body = b""
        if plain:
            body += tlv(0x87, b"\x01" + self.cipher.cbc(self.enc, self.ssc).encrypt(padded(plain, block)))
        if le:
            body += tlv(0x97, le)
        # The counter takes a whole block or less: the header is padded apart, unless nothing follows it.
        head = padded(header, block)
        mac = self.tag(head + body) if body else self.cipher.mac(self.mac, self.ssc + head)
        if spoiled:
            mac = bytes([mac[0] ^ 1]) + mac[1:]
        body += tlv(0x8E, mac)
        data, sw = self.raw(header + bytes([len(body)]) + body + b"\x00")
        if not data:
            return b"", sw
        found = objects(data)
        self.count()
        signed = b"".join(tlv(tag, value) for tag, value in found[:-1])
        if found[-1] != (0x8E, self.tag(signed)):
            raise SystemExit("the answer's MAC is wrong")
        values = dict(found)
        if int.from_bytes(values[0x99], "big") != sw:
            raise SystemExit("the status words differ")
        if 0x87 not in values:
            return b"", sw
        sealed = values[0x87]
        return unpadded(self.cipher.cbc(self.enc, self.ssc).decrypt(sealed[1:])), sw


def main():
    ask = json.load(sys.stdin)
    reader = next(one for one in readers() if str(one) == ask["reader"])
    connection = reader.createConnection()
    connection.connect(CardConnection.T1_protocol)
    session = Session(connection, Aes() if ask["cipher"] == "AES" else Des())
    for command in ask["before"]:
        _, sw = session.raw(bytes.fromhex(command))
        if sw != 0x9000:
            raise SystemExit(f"{command}: {sw:04X}")
    info = bytes([1, 0, 0, 0, ask["kid"], 0]) + bytes.fromhex(ask["serial"])
    seed = CMAC.new(bytes.fromhex(ask["master"]), msg=info, ciphermod=AES).digest()
    opened = session.open(seed, ask["kid"])
    answers = []
    if opened == 0x9000:
        for at, command in enumerate(ask["commands"]):
            last = at + 1 == len(ask["commands"])
            data, sw = session.send(bytes.fromhex(command), ask.get("break", False) and last)
            answers.append({"data": data.hex().upper(), "sw": f"{sw:04X}"})
    connection.disconnect()
    json.dump({"opened": f"{opened:04X}", "answers": answers}, sys.stdout)


main()
