import { expect, test } from "vitest";
import { type Command, encodeCommand } from "../apdu/index.js";
import { aid, CardProblem, fid, hex, sfi, unhex } from "../bytes/index.js";
import { parseTlv } from "../tlv/index.js";
import {
  activateFile,
  appendRecord,
  changeReferenceData,
  createFile,
  deactivateFile,
  deleteFile,
  externalAuthenticate,
  getChallenge,
  getData,
  getResponse,
  internalAuthenticate,
  localReference,
  mutualAuthenticate,
  putData,
  readBinary,
  readRecord,
  resetRetryCounter,
  selectByAid,
  selectByFid,
  selectByPath,
  selectMf,
  selectParent,
  terminateCardUsage,
  terminateDf,
  terminateEf,
  updateBinary,
  updateOldestRecord,
  updateRecord,
  verify,
  verifyState,
} from "./index.js";

const name = aid(unhex("A0000008760101"));
const data = unhex("AABB");

const commands: readonly (readonly [string, Command, string])[] = [
  ["SELECT by name", selectByAid(name), "00A4040007A000000876010100"],
  [
    "SELECT next by name",
    selectByAid(name, { occurrence: "next", answer: "fcp" }),
    "00A4040607A000000876010100",
  ],
  ["SELECT by name, silent", selectByAid(name, { answer: "none" }), "00A4040C07A0000008760101"],
  ["SELECT the default application", selectByAid(new Uint8Array(0)), "00A4040000"],
  ["SELECT by identifier", selectByFid(fid(0x0101), { answer: "fcp" }), "00A4000402010100"],
  ["SELECT child EF", selectByFid(fid(0x0101), { in: "child-ef", answer: "none" }), "00A4020C020101"],
  ["SELECT child DF", selectByFid(fid(0x5000), { in: "child-df", answer: "fmd" }), "00A4010802500000"],
  ["SELECT by path", selectByPath([fid(0x5000), fid(0x0101)], { answer: "none" }), "00A4080C0450000101"],
  ["SELECT by relative path", selectByPath([fid(0x0101)], { from: "current" }), "00A4090002010100"],
  ["SELECT parent", selectParent({ answer: "fcp" }), "00A4030400"],
  ["SELECT MF", selectMf(), "00A40000023F0000"],
  ["READ BINARY", readBinary({ offset: 0x1234, length: 256 }), "00B0123400"],
  ["READ BINARY by SFI", readBinary({ offset: 16, sfi: sfi(5), length: 16 }), "00B0851010"],
  ["READ BINARY far", readBinary({ offset: 0x8000, length: 16 }), "00B10000045402800010"],
  ["READ BINARY far by SFI", readBinary({ offset: 0x100, sfi: sfi(5), length: 16 }), "00B10005045402010010"],
  ["UPDATE BINARY", updateBinary({ offset: 0x7fff, data }), "00D67FFF02AABB"],
  ["UPDATE BINARY by SFI", updateBinary({ offset: 1, sfi: sfi(30), data }), "00D69E0102AABB"],
  ["UPDATE BINARY far", updateBinary({ offset: 0x10000, data }), "00D7000009" + "5403010000" + "5302AABB"],
  ["READ RECORD", readRecord({ number: 3, length: 16 }), "00B2030410"],
  ["READ RECORD by SFI", readRecord({ number: 1, sfi: sfi(2) }), "00B2011400"],
  ["READ RECORDS from 2 up", readRecord({ number: 2, read: "all-up" }), "00B2020500"],
  ["UPDATE RECORD", updateRecord({ number: 1, sfi: sfi(2), data }), "00DC011402AABB"],
  ["UPDATE RECORD previous", updateOldestRecord({ data }), "00DC000302AABB"],
  ["APPEND RECORD", appendRecord({ sfi: sfi(2), data }), "00E2001002AABB"],
  ["CREATE FILE", createFile({ fid: fid(0x0101), size: 9 }), "00E000000A62088302010180020009"],
  ["CREATE FILE in 6F", createFile({ fid: fid(0x0101) }, { template: 0x6f }), "00E00000066F0483020101"],
  ["CREATE FILE from bytes", createFile(unhex("620483020101")), "00E0000006620483020101"],
  ["DELETE FILE", deleteFile({ fid: fid(0x0101) }), "00E40000020101"],
  ["DELETE FILE by name", deleteFile({ name }), "00E4040007A0000008760101"],
  ["ACTIVATE FILE", activateFile(), "00440000"],
  ["ACTIVATE FILE by path", activateFile({ path: [fid(0x5000), fid(0x0101)] }), "004408000450000101"],
  ["DEACTIVATE FILE", deactivateFile({ fid: fid(0x0101) }), "00040000020101"],
  ["TERMINATE DF", terminateDf(), "00E60000"],
  ["TERMINATE EF", terminateEf({ fid: fid(0x0101) }), "00E80000020101"],
  ["TERMINATE CARD USAGE", terminateCardUsage(), "00FE0000"],
  ["VERIFY", verify({ reference: localReference(1), pin: unhex("313233") }), "0020008103313233"],
  ["VERIFY, state only", verifyState(0x81), "00200081"],
  [
    "CHANGE REFERENCE DATA",
    changeReferenceData({ reference: 1, old: data, new: unhex("CC") }),
    "0024000103AABBCC",
  ],
  ["CHANGE REFERENCE DATA, new", changeReferenceData({ reference: 1, new: data }), "0024010102AABB"],
  [
    "RESET RETRY COUNTER",
    resetRetryCounter({ reference: 1, code: data, new: unhex("CC") }),
    "002C000103AABBCC",
  ],
  ["RESET RETRY COUNTER, code", resetRetryCounter({ reference: 1, code: data }), "002C010102AABB"],
  ["RESET RETRY COUNTER, new", resetRetryCounter({ reference: 1, new: data }), "002C020102AABB"],
  ["RESET RETRY COUNTER, none", resetRetryCounter({ reference: 1 }), "002C0301"],
  ["GET CHALLENGE", getChallenge(16), "0084000010"],
  [
    "INTERNAL AUTHENTICATE",
    internalAuthenticate({ reference: 0x81, challenge: data, le: 16 }),
    "0088008102AABB10",
  ],
  [
    "EXTERNAL AUTHENTICATE",
    externalAuthenticate({ algorithm: 2, reference: 1, proof: data }),
    "0082020102AABB",
  ],
  ["MUTUAL AUTHENTICATE", mutualAuthenticate({ reference: 1, proof: data }), "0082000102AABB00"],
  ["GET DATA", getData(0x9f7f), "00CA9F7F00"],
  ["PUT DATA", putData(0x5f20, data), "00DA5F2002AABB"],
  ["GET RESPONSE", getResponse(32, 1), "01C0000020"],
];

test.each(commands)("%s", (_, command, expected) => {
  expect(hex(encodeCommand(command))).toBe(expected);
});

test("far UPDATE BINARY carries whole objects", () => {
  const { data: field } = updateBinary({ offset: 0x8000, data: new Uint8Array(200) });
  const objects = parseTlv(field ?? new Uint8Array(0));
  expect(objects.map(({ tag, value }) => [tag, value.length])).toEqual([
    [0x54, 2],
    [0x53, 200],
  ]);
});

test("impossible parameters are refused", () => {
  const wrong: readonly (() => unknown)[] = [
    () => readBinary({ offset: -1, length: 1 }),
    () => readBinary({ offset: 0x1000000, length: 1 }),
    () => updateBinary({ offset: 0.5, data }),
    () => readRecord({ number: 255 }),
    () => updateRecord({ number: -1, data }),
    () => selectByPath([]),
    () => verify({ reference: 1, pin: new Uint8Array(0) }),
    () => getData(0x10000),
  ];
  for (const call of wrong) expect(call).toThrow(CardProblem);
});
