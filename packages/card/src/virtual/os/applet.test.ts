import { describe, expect, test } from "vitest";
import { chipNumber } from "../../../tools/bench.js";
import { aesCmac } from "../../../tools/loader-host.js";
import { Bench, command, completedStore, create, createMf, openRules, tlv } from "../../../tools/os-bench.js";
import { hex, unhex } from "../../bytes/index.js";
import type { Fault } from "../types.js";

const authenticating = unhex("A1".repeat(16));
const proving = unhex("B2".repeat(16));
const number = hex(chipNumber);
const pin = (digits: string): string =>
  `2${digits.length.toString(16).toUpperCase()}${digits}`.padEnd(16, "F");
const mac = (key: Uint8Array, text: string): string => hex(aesCmac(key, unhex(text)));

const df = create("820138", "83020100", "8405A000000001");

/** DF 0100 with both keys and PIN 1234 (3 tries). */
function issued(...faults: Fault[]): Bench {
  const bench = new Bench(completedStore(), ...faults);
  bench.open();
  for (const sent of [createMf, df]) expect(bench.safe(sent)).toBe("9000");
  expect(putKey(bench, "01", "07", authenticating)).toMatch(/^07[0-9A-F]{6}9000$/);
  expect(putKey(bench, "10", "08", proving)).toMatch(/^08[0-9A-F]{6}9000$/);
  expect(setPin(bench, 3, "1234")).toBe("9000");
  return bench;
}

function putKey(bench: Bench, kid: string, kvn: string, key: Uint8Array): string {
  return bench.safe(`80D800${kid}18${kvn}${hex(bench.host?.wrapKey(key) ?? unhex(""))}00`);
}

function setPin(bench: Bench, tries: number, digits: string): string {
  const plain = unhex(`${hex(Uint8Array.of(tries))}${pin(digits)}80000000000000`);
  return bench.safe(command("00240181", hex(bench.host?.underDek(plain) ?? plain)));
}

/** To DF 0100 after a reset, without a session. */
function entered(bench: Bench): void {
  bench.reset();
  expect(bench.say("00A4000C020100")).toBe("9000");
}

describe("PIN", () => {
  test("right, wrong, blocked, reset", () => {
    const bench = issued();
    entered(bench);
    const wrong = `0020008108${pin("1235")}`;
    const right = `0020008108${pin("1234")}`;
    const steps: readonly (readonly [string, string, number])[] = [
      ["00200081", "63C3", 0],
      [wrong, "63C2", 1],
      ["00200081", "63C2", 0],
      [right, "9000", 2],
      ["00200081", "9000", 0],
      [wrong, "63C2", 1],
      ["00200081", "63C2", 0],
      [wrong, "63C1", 1],
      [wrong, "63C0", 1],
      [wrong, "6983", 0],
      [right, "6983", 0],
      ["00200081", "6983", 0],
      ["002C0381", "6982", 0],
    ];
    for (const [sent, answered, pages] of steps) {
      let got = "";
      expect(`${sent}: ${bench.writes(() => (got = bench.say(sent)))}`).toBe(`${sent}: ${pages}`);
      expect(`${sent}: ${got}`).toBe(`${sent}: ${answered}`);
    }
    bench.open(0x01);
    expect(bench.writes(() => expect(bench.safe("002C0381")).toBe("9000"))).toBe(1);
    expect(bench.say("00200081")).toBe("63C3");
    expect(bench.say(right)).toBe("9000");
  });

  test.each([
    ["0020000108241234FFFFFFFFFF", "6A88"],
    ["0020018108241234FFFFFFFFFF", "6A86"],
    ["0020008107241234FFFFFFFF", "6700"],
    ["0020008108141234FFFFFFFFFF", "6A80"],
    ["0020008108231234FFFFFFFFFF", "6A80"],
    ["00200081082D1234FFFFFFFFFF", "6A80"],
    ["002000810824123AFFFFFFFFFF", "6A80"],
    ["0020008108241234FFFFFFFFF0", "6A80"],
    ["002C0081", "6982"],
    ["0024018110" + "00".repeat(16), "6982"],
  ])("%s is answered %s and costs no try", (sent, answered) => {
    const bench = issued();
    entered(bench);
    expect(bench.writes(() => expect(bench.say(sent)).toBe(answered))).toBe(0);
    expect(bench.say("00200081")).toBe("63C3");
  });

  test("is made under the session's DEK only, in its form only", () => {
    const bench = issued();
    expect(setPin(bench, 0, "1234")).toBe("6A80");
    expect(setPin(bench, 16, "1234")).toBe("6A80");
    expect(setPin(bench, 3, "123")).toBe("6A80");
    expect(bench.safe("0024018110" + "00".repeat(16))).toBe("6A80");
    expect(bench.safe("002401810F" + "00".repeat(15))).toBe("6700");
    expect(bench.safe("0024008110" + "00".repeat(16))).toBe("6A86");
    expect(bench.safe("0024018210" + "00".repeat(16))).toBe("6A86");
    expect(bench.safe("002C0281")).toBe("6A86");
    expect(bench.safe("002C0382")).toBe("6A88");
    expect(bench.safe("002C038101 00")).toBe("6700");
    let answered = "";
    expect(bench.writes(() => (answered = setPin(bench, 15, "123456789012")))).toBe(2);
    expect(answered).toBe("9000");
    expect(bench.say("00200081")).toBe("63CF");
    expect(bench.say("00200081082C123456789012FF")).toBe("9000");
    expect(bench.say("0020008108241234FFFFFFFFFF")).toBe("63CE");
  });

  test.each([
    // Cut before the counter was down: nothing was compared. Cut after: the try is gone, even for the right PIN.
    [1, "1234", "63C3"],
    [1, "1235", "63C3"],
    [2, "1234", "63C2"],
  ])("power cut at page write %i of VERIFY with %s: %s", (write, digits, left) => {
    const base = issued();
    base.reset();
    const bench = new Bench(base.store, { kind: "torn-at", write });
    bench.say("00A4000C020100");
    expect(bench.say(`0020008108${pin(digits)}`)).toBe("mute");
    bench.again();
    bench.say("00A4000C020100");
    expect(bench.say("00200081")).toBe(left);
    expect(bench.say(`0020008108${pin("1234")}`)).toBe("9000");
  });
});

describe("keys of a DF", () => {
  test("come in two page writes; two of them; KCV checked", () => {
    const bench = issued();
    expect(putKey(bench, "02", "01", proving)).toBe("6A84");
    let answered = "";
    expect(bench.writes(() => (answered = putKey(bench, "01", "09", proving)))).toBe(2);
    expect(answered.slice(0, 2)).toBe("09");
    expect(putKey(bench, "01", "00", proving)).toBe("6A80");
    expect(putKey(bench, "20", "01", proving)).toBe("6A86");
    expect(putKey(bench, "00", "01", proving)).toBe("6A86");
    expect(bench.safe("80D8010118" + "00".repeat(24))).toBe("6A86");
    expect(bench.safe("80D8000117" + "00".repeat(23))).toBe("6700");
    const wrapped = hex(bench.host?.wrapKey(proving) ?? unhex(""));
    expect(bench.safe(`80D800011809${wrapped.slice(0, -2)}00`)).toBe("6A80");
    expect(bench.safe(`80D800011809${wrapped.replace("881110", "881210")}`)).toBe("6A80");
    expect(bench.say(`80D800011809${wrapped}`)).toBe("6982");
  });

  test("INTERNAL AUTHENTICATE proves the card", () => {
    const bench = issued();
    entered(bench);
    const challenge = "C3".repeat(16);
    expect(bench.say(`0088000110${challenge}00`)).toBe(
      `${mac(authenticating, `01${number}${challenge}`)}9000`,
    );
    expect(bench.say(`0088001010${challenge}00`)).toBe("6985");
    expect(bench.say(`0088000210${challenge}00`)).toBe("6A88");
    expect(bench.say(`0088000010${challenge}00`)).toBe("6A88");
    expect(bench.say(`0088010110${challenge}00`)).toBe("6A86");
    expect(bench.say(`008800010F${challenge.slice(2)}00`)).toBe("6700");
    expect(bench.say(`0088000110${challenge}0F`)).toBe("6700");
    expect(bench.writes(() => bench.say(`0088000110${challenge}00`))).toBe(0);
  });

  test("EXTERNAL AUTHENTICATE: a challenge serves once", () => {
    const bench = issued();
    entered(bench);
    const proof = (rc: string): string => `0082000110${mac(authenticating, `02${number}${rc}`)}`;
    const challenge = (): string => bench.say("0084000010").slice(0, 32);
    expect(bench.say(proof("00".repeat(16)))).toBe("6985");
    const first = challenge();
    expect(bench.writes(() => expect(bench.say(proof(first))).toBe("9000"))).toBe(2);
    expect(bench.say(proof(first))).toBe("6985");
    const second = challenge();
    expect(bench.writes(() => expect(bench.say(proof(first))).toBe("63CE"))).toBe(1);
    expect(bench.say(proof(second))).toBe("6985");
    challenge();
    bench.say("0084000008");
    expect(bench.say(proof(second))).toBe("6985");
    for (let left = 13; left >= 0; left--) {
      challenge();
      expect(bench.say(`0082000110${"00".repeat(16)}`)).toBe(`63C${left.toString(16).toUpperCase()}`);
    }
    expect(bench.say(proof(challenge()))).toBe("6983");
    entered(bench);
    expect(bench.say(proof(challenge()))).toBe("6983");
    expect(bench.say("008200011100" + "00".repeat(16))).toBe("6700");
    expect(bench.say("0082001010" + "00".repeat(16))).toBe("6985");
    expect(bench.say("0082000310" + "00".repeat(16))).toBe("6A88");
    expect(bench.say("0082010110" + "00".repeat(16))).toBe("6A86");
  });

  test("MUTUAL AUTHENTICATE: both sides prove themselves", () => {
    const bench = issued();
    entered(bench);
    const rh = "D4".repeat(16);
    const rc = bench.say("0084000010").slice(0, 32);
    const sent = `0082000120${rh}${mac(authenticating, `03${number}${rc}${rh}`)}00`;
    expect(
      bench.writes(() => expect(bench.say(sent)).toBe(`${mac(authenticating, `04${number}${rh}${rc}`)}9000`)),
    ).toBe(2);
    expect(bench.say(sent)).toBe("6985");
    bench.say("0084000010");
    expect(bench.say(sent)).toBe("63CE");
  });

  test("PROVE FILE shows what is in any file, and no other key or file will do", () => {
    const bench = issued();
    const challenge = "E5".repeat(16);
    const proof = (fid: string, content: string): string =>
      `${mac(proving, `05${number}${challenge}${fid}${(content.length / 2).toString(16).padStart(4, "0")}${content}`)}9000`;
    const prove = (fid: string): string => bench.safe(`805C${fid}1110${challenge}00`);
    for (const sent of [
      create("820101", "83020101", "80020005", tlv("AB", "8001019700")),
      "00D60000050102030405",
      "00440000",
      create("82050221000203", "83020102"),
      "00DC020402AABB",
      create("82050421000203", "83020103"),
      "00DC010401CC",
      "00DC030402DDEE",
      create("82050621000203", "83020104"),
      "00DC0003021111",
      "00DC0003022222",
    ])
      expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: 9000`);
    expect(prove("0101")).toBe(proof("0101", "0102030405"));
    expect(prove("0102")).toBe(proof("0102", "02FFFF02AABB02FFFF"));
    expect(prove("0103")).toBe(proof("0103", "01CC02DDEE"));
    expect(prove("0104")).toBe(proof("0104", "02222202111102FFFF"));
    expect(prove("0105")).toBe("6A82");
    expect(prove("0100")).toBe("6A82");
    expect(bench.safe(`805C01011101${challenge}00`)).toBe("6985");
    expect(bench.safe(`805C01011111${challenge}00`)).toBe("6A88");
    expect(bench.safe(`805C01011010${challenge.slice(2)}00`)).toBe("6700");
    expect(bench.say(`805C01011110${challenge}00`)).toBe("6982");
  });
});

describe("access rules", () => {
  const secret = "00D6000001 5A";
  const rules: Readonly<Record<string, string>> = {
    none: "",
    always: tlv("AB", "8001039000"),
    never: tlv("AB", "8001039700"),
    "secure messaging": tlv("AB", "8001039E0140"),
    pin: tlv("AB", "800103A406830181950108"),
    "other pin": tlv("AB", "800103A406830182950108"),
    key: tlv("AB", "800103A406830101950180"),
    "pin and key": tlv("AB", "800103A406830181950108A406830101950180"),
    "pin and secure messaging": tlv("AB", "800103A4068301819501089E0140"),
    "pin or key": tlv("AB", "800103A406830181950108800103A406830101950180"),
    "only other operations": tlv("AB", "80015C9000"),
  };

  function ruled(rule: string): Bench {
    const bench = issued();
    for (const sent of [
      create("820101", "83020101", "80020001", "880140", rules[rule] ?? ""),
      secret,
      "00440000",
    ]) {
      expect(bench.safe(sent)).toBe("9000");
    }
    entered(bench);
    return bench;
  }

  const verify = (bench: Bench): string => bench.say(`0020008108${pin("1234")}`);
  function authenticate(bench: Bench): string {
    const rc = bench.say("0084000010").slice(0, 32);
    return bench.say(`0082000110${mac(authenticating, `02${number}${rc}`)}`);
  }
  const read = "00B0880001";
  const update = "00D6880001 5A";

  test.each([
    // rule, nothing, PIN, key, PIN and key, then the same in a session
    ["none", "------"],
    ["always", "++++++"],
    ["never", "------"],
    ["secure messaging", "----++"],
    ["pin", "-+-+-+"],
    ["other pin", "------"],
    ["key", "--++-+"],
    ["pin and key", "---+-+"],
    ["pin and secure messaging", "-----+"],
    ["pin or key", "-+++-+"],
    ["only other operations", "------"],
  ])("%s", (rule, expected) => {
    const states: readonly ((bench: Bench) => void)[] = [
      () => undefined,
      (bench) => expect(verify(bench)).toBe("9000"),
      (bench) => expect(authenticate(bench)).toBe("9000"),
      (bench) => expect(verify(bench) + authenticate(bench)).toBe("90009000"),
      (bench) => expect(bench.open(0x11)).toBe("9000"),
      (bench) => expect(verify(bench) + authenticate(bench) + bench.open(0x11)).toBe("900090009000"),
    ];
    // `pin` and `key` hold in a session as outside of it.
    for (const [at, prepare] of states.entries()) {
      const bench = ruled(rule);
      prepare(bench);
      const say = (sent: string): string => (bench.host === undefined ? bench.say(sent) : bench.safe(sent));
      const allowed = expected[at] === "+";
      expect(`${rule} ${at} ${say(read)}`).toBe(`${rule} ${at} ${allowed ? "5A9000" : "6982"}`);
      expect(`${rule} ${at} ${say(update)}`).toBe(`${rule} ${at} ${allowed ? "9000" : "6982"}`);
    }
  });

  test("each operation by its own bit", () => {
    const bits = { "01": "read", "02": "update", "04": "append", "08": "deactivate", "10": "activate" };
    for (const bit of Object.keys(bits)) {
      const bench = issued();
      bench.safe(create("82050421000102", "83020101", "880140", tlv("AB", `8001${bit}9000`)));
      bench.safe("00DC010401 5A");
      bench.safe("00440000");
      const inactive = bit === "10";
      expect(bench.safe(inactive ? "00040000" : "00A4000C020101")).toBe("9000");
      entered(bench);
      const allowed = (wanted: string, good: string): string =>
        wanted === bit ? good : inactive && wanted < "08" ? "6985" : "6982";
      expect(bench.say("00B2014400")).toBe(allowed("01", "5A9000"));
      expect(bench.say("00DC014401 5B")).toBe(allowed("02", "9000"));
      expect(bench.say("00E2004001 5C")).toBe(allowed("04", "9000"));
      expect(bench.say("0044000002 0101")).toBe(allowed("10", "9000"));
      expect(bench.say("0004000002 0101")).toBe(allowed("08", "9000"));
    }
  });

  test("rights end with the DF and with the reset", () => {
    const leave: readonly ((bench: Bench) => void)[] = [
      (bench) => bench.reset(),
      (bench) => bench.say("00A4000C023F00"),
      (bench) => bench.say("00A4040C08A000000151000000"),
      (bench) => bench.say("00A4030C"),
      (bench) => bench.say("00A4080C020200"),
    ];
    for (const out of leave) {
      const bench = issued();
      bench.safe(create("820101", "83020101", "80020001", "880140", rules["pin and key"] ?? ""));
      bench.safe("00440000");
      bench.safe("00A4000C023F00");
      bench.safe(create("820138", "83020200"));
      entered(bench);
      verify(bench);
      authenticate(bench);
      expect(bench.say(read)).toBe("FF9000");
      bench.say("00A4000C020100");
      bench.say("00A4020C020101");
      bench.say("00A4040C05A000000001");
      expect(bench.say(read)).toBe("FF9000");
      out(bench);
      bench.say("00A4080C020100");
      expect(bench.say(read)).toBe("6982");
    }
  });

  test("a wrong PIN, a wrong key and a new key end the right there was", () => {
    const bench = issued();
    bench.safe(create("820101", "83020101", "80020001", "880140", rules["pin or key"] ?? ""));
    bench.safe("00440000");
    verify(bench);
    expect(bench.say(read)).toBe("FF9000");
    bench.say(`0020008108${pin("9999")}`);
    expect(bench.say(read)).toBe("6982");
    authenticate(bench);
    expect(bench.say(read)).toBe("FF9000");
    bench.say("0084000010");
    bench.say("0082000110" + "00".repeat(16));
    expect(bench.say(read)).toBe("6982");
    authenticate(bench);
    putKey(bench, "01", "02", authenticating);
    expect(bench.say(read)).toBe("6982");
    verify(bench);
    setPin(bench, 3, "1234");
    expect(bench.say(read)).toBe("6982");
  });

  test("a deactivated DF takes no PIN and no key", () => {
    const bench = issued();
    bench.safe("00440000");
    bench.safe("00040000");
    expect(verify(bench)).toBe("6985");
    expect(bench.say(`0088000110${"00".repeat(16)}00`)).toBe("6985");
    expect(setPin(bench, 3, "1234")).toBe("6985");
  });
});

test("secrets of a DF are in none of the card's answers", () => {
  const bench = issued();
  bench.safe(create("820101", "83020101", "80020040", openRules));
  const answers: string[] = [];
  for (let ins = 0; ins < 256; ins++) {
    const code = hex(Uint8Array.of(ins));
    for (const cla of ["00", "80"])
      answers.push(bench.say(`${cla}${code}000000`), bench.say(`${cla}${code}810400`));
  }
  bench.open();
  for (let offset = 0; offset < 0x40; offset += 16)
    answers.push(bench.safe(`00B000${hex(Uint8Array.of(offset))}00`));
  const said = answers.join(" ");
  for (const secret of [hex(authenticating), hex(proving), pin("1234")]) {
    expect(said.includes(secret.slice(0, 12))).toBe(false);
  }
});
