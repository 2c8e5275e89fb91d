import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { masters, ref, serial } from "./channel-cards.test.data.js";
import { Keyring } from "./keyring.js";
import { vaultCalls } from "./vault-core.js";

/** What a card and a gate began, and nobody ended. */
const calls = (): ReturnType<typeof vaultCalls> =>
  vaultCalls(
    new Keyring(
      "test",
      Object.entries(masters).map(([name, { use, algorithm, value }]) => ({
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
