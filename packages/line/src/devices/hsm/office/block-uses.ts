/** What a key's use here is called in a key block (X9.143-2021, table 2). */
import type { KeyBlockHeader } from "@persoline/card/keyblock";
import type { Environment } from "../port.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyPlan } from "./types.js";

/** The first usage of a row is the one that is written. */
const USES: Readonly<Partial<Record<KeyPlan["use"], readonly (readonly [usage: string, modes: string])[]>>> =
  {
    loader: [["E5", "XN"]],
    scp02: [["E5", "XN"]],
    scp03: [["E5", "XN"]],
    application: [["E6", "XN"]],
    transport: [
      ["K0", "BDN"],
      ["D0", "BDN"],
    ],
    "pin-transport": [["P0", "BDN"]],
    "file-mac": [["M6", "CVN"]],
    "emv-ac": [["E0", "XN"]],
    "emv-smc": [["E1", "XN"]],
    "emv-smi": [["E2", "XN"]],
    "emv-cvk": [["C0", "CGVN"]],
    "emv-pvk": [["V2", "CGVN"]],
    "ibm-3624": [["V1", "CGVN"]],
    "key-block": [["K1", "BDXN"]],
  };

const letter = (algorithm: KeyPlan["algorithm"]): string => (algorithm === "3DES" ? "T" : "A");
const label = (environment: Environment): string => `persoline ${environment}`;

export function headerFor(key: KeyPlan, version: "B" | "D", environment: Environment): KeyBlockHeader {
  const [first] = USES[key.use] ?? [];
  if (first === undefined) throw new OfficeRefusal(`a key for ${key.use} has no form in a key block`);
  const [usage, modes] = first;
  return {
    version,
    usage,
    algorithm: letter(key.algorithm),
    mode: modes.charAt(0),
    keyVersion: "00",
    // Whoever gets it keeps it: it came from here and goes nowhere else.
    exportability: "N",
    optional: [{ id: "LB", data: label(environment) }],
  };
}

/** Refuses a block whose header says another use, algorithm or world than the plan. Throws OfficeRefusal. */
export function judgeHeader(header: KeyBlockHeader, key: KeyPlan, environment: Environment): void {
  if (header.version !== "B" && header.version !== "D")
    throw new OfficeRefusal(
      `a key block of version ${header.version} is not taken in; ask for version D (AES) or B (3DES)`,
    );
  const allowed = USES[key.use] ?? [];
  if (header.algorithm !== letter(key.algorithm))
    throw new OfficeRefusal(
      `the block holds a key of algorithm ${header.algorithm}, ${key.name} is to be ${key.algorithm}`,
    );
  const found = allowed.find(([usage]) => usage === header.usage);
  if (found === undefined)
    throw new OfficeRefusal(
      `the block's key usage is ${header.usage}; a key for ${key.use} has ${allowed.map(([usage]) => usage).join(" or ") || "none"}. A key has one purpose`,
    );
  if (!found[1].includes(header.mode))
    throw new OfficeRefusal(
      `the block's mode of use is ${header.mode}; a key for ${key.use} has one of ${found[1]}`,
    );
  if (header.keyVersion.startsWith("c"))
    throw new OfficeRefusal("the block holds a component, not a whole key; enter components one by one");
  const said = header.optional.find(
    ({ id, data }) => id === "LB" && /^persoline (?:test|live)$/.test(data),
  )?.data;
  if (said !== undefined && said !== label(environment))
    throw new OfficeRefusal(
      `the block says "${said}", this keystore is for ${environment} cards: test and live keys never meet`,
    );
}
