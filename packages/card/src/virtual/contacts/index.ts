export { ContactedCard, type ContactedOptions } from "./contacts.js";
export type { CardHabits, InstructionCases } from "./engine.js";
export { ownInstructions } from "./instructions.js";
export type { LineErrors } from "./wire.js";
