import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { vectorsOf } from "../../../node/testing.js";
import { hex, unhex } from "../../bytes/index.js";
import { fabricateGlobalPlatform, makeVirtualCard, memoryStore } from "../index.js";
import { pairPage } from "../memory.js";
import { gpLayout } from "./layout.js";

/** Transcripts of other people's cards: this one, given the same keys, counter and challenge, says the same bytes. */
interface Transcript {
  readonly keys: Readonly<Record<"enc" | "mac" | "dek", string>>;
  readonly init_update?: string;
  readonly init_update_resp?: string;
  readonly host_challenge?: string;
  readonly selected_aid?: string;
  readonly ext_auth?: string;
  readonly commands?: readonly { readonly wrapped: string }[];
}
interface Played extends Transcript {
  readonly id: string;
  readonly scp: 2 | 3;
  readonly answer: string;
}
const from = (topic: string, scp: 2 | 3): Played[] =>
  vectorsOf<Transcript>(topic).flatMap((v) =>
    v.init_update_resp === undefined || hides(v, scp) ? [] : [{ ...v, scp, answer: v.init_update_resp }],
  );
/** A pseudo-random challenge over an AID that the trace does not name cannot be given again. */
const hides = ({ init_update_resp = "", selected_aid }: Transcript, scp: 2 | 3): boolean =>
  scp === 3 && selected_aid === undefined && ((unhex(init_update_resp)[12] ?? 0) & 0x10) !== 0;
const transcripts = [...from("scp02", 2), ...from("scp03", 3)];

function cardOf({ keys, scp, answer, selected_aid }: Played) {
  const bytes = unhex(answer);
  const i03 = scp === 3 ? (bytes[12] ?? 0) : 0x70;
  const size = (i03 & 0x01) === 0 ? 8 : 16;
  const kvn = bytes[10] ?? 0;
  const isPseudo = scp === 3 && (i03 & 0x10) !== 0;
  const sequence = scp === 2 ? bytes.subarray(12, 14) : isPseudo ? bytes.subarray(-3) : new Uint8Array(3);
  const challenge = scp === 2 ? bytes.slice(14, 20) : bytes.slice(13, 13 + size);
  const content = fabricateGlobalPlatform({
    chipNumber: bytes.slice(0, 10),
    keySets: [
      {
        kvn,
        algorithm: scp === 2 ? "3des" : "aes",
        enc: unhex(keys.enc),
        mac: unhex(keys.mac),
        dek: unhex(keys.dek),
      },
    ],
    // SCP02's pseudo-random challenge where the trace names its AID.
    i02: selected_aid === undefined ? 0x35 : 0x75,
    i03,
    ...(selected_aid === undefined ? {} : { isd: unhex(selected_aid) }),
  });
  const counter = Uint8Array.of(10, kvn, ...new Uint8Array(3 - sequence.length), ...sequence);
  content.set(pairPage(1, counter), gpLayout.counterPair);
  const card = makeVirtualCard({
    eeprom: memoryStore(content),
    random: (length) => (length === challenge.length ? challenge : new Uint8Array(length)),
    crypto: nodeCrypto,
  });
  card.powerOn();
  return { card, say: (apdu: string) => hex(card.transmit(unhex(apdu)) ?? new Uint8Array(0)) };
}
/** The set is asked for by 00: one trace asks for 20 and is answered by 70. */
const opening = ({ init_update, host_challenge = "" }: Played): string =>
  `80500000${init_update === undefined ? `08${host_challenge}00` : init_update.slice(8)}`;

test("both protocols, with and without pseudo-random challenges", () => {
  expect(transcripts.filter(({ scp }) => scp === 2)).toHaveLength(3);
  expect(transcripts.filter(({ scp }) => scp === 3).length).toBe(5);
  expect(transcripts.filter(({ selected_aid }) => selected_aid !== undefined).length).toBeGreaterThan(2);
});

describe.each(transcripts)("$id", (v) => {
  test("INITIALIZE UPDATE is answered byte for byte", () => {
    expect(cardOf(v).say(opening(v))).toBe(`${v.answer}9000`);
  });
  test("the recorded host is let in, and its commands are understood", () => {
    const { say } = cardOf(v);
    say(opening(v));
    expect(say(v.ext_auth ?? "")).toBe("9000");
    // What they ask for is another card's; that they are taken for what they are shows in not being refused.
    for (const { wrapped } of v.commands ?? []) expect(say(wrapped).slice(-4)).not.toBe("6982");
  });
  test("one bit wrong anywhere in EXTERNAL AUTHENTICATE and it is not", () => {
    const bytes = unhex(v.ext_auth ?? "");
    for (let at = 5; at < bytes.length; at++) {
      const { say } = cardOf(v);
      say(opening(v));
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x04;
      expect(say(hex(damaged))).toBe("6300");
    }
  });
});
