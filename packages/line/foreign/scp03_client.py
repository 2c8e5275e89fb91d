"""An SCP03 client that shares no line with Persoline: pyscard for the reader, python3-cryptography for AES and CMAC.

Reads one JSON object from standard input, writes one to standard output:

  {"reader": NAME, "master": HEX, "kvn": 48, "level": 51, "commands": [HEX, ...]}
  {"cryptogram": "right", "answers": [{"data": HEX, "sw": HEX}, ...], "sequence": HEX}

`master`: AES key that KDF3 (GlobalPlatform Amendment D, k = 1, 2, 3) turns into the card's own set. Source of all that follows:
GlobalPlatform Card Specification 2.3, Amendment D 1.1.2 (SCP03), sections 4.1.5, 6.2 and 7.1.
"""

import json
import os
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from smartcard.CardConnection import CardConnection
from smartcard.System import readers


def cmac(key, message):
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def ecb(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def cbc(key, iv, data, encrypt):
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    worker = cipher.encryptor() if encrypt else cipher.decryptor()
    return worker.update(data) + worker.finalize()


def diversified(master, number, kdd):
    return cmac(master, bytes([1, 0, 0, 0, number, 0]) + kdd)


def derived(key, constant, bits, context):
    return cmac(key, bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big") + b"\x01" + context)[: bits // 8]


def padded(data):
    data += b"\x80"
    return data + bytes(-len(data) % 16)


def unpadded(data):
    end = data.rindex(b"\x80")
    if any(data[end + 1 :]):
        raise ValueError("the padding is wrong")
    return data[:end]


class Channel:
    def __init__(self, connection):
        self.connection = connection
        self.chaining = bytes(16)
        self.counter = 0
        self.level = 0

    def raw(self, apdu):
        data, sw1, sw2 = self.connection.transmit(list(apdu))
        data = bytes(data)
        while sw1 == 0x61:
            more, sw1, sw2 = self.connection.transmit([apdu[0] & 0x03, 0xC0, 0, 0, sw2])
            data += bytes(more)
        return data, (sw1 << 8) | sw2

    def open(self, master, kvn, level):
        host = os.urandom(8)
        data, sw = self.raw(bytes([0x80, 0x50, kvn, 0, 8]) + host + b"\x00")
        if sw != 0x9000:
            raise SystemExit(f"INITIALIZE UPDATE: {sw:04X}")
        kdd, challenge, cryptogram, sequence = data[:10], data[13:21], data[21:29], data[29:32]
        if data[11] != 3:
            raise SystemExit("the card speaks another protocol")
        enc, mac = diversified(master, 1, kdd), diversified(master, 2, kdd)
        context = host + challenge
        self.s_enc = derived(enc, 0x04, 128, context)
        self.s_mac = derived(mac, 0x06, 128, context)
        self.s_rmac = derived(mac, 0x07, 128, context)
        if derived(self.s_mac, 0x00, 64, context) != cryptogram:
            # Going on would cost the card a try.
            return "wrong", sequence
        proof = derived(self.s_mac, 0x01, 64, context)
        _, sw = self.raw(self.maced(bytes([0x84, 0x82, level, 0]), proof, b""))
        if sw != 0x9000:
            raise SystemExit(f"EXTERNAL AUTHENTICATE: {sw:04X}")
        self.level = level
        return "right", sequence

    def maced(self, header, data, le):
        head = header + bytes([len(data) + 8])
        self.chaining = cmac(self.s_mac, self.chaining + head + data)
        return head + data + self.chaining[:8] + le

    def send(self, apdu):
        header, rest = apdu[:4], apdu[4:]
        if len(rest) <= 1:
            data, le = b"", rest
        else:
            data, le = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        self.counter += 1
        block = self.counter.to_bytes(16, "big")
        if self.level & 0x02 and data:
            data = cbc(self.s_enc, ecb(self.s_enc, block), padded(data), True)
        wrapped = self.maced(bytes([header[0] | 0x04]) + header[1:], data, le)
        answer, sw = self.raw(wrapped)
        if sw != 0x9000 and (sw >> 8) not in (0x62, 0x63):
            return answer, sw
        if self.level & 0x10:
            body, mac = answer[:-8], answer[-8:]
            if cmac(self.s_rmac, self.chaining + body + sw.to_bytes(2, "big"))[:8] != mac:
                raise SystemExit("the response MAC is wrong")
            answer = body
        if self.level & 0x20 and answer:
            iv = ecb(self.s_enc, b"\x80" + block[1:])
            answer = unpadded(cbc(self.s_enc, iv, answer, False))
        return answer, sw


def main():
    ask = json.load(sys.stdin)
    reader = next(one for one in readers() if str(one) == ask["reader"])
    connection = reader.createConnection()
    connection.connect(CardConnection.T1_protocol)
    channel = Channel(connection)
    cryptogram, sequence = channel.open(bytes.fromhex(ask["master"]), ask["kvn"], ask["level"])
    answers = []
    if cryptogram == "right":
        for command in ask["commands"]:
            data, sw = channel.send(bytes.fromhex(command))
            answers.append({"data": data.hex().upper(), "sw": f"{sw:04X}"})
    connection.disconnect()
    json.dump({"cryptogram": cryptogram, "answers": answers, "sequence": sequence.hex()}, sys.stdout)


if __name__ == "__main__":
    main()
