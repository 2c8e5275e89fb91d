import { type Plastic, readFace, type Side } from "../shop-floor/faces.js";
import { type Chance, chance } from "../shop-floor/random.js";
import type { Place } from "../transport/port.js";
import type { Camera, Picture } from "./port.js";

interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** A fault planted in a simulated camera: at its nth exposure it delivers the picture before, or none. */
export interface CameraFlaw {
  readonly kind: "frozen" | "no-picture";
  readonly nth: number;
}

export interface SimulatedCameraOptions {
  readonly name: string;
  readonly place: Place;
  /** Folder of the body that lies at a place now. */
  readonly bodyAt: (place: Place) => string | undefined;
  readonly world: Clock;
  readonly seed: string;
  /** Side that carries the contacts; default "front". */
  readonly chip?: Side | "none";
  readonly flaws?: readonly CameraFlaw[];
  readonly exposureMs?: number;
}

/** Milliseconds of one picture. */
export const exposureMs = 35;

const size = { width: 1200, height: 800, perMm: 12.2 } as const;
const card = { width: 85.6, height: 53.98, radius: 3.18 } as const;
/** Grey levels in full light. */
const tone = { belt: 52, body: 214, mark: 42, metal: 168, gap: 96 } as const;

/** Contacts, mm: bright metal with dark gaps. Undefined outside the module. */
function metal(x: number, y: number): number | undefined {
  if (x < 9.6 || x > 20.5 || y < 18.5 || y > 29.35) return undefined;
  const column = x < 13.6 ? (x - 9.6) / 4 : x > 16.5 ? (x - 16.5) / 4 : 0.5;
  const row = ((y - 18.5) / 2.71) % 1;
  return column < 0.06 || column > 0.94 || row < 0.08 || row > 0.92 ? tone.gap : tone.metal;
}

/** Millimetres from the card's rounded outline, negative inside. */
function outside(x: number, y: number): number {
  const fromX = Math.abs(x - card.width / 2) - (card.width / 2 - card.radius);
  const fromY = Math.abs(y - card.height / 2) - (card.height / 2 - card.radius);
  const [cornerX, cornerY] = [Math.max(fromX, 0), Math.max(fromY, 0)];
  return Math.sqrt(cornerX * cornerX + cornerY * cornerY) + Math.min(Math.max(fromX, fromY), 0) - card.radius;
}

/** Reflection of one side, one byte a dot of 300 dpi: what light comes back before the lens sees it. */
function reflection(
  face: Plastic | undefined,
  side: Side,
  chip: Side | "none",
): { grey: Uint8Array; width: number; height: number } {
  const width = 1011;
  const height = 638;
  const grey = new Uint8Array(width * height);
  const depth = (tone.body - tone.mark) * (face?.power ?? 0);
  const stride = Math.ceil((face?.width ?? 0) / 8);
  const fine = (face?.dpi ?? 300) / 300;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let marks = 0;
      if (face !== undefined) {
        // At 600 dpi four laser dots lie in one of ours.
        for (let j = 0; j < fine; j++) {
          for (let i = 0; i < fine; i++) {
            const column = x * fine + i;
            const row = y * fine + j;
            if (column < face.width && row < face.height) {
              marks += ((face.bits[row * stride + (column >> 3)] ?? 0) >> (7 - (column & 7))) & 1;
            }
          }
        }
      }
      const bare = side === chip ? metal(((x + 0.5) * 25.4) / 300, ((y + 0.5) * 25.4) / 300) : undefined;
      grey[y * width + x] = (bare ?? tone.body) - (depth * marks) / (fine * fine);
    }
  }
  return { grey, width, height };
}

/** Lens blur, about 0.6 pixels (1 4 1 in both directions). */
function blur(picture: Float32Array, width: number, height: number): void {
  const row = new Float32Array(Math.max(width, height));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) row[x] = picture[y * width + x] ?? 0;
    for (let x = 1; x < width - 1; x++) {
      picture[y * width + x] = ((row[x - 1] ?? 0) + 4 * (row[x] ?? 0) + (row[x + 1] ?? 0)) / 6;
    }
  }
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) row[y] = picture[y * width + x] ?? 0;
    for (let y = 1; y < height - 1; y++) {
      picture[y * width + x] = ((row[y - 1] ?? 0) + 4 * (row[y] ?? 0) + (row[y + 1] ?? 0)) / 6;
    }
  }
}

function expose(face: Plastic | undefined, side: Side, chip: Side | "none", luck: Chance): Uint8Array {
  const { width, height, perMm } = size;
  const plastic = reflection(face, side, chip);
  const angle = (luck.between(-1, 1) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const scale = perMm * luck.between(0.995, 1.005);
  const middleX = width / 2 + luck.between(-14, 14);
  const middleY = height / 2 + luck.between(-14, 14);
  const light = {
    x: luck.between(-0.1, 0.1),
    y: luck.between(-0.1, 0.1),
    bowl: luck.between(0.02, 0.12),
    all: luck.between(0.92, 1.06),
  };
  const perDot = 300 / 25.4;
  const picture = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = [x + 0.5 - middleX, y + 0.5 - middleY];
      const mmX = (fromX * cos + fromY * sin) / scale + card.width / 2;
      const mmY = (fromY * cos - fromX * sin) / scale + card.height / 2;
      // A pixel on the outline sees a part of the card and a part of the belt.
      const covered = Math.min(Math.max(0.5 - outside(mmX, mmY) * scale, 0), 1);
      let value = 0;
      if (covered > 0) {
        const dotX = Math.min(Math.max(mmX * perDot - 0.5, 0), plastic.width - 1.001);
        const dotY = Math.min(Math.max(mmY * perDot - 0.5, 0), plastic.height - 1.001);
        const left = Math.floor(dotX);
        const top = Math.floor(dotY);
        const [fx, fy] = [dotX - left, dotY - top];
        const at = top * plastic.width + left;
        const upper = (plastic.grey[at] ?? 0) * (1 - fx) + (plastic.grey[at + 1] ?? 0) * fx;
        const lower =
          (plastic.grey[at + plastic.width] ?? 0) * (1 - fx) +
          (plastic.grey[at + plastic.width + 1] ?? 0) * fx;
        value = covered * (upper * (1 - fy) + lower * fy);
      }
      // The belt's weave runs with the machine, not with the card.
      if (covered < 1) value += (1 - covered) * (tone.belt + 4 * Math.sin(x / 3.1) * Math.sin(y / 4.3));
      const [u, v] = [(2 * x) / width - 1, (2 * y) / height - 1];
      picture[y * width + x] =
        value * light.all * (1 + light.x * u + light.y * v - light.bowl * (u * u + v * v));
    }
  }
  blur(picture, width, height);
  // A table of noise, read from another place in every row, is as good here as a new number for every pixel.
  const noise = Float32Array.from({ length: 4096 + 613 }, () => luck.normal() * 2.4);
  const grey = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    let from = Math.floor(luck.next() * 4096);
    for (let x = 0; x < width; x++) {
      if (x % 397 === 0) from = Math.floor(luck.next() * 4096);
      const value = (picture[y * width + x] ?? 0) + (noise[(from + x) % 4709] ?? 0);
      grey[y * width + x] = value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
    }
  }
  return grey;
}

/** Sees the plastic that lies at its place: a little turned and off the middle, unevenly lit, blurred and noisy. */
export function simulatedCamera(options: SimulatedCameraOptions): Camera {
  let frame = 0;
  let exposures = 0;
  let last: Picture | undefined;
  return {
    name: options.name,
    kind: "simulated",
    async capture(side, card) {
      await options.world.sleep(options.exposureMs ?? exposureMs);
      exposures++;
      const flaw = (options.flaws ?? []).find((one) => one.nth === exposures);
      if (flaw?.kind === "frozen" && last !== undefined) return last;
      const body = options.bodyAt(options.place);
      if (flaw?.kind === "no-picture" || body === undefined) return "no-picture";
      frame++;
      const luck = chance(`${options.seed} ${options.name} ${String(frame)} ${side}`);
      const grey = expose(readFace(body, side), side, options.chip ?? "front", luck);
      last = {
        side,
        width: size.width,
        height: size.height,
        grey,
        frame,
        takenAt: options.world.now(),
        ...(card === undefined ? {} : { card }),
      };
      return last;
    },
  };
}
