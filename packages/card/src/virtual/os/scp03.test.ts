import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Bench, completedStore, createMf, keySet, tlv } from "../../../tools/os-bench.js";
import { image10, keys as initialKeys, chipNumber } from "../../../tools/bench.js";
import type { Level } from "../../../tools/scp03-host.js";
import { nodeCrypto } from "../../../node/index.js";
import { hex, unhex } from "../../bytes/index.js";
import { answer, decodeApdu } from "./command.js";
import { SecureChannel } from "./scp03.js";

interface Vector {
  readonly id: string;
  readonly keys: Readonly<Record<"enc" | "mac" | "dek", string>>;
  readonly i?: string;
  readonly s_mode?: number;
  readonly selected_aid?: string;
  readonly init_update?: string;
  readonly host_challenge?: string;
  readonly init_update_resp?: string;
  readonly ext_auth: string;
  readonly commands: readonly {
    readonly plain: string;
    readonly wrapped: string;
    readonly response_data?: string;
    readonly response_sw?: string;
    readonly response_plain?: string;
  }[];
}

const file = readFileSync(new URL("../../../vectors/scp03.json", import.meta.url), "utf8");
const { vectors } = JSON.parse(file) as { vectors: readonly Vector[] };
// This card: AES-128, S8, i = 70.
const ours = vectors.filter(
  ({ keys, i, s_mode = 8 }) => keys.enc.length === 32 && i === "70" && s_mode === 8,
);

const apdu = (text: string) => {
  const decoded = decodeApdu(unhex(text));
  if (decoded === undefined) throw new Error("not a short APDU");
  return decoded;
};
const pass = (mac: Uint8Array): Uint8Array => mac;

function opened(vector: Vector): SecureChannel {
  const { enc, mac, dek } = vector.keys;
  const answered = unhex(vector.init_update_resp ?? "");
  const challenge = vector.host_challenge ?? vector.init_update?.slice(10, 26) ?? "";
  const chip = { crypto: nodeCrypto, spendAes: () => undefined };
  const set = { kvn: 0x30, enc: unhex(enc), mac: unhex(mac), dek: unhex(dek) };
  const sequence = answered.subarray(29, 32);
  return new SecureChannel(chip, set, sequence, unhex(vector.selected_aid ?? ""), unhex(challenge));
}

describe("recorded sessions, on the card's side", () => {
  test("there are some of every kind", () => {
    expect(ours.map(({ id }) => id)).toEqual(["pysim-aes128-level11", "pysim-aes128-level33", "kaoh-delete"]);
  });

  test.each(ours)("$id", (vector) => {
    const channel = opened(vector);
    expect(hex(channel.proof)).toBe(vector.init_update_resp?.slice(26));
    expect(channel.authenticate(apdu(vector.ext_auth))).toBe(true);
    for (const command of vector.commands) {
      const plain = channel.unwrap(apdu(command.wrapped));
      expect(hex(plain ?? unhex("FF"))).toBe(hex(apdu(command.plain).data));
      if (command.response_plain === undefined) continue;
      const sent = channel.wrap(answer(unhex(command.response_plain)), pass);
      expect(hex(sent.data)).toBe(command.response_data);
    }
  });

  test.each(ours)("$id, damaged", (vector) => {
    for (const at of [2, 5, 12, 13, 20]) {
      const damaged = unhex(vector.ext_auth);
      damaged[at] = (damaged[at] ?? 0) ^ 0x01;
      expect(opened(vector).authenticate(apdu(hex(damaged)))).toBe(false);
    }
    const [command] = vector.commands;
    for (const at of [1, 3, 6, command === undefined ? 0 : command.wrapped.length / 2 - 3]) {
      const channel = opened(vector);
      channel.authenticate(apdu(vector.ext_auth));
      const damaged = unhex(command?.wrapped ?? "");
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(channel.unwrap(apdu(hex(damaged)))).toBeUndefined();
    }
  });
});

const levels: readonly Level[] = [0x01, 0x03, 0x11, 0x13, 0x33];

describe("sessions through APDUs", () => {
  test.each(levels)("level %i carries commands and answers", (level) => {
    const bench = new Bench();
    expect(bench.open(level)).toBe("9000");
    expect(bench.safe(createMf)).toBe("9000");
    expect(bench.safe("00A4000402 3F00 00")).toBe("620A82013883023F008A01039000");
    expect(bench.safe("00A4000C02 0101")).toBe("6A82");
    expect(bench.safe("00A4000402 3F00 00")).toBe("620A82013883023F008A01039000");
  });

  test("the first reset answers everything about the keys; the sequence counter counts sessions", () => {
    const bench = new Bench();
    expect(bench.say("80CA00E000")).toBe("E012C00401018810C00402018810C004030188109000");
    expect(bench.say("80CA00C100")).toBe("C1030000009000");
    expect(bench.say("00CA006600").slice(0, -4)).toBe(
      tlv(
        "66",
        tlv(
          "73",
          "06072A864886FC6B01",
          "600C060A2A864886FC6B02020301",
          "630906072A864886FC6B03",
          "640B06092A864886FC6B040370",
        ),
      ),
    );
    expect(bench.open()).toBe("9000");
    expect(bench.safe("80CA00C100")).toBe("C1030000019000");
    bench.reset();
    expect(bench.open()).toBe("9000");
    expect(bench.say("80CA00C100")).toBe("C1030000029000");
  });

  test("INITIALIZE UPDATE names its key set", () => {
    const bench = new Bench();
    expect(bench.say("8050010008010203040506070800").slice(0, 26)).toBe(`${hex(chipNumber)}010370`);
    expect(bench.say("8050020008010203040506070800")).toBe("6A88");
    expect(bench.say("8050000108010203040506070800")).toBe("6A86");
    expect(bench.say("80500000070102030405060700")).toBe("6700");
    // The one before counts no more.
    expect(bench.say("8482330010" + "00".repeat(16))).toBe("6985");
  });

  test("EXTERNAL AUTHENTICATE wants its form first, and costs nothing until then", () => {
    const bench = new Bench();
    const pages = bench.writes(() => {
      expect(bench.say("8482330010" + "00".repeat(16))).toBe("6985");
      bench.say("8050000008010203040506070800");
      expect(bench.say("8482020010" + "00".repeat(16))).toBe("6A86");
      bench.say("8050000008010203040506070800");
      expect(bench.say("848201000F" + "00".repeat(15))).toBe("6700");
      bench.say("8050000008010203040506070800");
      expect(bench.say("8082010010" + "00".repeat(16))).toBe("6982");
      expect(bench.say("8482010010" + "00".repeat(16))).toBe("6985");
    });
    expect(pages).toBe(0);
  });

  test("ten wrong cryptograms block the card, one right one gives all tries back", () => {
    const bench = new Bench();
    const wrong = (): string => {
      bench.say("8050000008010203040506070800");
      return bench.say("8482330010" + "AB".repeat(16));
    };
    for (let n = 0; n < 9; n++) expect(wrong()).toBe("6300");
    expect(bench.open()).toBe("9000");
    for (let n = 0; n < 10; n++) expect(bench.writes(() => expect(wrong()).toBe("6300"))).toBe(1);
    expect(bench.say("8050000008010203040506070800")).toBe("6983");
    bench.again();
    expect(bench.open()).toBe("6983");
  });

  test("a power cut at the comparison has already cost the try", () => {
    const bench = new Bench(completedStore(), { kind: "torn-at", write: 2 });
    expect(bench.open()).toBe("mute");
    bench.again();
    // One try is gone, the sequence counter is the old one: nine more wrong ones block.
    for (let n = 0; n < 9; n++) {
      bench.say("8050000008010203040506070800");
      expect(bench.say("8482330010" + "AB".repeat(16))).toBe("6300");
    }
    expect(bench.say("8050000008010203040506070800")).toBe("6983");
  });

  test.each([
    ["a wrong C-MAC", "04A4000C0A3F000102030405060708"],
    ["a C-MAC that is too short", "04A4000C023F00"],
    ["a plain command of ours", "80F08007"],
  ])("%s ends the session", (_, command) => {
    const bench = new Bench();
    bench.open();
    bench.safe(createMf);
    expect(bench.say(command)).toBe("6982");
    expect(bench.safe("00A4000C023F00")).toBe("6982");
  });

  test("plain interindustry commands, GET DATA and SELECT keep the session, but count as without", () => {
    const bench = new Bench();
    bench.open();
    expect(bench.say(createMf)).toBe("6982");
    expect(bench.safe(createMf)).toBe("9000");
    expect(bench.say("00A4000C023F00")).toBe("9000");
    expect(bench.say("80CA00CF00")).toBe(`CF0A${hex(chipNumber)}9000`);
    expect(bench.say("00A4040C08A000000151000000")).toBe("9000");
    expect(bench.say("00FE0000")).toBe("6982");
    expect(bench.safe("00A4000C023F00")).toBe("9000");
  });

  test("secured commands without a session, and INITIALIZE UPDATE inside one", () => {
    const bench = new Bench();
    expect(bench.say("04A4000C0A3F000102030405060708")).toBe("6982");
    bench.open();
    expect(bench.safe("8050000008010203040506070800")).toBe("6985");
    expect(bench.safe("80CA00C100")).toBe("C1030000019000");
    bench.say("8050000008010203040506070800");
    expect(bench.safe("80CA00C100")).toBe("6982");
  });

  test("a spoiled response MAC is seen by the host", () => {
    const bench = new Bench(completedStore(), { kind: "bad-mac", nth: 2 });
    bench.open();
    expect(bench.safe(createMf)).toBe("9000");
    expect(bench.safe("00A4000C023F00")).toBe("bad R-MAC");
  });
});

describe("the key set", () => {
  const next = { enc: unhex("44".repeat(16)), mac: unhex("55".repeat(16)), dek: unhex("66".repeat(16)) };
  const put = (bench: Bench, replaced: string, kvn: string, damage = ""): string => {
    const { host } = bench;
    if (host === undefined) throw new Error("no session");
    const keys = [next.enc, next.mac, next.dek].map((key) => hex(host.wrapKey(key))).join("");
    return bench.safe(`80D8${replaced}8146${kvn}${keys.slice(0, keys.length - damage.length)}${damage}00`);
  };

  test("is replaced as a whole, by two page writes", () => {
    const bench = new Bench();
    bench.open();
    expect(put(bench, "02", "30")).toBe("6A88");
    expect(put(bench, "01", "80")).toBe("6A80");
    expect(put(bench, "01", "30", "000000")).toBe("6A80");
    let answered = "";
    expect(bench.writes(() => (answered = put(bench, "01", "30")))).toBe(2);
    expect(answered).toMatch(/^30[0-9A-F]{18}9000$/);
    bench.reset();
    expect(bench.open(0x33)).toBe("refused");
    expect(bench.open(0x33, next, 0x01)).toBe("6A88");
    expect(bench.open(0x33, next, 0x30)).toBe("9000");
    expect(bench.safe("80CA00E000")).toBe("E012C00401308810C00402308810C004033088109000");
  });

  test("is the old one after a tear", () => {
    const store = completedStore();
    const bench = new Bench(store, { kind: "torn-at", write: 3 });
    bench.open();
    expect(put(bench, "01", "30")).toBe("mute");
    bench.again();
    expect(bench.open()).toBe("9000");
    expect(bench.say("80CA00E000")).toContain("C004010188");
  });

  test("never leaves the card", () => {
    const bench = new Bench(completedStore(image10));
    bench.open(0x01);
    const said = ["80CA00E000", "80CADF0100", "80CA006600", "00B2010400", "00B0000000"]
      .map((c) => bench.safe(c))
      .join("");
    for (const key of initialKeys) expect(said).not.toContain(hex(key).slice(0, 8));
    expect(hex(keySet.enc)).toBe("11".repeat(16));
  });
});
