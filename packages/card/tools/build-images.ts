import { writeFileSync } from "node:fs";
import { buildImage, imageFolder, images } from "./image.js";

for (const [file, source] of Object.entries(images)) {
  const image = await buildImage(source);
  writeFileSync(new URL(file, imageFolder), image);
  process.stdout.write(`${file}: ${image.length} bytes\n`);
}
