// Computes the vectors of the keys, proofs and PINs of a DF from docs/card-os.md (sections 2, 4, 6 and 7), without the card.
import { aesCmac, checkValue, encrypt } from "./loader-host.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();
const unhex = (text: string): Buffer => Buffer.from(text, "hex");
const lengthOf = (text: string, bytes = 1): string =>
  (text.length / 2)
    .toString(16)
    .toUpperCase()
    .padStart(2 * bytes, "0");

const chipNumber = "5053000000000000002A";
const rh = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF";
const rc = "000102030405060708090A0B0C0D0E0F";
const master = "000102030405060708090A0B0C0D0E0F";
/** K-DEK of the session that loads keys and PIN. */
const dek = "33".repeat(16);
const fid = "0101";
const contents = {
  transparent: "5F2005416461204CDF0103505253",
  /** Records 1 and 3 of a linear variable EF, the second unwritten: each length ‖ bytes. */
  records: "01CC02DDEE",
};

/** KDF3: key k of the card with this chip number. */
const diversified = (k: number): string =>
  hex(aesCmac(unhex(master), Buffer.concat([Uint8Array.of(1, 0, 0, 0, k, 0), unhex(chipNumber)])));

const mac = (key: string, purpose: string, ...parts: string[]): string =>
  hex(aesCmac(unhex(key), unhex([purpose, chipNumber, ...parts].join(""))));

const underDek = (plain: string): string => hex(encrypt("aes-128-cbc", unhex(dek), unhex(plain)));

function putKey(kid: string, kvn: string, key: string) {
  const kcv = hex(checkValue(unhex(key)));
  const data = `${kvn}881110${underDek(key)}03${kcv}`;
  return { kid, kvn, key, command: `80D800${kid}${lengthOf(data)}${data}00`, response: `${kvn}${kcv}9000` };
}

export function accessVectors() {
  const source = "docs/card-os.md, computed by packages/card/tools/access-vectors.ts";
  const [authenticating, proving] = [diversified(0x01), diversified(0x10)];
  const proof = (file: string, content: string) => ({
    source,
    key: proving,
    chipNumber,
    hostChallenge: rh,
    fid: file,
    content,
    command: `805C${file}1110${rh}00`,
    response: `${mac(proving, "05", rh, file, lengthOf(content, 2), content)}9000`,
  });
  const mutual = `${rh}${mac(authenticating, "03", rc, rh)}`;
  const pin = "03241234FFFFFFFFFF80000000000000";
  return [
    {
      id: "access-kdf3",
      source,
      master,
      chipNumber,
      keys: Object.fromEntries(
        [0x01, 0x02, 0x03, 0x10].map((k) => [k.toString(16).padStart(2, "0"), diversified(k)]),
      ),
    },
    { id: "access-put-key-authenticating", source, dek, ...putKey("01", "07", authenticating) },
    { id: "access-put-key-proving", source, dek, ...putKey("10", "08", proving) },
    {
      id: "access-change-reference-data",
      source,
      dek,
      tries: 3,
      pin: "1234",
      command: `0024018110${underDek(pin)}`,
      response: "9000",
    },
    {
      id: "access-internal-authenticate",
      source,
      key: authenticating,
      chipNumber,
      hostChallenge: rh,
      command: `0088000110${rh}00`,
      response: `${mac(authenticating, "01", rh)}9000`,
    },
    {
      id: "access-external-authenticate",
      source,
      key: authenticating,
      chipNumber,
      cardChallenge: rc,
      command: `0082000110${mac(authenticating, "02", rc)}`,
      response: "9000",
    },
    {
      id: "access-mutual-authenticate",
      source,
      key: authenticating,
      chipNumber,
      hostChallenge: rh,
      cardChallenge: rc,
      command: `0082000120${mutual}00`,
      response: `${mac(authenticating, "04", rh, rc)}9000`,
    },
    { id: "access-prove-transparent", ...proof(fid, contents.transparent) },
    { id: "access-prove-records", ...proof("0102", contents.records) },
  ];
}
