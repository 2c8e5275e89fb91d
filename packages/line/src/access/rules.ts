/**
 * The decision at a gate. The order is fixed and the first failed check is what the event says: card known → refusal list, status →
 * validity → key → rights (card and register must agree) → occupancy → anti-passback. Nobody is kept in: on the way out (to a zone
 * around, or outside) validity, rights and occupancy are not looked at.
 */
import { lastTime, localDate, localTime, validFromInstant, validUntilInstant } from "./calendar.js";
import type { AccessEvent, CardData, Credential, Gate, Reading, Site } from "./types.js";
import { crossing, type ZoneTree } from "./zones.js";

/** What is known of people's places; `Whereabouts` is one. */
export interface Places {
  place(person: string): { readonly zone: string; readonly at: number } | undefined;
  lastEntry(person: string, zone: string): number | undefined;
  count(zone: string): number;
  isIn(person: string, zone: string): boolean;
}

export interface Claim {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly gate: Gate;
  readonly reading: Reading;
  readonly holder: Credential | undefined;
  readonly refusal: { readonly reason: string; readonly since: string } | undefined;
  readonly places: Places;
}

export interface Decision {
  readonly decision: "granted" | "refused";
  readonly event: AccessEvent;
  readonly detail?: string;
}

const refused = (event: AccessEvent, detail: string): Decision => ({ decision: "refused", event, detail });

export function decide(site: Site, tree: ZoneTree, claim: Claim): Decision {
  const { reading, holder, refusal, gate } = claim;
  if (reading.kind === "unreadable") return refused("denied-authentication-unavailable", reading.detail);
  if (reading.kind === "stranger") return refused("denied-unknown-credential", reading.detail);
  if (holder === undefined && refusal === undefined) {
    return refused("denied-unknown-credential", "the card is in no register of this site");
  }
  const disabled = refusal === undefined ? statusProblem(holder) : listed(refusal, reading);
  if (disabled !== undefined || holder === undefined) {
    return disabled ?? refused("denied-credential-disabled", "the card has no holder");
  }
  const out = crossing(tree, gate).direction === "out";
  return (
    (out ? undefined : validityProblem(site, holder, claim.at)) ??
    keyProblem(reading) ??
    (reading.key.result === "right" ? disagreement(holder, reading.key.data, site) : undefined) ??
    (out ? undefined : (rightsProblem(tree, gate, holder) ?? occupancyProblem(tree, claim, holder))) ??
    passback(site, claim, holder) ?? { decision: "granted", event: "granted" }
  );
}

function listed(
  { reason, since }: { readonly reason: string; readonly since: string },
  { key }: Extract<Reading, { kind: "card" }>,
): Decision {
  const state = key.result === "right" ? "it still proves its key" : key.detail;
  return refused(
    "denied-credential-disabled",
    `on the refusal list since ${since.slice(0, 10)} (${reason}); ${state}`,
  );
}

function statusProblem(holder: Credential | undefined): Decision | undefined {
  switch (holder?.status) {
    case "blocked":
      return refused("denied-credential-manual-disable", "the card is blocked");
    case "withdrawn":
      return refused("denied-credential-disabled", "the card was withdrawn");
    case "active":
    case undefined:
      return undefined;
  }
}

function validityProblem(site: Site, holder: Credential, at: number): Decision | undefined {
  const { validFrom, validUntil } = holder;
  if (validFrom !== undefined && at < validFromInstant(validFrom, site.timeZone)) {
    return refused("denied-credential-not-yet-active", `valid from ${validFrom}`);
  }
  // Written this way round, a date that cannot be read is not valid.
  if (validUntil !== undefined && !(at < validUntilInstant(validUntil, site.timeZone))) {
    const today = localDate(at, site.timeZone);
    return refused("denied-credential-expired", `valid until ${validUntil}; today is ${today}`);
  }
  return undefined;
}

function keyProblem({ key }: Extract<Reading, { kind: "card" }>): Decision | undefined {
  switch (key.result) {
    case "right":
      return undefined;
    case "wrong":
      return refused("denied-incorrect-authentication-factor", key.detail);
    case "blocked":
      return refused("denied-max-attempts", key.detail);
    case "unavailable":
      return refused("denied-authentication-unavailable", key.detail);
    case "unreadable":
      return refused("denied-authentication-factor-error", key.detail);
  }
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one)) && new Set(a).size === new Set(b).size;

function disagreement(holder: Credential, data: CardData, site: Site): Decision | undefined {
  const wrong: string[] = [];
  if (data.zones !== undefined && !sameSet(data.zones, holder.zones)) wrong.push("zones");
  if (data.reference !== undefined && data.reference !== holder.reference) wrong.push("number");
  if (data.validUntil !== undefined && holder.validUntil !== undefined) {
    const days = [data.validUntil, holder.validUntil].map((text) => validUntilInstant(text, site.timeZone));
    if (days[0] !== days[1]) wrong.push("validity");
  }
  return wrong.length === 0
    ? undefined
    : refused(
        "denied-authentication-factor-error",
        `card and register do not agree: ${wrong.join(", ")}; find out who changed them`,
      );
}

/** Zones that the gate leads into and its own side does not lie in. */
function entered(tree: ZoneTree, { from, to }: Gate): string[] {
  const around = tree.path(from) ?? [];
  return (tree.path(to) ?? []).filter((zone) => !around.includes(zone));
}

function rightsProblem(tree: ZoneTree, gate: Gate, holder: Credential): Decision | undefined {
  for (const name of entered(tree, gate)) {
    const rights = tree.zone(name)?.rights ?? [];
    if (rights.length > 0 && !rights.some((right) => holder.zones.includes(right))) {
      return refused("denied-zone-no-access-rights", `no right to ${name} (${rights.join(" or ")})`);
    }
  }
  return undefined;
}

function occupancyProblem(
  tree: ZoneTree,
  { gate, places }: Claim,
  { reference }: Credential,
): Decision | undefined {
  for (const name of entered(tree, gate)) {
    const limit = tree.zone(name)?.limit;
    const others = places.count(name) - (places.isIn(reference, name) ? 1 : 0);
    if (limit !== undefined && others >= limit) {
      return refused("denied-upper-occupancy-limit", `${name} is full: ${String(limit)} people at most`);
    }
  }
  return undefined;
}

function passback(site: Site, { at, gate, places }: Claim, { reference }: Credential): Decision | undefined {
  const { passback: rule, from, to } = gate;
  if (rule.kind === "off") return undefined;
  if (rule.kind === "timed") {
    const last = places.lastEntry(reference, to);
    const again = last !== undefined && at < last + rule.minutes * 60_000;
    return again && !forgiven(site, last, at)
      ? refused("denied-passback", `entered ${to} at ${localTime(last, site.timeZone)} already`)
      : undefined;
  }
  const place = places.place(reference);
  // Who was never seen, or was forgiven since, passes once and is known again.
  if (place === undefined || place.zone === from || forgiven(site, place.at, at)) return undefined;
  const detail = `${gate.name} leads from ${from}, but the holder is in ${place.zone} since ${localTime(place.at, site.timeZone)}`;
  return rule.kind === "hard"
    ? refused("denied-passback", detail)
    : { decision: "granted", event: "passback-detected", detail };
}

const forgiven = ({ forgive, timeZone }: Site, last: number, at: number): boolean =>
  forgive !== undefined && last < lastTime(forgive, at, timeZone);
