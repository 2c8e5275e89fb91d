/**
 * Which file of commands knows which first word. Only what was asked for is read: all files together, with everything behind them,
 * cost a second of processor time before the first word of output.
 */
import type { Command } from "commander";

interface CommandFile {
  /** First words of the command line that need this file. */
  readonly words: readonly string[];
  readonly read: () => Promise<(program: Command) => void>;
}

/** In the order in which the help names them. */
export const commandFiles: readonly CommandFile[] = [
  { words: ["run"], read: async () => (await import("./commands/run.js")).addRunCommand },
  { words: ["order"], read: async () => (await import("./commands/order.js")).addOrderCommands },
  { words: ["security"], read: async () => (await import("./commands/security.js")).addSecurityCommand },
  { words: ["stock"], read: async () => (await import("./commands/stock.js")).addStockCommands },
  { words: ["station"], read: async () => (await import("./commands/station.js")).addStationCommands },
  { words: ["letters"], read: async () => (await import("./commands/letters.js")).addLetterCommands },
  { words: ["mailing"], read: async () => (await import("./commands/mailing.js")).addMailingCommands },
  { words: ["keys"], read: async () => (await import("./commands/keys.js")).addKeyCommands },
  { words: ["explain"], read: async () => (await import("./commands/explain.js")).addExplainCommand },
  { words: ["plan"], read: async () => (await import("./commands/plan.js")).addPlanCommand },
  { words: ["layout"], read: async () => (await import("./commands/layout.js")).addLayoutCommands },
  { words: ["quality"], read: async () => (await import("./commands/quality.js")).addQualityCommands },
  { words: ["laser"], read: async () => (await import("./commands/laser.js")).addLaserCommands },
  { words: ["card"], read: async () => (await import("./commands/card.js")).addCardCommands },
  { words: ["report"], read: async () => (await import("./commands/report.js")).addReportCommands },
  { words: ["audit"], read: async () => (await import("./commands/audit.js")).addAuditCommands },
  {
    words: ["gate", "presence", "report"],
    read: async () => (await import("./commands/gate.js")).addGateCommands,
  },
  { words: ["doctor"], read: async () => (await import("./commands/doctor.js")).addDoctorCommand },
];

/** All of them for help, and for a word that none knows: what is near it can then be suggested. The version alone needs none. */
export function filesFor(word: string | undefined): readonly CommandFile[] {
  if (word === "--version" || word === "-V") return [];
  const named = commandFiles.filter(({ words }) => word !== undefined && words.includes(word));
  return named.length === 0 ? commandFiles : named;
}
