/** The life of a key, in the words of NIST SP 800-57 part 1 (revision 5, section 7). */
export type KeyState =
  | "pre-activation"
  | "active"
  | "suspended"
  | "deactivated"
  | "compromised"
  | "destroyed";

export interface KeyLife {
  readonly state: KeyState;
  /** ISO 8601, when it entered the state. */
  readonly since: string;
  /** Where its value came from; "split" and "wrapped" were outside at their birth, the drawn ones never. */
  readonly source: "drawn" | "split" | "wrapped" | "components" | "shares" | "key-block" | "public";
  /** The cryptoperiod, ISO 8601: it makes cards from the first, inclusive, to the second, exclusive. */
  readonly from?: string;
  readonly until?: string;
  readonly replacedBy?: string;
  readonly replaces?: string;
  /** Number of the ceremony that brought it in. */
  readonly ceremony: string;
  /** Why it is suspended, deactivated, compromised or destroyed. */
  readonly reason?: string;
  /** Kept when the value is gone. */
  readonly kcv: string;
}

/** Nothing leads back from deactivated, compromised or destroyed to active. */
const NEXT: Readonly<Record<KeyState, readonly KeyState[]>> = {
  "pre-activation": ["active", "compromised", "destroyed"],
  active: ["suspended", "deactivated", "compromised"],
  suspended: ["active", "deactivated", "compromised"],
  deactivated: ["compromised", "destroyed"],
  compromised: ["destroyed"],
  destroyed: [],
};

/** The state at a moment: the cryptoperiod begins and ends it by itself. `now`: milliseconds of the epoch. */
export function stateAt(life: KeyLife, now: number): KeyState {
  if (life.state !== "active" && life.state !== "pre-activation") return life.state;
  if (life.until !== undefined && now >= Date.parse(life.until)) return "deactivated";
  if (life.from !== undefined && now < Date.parse(life.from)) return "pre-activation";
  // One that waits without a day waits for people.
  return life.state === "pre-activation" && life.from === undefined ? "pre-activation" : "active";
}

/** What a key may be used for: "make" new cards, or "check" what older ones say. */
export type Purpose = "make" | "check";

/** Why the key may not be used so now; nothing when it may. */
export function whyNot(name: string, life: KeyLife, purpose: Purpose, now: number): string | undefined {
  const state = stateAt(life, now);
  if (state === "active" || (state === "deactivated" && purpose === "check")) return undefined;
  const remedy: Readonly<Record<Exclude<KeyState, "active">, string>> = {
    "pre-activation": `it may be used ${life.from === undefined ? 'after "persoline keys activate"' : `from ${life.from}`}`,
    suspended: 'two custodians may end that with "persoline keys activate"',
    deactivated: "it makes no new cards; name the key that replaced it",
    compromised: "it is used for nothing any more; name another key",
    destroyed: "its value is gone for ever; name another key",
  };
  return `key ${name} is ${state}: ${remedy[state]}`;
}

/** Throws RangeError, in words for people, where the life has no such way. */
export function entered(
  name: string,
  life: KeyLife,
  state: KeyState,
  { at, reason }: { readonly at: string; readonly reason?: string },
): KeyLife {
  const from = stateAt(life, Date.parse(at));
  if (!NEXT[from].includes(state))
    throw new RangeError(
      `key ${name} is ${from} and cannot become ${state}; from here it can become ${NEXT[from].join(", ") || "nothing else"}${wayTo(name, from, state)}`,
    );
  return { ...life, state, since: at, ...(reason === undefined ? {} : { reason }) };
}

/** What is to be done first, where something can be. */
const wayTo = (name: string, from: KeyState, state: KeyState): string =>
  state === "destroyed" && NEXT[from].includes("deactivated")
    ? `. End it first: "persoline keys retire ${name}", or "persoline keys compromise ${name}" where somebody may know it`
    : "";
