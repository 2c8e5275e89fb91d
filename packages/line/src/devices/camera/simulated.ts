import { type Plastic, readEmboss, readFace, type Side } from "../shop-floor/faces.js";
import { type Chance, chance } from "../shop-floor/random.js";
import { lightRelief, type SideLight } from "../shop-floor/relief.js";
import { type Damage, type Ground, readGround, readWear, type Wear } from "../shop-floor/wear.js";
import type { Place } from "../transport/port.js";
import { type Conditions, convolve, kept, kernel, looks, type Projection } from "./optics.js";
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
  /** What light, lens and belt do; default a well kept machine. */
  readonly conditions?: Conditions;
}

/** Milliseconds of one picture. */
export const exposureMs = 35;

const card = { width: 85.6, height: 53.98, radius: 3.18 } as const;
/** Grey levels in full light. */
const tone = { body: 214, mark: 42, metal: 168, gap: 96 } as const;

/** Contacts, mm: bright metal with dark gaps. Undefined outside the module. */
function metal(x: number, y: number): number | undefined {
  if (x < 9.6 || x > 20.5 || y < 18.5 || y > 29.35) return undefined;
  const column = x < 13.6 ? (x - 9.6) / 4 : x > 16.5 ? (x - 16.5) / 4 : 0.5;
  const row = ((y - 18.5) / 2.71) % 1;
  return column < 0.06 || column > 0.94 || row < 0.08 || row > 0.92 ? tone.gap : tone.metal;
}

/** Millimetres from the card's rounded outline, negative inside, of a point so far beyond the straight parts of its edges. */
function outside(beyondX: number, beyondY: number): number {
  const [cornerX, cornerY] = [Math.max(beyondX, 0), Math.max(beyondY, 0)];
  return (
    Math.sqrt(cornerX * cornerX + cornerY * cornerY) + Math.min(Math.max(beyondX, beyondY), 0) - card.radius
  );
}

/** Reflection of one side, one byte a dot of 300 dpi: what light comes back before the lens sees it. */
export function reflection(
  face: Plastic | undefined,
  side: Side,
  chip: Side | "none",
  worn: Wear,
  ground: Ground | undefined,
): { grey: Uint8Array; width: number; height: number } {
  const width = 1011;
  const height = 638;
  const grey = new Uint8Array(width * height);
  const stride = Math.ceil((face?.width ?? 0) / 8);
  const fine = (face?.dpi ?? 300) / 300;
  const contacts = (side === chip) !== (worn.turnedOver ?? false) && chip !== "none";
  const { stock } = worn;
  for (let y = 0; y < height; y++) {
    const mmY = ((y + 0.5) * 25.4) / 300;
    const band =
      stock?.band !== undefined && mmY > stock.band.y && mmY < stock.band.y + stock.band.height
        ? stock.band.tone
        : 1;
    const bodyTone = tone.body * (stock?.tone ?? 1) * band;
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
      const mmX = ((x + 0.5) * 25.4) / 300;
      const metallic = contacts ? metal(mmX, mmY) : undefined;
      let power = face?.power ?? 0;
      if (marks > 0)
        for (const { box, power: weaker } of worn.weak)
          if (mmX > box.x && mmX < box.x + box.width && mmY > box.y && mmY < box.y + box.height)
            power *= weaker;
      const printed =
        ground === undefined
          ? 1
          : (ground.grey[
              Math.floor(((y + 0.5) * ground.height) / height) * ground.width +
                Math.floor(((x + 0.5) * ground.width) / width)
            ] ?? 255) / 255;
      const under = bodyTone * printed;
      grey[y * width + x] =
        metallic ?? under - ((under - Math.min(under, tone.mark)) * power * marks) / (fine * fine);
    }
  }
  for (const one of worn.damage) hurt(grey, width, height, one);
  return { grey, width, height };
}

/** Draws a scratch or a spot over what is there. */
function hurt(
  grey: Uint8Array,
  width: number,
  height: number,
  { from, to, width: wide, tone: bright }: Damage,
): void {
  const perDot = 25.4 / 300;
  const [x0, y0] = from;
  const [along, down] = [to[0] - x0, to[1] - y0];
  const length = Math.max(1e-9, along * along + down * down);
  const value = Math.min(255, tone.body * bright);
  const reach = wide / 2 + perDot;
  const top = Math.max(0, Math.floor((Math.min(y0, to[1]) - reach) / perDot));
  const bottom = Math.min(height, Math.ceil((Math.max(y0, to[1]) + reach) / perDot));
  const left = Math.max(0, Math.floor((Math.min(x0, to[0]) - reach) / perDot));
  const right = Math.min(width, Math.ceil((Math.max(x0, to[0]) + reach) / perDot));
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const [px, py] = [(x + 0.5) * perDot - x0, (y + 0.5) * perDot - y0];
      const t = Math.min(1, Math.max(0, (px * along + py * down) / length));
      const far = Math.hypot(px - t * along, py - t * down);
      const cover = Math.min(1, Math.max(0, (wide / 2 - far) / perDot + 0.5));
      const at = y * width + x;
      grey[at] = (grey[at] ?? 0) * (1 - cover) + value * cover;
    }
  }
}

/** What chance made of one exposure; pixels where nothing else is said. */
interface Shot {
  readonly width: number;
  readonly height: number;
  /** Pixels a millimetre. */
  readonly scale: number;
  readonly light: { readonly x: number; readonly y: number; readonly bowl: number; readonly all: number };
  readonly look: Projection;
  readonly belt: number;
  readonly glare: { readonly x: number; readonly y: number; readonly wide: number; readonly peak: number };
}

function expose(plastic: ReturnType<typeof reflection>, seen: Conditions, luck: Chance): Uint8Array {
  const { width, height } = seen;
  const angle = (luck.between(-seen.turn, seen.turn) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const scale = seen.perMm * luck.between(0.995, 1.005);
  const middleX = width / 2 + luck.between(-seen.off, seen.off);
  const middleY = height / 2 + luck.between(-seen.off, seen.off);
  const light = {
    x: luck.between(-seen.slope, seen.slope),
    y: luck.between(-seen.slope, seen.slope),
    bowl: luck.between(...seen.bowl),
    all: luck.between(...seen.strength),
  };
  const corner = (u: number, v: number): readonly [number, number] => {
    const [fromX, fromY] = [(u - 0.5) * card.width * scale, (v - 0.5) * card.height * scale];
    return [
      middleX + fromX * cos - fromY * sin + luck.between(-seen.aslant, seen.aslant),
      middleY + fromX * sin + fromY * cos + luck.between(-seen.aslant, seen.aslant),
    ];
  };
  const look = looks([corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)]);
  const belt = luck.between(...seen.belt);
  const glare = {
    x: luck.between(0.2, 0.8) * width,
    y: luck.between(0.2, 0.8) * height,
    wide: luck.between(12, 22) * scale,
    peak: luck.between(0, seen.glare),
  };
  const picture = lit(plastic, { width, height, scale, light, look, belt, glare });
  const blur = luck.between(...seen.blur);
  convolve(picture, width, height, kernel(blur, luck.between(0, seen.motion)), kernel(blur));
  return sensed(picture, seen, luck);
}

/** What falls on the sensor through a lens without blur, in grey levels. The hottest loop of a simulated line: plain numbers only. */
function lit(plastic: ReturnType<typeof reflection>, shot: Shot): Float32Array {
  const { width, height, scale, light, belt, glare } = shot;
  const [a, b, c, d, e, f, g, h, i] = shot.look;
  const { grey: dots, width: dotsAcross, height: dotsDown } = plastic;
  const perDot = 300 / 25.4;
  const picture = new Float32Array(width * height);
  const columns = Float64Array.from({ length: width }, (_, x) => (2 * x) / width - 1);
  const weave = Float64Array.from({ length: width }, (_, x) => 4 * Math.sin(x / 3.1));
  const { x: slopeX, y: slopeY, bowl, all } = light;
  const straightX = card.width / 2 - card.radius;
  const straightY = card.height / 2 - card.radius;
  let pixel = 0;
  for (let y = 0; y < height; y++) {
    const acrossY = b * (y + 0.5);
    const downY = e * (y + 0.5);
    const depthY = h * (y + 0.5);
    const down = (2 * y) / height - 1;
    const woven = Math.sin(y / 4.3);
    for (let x = 0; x < width; x++) {
      const w = 1 / (g * (x + 0.5) + depthY + i);
      const mmX = (a * (x + 0.5) + acrossY + c) * w * card.width;
      const mmY = (d * (x + 0.5) + downY + f) * w * card.height;
      // A pixel on the outline sees a part of the card and a part of the belt.
      const beyondX = Math.abs(mmX - card.width / 2) - straightX;
      const beyondY = Math.abs(mmY - card.height / 2) - straightY;
      let covered = 1;
      if (beyondX > card.radius + 1 || beyondY > card.radius + 1) covered = 0;
      else if (beyondX > 0 || beyondY > 0)
        covered = Math.min(Math.max(0.5 - outside(beyondX, beyondY) * scale, 0), 1);
      let value = 0;
      if (covered > 0) {
        const dotX = Math.min(Math.max(mmX * perDot - 0.5, 0), dotsAcross - 1.001);
        const dotY = Math.min(Math.max(mmY * perDot - 0.5, 0), dotsDown - 1.001);
        const left = Math.trunc(dotX);
        const top = Math.trunc(dotY);
        const fx = dotX - left;
        const fy = dotY - top;
        const at = top * dotsAcross + left;
        const upper = (dots[at] ?? 0) * (1 - fx) + (dots[at + 1] ?? 0) * fx;
        const lower = (dots[at + dotsAcross] ?? 0) * (1 - fx) + (dots[at + dotsAcross + 1] ?? 0) * fx;
        value = covered * (upper * (1 - fy) + lower * fy);
        if (glare.peak > 0) {
          const far = ((x - glare.x) ** 2 + (y - glare.y) ** 2) / (2 * glare.wide * glare.wide);
          if (far < 6) value += covered * glare.peak * Math.exp(-far);
        }
      }
      // The belt's weave runs with the machine, not with the card.
      if (covered < 1) value += (1 - covered) * (belt + (weave[x] ?? 0) * woven);
      const across = columns[x] ?? 0;
      picture[pixel++] =
        value * all * (1 + slopeX * across + slopeY * down - bowl * (across * across + down * down));
    }
  }
  return picture;
}

/** Noise is read from a table, from another place in every row: as good here as a new number for every pixel. */
const noiseRun = 397;
const noiseLength = 4096 + 613;

/** What the sensor makes of it: noise, and whole grey levels. */
function sensed(picture: Float32Array, { width, height, noise: deviation }: Conditions, luck: Chance) {
  const noise = Float32Array.from({ length: noiseLength }, () => luck.normal() * deviation);
  const grey = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    let from = Math.trunc(luck.next() * 4096);
    for (let x = 0; x < width; x++) {
      if (x % noiseRun === 0) from = Math.trunc(luck.next() * 4096);
      const at = y * width + x;
      const value = (picture[at] ?? 0) + (noise[(from + x) % noiseLength] ?? 0);
      grey[at] = Math.min(Math.max(value, 0), 255) + 0.5;
    }
  }
  return grey;
}

/**
 * The lamp beside a camera stands where it stands: above, and more or less to the left. How much of its light reaches the card changes
 * from exposure to exposure.
 */
function sideLight({ seed, name }: SimulatedCameraOptions, frame: number): SideLight {
  const angle = chance(`${seed} ${name} lamp`).between(0.6, 1.3) * (Math.PI / 2) + Math.PI;
  const strength = chance(`${seed} ${name} ${String(frame)} lamp`).between(0.28, 0.42);
  return { x: Math.cos(angle), y: Math.sin(angle), strength };
}

/** Sees the plastic that lies at its place: a little turned, aslant and off the middle, unevenly lit, blurred and noisy. */
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
      const seen = options.conditions ?? kept;
      const worn = readWear(body, side);
      const other = side === "front" ? "back" : "front";
      const ground = readGround(body, worn.turnedOver === true ? other : side);
      const plastic = reflection(readFace(body, side), side, options.chip ?? "front", worn, ground);
      const raised = readEmboss(body);
      // A card that lay turned over before the engraver lay so before the wheels.
      if (raised.length > 0) lightRelief(plastic, side, raised, sideLight(options, frame), tone.body);
      const grey = expose(plastic, seen, luck);
      last = {
        side,
        width: seen.width,
        height: seen.height,
        grey,
        frame,
        takenAt: options.world.now(),
        ...(card === undefined ? {} : { card }),
      };
      return last;
    },
  };
}
