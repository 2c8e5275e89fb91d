/** What an order's list says of its payment cards: the masters that their values follow from, and all that the cards are to let happen. */
import { createHash } from "node:crypto";
import type { PaymentProfile } from "@persoline/card/emv";
import type { PaymentMasters } from "@persoline/card/program";

/** So many rules are told in words; the digest has all. */
const RULES_TOLD = 8;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();

/** The same text for the same value, whatever order its fields are in. */
function canonical(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: hex(value) };
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, canonical(one)]);
}

/** SHA-256, hexadecimal: no two profiles have the same. */
const profileDigest = (profile: PaymentProfile): string =>
  createHash("sha256")
    .update(JSON.stringify(canonical(profile)))
    .digest("hex");

const mastersText = (masters: PaymentMasters): string =>
  Object.entries(masters)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([use, key]) => `${use} ${String(key)}`)
    .join(", ");

function cvmText({ x, y, rules }: PaymentProfile["cvm"]): string {
  const told = rules
    .slice(0, RULES_TOLD)
    .map(({ method, when, orNext }) => `${method} ${when}${orNext ? " or next" : ""}`);
  const more = rules.length > RULES_TOLD ? [`${String(rules.length - RULES_TOLD)} more`] : [];
  return `X ${String(x)}, Y ${String(y)}: ${[...told, ...more].join(", ")}`;
}

/** What custodians should see of a profile; whatever they do not see is in the digest. */
function riskText(profile: PaymentProfile): string {
  const { proof, issuerKey, cryptogram, offlineLimits, actions, pinTries, serviceCode } = profile;
  const icc =
    issuerKey === undefined ? "" : ` with ICC keys of ${String(issuerKey.iccModulusBytes * 8)} bits`;
  const codes = [actions.default, actions.denial, actions.online].map(hex).join("/");
  return [
    `proof ${proof}${icc}`,
    `cryptogram ${String(cryptogram.version)}`,
    `IAC ${codes}`,
    `offline ${String(offlineLimits.lower)} to ${String(offlineLimits.upper)}`,
    `${String(pinTries)} PIN tries`,
    `service code ${serviceCode}`,
    `all of it ${profileDigest(profile)}`,
  ].join(", ");
}

/** Whoever names other masters or another profile for a card of the order makes other sentences. `application`: AID, hexadecimal in capitals. */
export const paymentSentences = (
  application: string,
  masters: PaymentMasters,
  profile: PaymentProfile,
): readonly [string, ...string[]] => [
  `payment application ${application}: ${mastersText(masters)}`,
  `cardholders of ${application}: ${cvmText(profile.cvm)}`,
  `payment cards ${application}: ${riskText(profile)}`,
];
