import { expect, test } from "vitest";
import type { PlacedElement } from "../plan/placed.js";
import { unseen } from "./unseen.js";

const line = (layer: "emboss" | "indent"): PlacedElement => ({
  kind: "line",
  layer,
  field: "up",
  text: "ANNA KOVACS",
  font: "4B",
  x: 7.65,
  yFromBottom: 6.6,
  pitch: 2.54,
  height: 2.9,
});
const stripe: PlacedElement = {
  kind: "stripe",
  layer: "stripe",
  field: "s",
  coercivity: "high",
  tracks: [{ track: 2, text: "1234567890" }],
};
const face = (side: "front" | "back", ...own: PlacedElement[]) => ({ side, own });
const raised = [{ text: "ANNA KOVACS", font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 }] as const;
const looks = {
  camera: true,
  encoder: true,
  chip: "front",
  relief: { camera: false, machine: false },
} as const;
const struck =
  "no camera of this line looks at: raised characters (line 1); its embosser was told the lines and confirmed the card";
const contacts =
  "no camera looks at: the contacts and the ground around them (front, 9.50..21.00 × 16.50..31.00 mm)";

test("the contacts are left out on the side that carries them, and only there", () => {
  const card = { faces: [face("front"), face("back")], emboss: [] };
  expect(unseen(card, looks)).toEqual([contacts]);
  expect(unseen(card, { ...looks, chip: "none" })).toEqual([]);
  expect(unseen({ ...card, faces: [face("back")] }, { ...looks, chip: "none" })).toEqual([
    "no camera looks at: the front, for which nothing is laid out",
  ]);
});

test("what wheels struck, and what a stripe holds, is told for the cards that have it", () => {
  const pressed =
    "no camera judges: characters pressed in (up); what the indent printer itself says of them is compared where it says so";
  expect(unseen({ faces: [face("front"), face("back")], emboss: raised }, looks)).toEqual([contacts, struck]);
  expect(unseen({ faces: [face("front"), face("back", line("indent"))], emboss: [] }, looks)).toEqual([
    contacts,
    pressed,
  ]);
  const striped = { faces: [face("front"), face("back", stripe)], emboss: [] };
  expect(unseen(striped, looks)).toEqual([contacts]);
  const onlyThere =
    "the magnetic stripe is read where it was written and not again at quality control: a camera sees its surface, not its recording";
  expect(unseen(striped, { ...looks, encoder: false })).toEqual([contacts, onlyThere]);
  const sealed = { faces: [face("front"), face("back")], emboss: [] };
  expect(unseen(sealed, { ...looks, encoder: false }, true)).toEqual([contacts, onlyThere]);
  expect(unseen(sealed, looks, true)).toEqual([contacts]);
});

test("without a camera, or without anything drawn, none looks at the cards at all", () => {
  const faces = [face("front"), face("back")];
  const none = "no camera looks at these cards: this line's quality control has none";
  expect(unseen({ faces, emboss: [] }, { ...looks, camera: false })).toEqual([none]);
  expect(unseen({ faces: [], emboss: raised }, looks)).toEqual([
    "no camera looks at these cards: nothing is laid out for their sides",
    struck,
  ]);
  // A chip without a picture and without wheels has nothing that a camera could miss.
  expect(unseen({ faces: [], emboss: [] }, looks)).toEqual([]);
  expect(JSON.stringify(unseen({ faces, emboss: raised }, looks))).not.toContain("ANNA");
});
