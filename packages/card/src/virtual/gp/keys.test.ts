import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { aes, des, GpBench, keysOf, type Session } from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { hex } from "../../bytes/index.js";
import {
  checkPutKeyAnswer,
  deleteKey,
  getCardData,
  keyDgis,
  type KeySet,
  type NewDgi,
  parseKeyInformation,
  putKey,
  storeDgis,
} from "../../globalplatform/index.js";
import { parseDgis } from "../../tlv/index.js";

describe("keys", () => {
  const put = (
    session: Session,
    keys: KeySet,
    ask: { readonly old: number; readonly kvn: number; readonly type?: "aes" | "3des" },
  ) =>
    putKey({
      oldKvn: ask.old,
      newKvn: ask.kvn,
      firstKeyId: 1,
      keys: [keys.enc, keys.mac, keys.dek].map((key) => ({ type: ask.type ?? "aes", key })),
      crypto: nodeCrypto,
      dekEncrypt: (data) => session.encryptWithDek(data),
    });
  const kvns = (bench: GpBench) => [
    ...new Set(parseKeyInformation(bench.send(getCardData(0xe0)).data).map(({ kvn }) => kvn)),
  ];
  test.each([16, 24, 32] as const)("the initial set FF is replaced by AES keys of %i bytes", (length) => {
    const bench = new GpBench({ keySets: [aes(16, 0xff)] });
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const made = keysOf(length, 0x21);
    const { command, expected } = put(session, made, { old: 0, kvn: 0x30 });
    checkPutKeyAnswer(expected, bench.secure(session, command).data);
    expect(kvns(bench)).toEqual([0x30]);
    expect(() => bench.open({ keys: keysOf(16), level: 0x33 })).toThrow("does not match");
    bench.open({ kvn: 0x30, keys: made, level: 0x33 });
    expect(hex(bench.send(getCardData(0xc1)).data)).toBe("C103000001");
    // Nothing of the old keys is left in the silicon.
    const memory = hex(bench.store.load());
    const old = keysOf(16);
    for (const key of [old.enc, old.mac, old.dek]) expect(memory).not.toContain(hex(key));
    expect(memory).toContain(hex(made.enc));
  });
  test("3DES under SCP02: replaced, then AES added beside it and the old one deleted", () => {
    const bench = new GpBench({ keySets: [des(0x01)], i02: 0x15 });
    const session = bench.open({ keys: keysOf(16), level: 0x03, i02: 0x15 });
    const made = keysOf(16, 0x33);
    const first = put(session, made, { old: 1, kvn: 2, type: "3des" });
    checkPutKeyAnswer(first.expected, bench.secure(session, first.command).data);
    expect(kvns(bench)).toEqual([2]);
    const again = bench.open({ kvn: 2, keys: made, level: 0x03, i02: 0x15 });
    const other = put(again, keysOf(16, 0x50), { old: 0, kvn: 0x30 });
    checkPutKeyAnswer(other.expected, bench.secure(again, other.command).data);
    expect(kvns(bench)).toEqual([2, 0x30]);
    expect(bench.secured(again, deleteKey({ kvn: 2 }))).toBe("6985");
    const last = bench.open({ kvn: 0x30, keys: keysOf(16, 0x50), level: 0x33 });
    expect(bench.secured(last, deleteKey({ kvn: 0x31 }))).toBe("6A88");
    expect(bench.secured(last, deleteKey({ id: 1, kvn: 2 }))).toBe("6985");
    expect(bench.secured(last, deleteKey({ kvn: 2 }))).toBe("9000");
    expect(kvns(bench)).toEqual([0x30]);
  });
  test("what is refused leaves the keys as they were", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const { command } = put(session, keysOf(16, 0x21), { old: 0x30, kvn: 0x31 });
    const damaged = (at: number): Command => {
      const data = command.data?.slice() ?? new Uint8Array(0);
      data[at] = (data[at] ?? 0) ^ 1;
      return { ...command, data };
    };
    const length = command.data?.length ?? 0;
    expect(bench.secured(session, { ...command, p1: 0x32 })).toBe("6A88");
    expect(bench.secured(session, { ...command, p2: 0x84 })).toBe("6A86");
    expect(bench.secured(session, damaged(1))).toBe("9484");
    for (const at of [2, 3, 10, length - 4, length - 1])
      expect(`${String(at)} ${bench.secured(session, damaged(at))}`).toBe(`${String(at)} 6A80`);
    const exists = put(session, keysOf(16, 0x21), { old: 0, kvn: 0x30 });
    expect(bench.secured(session, exists.command)).toBe("6A80");
    expect(kvns(bench)).toEqual([0x30]);
    bench.open({ keys: keysOf(16), level: 0x33 });
  });
  test.each([16, 24, 32])(
    "as data groupings of STORE DATA, %i bytes each; a wrong check value changes nothing",
    (length) => {
      const bench = new GpBench({ keySets: [aes(16, 0xff)] });
      const session = bench.open({ keys: keysOf(16), level: 0x33 });
      const made = keysOf(length, 0x21);
      const set = [made.enc, made.mac, made.dek];
      const dekEncrypt = (data: Uint8Array) => session.encryptWithDek(data);
      const groupings = parseDgis(keyDgis({ kvn: 0x31, keys: set, crypto: nodeCrypto, dekEncrypt }));
      const store = (given: readonly NewDgi[]) =>
        storeDgis(given, { together: true })
          .map((command) => bench.secured(session, command))
          .at(-1);
      const [description, ...values] = groupings;
      const turned = values.toReversed();
      expect(store(description === undefined ? [] : [description, ...turned])).toBe("6A80");
      expect(store(groupings.slice(0, 3))).toBe("6A80");
      expect(kvns(bench)).toEqual([0xff]);
      expect(store(groupings)).toBe("9000");
      expect(kvns(bench)).toEqual([0x31]);
      expect(bench.open({ kvn: 0x31, keys: made, level: 0x33 }).level).toBe(0x33);
    },
  );
  test("one key of a set alone", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const mac = new Uint8Array(16).fill(0x77);
    const one = putKey({
      oldKvn: 0x30,
      newKvn: 0x30,
      firstKeyId: 2,
      keys: [{ type: "aes", key: mac }],
      crypto: nodeCrypto,
      dekEncrypt: (data) => session.encryptWithDek(data),
    });
    checkPutKeyAnswer(one.expected, bench.secure(session, one.command).data);
    expect(bench.open({ keys: { ...keysOf(16), mac }, level: 0x33 }).level).toBe(0x33);
  });
});
