import { describe, expect, test } from "vitest";
import { DataProblem } from "../orders/problem.js";
import { parseLine } from "./line-file.js";

const line = (more: { visual?: string; camera?: string; heads?: number; mode?: string } = {}): string => `
line: eyes
mode: ${more.mode ?? "timed"}
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - { name: chip, does: [electrical-test, completion, initialisation, personalization, chip-proof], heads: 1, reader: simulated }
  - { name: visual, heads: 1, reader: simulated, ${more.visual ?? "engraver: simulated"} }
  - { name: quality, heads: ${String(more.heads ?? 1)}, reader: simulated, camera: ${more.camera ?? "simulated"} }
`;
const codes = (text: string): readonly string[] => {
  try {
    parseLine(text, "line.yaml");
    return [];
  } catch (problem) {
    if (problem instanceof DataProblem) return problem.problems.map(({ code }) => code);
    throw problem;
  }
};
const network = '{ http: "http://192.0.2.7/snapshot.jpg" }';

describe("real cameras and printers in a line file", () => {
  test("one is a list of one; what is not said has its usual value", () => {
    const read = parseLine(line({ camera: network, visual: "printer: { cups: cards }" }), "line.yaml");
    expect(read.stations[2]?.camera).toEqual([{ http: "http://192.0.2.7/snapshot.jpg" }]);
    expect(read.stations[1]?.printer).toEqual([
      { cups: "cards", confirmedBy: "camera", dpi: 300, bleed: 0, ribbon: true },
    ]);
    expect(parseLine(line(), "line.yaml").stations[2]?.camera).toBe("simulated");
  });

  test.each([
    ["a folder", "{ folder: /srv/camera, ask: /srv/ask }"],
    ["a network camera", network],
    [
      "Video4Linux",
      "{ v4l2: /dev/video0, width: 1600, height: 1200, format: mjpeg, framesASecond: 15, exposureMs: 20 }",
    ],
  ])("%s is a camera", (_, camera) => {
    expect(codes(line({ camera }))).toEqual([]);
  });

  test("paths stand relative to the line file, wherever the line is started", () => {
    const camera = "{ folder: seen, ask: /srv/ask }";
    const read = parseLine(line({ camera, visual: "printer: { folder: printed }" }), "/lines/line.yaml");
    expect(read.stations[2]?.camera).toMatchObject([{ folder: "/lines/seen", ask: "/srv/ask" }]);
    expect(read.stations[1]?.printer).toMatchObject([{ folder: "/lines/printed" }]);
  });

  test.each([
    ["fewer cameras than heads", line({ camera: network, heads: 2 }), ["heads-and-cameras"]],
    ["one camera at two heads", line({ camera: `[${network}, ${network}]`, heads: 2 }), ["camera-twice"]],
    ["a camera on virtual time", line({ camera: network, mode: "virtual" }), ["real-on-virtual-time"]],
    [
      "printers that differ",
      line({ visual: "heads: 1", camera: "simulated" }).replace(
        "heads: 1, reader: simulated, heads: 1",
        "heads: 2, reader: simulated, printer: [{ cups: a }, { folder: b, dpi: 600 }]",
      ),
      ["printers-differ"],
    ],
    ["neither engraver nor printer", line({ visual: "queue: 1" }), ["no-engraver"]],
    [
      "a printer where nothing is marked",
      line().replace("camera: simulated", "camera: simulated, printer: { cups: cards }"),
      ["no-print"],
    ],
  ])("%s: refused", (_, text, expected) => {
    expect(codes(text)).toEqual(expected);
  });

  test.each([
    ["an address with a password", '{ http: "http://me:secret@192.0.2.7/a.jpg" }'],
    ["a file in the place of a device", "{ v4l2: /etc/passwd, width: 640, height: 480 }"],
    ["a device without size", "{ v4l2: /dev/video0 }"],
    ["two kinds at once", "{ folder: a, v4l2: /dev/video0, width: 640, height: 480 }"],
  ])("%s is no camera", (_, camera) => {
    expect(codes(line({ camera }))).toHaveLength(1);
  });
});
