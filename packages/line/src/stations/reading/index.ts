/** Reading what a card says that did not pass: what the application uses. */
export { openTextReader, type TextReader } from "./engine.js";
export { type FieldReading, readingText, readSide } from "./reading.js";
