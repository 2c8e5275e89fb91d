"""An SCP11a and SCP11c client that shares no line with Persoline: pyscard for the reader, python3-cryptography for P-256, X9.63, AES and CMAC.

Reads one JSON object from standard input, writes one to standard output:

  {"reader": NAME, "variant": "a", "kvn": 3, "level": 51, "length": 16, "authority": HEX, "host": HEX, "certificates": [HEX, ...],
   "anchor": 1, "commands": [HEX, ...], "keys": [HEX, HEX, HEX], "newkvn": 49}
  {"certificate": "right", "subject": HEX, "receipt": "right", "answers": [{"data": HEX, "sw": HEX}, ...], "put": {"data": HEX, "sw": HEX}}

`authority`: point of who signs the cards' certificates. `host`: the host's private key, `certificates` the host's, `anchor` the version of the
card's key 10. `keys`: an AES set to be put in as `newkvn`. Source of all that follows: GlobalPlatform Card Specification 2.3, Amendment F 1.2
(SCP11) and, for secure messaging, Amendment D.
"""

import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scp03_client import Channel, cbc, cmac, ecb
from smartcard.CardConnection import CardConnection
from smartcard.System import readers

CURVE = ec.SECP256R1()
KIDS = {"a": 0x11, "c": 0x15}
PARAMETERS = {"a": 0x01, "c": 0x03}


def objects(data):
    """Tag, value and whole bytes of each BER-TLV object."""
    found, at = [], 0
    while at < len(data):
        start = at
        tag = data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            tag = tag << 8 | data[at]
            at += 1
        length = data[at]
        at += 1
        if length > 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        found.append((tag, data[at : at + length], data[start : at + length]))
        at += length
    if at != len(data):
        raise SystemExit("an object is cut off")
    return found


def point(encoded):
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, encoded)


def encoded(key):
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def judged(store, authority):
    """Point and name of the leaf, or None when a signature of the chain does not hold."""
    (tag, certificates, _), *more = objects(store)
    if tag != 0xBF21 or more:
        raise SystemExit("the answer is no certificate store")
    key, name = point(authority), b""
    for tag, body, _ in objects(certificates):
        fields = objects(body)
        values = {tag: value for tag, value, _ in fields}
        signed = b"".join(whole for tag, _, whole in fields if tag != 0x5F37)
        r, s = (int.from_bytes(part, "big") for part in (values[0x5F37][:32], values[0x5F37][32:]))
        try:
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return None, name
        key, name = point(dict((tag, value) for tag, value, _ in objects(values[0x7F49]))[0xB0]), values[0x5F20]
    return key, name


class Agreed(Channel):
    def certificate(self, variant, kvn, authority):
        data, sw = self.raw(bytes([0x00, 0xCA, 0xBF, 0x21, 6, 0xA6, 4, 0x83, 2, KIDS[variant], kvn, 0]))
        if sw != 0x9000:
            raise SystemExit(f"GET DATA: {sw:04X}")
        self.card, subject = judged(data, authority)
        return self.card is not None, subject

    def show(self, certificates, anchor):
        for at, certificate in enumerate(certificates):
            last = 0x00 if at == len(certificates) - 1 else 0x80
            parts = [certificate[start : start + 255] for start in range(0, len(certificate), 255)]
            for number, part in enumerate(parts):
                cla = 0x80 if number == len(parts) - 1 else 0x90
                _, sw = self.raw(bytes([cla, 0x2A, anchor, 0x10 | last, len(part)]) + part)
                if sw != 0x9000:
                    return sw
        return 0x9000

    def agree(self, variant, kvn, level, length, host):
        usage = 0x3C if level == 0x33 else 0x34
        ephemeral = ec.generate_private_key(CURVE)
        reference = bytes([0xA6, 13, 0x90, 2, 0x11, PARAMETERS[variant], 0x95, 1, usage, 0x80, 1, 0x88, 0x81, 1, length])
        asked = reference + b"\x5f\x49\x41" + encoded(ephemeral.public_key())
        data, sw = self.raw(bytes([0x80, 0x82, kvn, KIDS[variant], len(asked)]) + asked + b"\x00")
        if sw != 0x9000:
            raise SystemExit(f"MUTUAL AUTHENTICATE: {sw:04X}")
        (first, answered, whole), (second, receipt, _) = objects(data)
        if first != 0x5F49 or second != 0x86:
            raise SystemExit("the answer is no point and receipt")
        static = ec.derive_private_key(int.from_bytes(host, "big"), CURVE)
        shared = ephemeral.exchange(ec.ECDH(), point(answered)) + static.exchange(ec.ECDH(), self.card)
        keys = X963KDF(SHA256(), 5 * length, bytes([usage, 0x88, length])).derive(shared)
        proof, self.s_enc, self.s_mac, self.s_rmac, self.s_dek = (
            keys[at * length : (at + 1) * length] for at in range(5)
        )
        if cmac(proof, asked + whole) != receipt:
            return False
        self.chaining, self.level = receipt, level
        return True

    def put(self, keys, kvn):
        data = bytes([kvn])
        for key in keys:
            wrapped = cbc(self.s_dek, bytes(16), key, True)
            check = ecb(key, b"\x01" * 16)[:3]
            data += bytes([0x88, len(wrapped) + 1, len(key)]) + wrapped + bytes([3]) + check
        return self.send(bytes([0x80, 0xD8, 0x00, 0x81, len(data)]) + data + b"\x00")


def told(data, sw):
    return {"data": data.hex().upper(), "sw": f"{sw:04X}"}


def main():
    ask = json.load(sys.stdin)
    of = {name: bytes.fromhex(ask[name]) for name in ("authority", "host")}
    reader = next(one for one in readers() if str(one) == ask["reader"])
    connection = reader.createConnection()
    connection.connect(CardConnection.T1_protocol)
    channel = Agreed(connection)
    variant, kvn = ask["variant"], ask["kvn"]
    right, subject = channel.certificate(variant, kvn, of["authority"])
    done = {"certificate": "right" if right else "wrong", "subject": subject.hex().upper()}
    if right:
        sw = channel.show([bytes.fromhex(one) for one in ask["certificates"]], ask["anchor"])
        done["host"] = f"{sw:04X}"
        if sw == 0x9000:
            held = channel.agree(variant, kvn, ask["level"], ask["length"], of["host"])
            done["receipt"] = "right" if held else "wrong"
            if held:
                done["answers"] = [told(*channel.send(bytes.fromhex(one))) for one in ask["commands"]]
                done["put"] = told(*channel.put([bytes.fromhex(one) for one in ask["keys"]], ask["newkvn"]))
    connection.disconnect()
    json.dump(done, sys.stdout)


main()
