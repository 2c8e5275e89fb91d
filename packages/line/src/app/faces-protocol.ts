/** What the line asks of its picture workers. */
import type { Picture } from "../devices/camera/port.js";
import type { ColourPicture, FaceRaster, GreyGround } from "../plan/layout/index.js";
import type { LaserFile, LaserFormat, LaserSettings } from "../plan/laser/index.js";
import type { EmbossLine, Face } from "../plan/types.js";
import type { FaceVerdict, Grey, QualityLimits, Raised } from "../stations/quality/index.js";

export type FacesTask =
  | {
      readonly task: "render";
      readonly faces: readonly Face[];
      readonly dpi: 300 | 600;
    }
  | {
      readonly task: "laser";
      readonly faces: readonly Face[];
      readonly settings: LaserSettings;
      readonly format: LaserFormat;
    }
  | {
      readonly task: "print";
      readonly faces: readonly Face[];
      readonly dpi: 300 | 600;
      readonly bleed: number;
    }
  | {
      readonly task: "judge";
      /** Side with the contacts. */
      readonly chip: "front" | "back" | "none";
      /** Of the camera's profile; for a side without, the built-in ones. */
      readonly limits: Partial<Readonly<Record<"front" | "back", QualityLimits>>>;
      /** The machine that burnt the marks, and from which files: what its beam leaves is what the pictures must show. */
      readonly laser?: { readonly settings: LaserSettings; readonly format: LaserFormat };
      /** Characters raised on these cards. */
      readonly raised?: Raised;
      readonly pairs: readonly {
        readonly picture: Picture;
        readonly face: Face;
        readonly raster: Omit<FaceRaster, "areas">;
      }[];
    }
  | { readonly task: "preprint"; readonly faces: readonly Face[] }
  | { readonly task: "encode"; readonly picture: Picture; readonly width: number }
  | { readonly task: "preview"; readonly raster: FaceRaster; readonly emboss: readonly EmbossLine[] };

export interface FacesAnswers {
  readonly render: readonly FaceRaster[];
  readonly laser: readonly LaserFile[];
  /** Of the sides on which something is printed. */
  readonly print: readonly ColourPicture[];
  /** Each with a JPEG of what was expected beside what was seen where it did not pass, and with the straightened card where one was found. */
  readonly judge: readonly {
    readonly verdict: FaceVerdict;
    readonly overlay?: Uint8Array;
    readonly straight?: Grey;
  }[];
  /** Of each face; undefined where the blank is bare. */
  readonly preprint: readonly (GreyGround | undefined)[];
  /** JPEG, scaled down. */
  readonly encode: Uint8Array;
  /** PNG. */
  readonly preview: Uint8Array;
}

export type FacesAsk = { readonly id: number } & FacesTask;
export type FacesAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };
