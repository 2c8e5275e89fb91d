import type { Serial } from "@persoline/card/program";
import type { Credential, Passage, Site } from "./types.js";

/** A yard with a hall and a gas store in it, and an office beside it. */
export const site: Site = {
  name: "test yard",
  timeZone: "Europe/Berlin",
  zones: [
    { name: "SITE", rights: [], muster: false },
    { name: "YARD", parent: "SITE", rights: ["YARD"], muster: false },
    { name: "HALL", parent: "YARD", rights: ["CRANE", "CUTTING"], limit: 2, muster: false },
    { name: "GAS", parent: "YARD", rights: ["FUEL"], muster: false },
    { name: "OFFICE", parent: "SITE", rights: ["OFFICE"], muster: false },
    { name: "MEADOW", rights: [], muster: true },
  ],
  gates: [
    { name: "main-in", from: "outside", to: "YARD", passback: { kind: "hard" } },
    { name: "main-out", from: "YARD", to: "outside", passback: { kind: "off" } },
    { name: "hall-in", from: "YARD", to: "HALL", passback: { kind: "soft" } },
    { name: "hall-out", from: "HALL", to: "YARD", passback: { kind: "soft" } },
    { name: "gas-in", from: "YARD", to: "GAS", passback: { kind: "timed", minutes: 10 } },
    { name: "gas-out", from: "GAS", to: "YARD", passback: { kind: "hard" } },
    { name: "office-in", from: "outside", to: "OFFICE", passback: { kind: "hard" } },
    { name: "office-out", from: "OFFICE", to: "outside", passback: { kind: "hard" } },
    { name: "inner-door", from: "YARD", to: "OFFICE", passback: { kind: "soft" } },
    { name: "meadow", from: "outside", to: "MEADOW", passback: { kind: "off" } },
  ],
  forgive: "03:00",
};

export const serialOf = (number: number): Serial => `504C${String(number).padStart(16, "0")}` as Serial;

export const holder = (change: Partial<Credential> = {}): Credential => ({
  serial: serialOf(1),
  reference: "FM-0001",
  name: "Mick O'Rourke",
  department: "",
  zones: ["YARD", "CRANE"],
  validUntil: "2028-12-31",
  status: "active",
  ...change,
});

export const granted = (
  at: string,
  gate: string,
  zone: string,
  direction: "in" | "out",
  reference = "FM-0001",
): Passage => ({ at, gate, zone, direction, reference, serial: serialOf(1), decision: "granted" });
