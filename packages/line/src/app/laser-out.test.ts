import { expect, test } from "vitest";
import { laserOut } from "./laser-out.js";

const names = (out?: string, format?: Parameters<typeof laserOut>[1]): (string | undefined)[] => {
  const { format: chosen, file } = laserOut(out, format, "office-17");
  return [chosen, file(), file("front")];
};

test.each([
  ["l.tif", undefined, "tiff", "l.tif", "l-front.tif"],
  ["l.tiff", undefined, "tiff", "l.tiff", "l-front.tiff"],
  ["l.tiff", "tiff", "tiff", "l.tiff", "l-front.tiff"],
  ["l.hpgl", undefined, "hpgl", "l.hpgl", "l-front.hpgl"],
  ["out/L.PLT", undefined, "hpgl", "out/L.PLT", "out/L-front.PLT"],
  ["l.nc", undefined, "gcode", "l.nc", "l-front.nc"],
  ["l.cnc", "gcode", "gcode", "l.cnc", "l-front.cnc"],
  ["card", "gcode", "gcode", "card.gcode", "card-front.gcode"],
  [undefined, undefined, "gcode", "office-17.gcode", "office-17-front.gcode"],
  [undefined, "tiff", "tiff", "office-17.tif", "office-17-front.tif"],
] as const)("--out %s --format %s: the file has the name that was told", (out, format, ...expected) => {
  expect(names(out, format)).toEqual(expected);
});

test.each([
  ["l.png", undefined, "--out l.png: no format's name ends so; say --format, or end it with .gcode, .nc"],
  ["card", undefined, "--out card: no format's name ends so"],
  ["l.pdf", "gcode", "--out l.pdf is a name for pdf, not for gcode: end it with .gcode, .nc"],
] as const)("--out %s --format %s is refused, and says what fits", (out, format, message) => {
  expect(() => laserOut(out, format, "usual")).toThrow(message);
});
