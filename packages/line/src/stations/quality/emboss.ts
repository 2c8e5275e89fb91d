import type { StruckLine } from "../../devices/marker/port.js";

/** What is wrong with the raised lines, by the embosser's own record; no personal datum. Empty: they are as planned. */
export function judgeEmboss(
  raised: readonly StruckLine[],
  planned: readonly StruckLine[],
): readonly string[] {
  const problems: string[] = [];
  if (raised.length !== planned.length) {
    problems.push(`${String(raised.length)} raised lines, ${String(planned.length)} planned`);
  }
  for (const [i, plan] of planned.entries()) {
    const line = raised[i];
    if (line === undefined) continue;
    const name = `raised line ${String(i + 1)}`;
    if (line.text !== plan.text) problems.push(`${name}: not the planned text`);
    if (line.font !== plan.font) problems.push(`${name}: wheel ${line.font}, planned ${plan.font}`);
    if (
      Math.hypot(line.x - plan.x, line.yFromBottom - plan.yFromBottom) > 0.25 ||
      Math.abs(line.pitch - plan.pitch) > 0.05
    ) {
      problems.push(`${name}: not in its planned place`);
    }
  }
  return problems;
}
