import { diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type { Judge, OpenJudge, SecureStep } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cardWith, chip, keyInformation, masters, ref, send, serial } from "./channel-cards.test.data.js";
import { Keyring } from "./keyring.js";
import { openOrderNow, placesOf } from "./order.test.data.js";
import { wrongProofsAtMost } from "./port.js";
import { vaultCalls } from "./vault-core.js";

/** What a card and a gate began, and nobody ended. */
const calls = (): ReturnType<typeof vaultCalls> =>
  vaultCalls(
    new Keyring(
      "test",
      Object.entries({
        ...masters,
        seal: { use: "seal", algorithm: "AES-256", value: new Uint8Array(32) },
      } as const).map(([name, { use, algorithm, value }]) => ({
        name: ref(name),
        use,
        algorithm,
        environment: "test",
        published: true,
        value,
      })),
    ),
  );
const minutes = (count: number): number => count * 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("the answer that a card at a gate has to give is waited for two minutes, and judged once", () => {
  const vault = calls();
  const open = () =>
    vault.openMutual({ keys: ref("gate"), kid: 1, serial, cardChallenge: new Uint8Array(16) }).session;
  const answer = new Uint8Array(16);
  const [first, second] = [open(), open()];
  vi.advanceTimersByTime(minutes(2) - 1);
  expect(vault.judgeMutual({ session: first, answer })).toBe("wrong");
  expect(() => vault.judgeMutual({ session: first, answer })).toThrow("there is no mutual authentication");
  vi.advanceTimersByTime(2);
  expect(() => vault.judgeMutual({ session: second, answer })).toThrow(/opened more than 2 minutes ago/);
  vault.wipe();
});

test("a card's session that nobody ended is over after half an hour, and nothing of it is left to wait for", () => {
  const vault = calls();
  const channel = { protocol: "scp03", keys: ref("fab128"), kvn: 1, level: 0x33 } as const;
  const { session } = vault.openSession({ channel, serial });
  vi.advanceTimersByTime(minutes(30) + 1);
  expect(vi.getTimerCount()).toBe(0);
  const late = { session, answer: { data: new Uint8Array(32), sw: 0x9000 as never }, steps: [] };
  expect(() => vault.authenticate(late)).toThrow(/there is no session .*30 minutes ago/);
  vault.wipe();
});

describe("content that whoever asks may name", () => {
  const guess = { keys: ref("gate"), kid: 1, content: Uint8Array.of(1) } as const;
  const file = { proof: "file", fid: 0x0101, ...guess } as const;
  const grouping = { proof: "grouping", id: 0x0101, ...guess } as const;
  const channel = { protocol: "scp03", keys: ref("fab128"), kvn: 0xff, level: 0x33 } as const;
  const asking = (judge: Judge): SecureStep => ({
    ...keyInformation,
    data: [{ secret: "challenge" }],
    judge,
  });

  /** The verdicts of one session with a card that proves nothing of the kind. */
  function told(vault: ReturnType<typeof calls>, steps: readonly SecureStep[]): readonly unknown[] {
    const card = cardWith(diversifyKdf3(nodeCrypto, masters.fab128.value, chip), "aes");
    openOrderNow(vault, "C-1", placesOf(channel, steps));
    const { session, open } = vault.openSession({ channel, serial, order: "C-1" });
    const ready = vault.authenticate({ session, answer: send(card, open), steps });
    if (!ready.ok || "more" in ready) throw new Error("the card was not opened");
    const [, ...answers] = ready.commands.map((command) => send(card, command));
    return vault.unwrap({ session, answers }).answers.map(({ verdict }) => verdict);
  }

  test("a file's wrong proofs are counted in all sessions together", () => {
    const vault = calls();
    const steps = Array.from({ length: wrongProofsAtMost / 2 }, () => asking(file));
    for (let at = 0; at < 2; at++) expect(told(vault, steps)).toEqual(steps.map(() => "wrong"));
    expect(() => told(vault, [asking(file)])).toThrow("so many proofs of data");
    vault.wipe();
  });

  test("a grouping is judged outside of sessions only, and a file inside only, whoever asks", () => {
    const vault = calls();
    expect(() => told(vault, [asking(grouping)])).toThrow("outside of a session only");
    const judges = [file] as unknown as readonly OpenJudge[];
    expect(() => vault.openProof({ serial, judges })).toThrow("and nothing else");
    vault.wipe();
  });
});
