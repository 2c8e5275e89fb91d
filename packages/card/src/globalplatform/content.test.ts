import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { codeOf } from "../../node/testing.js";
import { type Command, encodeCommand, type Response, SW, statusWord } from "../apdu/index.js";
import { aid, concat, hex, unhex } from "../bytes/index.js";
import { parseDgis, parseTlv, tlv } from "../tlv/index.js";
import {
  closeChannel,
  decodePrivileges,
  deleteKey,
  deleteObject,
  encodePrivileges,
  installForExtradition,
  installForInstall,
  installForLoad,
  installForPersonalization,
  installMakeSelectable,
  installParameters,
  installRegistryUpdate,
  loadBlocks,
  openChannel,
  readRegistry,
  storeDgis,
  storeStream,
} from "./index.js";

const file = aid(unhex("A00000015100"));
const module = aid(unhex("A0000001510001"));
const app = aid(unhex("A000000151000101"));
const isd = aid(unhex("A000000151000000"));
const bytesOf = (command: Command) => hex(encodeCommand(command));
const dataOf = ({ data = new Uint8Array(0) }: Command) => data;

describe("INSTALL, DELETE and MANAGE CHANNEL", () => {
  test.each([
    [
      "for load",
      installForLoad({ loadFile: file, securityDomain: isd, parameters: { nonVolatileCode: 0x1234 } }),
      "80E6020019" + "06A00000015100" + "08A000000151000000" + "00" + "06EF04C6021234" + "00" + "00",
    ],
    [
      "for load, bare",
      installForLoad({ loadFile: file }),
      "80E602000B" + "06A00000015100" + "00000000" + "00",
    ],
    [
      "for install and make selectable",
      installForInstall({ loadFile: file, module, application: app, privileges: ["cardReset"] }),
      "80E60C001E" +
        "06A00000015100" +
        "07A0000001510001" +
        "08A000000151000101" +
        "0104" +
        "02C900" +
        "00" +
        "00",
    ],
    [
      "for install only, three bytes of privileges, parameters",
      installForInstall({
        loadFile: file,
        module,
        application: app,
        privileges: ["securityDomain", "globalDelete"],
        parameters: installParameters(unhex("AB"), { volatileData: 16, nonVolatileData: 512 }),
        selectable: false,
      }),
      "80E604002B" +
        "06A00000015100" +
        "07A0000001510001" +
        "08A000000151000101" +
        "03801000" +
        "0DC901ABEF08C7020010C8020200" +
        "00" +
        "00",
    ],
    [
      "make selectable",
      installMakeSelectable({ application: app }),
      "80E608000F" + "0000" + "08A000000151000101" + "0100" + "0000" + "00",
    ],
    [
      "for personalization",
      installForPersonalization(app),
      "80E620000E" + "0000" + "08A000000151000101" + "000000" + "00",
    ],
    [
      "for registry update",
      installRegistryUpdate({ application: app, privileges: ["cardLock"] }),
      "80E640000F" + "0000" + "08A000000151000101" + "0110" + "0000" + "00",
    ],
    [
      "for extradition",
      installForExtradition({ application: app, securityDomain: isd }),
      "80E6100016" + "08A000000151000000" + "00" + "08A000000151000101" + "000000" + "00",
    ],
    ["delete", deleteObject({ aid: app }), "80E400000A4F08A00000015100010100"],
    ["delete all of it", deleteObject({ aid: file, related: true }), "80E40080084F06A0000001510000"],
    ["delete a key", deleteKey({ id: 1, kvn: 0x30 }), "80E4000006D00101D2013000"],
    ["delete a version", deleteKey({ kvn: 0x30 }), "80E4000003D2013000"],
    ["open a channel", openChannel(), "0070000001"],
    ["close a channel", closeChannel(2), "00708002"],
  ] as const)("%s", (_, command, expected) => expect(bytesOf(command)).toBe(expected));

  test("what cannot be", () => {
    expect(codeOf(() => deleteKey({}))).toBe("bad-value");
    expect(codeOf(() => deleteKey({ kvn: 0xff }))).toBe("bad-value");
    expect(codeOf(() => closeChannel(0))).toBe("bad-value");
    expect(codeOf(() => installParameters(new Uint8Array(0), { volatileData: 0x8000 }))).toBe("bad-value");
    const parameters = installParameters(new Uint8Array(254));
    expect(codeOf(() => installForInstall({ loadFile: file, module, application: app, parameters }))).toBe(
      "too-long",
    );
  });
  test("a published command: personalization of an application, without Le", () => {
    // Recorded in martinpaljak/GlobalPlatformPro, thread 218.
    const recorded = "80E610002010A00000000053594E4A4F4E4553535344000A53594E4A4F4E45530000000000";
    const application = aid(unhex("53594E4A4F4E45530000"));
    const securityDomain = aid(unhex("A00000000053594E4A4F4E4553535344"));
    expect(bytesOf(installForExtradition({ application, securityDomain })).slice(0, -2)).toBe(
      recorded.replace(/0000000000$/, "") + "000000".padStart(10, "0"),
    );
  });
  test("privileges by name", () => {
    expect(hex(encodePrivileges([]))).toBe("00");
    expect(hex(encodePrivileges(["dapVerification"]))).toBe("C0");
    expect(decodePrivileges(unhex("C0"))).toEqual(["securityDomain", "dapVerification"]);
    expect(decodePrivileges(unhex("801000"))).toEqual(["securityDomain", "globalDelete"]);
    for (const name of decodePrivileges(unhex("FFFFF0"))) {
      expect(decodePrivileges(encodePrivileges([name]))).toContain(name);
    }
    expect(codeOf(() => decodePrivileges(unhex("8010")))).toBe("bad-response");
  });
});

describe("LOAD", () => {
  test("the load file under C4, in numbered blocks", () => {
    const content = Uint8Array.from({ length: 700 }, (_, at) => at & 0xff);
    const blocks = loadBlocks(content, 200);
    expect(blocks.map(({ p1, p2 }) => [p1, p2])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [0x80, 3],
    ]);
    const [whole, ...more] = parseTlv(concat(...blocks.map(dataOf)));
    expect([whole?.tag, more.length]).toEqual([0xc4, 0]);
    expect(hex(whole?.value ?? new Uint8Array(0))).toBe(hex(content));
    expect(hex(dataOf(blocks[0] ?? openChannel()).subarray(0, 4))).toBe("C48202BC");
  });
  test("what cannot be", () => {
    expect(codeOf(() => loadBlocks(new Uint8Array(0)))).toBe("bad-value");
    expect(codeOf(() => loadBlocks(new Uint8Array(9), 256))).toBe("bad-value");
    expect(codeOf(() => loadBlocks(new Uint8Array(257), 1))).toBe("too-long");
  });
});

describe("STORE DATA", () => {
  const dek = {
    encrypt: (data: Uint8Array) => nodeCrypto.aes(new Uint8Array(16)).encrypt(data),
    block: 16 as const,
  };
  const p1p2 = (commands: readonly Command[]) => commands.map(({ p1, p2 }) => [p1, p2]);
  test("one grouping a command, secret ones said to be encrypted", () => {
    const commands = storeDgis(
      [
        { id: 0x0101, value: unhex("AABB") },
        { id: 0x8101, value: unhex("CC"), secret: "pad-80" },
        { id: 0x8102, value: new Uint8Array(16), secret: "whole-blocks" },
      ],
      { dek, answers: true },
    );
    expect(p1p2(commands)).toEqual([
      [0x09, 0],
      [0x69, 1],
      [0xe9, 2],
    ]);
    expect(commands.every(({ le }) => le === 256)).toBe(true);
    const values = commands.map((command) => parseDgis(dataOf(command))[0]?.value ?? new Uint8Array(0));
    expect(hex(nodeCrypto.aes(new Uint8Array(16)).decrypt(values[1] ?? new Uint8Array(16)))).toBe(
      `CC80${"00".repeat(14)}`,
    );
    expect(values[2]?.length).toBe(16);
  });
  test("a long grouping goes on in the next command, the short ones share one where they may", () => {
    const groupings = [
      { id: 0x0201, value: new Uint8Array(300).fill(1) },
      { id: 0x0202, value: unhex("01") },
      { id: 0x0203, value: unhex("02") },
    ];
    const apart = storeDgis(groupings, { blockSize: 200 });
    expect(p1p2(apart)).toEqual([
      [0x08, 0],
      [0x08, 1],
      [0x08, 2],
      [0x88, 3],
    ]);
    const together = storeDgis(groupings, { blockSize: 200, together: true });
    expect(together.length).toBe(3);
    for (const commands of [apart, together]) {
      const read = parseDgis(concat(...commands.map(dataOf)));
      expect(read.map(({ id, value }) => [id, hex(value)])).toEqual(
        groupings.map(({ id, value }) => [id, hex(value)]),
      );
    }
  });
  test("BER-TLV and bytes without structure", () => {
    const objects = storeStream([tlv(0x9f66, new Uint8Array(8)), tlv(0x42, unhex("45"))], { blockSize: 10 });
    expect(p1p2(objects)).toEqual([
      [0x10, 0],
      [0x90, 1],
    ]);
    expect(parseTlv(concat(...objects.map(dataOf))).map(({ tag }) => tag)).toEqual([0x9f66, 0x42]);
    expect(p1p2(storeStream(unhex("0102"), { encryption: "application" }))).toEqual([[0xa0, 0]]);
  });
  test("what cannot be", () => {
    expect(codeOf(() => storeDgis([]))).toBe("bad-value");
    expect(codeOf(() => storeDgis([{ id: 1, value: new Uint8Array(16), secret: "pad-80" }]))).toBe(
      "bad-value",
    );
    expect(codeOf(() => storeStream(new Uint8Array(300), { blockSize: 1 }))).toBe("too-long");
  });
});

describe("the registry, answer by answer", () => {
  const entry = (last: number) => unhex(`E30B4F05A0000000${last.toString(16).padStart(2, "0")}9F700107`);
  const from = (answers: readonly (readonly [Uint8Array, number])[]) => {
    const asked: string[] = [];
    const left = [...answers];
    const send = (command: Command): Promise<Response> => {
      asked.push(bytesOf(command));
      const [data, sw] = left.shift() ?? [new Uint8Array(0), 0x6f00];
      return Promise.resolve({ data, sw: statusWord(sw) });
    };
    return { asked, read: () => readRegistry("applications", send) };
  };
  const rejection = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: unknown) => (error as { code?: string }).code,
    );
  test("6310 is followed by P2 03", async () => {
    const card = from([
      [concat(entry(1), entry(2)), 0x6310],
      [entry(3), 0x9000],
    ]);
    expect((await card.read()).map(({ aid: name }) => name[4])).toEqual([1, 2, 3]);
    expect(card.asked).toEqual(["80F24002024F0000", "80F24003024F0000"]);
  });
  test("none, an error, and an answer without end", async () => {
    expect(await from([[new Uint8Array(0), SW.referencedDataNotFound]]).read()).toEqual([]);
    expect(await rejection(from([[new Uint8Array(0), 0x6982]]).read())).toBe("bad-response");
    expect(await rejection(from([[new Uint8Array(0), 0x6310]]).read())).toBe("bad-response");
    const endless = Array.from({ length: 100 }, () => [entry(1), 0x6310] as const);
    expect(await rejection(from(endless).read())).toBe("endless-response");
  });
});
