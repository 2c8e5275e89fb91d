/** Refuses a job whose product, order or line wants keys kept better than the security module keeps them: before a card moves. */
import type { CardProgram, Judge, Part, SecureChannelSpec } from "@persoline/card/program";
import type { GateCard } from "../access/gate-card.js";
import type { CapabilityReport, HsmOperation, KeyDescription } from "../devices/hsm/port.js";
import { whyNotKept } from "../devices/hsm/order-levels.js";
import { DataProblem } from "../orders/problem.js";
import { levelProblems, type Wanting } from "./level-remedy.js";
import { type SecurityLevels, wantedLevel } from "../orders/security.js";

type Keys = readonly (Pick<KeyDescription, "use" | "algorithm"> & { readonly name: string })[];

/** A security module, or one that is to have its first keys: what it can do, and with which. */
export interface Levels {
  capabilities(): Promise<Pick<CapabilityReport, "provider" | "operations">>;
  keys(): Promise<Keys>;
}
type Channel = "plain" | SecureChannelSpec;

const isLong = (keys: Keys, name: string): boolean =>
  keys.some((key) => key.name === name && (key.algorithm === "AES-192" || key.algorithm === "AES-256"));

function ofChannel(channel: SecureChannelSpec, keys: Keys): HsmOperation[] {
  if (channel.protocol === "loader") return ["loader"];
  if (channel.protocol === "scp11") return ["scp11"];
  if (channel.protocol === "desfire") {
    const { key } = channel;
    if (key === "default") return ["desfire", "desfire-first-keys"];
    return key.input === undefined ? ["desfire", "shared-keys"] : ["desfire"];
  }
  const shared = channel.diversify === "none" ? (["shared-keys"] as const) : [];
  if (channel.protocol === "scp02") return ["scp02", ...shared];
  return [isLong(keys, channel.keys) ? "scp03-long" : "scp03", ...shared];
}

/** A token's own sessions: their DEK wraps what is in the token too. Every other session encrypts bytes in the module's process. */
const isKept = (channel: Channel, keys: Keys): boolean =>
  channel !== "plain" &&
  (channel.protocol === "loader" ||
    (channel.protocol === "scp03" && channel.diversify !== "none" && !isLong(keys, channel.keys)));

/** Only whole blocks go from key to key, from an AES transport key to the 16 bytes of an SCP03 session's; all else is clear in between. */
function ofIssuer(
  { pad, length }: Extract<Part, { secret: "issuer-dgi" }>,
  channel: Channel,
  keys: Keys,
): HsmOperation {
  const isDes = keys.some(({ use, algorithm }) => use === "transport" && algorithm === "3DES");
  return isKept(channel, keys) && !isDes && pad === undefined && length % 16 === 0
    ? "issuer-data"
    : "issuer-data-clear";
}

/** Only AES keys of 16 bytes are derived and wrapped in a token, and only for its own sessions; every other key is clear on its way into its card. */
function ofNewKeys(
  part: Extract<Part, { secret: "key" | "key-set" | "wrapped-key" | "check-value" }>,
  channel: Channel,
  keys: Keys,
): HsmOperation {
  const isShort =
    !isLong(keys, part.keys) &&
    (part.secret !== "key-set" ||
      ((part.form ?? "aes-128") === "aes-128" && (part.diversify ?? "kdf3") === "kdf3"));
  return isShort && isKept(channel, keys) ? "keys-to-card" : "keys-to-card-clear";
}

function ofPart(part: Exclude<Part, Uint8Array>, channel: Channel, keys: Keys): HsmOperation[] {
  switch (part.secret) {
    case "pin":
      return ["pin"];
    case "challenge":
      return ["proof"];
    case "issuer-dgi":
      return [ofIssuer(part, channel, keys)];
    case "payment":
      return PAYMENT[part.part.secret];
    case "key-set":
      return [
        ofNewKeys(part, channel, keys),
        ...(part.diversify === "none" ? (["shared-keys"] as const) : []),
      ];
    case "desfire-key":
      // Its session is in the module's process, and so is the key.
      return ["keys-to-card-clear"];
    case "key":
    case "wrapped-key":
    case "check-value":
      return [ofNewKeys(part, channel, keys)];
  }
}

const PAYMENT: Readonly<Record<Extract<Part, { secret: "payment" }>["part"]["secret"], HsmOperation[]>> = {
  "emv-keys": ["emv-keys"],
  "emv-key-checks": ["emv-keys"],
  "emv-track2": ["emv-keys", "pin"],
  "emv-pin": ["pin"],
  "emv-icc-key": ["emv-rsa"],
  "emv-icc-certificate": ["emv-issuer"],
  "emv-static-signature": ["emv-issuer"],
};

/** What is the issuer's judges proofs: its key in the token as it would go into a card, a grouping's content in clear. */
function ofJudge(judge: Judge | undefined, keys: Keys): HsmOperation[] {
  if (judge?.proof !== "internal" && judge?.proof !== "grouping") return [];
  const isDes = keys.some(({ use, algorithm }) => use === "transport" && algorithm === "3DES");
  const isClear =
    "issuer" in judge && (isDes || judge.issuer.pad !== undefined || judge.issuer.length % 16 !== 0);
  return [
    ...("issuer" in judge ? ([isClear ? "issuer-data-clear" : "issuer-data"] as const) : []),
    ...(judge.proof === "grouping" && !(judge.content instanceof Uint8Array)
      ? (["issuer-data-clear"] as const)
      : []),
  ];
}

/** What these programs ask of a security module. */
export function operationsOf(programs: readonly CardProgram[], keys: Keys): ReadonlySet<HsmOperation> {
  return new Set(
    programs
      .flatMap(({ segments }) => segments)
      .flatMap(({ channel, steps }) => [
        ...(channel === "plain" ? [] : ofChannel(channel, keys)),
        ...(steps.some(({ draws }) => draws !== undefined) ? (["pin"] as const) : []),
        ...steps.flatMap(({ data, judge }) => [
          ...data.flatMap((part) => (part instanceof Uint8Array ? [] : ofPart(part, channel, keys))),
          ...ofJudge(judge, keys),
        ]),
      ]),
  );
}

/** Why this module must not do the job, operation by operation; empty when it may. */
export function unkept(
  operations: Iterable<HsmOperation>,
  { provider, operations: kept }: Pick<CapabilityReport, "provider" | "operations">,
  wanted: readonly (SecurityLevels | undefined)[],
): { readonly operation: HsmOperation; readonly message: string }[] {
  return [...operations].flatMap((operation) => {
    const message = whyNotKept(operation, wantedLevel(operation, wanted), provider, kept);
    return message === undefined ? [] : [{ operation, message }];
  });
}

/** What the cards of a site's gates ask of it. */
export const gateOperations = (cards: readonly GateCard[]): HsmOperation[] =>
  cards.flatMap((card) => {
    if (card.kind !== "desfire") return ["gate"];
    return card.key.input === undefined ? ["desfire", "shared-keys"] : ["desfire"];
  });

/** What every work with cards needs besides them. */
export const always: readonly HsmOperation[] = ["seal", "sign", "random"];

/** Throws DataProblem with every operation that this module cannot keep as it must be kept. */
export async function mustKeep(
  hsm: Levels,
  ask: {
    /** What is refused, for the message. */
    readonly file: string;
    readonly programs: readonly CardProgram[];
    readonly more?: readonly HsmOperation[];
    /** Who wants levels; nobody: the usual ones hold. */
    readonly wanted: readonly Wanting[];
  },
): Promise<void> {
  const [report, keys] = await Promise.all([hsm.capabilities(), hsm.keys()]);
  const operations = new Set([...always, ...(ask.more ?? []), ...operationsOf(ask.programs, keys)]);
  const { file, wanted } = ask;
  const wrong = unkept(
    operations,
    report,
    wanted.map(({ levels }) => levels),
  );
  if (wrong.length === 0) return;
  throw new DataProblem(
    levelProblems({
      unkept: wrong.map((one) => ({ ...one, kept: report.operations[one.operation].level })),
      wanted,
      file,
    }),
  );
}
