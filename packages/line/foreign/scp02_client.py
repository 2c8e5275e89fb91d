"""An SCP02 client that shares no line with Persoline: pyscard for the reader, python3-cryptography for DES.

Reads one JSON object from standard input, writes one to standard output:

  {"reader": NAME, "master": HEX, "diversify": "visa2", "kvn": 0, "level": 3, "commands": [HEX, ...]}
  {"cryptogram": "right", "answers": [{"data": HEX, "sw": HEX}, ...], "sequence": HEX}

`master`: 3DES key of 16 bytes; `diversify`: visa2, emv-cps or none. Source of all that follows: GlobalPlatform Card Specification 2.3.1,
annex E (SCP02, i = 15, 35, 55 or 75: three keys, C-MAC on the modified command, ICV encrypted; 35 and 75: R-MAC), and the
diversifications as chip makers publish them. Levels 00, 01, 03, 11 and 13; a response MAC that is wrong ends the program. `"deaf": true`
leaves one response out of the chain of R-MACs, as if it had been lost on the way.
"""

import json
import os
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from smartcard.CardConnection import CardConnection
from smartcard.System import readers


def des3(key, mode):
    # TripleDES takes 8 bytes as one key three times: single DES.
    return Cipher(algorithms.TripleDES(key), mode).encryptor()


def ecb(key, block):
    return des3(key, modes.ECB()).update(block)


def cbc(key, data):
    return des3(key, modes.CBC(bytes(8))).update(data)


def padded(data):
    data += b"\x80"
    return data + bytes(-len(data) % 8)


def retail(key, message, icv):
    """ISO/IEC 9797-1, MAC algorithm 3, padding method 2."""
    chained = icv
    blocks = padded(message)
    for at in range(0, len(blocks), 8):
        block = bytes(a ^ b for a, b in zip(chained, blocks[at : at + 8]))
        last = at + 8 == len(blocks)
        chained = ecb(key if last else key[:8], block)
    return chained


def diversified(how, master, number, kdd):
    if how == "none":
        return master
    part = kdd[0:2] + kdd[4:8] if how == "visa2" else kdd[4:10]
    return ecb(master, part + bytes([0xF0, number]) + part + bytes([0x0F, number]))


class Channel:
    def __init__(self, connection):
        self.connection = connection
        self.mac = None
        self.level = 0
        self.deaf = False

    def raw(self, apdu):
        data, sw1, sw2 = self.connection.transmit(list(apdu))
        return bytes(data), (sw1 << 8) | sw2

    def open(self, ask):
        host = os.urandom(8)
        data, sw = self.raw(bytes([0x80, 0x50, ask["kvn"], 0, 8]) + host + b"\x00")
        if sw != 0x9000:
            raise SystemExit(f"INITIALIZE UPDATE: {sw:04X}")
        if len(data) != 28 or data[11] != 2:
            raise SystemExit("the card speaks another protocol")
        kdd, sequence, challenge, cryptogram = data[:10], data[12:14], data[14:20], data[20:]
        master = bytes.fromhex(ask["master"])
        static = [diversified(ask["diversify"], master, number, kdd) for number in (1, 2)]
        enc = cbc(static[0], b"\x01\x82" + sequence + bytes(12))
        self.c_mac = cbc(static[1], b"\x01\x01" + sequence + bytes(12))
        self.enc = enc
        self.r_mac = cbc(static[1], b"\x01\x02" + sequence + bytes(12))
        if cbc(enc, padded(host + sequence + challenge))[-8:] != cryptogram:
            # Going on would cost the card a try.
            return "wrong", sequence
        proof = cbc(enc, padded(sequence + challenge + host))[-8:]
        _, sw = self.raw(self.maced(bytes([0x84, 0x82, ask["level"], 0]), proof, proof, b""))
        if sw != 0x9000:
            raise SystemExit(f"EXTERNAL AUTHENTICATE: {sw:04X}")
        self.level = ask["level"]
        # E.4.5: the first R-MAC chains on the C-MAC of EXTERNAL AUTHENTICATE.
        self.r_chain = self.mac
        self.deaf = ask.get("deaf", False)
        return "right", sequence

    def maced(self, header, plain, sent, le):
        icv = bytes(8) if self.mac is None else ecb(self.c_mac[:8], self.mac)
        self.mac = retail(self.c_mac, header + bytes([len(plain) + 8]) + plain, icv)
        return header + bytes([len(sent) + 8]) + sent + self.mac + le

    def send(self, apdu):
        if self.level == 0:
            return self.raw(apdu)
        header, rest = apdu[:4], apdu[4:]
        plain, le = (b"", rest) if len(rest) <= 1 else (rest[1 : 1 + rest[0]], rest[1 + rest[0] :])
        sent = cbc(self.enc, padded(plain)) if self.level & 0x02 and plain else plain
        answer, sw = self.raw(self.maced(bytes([header[0] | 0x04]) + header[1:], plain, sent, le))
        if self.level & 0x10 == 0:
            return answer, sw
        if self.deaf:
            self.deaf = False
            return answer[:-8], sw
        return self.checked(bytes(header) + bytes([len(plain)]) + plain, answer, sw), sw

    def checked(self, asked, answer, sw):
        """E.4.5: the plain command with its Lc, length and data of the response, status word; errors have one too."""
        if len(answer) < 8:
            raise SystemExit("the response has no MAC")
        body, mac = answer[:-8], answer[-8:]
        message = asked + bytes([len(body)]) + body + sw.to_bytes(2, "big")
        self.r_chain = retail(self.r_mac, message, self.r_chain)
        if self.r_chain != mac:
            raise SystemExit("the response MAC is wrong")
        return body


def main():
    ask = json.load(sys.stdin)
    reader = next(one for one in readers() if str(one) == ask["reader"])
    connection = reader.createConnection()
    connection.connect(CardConnection.T1_protocol)
    channel = Channel(connection)
    cryptogram, sequence = channel.open(ask)
    answers = []
    if cryptogram == "right":
        for command in ask["commands"]:
            data, sw = channel.send(bytes.fromhex(command))
            answers.append({"data": data.hex().upper(), "sw": f"{sw:04X}"})
    connection.disconnect()
    json.dump({"cryptogram": cryptogram, "answers": answers, "sequence": sequence.hex()}, sys.stdout)


main()
