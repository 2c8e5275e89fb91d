import { hex } from "../bytes/index.js";
import { dataLength, swText, type Wrapping } from "./answer.js";
import { channelSize, type Cost, costs, type Estimate, type EstimateOptions, total } from "./estimate.js";
import { scp11AgreementText, scp11ChannelText, scp11HostText, scp11OpeningText } from "./explain-scp11.js";
import type { CardTiming } from "./timing.js";
import type { DesfireInput, DesfireKey, SecureChannelSpec } from "./channel-spec.js";
import type { Again, CardProgram, ExpectedData, Part, Step, SwPattern } from "./types.js";

export interface ExplainedCommand {
  /** The plain command, bytes in hexadecimal; what the security module fills in stands in ⟨⟩. */
  readonly apdu: string;
  readonly why: string;
  readonly clause: string;
  readonly expect: string;
  readonly again: Again;
  readonly changes: boolean;
  readonly pages: number;
  readonly ms: number;
  /** The question asked after an interruption. */
  readonly probe?: readonly string[];
}

export interface ExplainedSegment {
  readonly segment: string;
  readonly channel: string;
  readonly ms: number;
  readonly commands: readonly ExplainedCommand[];
  /** What tells after an interruption that all of it is done. */
  readonly done?: readonly string[];
}

export interface Explanation {
  readonly program: string;
  readonly powerUpMs: number;
  readonly segments: readonly ExplainedSegment[];
  readonly estimate: Estimate;
}

/** A program in words and bytes, with its time estimate. Named secrets stay names; record data is shown as it will be written. */
export function explain(
  program: CardProgram,
  timing: CardTiming,
  options: EstimateOptions = {},
): Explanation {
  const items = costs(program, timing, options);
  return {
    program: program.name,
    powerUpMs: rounded(total(items.filter((item) => item.what === "power-up")).ms),
    segments: program.segments.map((segment) => {
      const own = items.filter((item) => item.segment === segment.name);
      return {
        segment: segment.name,
        channel: channelText(segment.channel),
        ms: rounded(total(own).ms),
        commands: own.flatMap((item) => explainItem(item, segment.channel)),
        ...(segment.done === undefined ? {} : { done: segment.done.map((step) => questionText(step)) }),
      };
    }),
    estimate: roundedEstimate(total(items)),
  };
}

function explainItem(item: Cost, channel: "plain" | SecureChannelSpec): ExplainedCommand[] {
  const { step } = item;
  if (step !== undefined) {
    return [
      {
        apdu: apduText(step, channel === "plain" || item.what === "before" ? "plain" : channel.protocol),
        why: step.why,
        clause: step.clause,
        expect: expectText(step),
        again: step.again,
        changes: step.changes,
        pages: item.pages,
        ms: rounded(item.ms),
        ...(step.probe === undefined ? {} : { probe: step.probe.ask.map((ask) => questionText(ask)) }),
      },
    ];
  }
  if (channel === "plain") return [];
  const texts =
    item.what === "open"
      ? openingText(channel)
      : item.what === "challenge"
        ? challengeText(channel)
        : authenticateText(channel);
  return [
    {
      ...texts,
      again: "session",
      changes: item.what === "authenticate",
      pages: item.pages,
      ms: rounded(item.ms),
    },
  ];
}

function openingText(channel: SecureChannelSpec) {
  if (channel.protocol === "scp11") return scp11OpeningText(channel);
  if (channel.protocol === "desfire") {
    return {
      apdu: `90 5A 00 00 03 ${littleEndian(channel.aid)} 00`,
      why: `select ${whereText(channel.aid)}`,
      clause: "docs/desfire-card.md 3, SelectApplication",
      expect: "9100",
    };
  }
  if (channel.protocol === "loader") {
    return {
      apdu: "80 50 00 00 10 ⟨host challenge, 16 bytes⟩ 00",
      why: "open a loader session: the chip proves its loader key first",
      clause: "docs/card-os.md 2, INITIALIZE LOADER",
      expect: `9000, chip number ‖ challenge ‖ cryptogram that shows ⟨key ${channel.keys}⟩`,
    };
  }
  const size = channelSize(channel);
  return {
    apdu: `80 50 ${byte(channel.kvn === 0xff ? 0 : channel.kvn)} 00 ${byte(size)} ⟨host challenge, ${size} bytes⟩ 00`,
    why: "open a secure channel: the card proves its keys first",
    clause: `${standardOf(channel, "E.5.1", "7.1.1")}, INITIALIZE UPDATE`,
    expect: `9000, key information ‖ challenge ‖ cryptogram that shows ⟨key set ${channel.keys} kvn ${byte(channel.kvn)}⟩`,
  };
}

const whereText = (aid: number): string => (aid === 0 ? "the card itself" : `application ${aidText(aid)}`);
const aidText = (aid: number): string => aid.toString(16).toUpperCase().padStart(6, "0");
const littleEndian = (aid: number): string =>
  [aid, aid >> 8, aid >> 16].map((one) => byte(one & 0xff)).join(" ");
const desfireKeyText = (key: DesfireKey | "default" | "random"): string =>
  key === "default"
    ? "the default key"
    : key === "random"
      ? "a random key that nobody keeps"
      : `key ${key.keys}${key.input === undefined ? "" : `, AN10922 of ${inputText(key.input)}`}`;
const inputText = (input: DesfireInput): string =>
  input.map((one) => (typeof one === "string" ? one : hex(one))).join(" ‖ ");

/** Only DESFire and SCP11 have passes between opening and proof. */
function challengeText(channel: SecureChannelSpec) {
  if (channel.protocol === "scp11") return scp11HostText(channel);
  const { version, keyNumber } = channel as Extract<SecureChannelSpec, { protocol: "desfire" }>;
  return {
    apdu:
      version === "ev1" ? `90 AA 00 00 01 ${byte(keyNumber)} 00` : `90 71 00 00 02 ${byte(keyNumber)} 00 00`,
    why: `ask for a challenge under key ${keyNumber}`,
    clause: `docs/desfire-card.md 4, ${version === "ev1" ? "AuthenticateAES" : "AuthenticateEV2First"}`,
    expect: "91AF, the enciphered challenge of 16 bytes",
  };
}

type CardManagerChannel = Extract<SecureChannelSpec, { protocol: "scp02" | "scp03" }>;
const standardOf = ({ protocol }: CardManagerChannel, scp02: string, scp03: string): string =>
  protocol === "scp02" ? `GlobalPlatform 2.3.1 ${scp02}` : `GlobalPlatform Amendment D ${scp03}`;

function authenticateText(channel: SecureChannelSpec) {
  if (channel.protocol === "scp11") return scp11AgreementText(channel);
  if (channel.protocol === "desfire") {
    return {
      apdu: "90 AF 00 00 20 ⟨both challenges, enciphered⟩ 00",
      why: "prove the key to the card; one attempt, whatever it answers",
      clause: "docs/desfire-card.md 4",
      expect: `9100, and a proof that shows ⟨${desfireKeyText(channel.key)}⟩ (91AE: the card has another key)`,
    };
  }
  if (channel.protocol === "loader") {
    return {
      apdu: "80 82 00 00 10 ⟨host cryptogram, 16 bytes⟩",
      why: "prove the loader key to the chip, sent only after the chip has proved its own",
      clause: "docs/card-os.md 2, AUTHENTICATE LOADER",
      expect: "9000",
    };
  }
  const size = channelSize(channel);
  return {
    apdu: `84 82 ${byte(channel.level)} 00 ${byte(2 * size)} ⟨host cryptogram, ${size} bytes⟩ ⟨C-MAC⟩`,
    why: "prove the keys to the card, sent only after the card has proved its own",
    clause: `${standardOf(channel, "E.5.2", "7.1.2")}, EXTERNAL AUTHENTICATE`,
    expect: "9000",
  };
}

/** The explanation as lines for a terminal. */
export function explanationText(explanation: Explanation): string {
  const { estimate } = explanation;
  const lines = [
    `${explanation.program}: ${estimate.apdus === 1 ? "1 command" : `${estimate.apdus} commands`}, ${ms(estimate.ms)} by the card's clock at least`,
    `  wire ${ms(estimate.wireMs)} (${estimate.characters} characters), writing ${ms(estimate.writeMs)} (${pages(estimate.pages)}), crypto ${ms(estimate.cryptoMs)}, own work ${ms(estimate.workMs)}`,
    `  reset, PPS and block size: ${ms(explanation.powerUpMs)}`,
  ];
  for (const segment of explanation.segments) {
    lines.push("", `${segment.segment}  [${segment.channel}]  ${ms(segment.ms)}`);
    for (const command of segment.commands) {
      lines.push(`  ${command.apdu}`, `      ${command.why}`);
      lines.push(
        `      expects ${command.expect}; again: ${command.again}; ${command.pages > 0 ? `${pages(command.pages)}, ` : ""}${ms(command.ms)}; ${command.clause}`,
      );
      if (command.probe !== undefined)
        lines.push(`      after an interruption asks ${command.probe.join(", then ")}`);
    }
    if (segment.done !== undefined) {
      lines.push(`  done, after an interruption, if ${segment.done.join(", and ")}`);
    }
  }
  return lines.join("\n");
}

const pages = (count: number): string => (count === 1 ? "1 page" : `${count} pages`);
const ms = (value: number): string => `${value.toFixed(2)} ms`;
const rounded = (value: number): number => Math.round(value * 1000) / 1000;
const roundedEstimate = (value: Estimate): Estimate => ({
  ...value,
  ms: rounded(value.ms),
  wireMs: rounded(value.wireMs),
  writeMs: rounded(value.writeMs),
  cryptoMs: rounded(value.cryptoMs),
  workMs: rounded(value.workMs),
});
const byte = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");
const spaced = (bytes: Uint8Array): string => hex(bytes).replaceAll(/..(?=.)/g, "$& ");

function apduText(step: Step, protocol: Wrapping): string {
  const length = dataLength(step, protocol);
  const words = [step.cla, step.ins, step.p1, step.p2].map(byte);
  if (length > 0) words.push(byte(length), ...step.data.map((part) => partText(part)));
  if (step.le !== undefined) words.push(byte(step.le & 0xff));
  return words.filter((word) => word !== "").join(" ");
}

function partText(part: Part): string {
  if (part instanceof Uint8Array) return spaced(part);
  switch (part.secret) {
    case "key":
      return `⟨key ${part.keys} kid ${byte(part.kid)} as version ${byte(part.kvn)}⟩`;
    case "key-set":
      return `⟨key set ${part.keys} as version ${byte(part.kvn)}⟩`;
    case "wrapped-key":
      return `⟨key ${part.keys} kid ${byte(part.kid)}⟩`;
    case "check-value":
      return `⟨check value of key ${part.keys} kid ${byte(part.kid)}⟩`;
    case "desfire-key":
      return `⟨${desfireKeyText(part.value)} as version ${byte(part.version)}${part.old === undefined ? "" : `, in place of ${desfireKeyText(part.old)}`}⟩`;
    case "pin":
      return `⟨PIN ${part.pin}, ${part.tries} tries⟩`;
    case "issuer-dgi":
      return `⟨the issuer's grouping ${byte(part.dgi >> 8)}${byte(part.dgi & 0xff)}, ${String(part.length)} bytes⟩`;
    case "payment":
      return `⟨${MODULE_PARTS[part.part.secret]}${"part" in part.part ? `, ${part.part.part}` : ""}, ${String(part.part.length)} bytes⟩`;
    case "challenge":
      return "⟨challenge, 16 bytes⟩";
  }
}

const MODULE_PARTS: Readonly<Record<Extract<Part, { secret: "payment" }>["part"]["secret"], string>> = {
  "emv-keys": "keys AC, SMI and SMC of this card",
  "emv-key-checks": "check values of AC, SMI and SMC",
  "emv-pin": "reference PIN",
  "emv-icc-key": "ICC key",
  "emv-icc-certificate": "ICC certificate",
  "emv-static-signature": "signature over static data",
  "emv-track2": "track 2 equivalent data",
};

const channelText = (channel: "plain" | SecureChannelSpec): string => {
  if (channel === "plain") return "plain";
  if (channel.protocol === "desfire")
    return `DESFire ${channel.version.toUpperCase()}, ${whereText(channel.aid)}, key ${channel.keyNumber}: ⟨${desfireKeyText(channel.key)}⟩`;
  if (channel.protocol === "scp11") return scp11ChannelText(channel);
  return channel.protocol === "loader"
    ? `loader session, ⟨key ${channel.keys}⟩`
    : `${channel.protocol.toUpperCase()} level ${byte(channel.level)}, ⟨key set ${channel.keys} kvn ${byte(channel.kvn)}⟩`;
};

function expectText(step: Step): string {
  const words = [step.sw.map(patternText).join(" or ")];
  if (step.answer !== undefined) words.push(answerText(step.answer));
  if (step.judge?.proof === "uid") words.push("the UID of this very card");
  else if (step.judge !== undefined) {
    const { judge } = step;
    const { kid } = judge;
    const key = "issuer" in judge ? "the issuer's key" : `key ${judge.keys}`;
    const and = { internal: "", file: " and the file's content", grouping: " and the grouping's content" };
    words.push(`a proof that shows ⟨${key} kid ${byte(kid)}⟩${and[judge.proof]}`);
  }
  return words.join(", ");
}

const patternText = ({ value, mask }: SwPattern): string =>
  Array.from(swText(value))
    .map((digit, at) => (((mask >> (12 - 4 * at)) & 0xf) === 0xf ? digit : "x"))
    .join("");

/** Bytes whose bits do not count are shown as "..". */
const answerText = ({ value, mask }: ExpectedData): string =>
  value.length === 0
    ? "no data"
    : [...value].map((one, at) => ((mask?.[at] ?? 0xff) === 0xff ? byte(one) : "..")).join(" ");

const questionText = (step: Step): string => `${apduText(step, "plain")} answers ${expectText(step)}`;
