import { createHash } from "node:crypto";
import type { Picture } from "../../devices/camera/port.js";
import type { FaultOfFace } from "./finding.js";

/** Remembers what a camera delivered: the same exposure, or the same pixels, twice is a frozen camera, not a good card. */
export interface PictureWatch {
  /** Undefined: a fresh picture. */
  look(picture: Picture | "no-picture"): FaultOfFace | undefined;
}

export function watchPictures(): PictureWatch {
  let frame = -1;
  const recent: string[] = [];
  return {
    look(picture) {
      if (picture === "no-picture") return "no-picture";
      const hash = createHash("sha256").update(picture.grey).digest("hex");
      const frozen = picture.frame <= frame || recent.includes(hash);
      frame = Math.max(frame, picture.frame);
      recent.push(hash);
      if (recent.length > 16) recent.shift();
      return frozen ? "frozen-picture" : undefined;
    },
  };
}
