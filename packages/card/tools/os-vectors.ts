// Computes two whole conversations with the operating system from docs/card-os.md (sections 4, 6 and 7): the session that issues
// a card, on the wire and in plain, and a terminal's use of it; without the virtual card and the product's host side. The card is the one that `chip-loader-session` completed.
import { aesCmac, checkValue } from "./loader-host.js";
import { Scp03Host } from "./scp03-host.js";

interface Vector {
  readonly id: string;
  readonly source: string;
  readonly [field: string]: unknown;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();
const unhex = (text: string): Buffer => Buffer.from(text, "hex");
const source = "docs/card-os.md, computed by packages/card/tools/os-vectors.ts";

const chipNumber = "50530001020304050607";
const keySet = {
  enc: "101112131415161718191A1B1C1D1E1F",
  mac: "202122232425262728292A2B2C2D2E2F",
  dek: "303132333435363738393A3B3C3D3E3F",
};
const master = "505152535455565758595A5B5C5D5E5F";
const hostChallenge = "E0E1E2E3E4E5E6E7";
/** RH and RC of the applet. */
const rh = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";
const rc = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const authenticating = 0x01;
const proving = 0x11;
const pinBlock = "241234FFFFFFFFFF";
const pinTries = 3;
const holder = "0101";
const content = hex(Buffer.from("PERSOLINE", "ascii")).padEnd(32, "F");

/** KDF3: CMAC(master, 01 ‖ 00 00 00 ‖ k ‖ 00 ‖ chip number). */
const applicationKey = (kid: number): Buffer =>
  aesCmac(unhex(master), Buffer.concat([Buffer.from([1, 0, 0, 0, kid, 0]), unhex(chipNumber)]));
const mac = (kid: number, purpose: string, ...parts: readonly string[]): string =>
  hex(aesCmac(applicationKey(kid), unhex(purpose + chipNumber + parts.join(""))));
const two = (n: number): string => n.toString(16).toUpperCase().padStart(4, "0");
const tlv = (tag: string, value: string): string => tag + hex(Buffer.from([value.length / 2])) + value;
const command = (header: string, data: string, le = ""): string =>
  header + hex(Buffer.from([data.length / 2])) + data + le;

const rules = tlv("AB", "800101A406830181950108" + "8001029E0140");

interface Exchange {
  readonly name: string;
  readonly plain: string;
  readonly command: string;
  readonly response: string;
  readonly answer: string;
}

/** Level 33, the first session of the card: what is sent and answered, in plain and on the wire. */
function issuing(): Exchange[] {
  const keys = { enc: unhex(keySet.enc), mac: unhex(keySet.mac), dek: unhex(keySet.dek) };
  const host = new Scp03Host(keys, 0x33, unhex(hostChallenge));
  const initialize = hex(host.initialize(0x01));
  const proof = host.cardAnswer(unhex(chipNumber), 0x01, unhex("000000"));
  if (!host.accepts(proof)) throw new Error("the host does not accept its own computation");
  const authenticate = hex(host.authenticate());
  const put = (kid: number, kvn: number): [string, string] => [
    command(
      `80D800${hex(Buffer.from([kid]))}`,
      hex(Buffer.from([kvn])) + hex(host.wrapKey(applicationKey(kid))),
      "00",
    ),
    `${hex(Buffer.from([kvn]))}${hex(checkValue(applicationKey(kid)))}9000`,
  ];
  const pin = hex(host.underDek(unhex(`${hex(Buffer.from([pinTries]))}${pinBlock}80000000000000`)));
  const steps: readonly (readonly [string, string, string])[] = [
    ["CREATE FILE, MF", command("00E00000", tlv("62", "82013883023F00")), "9000"],
    [
      "CREATE FILE, DF 0100",
      command("00E00000", tlv("62", `82013883020100${tlv("84", "A000000100")}`)),
      "9000",
    ],
    ["PUT KEY 01", ...put(authenticating, 0x01)],
    ["PUT KEY 11", ...put(proving, 0x02)],
    ["CHANGE REFERENCE DATA", command("00240181", pin), "9000"],
    ["CREATE FILE, EF 0101", command("00E00000", tlv("62", `8201018302010180020010880108${rules}`)), "9000"],
    ["UPDATE BINARY", command("00D60000", content), "9000"],
    ["ACTIVATE FILE", "00440000", "9000"],
    [
      "PROVE FILE 0101",
      command(`805C${holder}`, hex(Buffer.from([proving])) + rh, "00"),
      `${mac(proving, "05", rh, holder, two(content.length / 2), content)}9000`,
    ],
    ["SELECT a file that is not there", "00A4000C020999", "6A82"],
    ["SET STATUS INITIALIZED", "80F08007", "9000"],
  ];
  return [
    {
      name: "INITIALIZE UPDATE",
      plain: initialize,
      command: initialize,
      response: hex(proof),
      answer: hex(proof),
    },
    {
      name: "EXTERNAL AUTHENTICATE",
      plain: authenticate,
      command: authenticate,
      response: "9000",
      answer: "9000",
    },
    ...steps.map(([name, plain, answer]) => ({
      name,
      plain,
      command: hex(host.wrap(unhex(plain))),
      response: hex(host.protect(unhex(answer))),
      answer,
    })),
  ];
}

/** Plain commands of a terminal to the issued card, after a reset. */
function using(): Omit<Exchange, "plain" | "answer">[] {
  const kid = hex(Buffer.from([authenticating]));
  const steps: readonly (readonly [string, string, string])[] = [
    ["SELECT by DF name", command("00A4040C", "A000000100"), "9000"],
    ["INTERNAL AUTHENTICATE", command(`008800${kid}`, rh, "00"), `${mac(authenticating, "01", rh)}9000`],
    ["GET CHALLENGE", "0084000010", `${rc}9000`],
    ["EXTERNAL AUTHENTICATE", command(`008200${kid}`, mac(authenticating, "02", rc)), "9000"],
    ["GET CHALLENGE", "0084000010", `${rc}9000`],
    [
      "MUTUAL AUTHENTICATE",
      command(`008200${kid}`, rh + mac(authenticating, "03", rc, rh), "00"),
      `${mac(authenticating, "04", rh, rc)}9000`,
    ],
    ["READ BINARY without the PIN", "00B0810000", "6982"],
    ["VERIFY", command("00200081", pinBlock), "9000"],
    ["READ BINARY", "00B0810000", `${content}9000`],
    ["UPDATE BINARY without a session", command("00D68100", "00"), "6982"],
  ];
  return steps.map(([name, sent, response]) => ({ name, command: sent, response }));
}

export function osVectors(): readonly Vector[] {
  return [
    {
      id: "os-issuing-session",
      source,
      after: "chip-loader-session",
      chipNumber,
      keySet,
      level: "33",
      master,
      keys: [authenticating, proving].map((kid) => ({
        kid: hex(Buffer.from([kid])),
        key: hex(applicationKey(kid)),
        kcv: hex(checkValue(applicationKey(kid))),
      })),
      pin: { digits: "1234", tries: pinTries, block: pinBlock },
      hostChallenge,
      exchanges: issuing(),
    },
    { id: "os-use", source, after: "os-issuing-session", rh, rc, exchanges: using() },
  ];
}
