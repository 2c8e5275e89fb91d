/** What a ceremony does, as its record says it. */
import { createHash } from "node:crypto";
import type { KeyAction, RosterAction } from "./types.js";

export const isRoster = (action: KeyAction): action is RosterAction =>
  action.do === "custodian" || action.do === "custodian-renew" || action.do === "custodian-remove";

/** What people compare: the beginning of SHA-256 of a custodian's public key. */
export const keyDigits = (key: string): string => {
  const digest = createHash("sha256").update(Buffer.from(key, "base64")).digest("hex");
  return (digest.slice(0, 12).toUpperCase().match(/.{4}/g) ?? []).join("-");
};

/** As ceremonies are numbered, however it was typed: "c-3" is C-0003. */
export function ceremonyNumber(typed: string): string {
  const [, digits] = /^c-?0*(\d+)$/i.exec(typed.trim()) ?? [];
  return digits === undefined ? typed : `C-${digits.padStart(4, "0")}`;
}

const withKey = ({ name, open }: RosterAction): string =>
  open === undefined ? name : `${name}, key ${keyDigits(open)}`;

/** The same with the key it is done to, for whoever is to say yes to it: "key tk-bank: set destroyed (end)". */
export function deedText(action: KeyAction): string {
  const reason = "reason" in action ? ` (${action.reason})` : "";
  const key = "key" in action ? action.key.name : "name" in action ? action.name : undefined;
  // These name whom they are about themselves.
  const said = action.do === "allow" || action.do === "forbid" || isRoster(action);
  return `${said || key === undefined ? "" : `key ${key}: `}${actionText(action)}${reason}`;
}

export const actionText = (action: KeyAction): string => {
  switch (action.do) {
    case "generate":
      if (action.leaves?.as === "components") return `generate, in ${action.leaves.count} components`;
      if (action.leaves?.as === "shares")
        return `generate, in ${action.leaves.count} shares of which ${action.leaves.needed} are needed`;
      return action.leaves === undefined ? "generate" : `generate, wrapped under ${action.leaves.under}`;
    case "import":
      return `import from ${action.count} ${action.form}`;
    case "import-block":
      return `import a key block under ${action.under}`;
    case "import-public":
      return "import a public key";
    case "certificate":
      return `take in the authority's certificate (index ${action.file.authorityIndex.toString(16).toUpperCase().padStart(2, "0")})`;
    case "rotate":
      return `rotate ${action.old}`;
    case "state":
      return `set ${action.state}`;
    case "export-block":
      return "hand out the key block made at the key's birth";
    case "allow":
      return `allow what orders of ${action.name} have done with their secrets`;
    case "forbid":
      return `forbid the list ${action.name}`;
    case "custodian":
      return `enrol custodian ${withKey(action)}`;
    case "custodian-renew":
      return `set a new passphrase of custodian ${withKey(action)}`;
    case "custodian-remove":
      return `remove custodian ${action.name}`;
  }
};
