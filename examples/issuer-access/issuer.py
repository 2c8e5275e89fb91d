#!/usr/bin/env python3
"""An issuer's side, apart from Persoline: writes a personalization file as docs/issuer-data.md says, from a description in JSON.

Usage: issuer.py DESCRIPTION.json OUT.issuer

For practice with published test keys, which stand in the description. Needs python3-cryptography.
"""
import hashlib
import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:  # older releases
    TripleDES = algorithms.TripleDES

HEAD = ["file", "order", "product", "issuer", "environment", "created", "expires"]
MODES = {"3des-cbc": 0x10, "3des-ecb": 0x11, "aes-wrap": 0x12}


def ecb(cipher, data):
    e = Cipher(cipher, modes.ECB()).encryptor()
    return e.update(data) + e.finalize()


def kcv(key, des=False):
    block = ecb(TripleDES(key + key[:8]), bytes(8)) if des else ecb(algorithms.AES(key), b"\1" * 16)
    return block[:3]


def mac(key, data):
    c = CMAC(algorithms.AES(key))
    c.update(data)
    return c.finalize()


def wrapped(mode, key, value):
    if mode == "aes-wrap":
        return aes_key_wrap_with_padding(key, value)
    des = TripleDES(key + key[:8])
    if mode == "3des-ecb":
        return ecb(des, value)
    e = Cipher(des, modes.CBC(bytes(8))).encryptor()
    return e.update(value) + e.finalize()


def head_fields(d):
    tk, km = d["transport"], d["mac"]
    des = d["mode"] != "aes-wrap"
    fields = [(name, d["head"][name]) for name in HEAD]
    fields += [("transportKey", tk["name"]), ("transportKcv", tk.get("kcv", kcv(bytes.fromhex(tk["value"]), des).hex().upper()))]
    fields += [("macKey", km["name"]), ("macKcv", km.get("kcv", kcv(bytes.fromhex(km["value"])).hex().upper()))]
    return fields


def short(data):
    return bytes([len(data)]) + data


def longer(data):
    return len(data).to_bytes(2, "big") + data


def module(name, data):
    return short(name.encode()) + b"%07d" % len(data) + data


def listed(ids):
    return b"".join(bytes.fromhex(one) for one in ids)


def grouping(name, value):
    length = bytes([len(value)]) if len(value) < 255 else b"\xff" + len(value).to_bytes(2, "big")
    return bytes.fromhex(name) + length + value


def application(d, app):
    tk = bytes.fromhex(d["transport"]["value"])
    secret = {name: wrapped(d["mode"], tk, bytes.fromhex(value)) for name, value in app.get("secret", {}).items()}
    plain = {name: bytes.fromhex(value) for name, value in app.get("plain", {}).items()}
    wish = app.get("instructions", {})
    if d["form"] == "json":
        return {
            "aid": app["aid"],
            "mode": d["mode"],
            "level": app.get("level", 1),
            "plain": {name: value.hex().upper() for name, value in plain.items()},
            "secret": {name: value.hex().upper() for name, value in secret.items()},
            **({"instructions": wish} if wish else {}),
        }
    names = [bytes.fromhex(name) for name in secret]
    tkdata = b"\1" + bytes([MODES[d["mode"]], len(names)]) + b"".join(names)
    enc = b"".join(name + b"\x11" for name in names)
    order, group = (b"".join(bytes([len(ids)]) + listed(ids) for ids in wish.get(name, [])) for name in ("order", "group"))
    vercntl, random = (listed(wish.get(name, [])) for name in ("vercntl", "random"))
    pdi = b"".join(longer(one) for one in (order, vercntl, enc, random, group)) + bytes([app.get("level", 1), 0])
    data = b"".join(grouping(name, value) for name, value in sorted({**plain, **secret}.items()))
    size = bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")
    return short(bytes.fromhex(app["aid"])) + short(tkdata) + longer(pdi) + longer(b"") + b"\xef" + size + data


def record_bytes(d, record):
    apps = [application(d, app) for app in record.get("applications", [])]
    if d["form"] == "json":
        return json.dumps({"data": record["data"], "applications": apps}, ensure_ascii=False).encode()
    chip = short(b"02.1") + bytes([len(apps)]) + b"".join(apps)
    return b"FFFFFFFA" + module("DATA", json.dumps(record["data"], ensure_ascii=False).encode()) + module("CHIP", chip)


def written(d):
    fields = head_fields(d)
    count = d.get("announced", len(d["records"]))
    if d["form"] == "json":
        head = json.dumps({**dict(fields), "records": count}).encode()
    else:
        head = b"".join(short(text.encode()) for _, text in fields) + count.to_bytes(4, "big")
    km = bytes.fromhex(d["mac"]["value"])
    place = hashlib.sha256(head).digest()
    lines = []
    for at, record in enumerate(d["records"]):
        body = record_bytes(d, record)
        tag = mac(km, b"persoline issuer record 1\n" + place + (at + 1).to_bytes(4, "big") + body)
        if d["form"] == "json":
            lines.append(b'{"mac":"%s","record":%s}\n' % (tag.hex().upper().encode(), body))
        else:
            whole = body + module("MAC", tag)
            lines.append(b"%07d" % len(whole) + whole)
    body = (head + b"\n" if d["form"] == "json" else longer(head)) + b"".join(lines)
    return preamble(d, hashlib.sha256(body).digest()) + body


def preamble(d, digest):
    proof = d["proof"]
    signs = proof["algorithm"] == "Ed25519"
    key = None if signs else bytes.fromhex(proof["value"])
    check = b"" if signs else bytes.fromhex(proof["kcv"]) if "kcv" in proof else kcv(key)
    if d["form"] == "json":
        covered = (
            '{"format":"persoline-issuer-data","version":1,"algorithm":"%s","key":"%s","kcv":"%s"'
            % (proof["algorithm"], proof["key"], check.hex().upper())
        ).encode()
    else:
        covered = b"PLISSUER\1" + bytes([2 if signs else 1]) + proof["key"].encode().ljust(32, b"\0")
        covered += check.ljust(3, b"\0") + bytes([64 if signs else 16])
    message = b"persoline issuer file 1\n" + covered + digest
    if signs:
        tag = serialization.load_pem_private_key(proof["pem"].encode(), None).sign(message)
    else:
        tag = mac(key, message)
    if d["form"] == "json":
        return covered + b',"proof":"' + tag.hex().upper().encode() + b'"}\n'
    return covered + tag.ljust(64, b"\0")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        description = json.load(source)
    with open(sys.argv[2], "wb") as out:
        out.write(written(description))
