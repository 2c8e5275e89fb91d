/** The mailer of a line, as its file names it. */
import { z } from "zod";
import { mailerFaults } from "../devices/flaw-kinds.js";
import { withPaths } from "./line-devices.js";
import { realCamera } from "./line-pictures.js";

export const mailingFile = z
  .discriminatedUnion("mailer", [
    z.strictObject({
      mailer: z.literal("simulated"),
      faults: z
        .array(
          z.strictObject({
            carrier: z.number().int().min(1).max(1_000_000).describe("Its place in the stack, from 1"),
            fault: z.enum(mailerFaults),
          }),
        )
        .default([])
        .describe("For trials: what goes wrong there"),
    }),
    z.strictObject({
      mailer: z.literal("desk").describe("A person, with a scanner that types or a camera"),
      camera: realCamera
        .optional()
        .describe("Sees carrier and card in one picture; without it both are scanned or typed"),
    }),
  ])
  .describe("Where good cards are fixed to their carriers (docs/mailing.md)");

export type MailingFile = z.output<typeof mailingFile>;

/** With the files it names made absolute. */
export const mailingOf = (file: MailingFile, home: string): MailingFile =>
  file.mailer === "simulated" || file.camera === undefined
    ? file
    : { ...file, camera: withPaths(file.camera, home) };
