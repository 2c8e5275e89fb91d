/** What of a ceremony's action is right or wrong by its own words, whatever keys there are: an office and a command line say the same of it. */
import { isRsa } from "../payment/issuer-key.js";
import { keyLength } from "./key-length.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyAction, KeyPlan } from "./types.js";

export const ALGORITHMS: Readonly<Partial<Record<KeyPlan["use"], readonly KeyPlan["algorithm"][]>>> = {
  loader: ["AES-128"],
  application: ["AES-128"],
  desfire: ["AES-128"],
  scp02: ["3DES"],
  scp03: ["AES-128", "AES-192", "AES-256"],
  transport: ["AES-128", "AES-192", "AES-256", "3DES"],
  "pin-transport": ["AES-128", "AES-192", "AES-256", "3DES"],
  "file-mac": ["AES-128", "AES-192", "AES-256"],
  "key-block": ["AES-128", "AES-192", "AES-256", "3DES"],
  "issuer-signature": ["Ed25519"],
  scp11: ["P-256"],
  "card-authority": ["P-256"],
  "emv-ac": ["3DES"],
  "emv-smi": ["3DES"],
  "emv-smc": ["3DES"],
  "emv-cvk": ["3DES"],
  "emv-pvk": ["3DES"],
  "ibm-3624": ["3DES"],
  "emv-issuer": ["RSA-1408", "RSA-1152"],
  "stripe-encoder": ["X25519"],
};
/** Of these the public half comes in, and no other half is ever here. */
export const PUBLIC_USES: readonly KeyPlan["use"][] = [
  "issuer-signature",
  "card-authority",
  "stripe-encoder",
];

/** The uses that people bring keys in for; the others are the vault's own. */
export const keyUses = Object.keys(ALGORITHMS);

function judgePlan({ name, use, algorithm, from, until }: KeyPlan): void {
  judgeName(name);
  const allowed = ALGORITHMS[use];
  if (allowed === undefined) throw new OfficeRefusal(`keys are for ${keyUses.join(", ")}; not for ${use}`);
  if (!allowed.includes(algorithm))
    throw new OfficeRefusal(`a key for ${use} is ${allowed.join(" or ")}, not ${algorithm}`);
  for (const [what, text] of [
    ["from", from],
    ["until", until],
  ] as const)
    if (text !== undefined && Number.isNaN(Date.parse(text)))
      throw new OfficeRefusal(`--${what}: ${text} is no date; write 2027-01-01 or 2027-01-01T00:00:00Z`);
  if (until !== undefined && from !== undefined && Date.parse(until) <= Date.parse(from))
    throw new OfficeRefusal("the cryptoperiod ends before it begins");
}

function judgeName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name))
    throw new OfficeRefusal("a key's name has 1 to 32 small letters, digits and dashes, a letter first");
}

function judgeCount(count: number, needed: number, what: string): void {
  if (!Number.isInteger(count) || count < 2 || count > 16)
    throw new OfficeRefusal(`a key has 2 to 16 ${what}, not ${count}`);
  if (!Number.isInteger(needed) || needed < 2 || needed > count)
    throw new OfficeRefusal(`of ${count} shares 2 to ${count} can be needed, not ${needed}`);
}

function judgeReason(reason: string): void {
  if (reason.trim() === "") throw new OfficeRefusal("say why with --reason: it stands in the record");
}

/** A key pair is drawn where it works: in pieces it would have no certificate that anybody could believe. */
function judgeStays({ name, algorithm }: KeyPlan): void {
  if (algorithm === "P-256")
    throw new OfficeRefusal(
      `key ${name}: a P-256 key is drawn in the vault and stays there; what leaves is its public half, to be certified`,
    );
  if (isRsa(algorithm))
    throw new OfficeRefusal(
      `key ${name}: an issuer's RSA key never leaves; its public half does, with "keys request"`,
    );
}

/** Can it be drawn here at all? Public keys of others cannot. */
function judgeDrawn(key: KeyPlan): void {
  if (PUBLIC_USES.includes(key.use))
    throw new OfficeRefusal(
      `a key for ${key.use} is not drawn here: its private half is elsewhere. Bring its public half in with "keys import --public"`,
    );
  if (!isRsa(key.algorithm)) keyLength(key);
}

/** Throws OfficeRefusal. */
export function judgeWords(action: KeyAction): void {
  switch (action.do) {
    case "generate": {
      judgePlan(action.key);
      const { leaves } = action;
      judgeDrawn(action.key);
      if (leaves === undefined) return;
      judgeStays(action.key);
      if (leaves.as === "components") judgeCount(leaves.count, leaves.count, "components");
      if (leaves.as === "shares") judgeCount(leaves.count, leaves.needed, "shares");
      return;
    }
    case "import":
      judgePlan(action.key);
      keyLength(action.key);
      judgeStays(action.key);
      judgeCount(action.count, action.count, action.form);
      if (!/^(?:[0-9A-F]{6}|[0-9A-F]{10})$/.test(action.kcv))
        throw new OfficeRefusal(
          "the check value of the whole key has 6 hexadecimal digits (by CMAC of AES: 10); give it with --kcv",
        );
      return;
    case "import-block":
      judgePlan(action.key);
      return;
    case "import-public":
      judgePlan(action.key);
      if (!PUBLIC_USES.includes(action.key.use))
        throw new OfficeRefusal(`a public key is for ${PUBLIC_USES.join(" or ")}, not for ${action.key.use}`);
      return;
    case "rotate":
      judgePlan(action.key);
      judgeDrawn(action.key);
      if (action.old === action.key.name)
        throw new OfficeRefusal(`key ${action.old} cannot take its own place: name its successor otherwise`);
      return;
    case "state":
    case "forbid":
    case "custodian-renew":
    case "custodian-remove":
      judgeReason(action.reason);
      return;
    case "certificate":
    case "export-block":
    case "allow":
    case "custodian":
      return;
  }
}
