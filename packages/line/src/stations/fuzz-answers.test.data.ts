/** What a hostile card says: answers grown from nothing, and good ones that are spoiled on their way. */
import { concat, unhex } from "@persoline/card/bytes";
import { encodeBlock } from "@persoline/card/iso7816-3";
import { encodeTlvLength } from "@persoline/card/tlv";
import type { Chance } from "../devices/shop-floor/random.js";

export const whole = (chance: Chance, below: number): number => Math.floor(chance.next() * below);

export function pick<T>(chance: Chance, list: readonly [T, ...T[]]): T {
  return list[whole(chance, list.length)] ?? list[0];
}

export const bytesOf = (chance: Chance, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => whole(chance, 256));

const tags: readonly [string, ...string[]] = [
  "62",
  "6F",
  "64",
  "61",
  "66",
  "73",
  "E0",
  "C0",
  "E3",
  "4F",
  "9F7F",
  "9F70",
  "C5",
  "80",
  "82",
  "83",
  "84",
  "8A",
  "8B",
  "8C",
  "A5",
  "AB",
  "88",
  "CF",
  "DF01",
  "42",
  "45",
  "C1",
  "06",
  "60",
  "63",
  "30",
  "1F8180",
  "7F49",
  "00",
  "FF",
  "3F",
];

/** Objects in objects, with lengths that are right, wrong, endless or enormous. */
export function tlvOf(chance: Chance, depth = 0): Uint8Array {
  const value =
    depth < 12 && chance.next() < 0.6
      ? concat(...Array.from({ length: whole(chance, 4) }, () => tlvOf(chance, depth + 1)))
      : bytesOf(chance, whole(chance, 12));
  const length = pick<() => Uint8Array>(chance, [
    () => encodeTlvLength(value.length),
    () => encodeTlvLength(value.length),
    () => encodeTlvLength(value.length),
    () => Uint8Array.of(0x80),
    () => unhex("84FFFFFFFF"),
    () => Uint8Array.of(whole(chance, 256)),
  ])();
  return concat(unhex(pick(chance, tags)), length, value);
}

const bomb = (chance: Chance): Uint8Array => {
  const levels = 1 + whole(chance, 120);
  let value: Uint8Array = new Uint8Array(0);
  for (let level = 0; level < levels; level++)
    value = concat(Uint8Array.of(0x61), encodeTlvLength(value.length), value);
  return value;
};

const statusWords: readonly [string, ...string[]] = [
  "9000",
  "9000",
  "9000",
  "6100",
  "6101",
  "61FF",
  "6C00",
  "6C01",
  "6CFF",
  "6283",
  "6300",
  "63C0",
  "63C1",
  "63CF",
  "6581",
  "6700",
  "6982",
  "6983",
  "6985",
  "6A82",
  "6A88",
  "6D00",
  "6E00",
  "6F00",
  "9F10",
  "0000",
  "FFFF",
  "6000",
];

/** Anything with a status word, or nearly anything. */
export function answerOf(chance: Chance): Uint8Array {
  const data = pick<() => Uint8Array>(chance, [
    () => new Uint8Array(0),
    () => tlvOf(chance),
    () => tlvOf(chance),
    () => bomb(chance),
    () => bytesOf(chance, whole(chance, 64)),
    () => bytesOf(chance, whole(chance, 300)),
    // INITIALIZE UPDATE, nearly.
    () =>
      concat(
        bytesOf(chance, 10),
        unhex(pick(chance, ["0103", "0102", "FF03", "0003"])),
        bytesOf(chance, 14 + whole(chance, 24)),
      ),
    () => concat(unhex("9F7F2A"), bytesOf(chance, 40 + whole(chance, 4))),
  ])();
  return concat(data, unhex(pick(chance, statusWords)));
}

/** A good answer, spoiled. Undefined: silence. */
export function spoiled(
  chance: Chance,
  good: Uint8Array,
  earlier: readonly Uint8Array[],
): Uint8Array | undefined {
  const data = good.subarray(0, -2);
  const sw = good.subarray(-2);
  return pick<() => Uint8Array | undefined>(chance, [
    () => answerOf(chance),
    () => answerOf(chance),
    () => flipped(chance, good),
    () => flipped(chance, good),
    () => concat(data, unhex(pick(chance, statusWords))),
    () => concat(data.subarray(0, whole(chance, data.length + 1)), sw),
    () => concat(data, bytesOf(chance, 1 + whole(chance, 300)), sw),
    () => concat(data, bytesOf(chance, 8), sw),
    () => unhex("9000"),
    () => good.subarray(0, whole(chance, 2)),
    () => new Uint8Array(70_000),
    () => earlier[whole(chance, earlier.length)] ?? good,
    () => concat(new Uint8Array(data.length), sw),
    () => undefined,
  ])();
}

function flipped(chance: Chance, good: Uint8Array): Uint8Array {
  const at = whole(chance, good.length);
  return good.with(at, (good[at] ?? 0) ^ (1 << whole(chance, 8)));
}

/** An answer to reset: damaged, over-long, or none at all. */
export function atrOf(chance: Chance, good: Uint8Array): Uint8Array {
  return pick<() => Uint8Array>(chance, [
    () => bytesOf(chance, whole(chance, 40)),
    () => concat(Uint8Array.of(pick(chance, [0x3b, 0x3f])), bytesOf(chance, whole(chance, 80))),
    () => Uint8Array.from({ length: whole(chance, 100) }, (_, at) => (at === 0 ? 0x3b : 0xff)),
    () => flipped(chance, good),
    () => good.subarray(0, whole(chance, good.length)),
    () => concat(good, bytesOf(chance, whole(chance, 40))),
  ])();
}

/** A block of T=1, or something that looks like one. */
export function blockOf(chance: Chance): Uint8Array {
  const number = pick<0 | 1>(chance, [0, 1]);
  const block = pick<() => Uint8Array>(chance, [
    () =>
      encodeBlock(
        { kind: "I", ns: number, more: chance.next() < 0.5, inf: bytesOf(chance, whole(chance, 40)) },
        "LRC",
      ),
    () => encodeBlock({ kind: "I", ns: number, more: false, inf: answerOf(chance).slice(0, 254) }, "LRC"),
    () => encodeBlock({ kind: "R", nr: number, error: pick(chance, ["none", "edc", "other"]) }, "LRC"),
    () =>
      encodeBlock(
        {
          kind: "S",
          what: pick(chance, ["ifs", "wtx"]),
          response: chance.next() < 0.5,
          value: whole(chance, 256),
        },
        "LRC",
      ),
    () =>
      encodeBlock(
        { kind: "S", what: pick(chance, ["abort", "resynch"]), response: chance.next() < 0.5 },
        "LRC",
      ),
    () => bytesOf(chance, whole(chance, 300)),
  ])();
  return chance.next() < 0.15 && block.length > 0 ? flipped(chance, block) : block;
}
