/**
 * Whoever kept an older copy of the database asks the module for what was in it, after the order was delivered and after it was erased: the
 * same questions for every provider, in the process that destroyed the secrets, in one that was open before, and in one started since.
 */
import { join } from "node:path";
import { honestAttempt, honestList, prepare } from "./hostile.test.data.js";
import { listed } from "./order-policy.js";
import { application } from "./payment/payment-card.test.data.js";
import type { Hsm } from "./port.js";

interface Said {
  readonly way: string;
  readonly said: string;
  readonly expected: string;
}

const saidBy = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (problem: unknown) => (problem instanceof Error ? problem.message : ""),
  );

const policy = listed(honestList);

/** All that the module says of an order, whose seals are those of its copied database. */
async function asked(
  hsm: Hsm,
  { ask, secrets }: Awaited<ReturnType<typeof prepare>>,
  { sealed, file }: { readonly sealed: Uint8Array; readonly file: string },
): Promise<Readonly<Record<string, string>>> {
  const { order, record } = secrets;
  const letter = { record, name: "pin", sealed: secrets.pins.pin, letter: "L1", addressee: "Ada" };
  return {
    "its data key": await saidBy(hsm.releaseDataKey({ order, sealed, policy })),
    "its data key for the store alone": await saidBy(hsm.releaseDataKey({ order, sealed })),
    "its PIN into a card": (await honestAttempt(hsm, secrets)).said,
    "its PIN in a letter": await saidBy(hsm.writeLetters({ order, batch: "B1", letters: [letter], file })),
    "its PIN in a letter, tried": await saidBy(hsm.tryLetters({ order, letters: [letter] })),
    "a track 2, of its PIN and its prepared card": await saidBy(
      hsm.judgeTrack2({ secrets, application, track2: new Uint8Array(19) }),
    ),
    "its card prepared anew": await saidBy(hsm.preparePayment([ask])),
    "another PIN": await saidBy(hsm.drawPin({ order, record: 2, name: "pin", length: 4 })),
  };
}

/** `opened`: a process of the module on the same keys and folder. */
export async function endedOrders(opened: () => Promise<Hsm>, folder: string): Promise<readonly Said[]> {
  const said: Said[] = [];
  const before = await opened();
  const ends = await opened();
  const processes = [before, ends];
  let letters = 0;
  try {
    const [own, other] = [await prepare(before, "E-1", honestList), await prepare(before, "E-2", honestList)];
    const keyOf = async (order: string) => before.createDataKey({ order, policy });
    const [sealed, othersKey] = [await keyOf("E-1"), await keyOf("E-2")];
    const tell = async (
      when: string,
      order: typeof own,
      key: Uint8Array,
      expected: (what: string) => string,
    ) => {
      const since = await opened();
      processes.push(since);
      for (const [who, hsm] of Object.entries({ before, ends, since })) {
        const { order: number } = order.secrets;
        const ended = String(await hsm.havePinsEnded({ order: number }));
        const shouldBe = String(expected("its PIN into a card") !== "made");
        said.push({ way: `${when}, ${who}: whether ${number} ended`, said: ended, expected: shouldBe });
        const file = join(folder, `${String(++letters)}.letters`);
        const answers = await asked(hsm, order, { sealed: key, file });
        for (const [what, answer] of Object.entries(answers))
          said.push({
            way: `${when}, ${who}: ${order.secrets.order}, ${what}`,
            said: answer,
            expected: expected(what),
          });
      }
    };
    // Two processes take in the same order at once, and the secrets of both are the same.
    for (const order of ["R-1", "R-2", "R-3", "R-4"]) {
      const keys = await Promise.all([before, ends].map((hsm) => hsm.createDataKey({ order, policy })));
      for (const [from, hsm] of [
        [1, before],
        [0, ends],
      ] as const) {
        const one = keys[from] ?? new Uint8Array(0);
        const opens = await saidBy(hsm.releaseDataKey({ order, sealed: one, policy }));
        said.push({ way: `${order}, taken in twice at once`, said: opens, expected: "done" });
      }
    }
    const all = (what: string) => (what === "its PIN into a card" ? "made" : "done");
    const isKey = (what: string): boolean => what.startsWith("its data key");
    await tell("in production", own, sealed, all);
    const end = async (work: Promise<string>, expected: string) =>
      said.push({ way: "the end", said: await work, expected });
    await end(ends.endPins({ order: "E-1" }), "ended");
    await end(ends.endPins({ order: "E-1" }), "ended-before");
    await tell("delivered", own, sealed, (what) =>
      isKey(what) ? "done" : "order E-1 was delivered or erased",
    );
    await end(ends.endOrder({ order: "E-1" }), "ended");
    await end(ends.endOrder({ order: "E-1" }), "ended-before");
    await tell("erased", own, sealed, (what) => (isKey(what) ? "order E-1 was erased" : "order E-1 "));
    await tell("beside it", other, othersKey, all);
    await end(saidBy(ends.createDataKey({ order: "E-1", policy })), "order E-1 was delivered or erased");
    // Erased before a card of it was made.
    await end(before.endOrder({ order: "E-2" }), "ended");
    await tell("given up", other, othersKey, (what) => (isKey(what) ? "order E-2 was erased" : "order E-2 "));
  } finally {
    for (const hsm of processes) await hsm.close();
  }
  return said;
}
