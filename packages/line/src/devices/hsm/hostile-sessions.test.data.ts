/**
 * Whoever holds the line's process has the card in his reader and chooses how sessions are opened: the card itself would decipher for him what
 * the module wrapped, and let it be read, if one session's cipher text came to it in another place. The same requests for every provider.
 */
import { concat, unhex } from "@persoline/card/bytes";
import type { KeyRef, Part, SealedSecrets, SecureChannelSpec, SecureStep } from "@persoline/card/program";
import {
  access,
  type Asked,
  attempt,
  channel,
  chip,
  fab,
  honest,
  honestList,
  personalize,
  pin,
  prepare,
  serial,
  store,
} from "./hostile.test.data.js";
import { placesOf } from "./order.test.data.js";
import { application } from "./payment/payment-card.test.data.js";
import type { Hsm } from "./port.js";

/** As it was heard somewhere: one PIN under the card's data encryption key. */
const recorded = Uint8Array.from({ length: 16 }, (_, at) => 0xc0 ^ (11 * at));
const inRecord = concat(unhex("010110"), recorded);
const command = (head: string, ...data: readonly Part[]): SecureStep => {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = unhex(head);
  return { cla, ins, p1, p2, data };
};
const level = (by: 0x01 | 0x11 | 0x13 | 0x33): SecureChannelSpec =>
  ({ ...channel, level: by }) as SecureChannelSpec;
const given = "bytes from outside the module → what the card deciphers";
const many = "a class byte that says more than 00 or 80";

/** Sessions in which nothing but the module's own bytes is secret. */
const outside: readonly Asked[] = [
  {
    name: "a recorded PIN into a record that anyone reads, to be deciphered by the card",
    steps: [personalize(access), command("80E26800", inRecord)],
    said: `${given} (command 80 E2 68 00)`,
  },
  {
    name: "the same in the last block",
    steps: [personalize(access), command("80E2E800", inRecord)],
    said: `${given} (command 80 E2 E8 00)`,
  },
  {
    name: "the same, encrypted as the application knows",
    steps: [personalize(access), command("80E22800", inRecord)],
    said: given,
  },
  {
    name: "the same with the bit that stands for nothing yet",
    steps: [personalize(access), command("80E24800", inRecord)],
    said: given,
  },
  {
    name: "the same without the bits of a structure, as the application itself takes it",
    steps: [personalize(application), command("80E26000", inRecord)],
    said: given,
  },
  {
    name: "the same as a BER-TLV object",
    steps: [personalize(access), command("80E27000", inRecord)],
    said: given,
  },
  {
    name: "the same cut in two: a head, and what goes on",
    steps: [personalize(access), command("80E20800", unhex("010110")), command("80E26801", recorded)],
    said: `${given} (command 80 E2 68 01)`,
  },
  {
    name: "the same cut in two, the first piece said to be encrypted",
    steps: [personalize(access), command("80E26800", unhex("010110")), command("80E20801", recorded)],
    said: `${given} (command 80 E2 68 00)`,
  },
  {
    name: "the same as a chain of commands",
    steps: [personalize(access), command("90E26800", inRecord)],
    said: many,
  },
  {
    name: "the same in another logical channel, which no MAC knows of",
    steps: [personalize(access), command("81E20800", inRecord)],
    said: many,
  },
  {
    name: "a recorded PIN beside the order's own",
    steps: [personalize(access), command("80E26800", unhex("828110"), pin, inRecord)],
    said: given,
  },
  {
    name: "a challenge of the module's, to be deciphered into a record",
    steps: [
      personalize(access),
      command("80E26800", unhex("828110"), pin, unhex("010110"), { secret: "challenge" }),
    ],
    said: given,
  },
  {
    name: "the same challenge alone",
    steps: [personalize(access), command("80E26800", unhex("010110"), { secret: "challenge" })],
    said: given,
  },
  {
    name: "a recorded PIN as a key, whose check value would tell it",
    steps: [command("80D80081", concat(unhex("31"), unhex("881110"), recorded, unhex("03000000")))],
    said: `${given} (command 80 D8 00 81)`,
  },
  {
    name: "a recorded PIN as a PIN of the caller's card",
    steps: [command("00240181", recorded)],
    said: given,
  },
  {
    name: "the same as one that a resetting code sets",
    steps: [command("002C0281", recorded)],
    said: given,
  },
  {
    name: "DRAW REFERENCE DATA in another logical channel, whose answer nobody would seal",
    steps: [command("815E0081", unhex("0304"))],
    by: level(0x33),
    said: `${many} (command 81 5E 00 81)`,
  },
  {
    name: "an instruction of nine bits, of which a command has eight",
    steps: [personalize(access), { ...command("80E26800", inRecord), ins: 0x1e2 }],
    said: "a header that is not four bytes (command 80 1E2 68 00)",
  },
  {
    name: "another application named by such an instruction",
    steps: [personalize(access), { ...personalize("A0000000041010"), ins: 0x1e6 }, store(0x8281, 16, pin)],
    said: "a header that is not four bytes",
  },
  {
    name: "another application named in another logical channel, which whoever carries it makes this one",
    steps: [personalize(access), { ...personalize("A0000000041010"), cla: 0x81 }, store(0x8281, 16, pin)],
    said: `${many} (command 81 E6 20 00)`,
  },
];

/** Refused by the order's list, and without it. */
export const inSessions: readonly Asked[] = [
  ...outside,
  {
    name: "the order's own commands in a session without command encryption",
    steps: honest,
    by: level(0x01),
    said: "PIN pin (3 tries) under DEK → no place in a session that encrypts no commands; SCP03 of gp-aes (kdf3), version 30, level 01",
  },
  {
    name: "the same with MACs both ways",
    steps: honest,
    by: level(0x11),
    said: "no place in a session that encrypts no commands",
  },
  {
    name: "the issuer's keys alone in such a session",
    steps: honest.slice(-1),
    by: level(0x01),
    said: "key set issuer (aes-128, kdf3) as version 31 under DEK → no place in a session that encrypts",
  },
  {
    name: "a check value in such a session",
    steps: [
      personalize(access),
      store(0x9001, 3, { secret: "check-value", keys: "gate" as KeyRef, kid: 1 }, 0x08),
    ],
    by: level(0x01),
    said: "no place in a session that encrypts no commands",
  },
  {
    name: "the order's own commands at another level than it says",
    steps: honest,
    by: level(0x33),
    said: "grouping 8281, STORE DATA 68; SCP03 of gp-aes (kdf3), version 30, level 33",
  },
  {
    name: "the order's own commands with another variant of the protocol",
    steps: honest,
    by: { ...channel, i: 0x60 } as SecureChannelSpec,
    said: "SCP03 of gp-aes (kdf3), version 30, i 60, level 03",
  },
  {
    name: "the order's own commands in a session with another security domain",
    steps: honest,
    by: { ...channel, isd: unhex("A0000000620101") } as SecureChannelSpec,
    said: "level 03, domain A0000000620101",
  },
];

interface Tried {
  readonly way: string;
  readonly said: string;
  readonly expected: string;
}

/** An order whose list has every one of these sentences; bytes from outside also for no order at all, in sessions without a secret. */
export async function allowedAndRefused(hsm: Hsm): Promise<readonly Tried[]> {
  const order = "H-9";
  const wanted = inSessions.filter(({ said }) => !/level 33|i 60|domain/.test(said));
  const list = wanted.flatMap(({ steps, by = channel }) => placesOf(by, steps));
  const { secrets } = await prepare(hsm, order, [...honestList, ...new Set(list)]);
  const tried: Tried[] = [];
  for (const one of wanted) {
    const { said } = await attempt(hsm, one, secrets);
    tried.push({ way: one.name, said, expected: one.said });
  }
  for (const one of outside) {
    if (one.steps.some(({ data }) => data.includes(pin))) continue;
    const { said } = await attempt(hsm, one, undefined);
    tried.push({ way: `${one.name}, for no order`, said, expected: one.said });
  }
  return tried;
}

const store01 = (value: string): SecureStep => command("80E28800", unhex(`0101${value}`));

/** The same answer of the card again, with other commands, with secrets and without; in every kind of session. */
export async function madeTwice(hsm: Hsm, secrets: SealedSecrets): Promise<readonly Tried[]> {
  const once = "the commands of this session were made already";
  const tried: Tried[] = [];
  for (const [way, steps] of [
    ["bytes that anyone may see", [store01("0100")]],
    ["the order's own commands", honest],
  ] as const) {
    const { send } = chip(fab);
    const { session, open } = await hsm.openSession({ channel, serial, secrets });
    const answer = send(open);
    const first = await hsm.authenticate({ session, answer, steps: [store01("0101")] });
    if (!first.ok || "more" in first) throw new Error("no session");
    const said = (work: Promise<unknown>) =>
      work.then(
        () => "done",
        (problem: unknown) => (problem instanceof Error ? problem.message : ""),
      );
    tried.push({ way, said: await said(hsm.authenticate({ session, answer, steps })), expected: once });
    tried.push({
      way: `${way}: the session after it`,
      said: await said(hsm.unwrap({ session, answers: [] })),
      expected: "there is no session",
    });
  }
  return tried;
}
