import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Command, encodeCommand, type Response, type StatusWord } from "../apdu/index.js";
import { hex, unhex } from "../bytes/index.js";
import { inspectCard } from "../inspect/index.js";
import { type CardChannel, CardMute, type Sent } from "../program/index.js";
import { compareWith, readTrace, recorded, replayed, type TraceLine, traceText } from "./index.js";

const any = [{ value: 0, mask: 0 }];
const ok = [{ value: 0x9000, mask: 0xffff }];
const sent = (text: Omit<Command, "p1" | "p2">, sw = any): Sent => ({
  command: { p1: 0, p2: 0, ...text },
  sw,
});
const secret = unhex("3132333435363738");

function card(answer: (command: Command) => string | undefined): CardChannel {
  return {
    exchange: (commands) => {
      const answers: Response[] = [];
      for (const { command } of commands) {
        const text = answer(command);
        if (text === undefined) return Promise.reject(new CardMute(answers));
        const bytes = unhex(text);
        answers.push({
          data: bytes.subarray(0, -2),
          sw: (((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0)) as StatusWord,
        });
      }
      return Promise.resolve(answers);
    },
  };
}

async function recordedLines(
  commands: readonly Sent[],
  answer: (command: Command) => string | undefined,
  personal?: "kept",
) {
  const lines: TraceLine[] = [];
  let ms = 0;
  const channel = recorded(card(answer), unhex("3B00"), {
    now: () => ms++,
    write: (line) => lines.push(line),
    ...(personal === undefined ? {} : { personal }),
  });
  const answers = await channel.exchange(commands).catch((thrown: unknown) => thrown);
  return { lines, answers };
}

describe("recording", () => {
  test.each([
    ["VERIFY", 0x00, 0x20],
    ["CHANGE REFERENCE DATA", 0x00, 0x24],
    ["RESET RETRY COUNTER", 0x00, 0x2c],
    ["PUT KEY", 0x80, 0xd8],
    ["STORE DATA", 0x80, 0xe2],
    ["UPDATE BINARY", 0x00, 0xd6],
    ["UPDATE RECORD", 0x00, 0xdc],
    ["APPEND RECORD", 0x00, 0xe2],
    ["PUT DATA", 0x00, 0xda],
    ["ENVELOPE", 0x00, 0xc2],
    ["a command of somebody's own", 0xb0, 0x5a],
    ["CreateApplication, by an instruction that is GET DATA elsewhere", 0x90, 0xca],
    ["ChangeKey", 0x90, 0xc4],
    ["WriteData", 0x90, 0x3d],
    ["a further frame of an authentication", 0x90, 0xaf],
    ["SELECT under secure messaging", 0x84, 0xa4],
  ])("%s: its data is masked, its lengths stay", async (_name, cla, ins) => {
    const { lines } = await recordedLines([sent({ cla, ins, data: secret, le: 256 })], () => "9000");
    const header = hex(Uint8Array.of(cla, ins, 0, 0));
    expect(lines).toEqual([
      { what: "reset", ms: 0, atr: "3B00" },
      { what: "apdu", ms: 1, command: `${header}08****************00`, answer: "9000" },
    ]);
    const long = await recordedLines(
      [sent({ cla, ins, data: new Uint8Array(300).fill(0x31) })],
      () => "9000",
    );
    expect(traceText(long.lines)).not.toContain("3131");
    expect(traceText(long.lines)).toContain(`${header}00012C**`);
  });

  test("what a person's files hold is masked, unless the card is nobody's", async () => {
    const read = [sent({ cla: 0, ins: 0xb0, le: 4 }), sent({ cla: 0, ins: 0xca, le: 4 })];
    const hidden = await recordedLines(read, () => "313233349000");
    expect(hidden.lines.map((line) => ("answer" in line ? line.answer : ""))).toEqual([
      "",
      "********9000",
      "********9000",
    ]);
    const kept = await recordedLines(read, () => "313233349000", "kept");
    expect(kept.lines.map((line) => ("answer" in line ? line.answer : ""))).toEqual([
      "",
      "313233349000",
      "313233349000",
    ]);
  });

  test("names of the card itself stay: SELECT, INITIALIZE UPDATE, CPLC", async () => {
    const { lines } = await recordedLines(
      [
        sent({ cla: 0, ins: 0xa4, data: unhex("3F00") }),
        sent({ cla: 0x80, ins: 0x50, data: secret, le: 256 }),
        { command: { cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x7f, le: 256 }, sw: any },
      ],
      () => "01029000",
    );
    expect(traceText(lines)).not.toContain("*");
  });

  test("a DESFire-style card: what it tells everybody stays, what its files hold does not", async () => {
    const native = [
      sent({ cla: 0x90, ins: 0x5a, data: unhex("F48120"), le: 256 }),
      sent({ cla: 0x90, ins: 0x60, le: 256 }),
      sent({ cla: 0x90, ins: 0xaf, le: 256 }),
      sent({ cla: 0x90, ins: 0xbd, data: unhex("01000000040000"), le: 256 }),
      sent({ cla: 0x90, ins: 0xaf, le: 256 }),
      // READ BINARY elsewhere, nobody's here.
      sent({ cla: 0x90, ins: 0xb0, le: 256 }),
    ];
    const shown = (lines: readonly TraceLine[]) => lines.map((line) => ("answer" in line ? line.answer : ""));
    const hidden = await recordedLines(native, () => "313291AF");
    const [open, closed] = ["313291AF", "****91AF"];
    expect(shown(hidden.lines)).toEqual(["", open, open, open, closed, closed, closed]);
    expect(traceText(hidden.lines)).toContain('"905A000003F4812000"');
    const kept = await recordedLines(native, () => "313291AF", "kept");
    expect(shown(kept.lines)).toEqual(["", open, open, open, open, open, closed]);
  });

  test("stops where the channel stops, and tells where the card fell silent", async () => {
    const stopped = await recordedLines(
      [sent({ cla: 0, ins: 0xa4 }, ok), sent({ cla: 0, ins: 0xb0 })],
      () => "6A82",
    );
    expect(stopped.lines).toHaveLength(2);
    const { lines, answers } = await recordedLines(
      [sent({ cla: 0, ins: 0xa4 }), sent({ cla: 0, ins: 0xb0 })],
      ({ ins }) => (ins === 0xa4 ? "9000" : undefined),
    );
    expect(lines.at(-1)).toEqual({ what: "mute", ms: 2, command: "00B00000" });
    expect(answers).toBeInstanceOf(CardMute);
  });
});

describe("reading", () => {
  const bytes = fc.uint8Array({ minLength: 4, maxLength: 20 }).map(hex);
  const line = fc.oneof(
    fc.record({ what: fc.constant("reset" as const), ms: fc.nat(), atr: bytes }),
    fc.record({ what: fc.constant("apdu" as const), ms: fc.nat(), command: bytes, answer: bytes }),
    fc.record({ what: fc.constant("mute" as const), ms: fc.nat(), command: bytes }),
  );
  test("what is written is read again", () => {
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        expect(readTrace(traceText(lines))).toEqual(lines);
      }),
    );
  });

  test.each([
    ["no JSON", "{", "not JSON"],
    ["no object", "7", "not an object"],
    ["an unknown event", '{"what":"off","ms":1}', '"what"'],
    ["no time", '{"what":"reset","atr":"3B00"}', '"ms"'],
    ["odd digits", '{"what":"reset","ms":1,"atr":"3B0"}', '"atr"'],
    ["no header", '{"what":"mute","ms":1,"command":"00A4"}', '"command"'],
    ["no status word", '{"what":"apdu","ms":1,"command":"00A40000","answer":"90"}', '"answer"'],
  ])("%s: refused, with its line", (_name, row, text) => {
    expect(() => readTrace(`\n${row}\n`)).toThrow(text);
    expect(() => readTrace(`\n${row}\n`)).toThrow("line 2");
  });
});

describe("replaying", () => {
  const lines: TraceLine[] = [{ what: "reset", ms: 0, atr: "3B00" }];
  const trace: TraceLine[] = [
    ...lines,
    { what: "apdu", ms: 1, command: "0020008108****************", answer: "9000" },
    { what: "apdu", ms: 2, command: "00B0000004", answer: "********9000" },
    { what: "mute", ms: 3, command: "00B0000404" },
  ];
  const verify = { command: { cla: 0, ins: 0x20, p1: 0, p2: 0x81, data: secret }, sw: any };
  const read = (p2: number): Sent => ({ command: { cla: 0, ins: 0xb0, p1: 0, p2, le: 4 }, sw: any });

  test("answers what was recorded; masked bytes fit all and are zeros", async () => {
    const { atr, channel, remaining } = replayed(trace);
    expect(hex(atr)).toBe("3B00");
    const answers = await channel.exchange([verify, read(0)]);
    expect(answers.map(({ data, sw }) => [hex(data), sw])).toEqual([
      ["", 0x9000],
      ["00000000", 0x9000],
    ]);
    expect(remaining()).toBe(1);
    await expect(channel.exchange([read(4)])).rejects.toThrow(CardMute);
  });

  test("any other command is told, without its data", async () => {
    const { channel } = replayed(trace);
    await expect(channel.exchange([read(0)])).rejects.toThrow("00200081 was recorded, 00B00000 was sent");
    const longer = { ...verify, command: { ...verify.command, data: new Uint8Array(9) } };
    await expect(channel.exchange([longer])).rejects.toThrow("other lengths or data");
    await expect(replayed(lines).channel.exchange([read(0)])).rejects.toThrow("the trace has ended");
    expect(() => replayed([])).toThrow("no reset");
  });

  test("against a card: harmless commands only, and what differs", async () => {
    const asked: number[] = [];
    const again = card(({ ins, p2 }) => {
      asked.push(ins);
      return p2 === 0 ? "AABBCCDD9000" : "6A82";
    });
    const found = await compareWith(trace, { atr: unhex("3B00"), channel: again });
    expect(found).toMatchObject({ exchanges: 3, asked: 2, different: 1, masked: 1 });
    expect(found.ended).toBeUndefined();
    expect(found.results.map(({ now, same, why }) => [now, same, why])).toEqual([
      ["not sent", null, "its data are masked in the trace"],
      ["********9000", null, "masked, not compared"],
      ["6A82", false, undefined],
    ]);
    expect(asked).toEqual([0xb0, 0xb0]);
  });
});

describe("comparing", () => {
  const atr = unhex("3B00");
  const line = (command: string, answer: string): TraceLine => ({ what: "apdu", ms: 1, command, answer });
  const one = async (command: string, answer: string, now: string) =>
    (await compareWith([line(command, answer)], { atr, channel: card(() => now) })).results[0];

  test.each([
    ["masked, of the same length", "00B0000000", "****9000", "31329000", "****9000", null],
    ["masked, longer now", "00B0000000", "****9000", "3132339000", "******9000", false],
    ["masked, another status", "00B0000000", "****9000", "31326282", "****6282", false],
    ["refused then, told now", "00B0000000", "6A82", "31329000", "****9000", false],
    ["kept in clear", "00B0000000", "31329000", "31339000", "31339000", false],
    ["kept in clear, the same", "00B0000000", "31329000", "31329000", "31329000", true],
    ["of the card itself, refused then", "80CA00CF00", "6A88", "CF029000", "CF029000", false],
    ["a challenge", "0084000002", "01029000", "03049000", "03049000", true],
    ["a challenge, refused now", "0084000002", "6D00", "6A81", "6A81", false],
  ])("%s", async (_name, command, answer, now, shown, same) => {
    expect(await one(command, answer, now)).toMatchObject({ recorded: answer, now: shown, same });
  });

  test("why something is not sent; a further frame without its beginning neither", async () => {
    const lines = ["00200081", "80E2000002****", "00A4000CFF3F", "90BD00000701000000000000", "90AF000000"];
    const found = await compareWith(
      lines.map((command) => line(command, "9000")),
      { atr, channel: card(() => "9000") },
    );
    expect(found).toMatchObject({ exchanges: 5, asked: 0, different: 0, masked: 0 });
    expect(found.results.map(({ now, same }) => [now, same])).toEqual(lines.map(() => ["not sent", null]));
    expect(found.results.map(({ why }) => why)).toEqual([
      "it may change the card or cost a try",
      "its data are masked in the trace",
      "it is no whole command",
      "it may change the card or cost a try",
      "it goes on with a command that was not sent",
    ]);
  });

  test("a card that goes away: what is left of the trace is not counted as asked", async () => {
    const commands = ["80CA00CF00", "80CADF0100", "80CA00E000"];
    const leaving = () => card(({ p1 }) => (p1 === 0xdf ? undefined : "01029000"));
    const lines = commands.map((command) => line(command, "01029000"));
    const found = await compareWith(lines, { atr, channel: leaving() });
    expect(found).toMatchObject({ exchanges: 3, asked: 2, different: 1 });
    expect(found.results.map(({ now, same }) => [now, same])).toEqual([
      ["01029000", true],
      ["mute", false],
    ]);
    expect(found.ended).toBe("the card stopped answering; it was asked 80CADF0100");
    // As silent as the recorded card was, at the end of its trace.
    const silent = [...lines.slice(0, 1), { what: "mute", ms: 2, command: "80CADF0100" } as const];
    const alike = await compareWith(silent, { atr, channel: leaving() });
    expect(alike).toMatchObject({ asked: 2, different: 0 });
    expect(alike.ended).toBeUndefined();
  });
});

describe("what is asked again", () => {
  const asks = async (commands: readonly string[], atr = unhex("3B00")): Promise<readonly string[]> => {
    const asked: string[] = [];
    const channel = card((command) => {
      asked.push(hex(encodeCommand(command)));
      return "9000";
    });
    const trace = commands.map((command) => ({ what: "apdu", ms: 1, command, answer: "9000" }) as const);
    const found = await compareWith(trace, { atr, channel });
    expect(found.results.map(({ now }) => now)).toEqual(
      commands.map((command) => (asked.includes(command) ? "9000" : "not sent")),
    );
    return asked;
  };

  test.each([
    ["SELECT", "00A4000C023F00"],
    ["GET DATA", "00CA004200"],
    ["GET DATA of GlobalPlatform", "80CA9F7F00"],
    ["READ RECORD on another logical channel", "01B2010400"],
    ["GetVersion", "9060000000"],
    ["a further frame of its answer", "90AF000000"],
    ["GetFileSettings", "90F50000010100"],
  ])("%s", async (_name, command) => {
    expect(await asks([command])).toEqual([command]);
  });

  test.each([
    ["CreateApplication, whose instruction is GET DATA elsewhere", "90CA000005F481200F8500"],
    ["CreateBackupDataFile, whose instruction is GET DATA elsewhere", "90CB0000070103EEEE20000000"],
    ["a frame with data: of a command, or of an authentication", "90AF00000411223344"],
    ["AuthenticateAES", "90AA0000010000"],
    ["FormatPICC", "90FC000000"],
    ["Commit", "90C7000000"],
    ["SELECT's instruction in a class of nobody's knowledge", "B0A4000C023F00"],
    ["and in GlobalPlatform's", "80A4000C023F00"],
    ["GET DATA under secure messaging", "84CA004200"],
    ["SELECT under secure messaging, further class", "60A4000C023F00"],
    ["a link of a chain", "10A4000C023F00"],
    ["VERIFY without data", "00200081"],
    ["INITIALIZE UPDATE", "8050000008010203040506070800"],
    ["bytes that are no command", "00A4000CFF3F"],
  ])("not %s", async (_name, command) => {
    expect(await asks([command])).toEqual([]);
  });

  test("not what is known to end this very card", async () => {
    const selects = ["00A4000C023F00", "00A40004023F0000", "00A40000023F0000"];
    expect(await asks(selects, unhex("3B951381018073FF01000B"))).toEqual(selects.slice(0, 1));
    expect(await asks(selects)).toEqual(selects);
  });
});

/**
 * Inspections: of Persoline cards as `tools/build-traces.ts` makes them; the others as `persoline card trace record --vpcd PORT
 * --keep-personal` wrote them, of Debian's vicc 0.8 (`--type iso7816`) and of blanks of `card serve` for the GlobalPlatform and the
 * DESFire-style example.
 */
describe("recorded cards", () => {
  const folder = new URL("../../vectors/traces/", import.meta.url);
  test.each([
    ["persoline-blank", { "chip number": "5053000000000000002A", "chip status": "ROM only" }, [], []],
    [
      "persoline-completed",
      {
        "chip number": "5053000000000000002A",
        "chip status": "operating system completed",
        keys: "version 01 identifier 01: AES 128 bits",
        "card data": "SCP03 i=70",
        "secure channel counter": "0",
      },
      ["A000000151000000"],
      [],
    ],
    ["vicc", {}, [], ["MF"]],
    [
      "gp-blank",
      {
        "chip number": "504CA3CE8F2600000001",
        "production life cycle (CPLC)": "serial 00000001 batch 8F26",
        keys: "version FF identifier 03: AES 128 bits",
        "card data": "SCP03 i=70",
        "secure channel counter": "0",
      },
      ["A000000151000000"],
      [],
    ],
    [
      "desfire-blank",
      {
        "DESFire version": "UID 048F2600000001",
        "DESFire key settings": "1 AES key, master key changeable",
        "DESFire version of the master key": "00",
        "DESFire free memory": "7872 bytes",
        "DESFire applications": "0",
      },
      ["D2760000850100"],
      [],
    ],
  ] as const)(
    "%s: inspected again from its trace, to the last exchange",
    async (name, facts, applications, files) => {
      const lines = readTrace(readFileSync(new URL(`${name}.jsonl`, folder), "utf8"));
      const replay = replayed(lines);
      const found = await inspectCard(replay.channel, { atr: replay.atr });
      const told = found.facts.filter(({ state }) => state === "told");
      expect(told.map(({ what }) => what)).toEqual(Object.keys(facts));
      for (const { what, value } of told) expect(value).toContain((facts as Record<string, string>)[what]);
      expect(found.applications.map(({ aid }) => aid)).toEqual(applications);
      expect(found.files.map(({ path }) => path)).toEqual(files);
      expect(found.ended).toBeUndefined();
      expect(replay.remaining()).toBe(0);
      // All of an inspection may be asked again; the card's own answers are what it is compared with.
      const again = await compareWith(lines, replayed(lines));
      expect(again.results.filter(({ same }) => same !== true)).toEqual([]);
      expect(again).toMatchObject({ exchanges: again.asked, different: 0, masked: 0 });
    },
  );
});
