import { expect, test, vi } from "vitest";
import { chance } from "../../devices/shop-floor/random.js";
import { captureOf } from "./captures.test.data.js";
import { decodePicture, judgeFace } from "./index.js";
import { findCard, type Grey } from "./straighten.js";

// A capture is drawn, photographed and judged in about a second; a busy machine takes longer.
vi.setConfig({ testTimeout: 60_000 });

/** What rejects a capture, by name. */
async function told(...[kind, severity, number]: Parameters<typeof captureOf>): Promise<string[]> {
  const { card, jpeg, options } = await captureOf(kind, severity, number, "training");
  const picture = { ...(await decodePicture(jpeg)), side: card.face.side, frame: 1, takenAt: 0 };
  const { verdict, findings } = await judgeFace(picture, card.face, card.raster, options);
  expect(verdict).toBe("reject");
  return findings.map(({ what }) => what);
}

test("a printed photo of somebody who looks much like the holder is another's photo", async () => {
  expect(await told("wrong-photo", "middle", 5740)).toContain("wrong-photo");
});

test("an engraved photo most of whose dots are the holder's too is another's photo", async () => {
  expect(await told("wrong-photo", "middle", 21_103)).toContain("wrong-photo");
});

test("a strip of another tone through the place of the contacts is no module", async () => {
  expect(await told("wrong-stock", "middle", 3025)).toEqual(["wrong-stock"]);
});

test("a strip of another tone that the measured light follows in part is no scratch", async () => {
  expect(await told("wrong-stock", "hard", 7008)).toEqual(["wrong-stock"]);
});

test("a card whose other side's print changes the light is told as the wrong side", async () => {
  expect(await told("wrong-side", "hard", 3005)).toEqual(["wrong-side"]);
});

/** A card with a dark stripe, on a belt that differs from it by so much; light falls off to the right, and the sensor has noise. */
function onBelt(step: number): Grey {
  const [width, height, perMm, slope] = [1600, 1200, 16.6, 0.02];
  const luck = chance("belt");
  const grey = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = [x + 0.5 - width / 2, y + 0.5 - height / 2];
      const mmX = (fromX + slope * fromY) / perMm / Math.hypot(1, slope) + 42.8;
      const mmY = (fromY - slope * fromX) / perMm / Math.hypot(1, slope) + 26.99;
      const onCard = mmX > 0 && mmX < 85.6 && mmY > 0 && mmY < 53.98;
      const stripe = onCard && mmY > 2 && mmY < 12 && mmX > 1.5 && mmX < 84;
      const light = 1 - 0.1 * (x / width - 0.5);
      const woven = onCard ? 0 : 3 * Math.sin(x / 3.1) * Math.sin(y / 4.3);
      grey[y * width + x] = Math.round(
        ((stripe ? 50 : onCard ? 110 : 110 - step) + woven) * light + luck.normal() * 3,
      );
    }
  }
  return { width, height, grey };
}

test.each([8, 5, -5, -8])("a card that differs from its belt by %i grey levels is found", (step) => {
  const found = findCard(onBelt(step));
  expect(found?.degrees).toBeCloseTo(1.15, 1);
  expect(found?.pixelsPerMm).toBeCloseTo(16.6, 1);
  const [a] = found?.corners ?? [];
  // Upper left, half a card from the middle, turned by 0.02.
  expect(a?.[0]).toBeCloseTo(800 - 42.8 * 16.6 + 0.02 * 26.99 * 16.6, -0.5);
  expect(a?.[1]).toBeCloseTo(600 - 26.99 * 16.6 - 0.02 * 42.8 * 16.6, -0.5);
});

test("what is no card on a belt of its own tone is none: only its stripe is seen", () => {
  expect(findCard(onBelt(0))).toBeUndefined();
});
