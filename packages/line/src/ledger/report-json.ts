import type { ProductionReport } from "./report.js";

/** The whole report as one JSON object, visit by visit; data URIs of pictures are left out. */
export async function* reportJson(report: ProductionReport): AsyncGenerator<string> {
  const { visits, pictures, judged: _, ...rest } = report;
  const linked = pictures.filter(({ source }) => !source.startsWith("data:"));
  yield `${JSON.stringify({ ...rest, pictures: linked }, undefined, 2).slice(0, -2)},\n  "visits": [`;
  let between = "\n    ";
  for await (const visit of visits()) {
    yield `${between}${JSON.stringify(visit)}`;
    between = ",\n    ";
  }
  yield "\n  ]\n}\n";
}
