/** Orders that tests open: a list of what their own commands need, and no more. */
import {
  type CardProgram,
  everyPlacement,
  placements,
  type SecureChannelSpec,
  type SecureStep,
  type SecurityModule,
  sessionPlace,
} from "@persoline/card/program";
import { listed, pinSentence, policyDigest } from "./order-policy.js";
import type { Hsm } from "./port.js";
import type { vaultCalls } from "./vault-core.js";

/** A module of another process, or one in the test's own, which answers at once. */
interface OrderCalls {
  createDataKey(...ask: Parameters<Hsm["createDataKey"]>): Promise<Uint8Array> | Uint8Array;
  releaseDataKey(...ask: Parameters<Hsm["releaseDataKey"]>): Promise<Uint8Array> | Uint8Array;
}

/** What these commands do with secrets, whether it is wise or not. */
export const placesOf = (channel: SecureChannelSpec, steps: readonly SecureStep[]): readonly string[] => [
  sessionPlace(channel),
  ...placements(channel, steps).map(({ sentence }) => sentence),
];

export const placesIn = (programs: readonly CardProgram[]): readonly string[] =>
  programs.flatMap(everyPlacement).map(({ sentence }) => sentence);

/** PINs of any length, drawn. */
export const anyPin = (name = "pin"): readonly string[] =>
  Array.from({ length: 9 }, (_, at) => pinSentence({ name, length: at + 4 }));

export async function openOrder(hsm: OrderCalls, order: string, sentences: readonly string[]): Promise<void> {
  const policy = listed(sentences);
  const sealed = await hsm.createDataKey({ order, policy });
  await hsm.releaseDataKey({ order, sealed, policy });
}

/** An order whose list is what these steps of a session need; its name. */
export async function orderOfSteps(
  hsm: OrderCalls,
  channel: SecureChannelSpec,
  steps: readonly SecureStep[],
): Promise<string> {
  const places = placesOf(channel, steps);
  const order = `S-${policyDigest(places).slice(0, 16)}`;
  await openOrder(hsm, order, places);
  return order;
}

type Calls = ReturnType<typeof vaultCalls>;

/** The same with a module in the test's own process, which answers at once. */
export function openOrderNow(calls: Calls, order: string, sentences: readonly string[]): void {
  const policy = listed(sentences);
  const sealed = calls.createDataKey({ order, policy });
  calls.releaseDataKey({ order, sealed, policy });
}

/** An order of these programs alone, opened; its name. */
export function orderFor(calls: Calls, programs: readonly CardProgram[]): string {
  const sentences = placesIn(programs);
  const order = `T-${policyDigest(sentences).slice(0, 16)}`;
  openOrderNow(calls, order, sentences);
  return order;
}

/** The module in the test's own process as stations see it, with cards of this order. */
export const sessionsOf = (calls: Calls, order?: string): SecurityModule => ({
  openSession: (ask) => Promise.resolve(calls.openSession(order === undefined ? ask : { order, ...ask })),
  authenticate: (ask) => Promise.resolve(calls.authenticate(ask)),
  unwrap: (ask) => Promise.resolve(calls.unwrap(ask)),
  closeSession: (id) => Promise.resolve(calls.closeSession(id)),
  openProof: (ask) => Promise.resolve(calls.openProof(ask)),
  judgeProof: (ask) => Promise.resolve(calls.judgeProof(ask)),
});
