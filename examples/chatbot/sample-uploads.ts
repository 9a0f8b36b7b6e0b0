import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SeededRandom } from "../seeded-random.ts";

/** An uploaded file of the sample. */
export interface SampleUpload {
  /** Relative to the folder of uploads. */
  path: string;
  bytes: number;
  /** In hexadecimal. */
  sha256: string;
}

const chunkBytes = 1024 * 1024;
// What users call files: spaces, other scripts, a folder, a dot in front, a name that looks like an option.
const shapes = [
  (number: string) => `report-${number}.pdf`,
  (number: string) => `photo ${number} (final).jpg`,
  (number: string) => `2025/01/invoice-${number}.csv`,
  (number: string) => `añadido-${number}-注文.txt`,
  (number: string) => `-rf ${number}`,
  (number: string) => `.hidden-${number}`,
];

/** The name of upload number `index`, relative to the folder of uploads. */
export function uploadPath(index: number): string {
  const shape = shapes[index % shapes.length] ?? String;
  return shape(String(index + 1).padStart(5, "0"));
}

/** Writes `count` files of `bytes` bytes each; the same numbers give the same names and bytes. */
export async function writeUploads(folder: string, count: number, bytes: number): Promise<SampleUpload[]> {
  await mkdir(folder, { recursive: true });
  const uploads: SampleUpload[] = [];
  for (let index = 0; index < count; index++) {
    const path = uploadPath(index);
    const random = new SeededRandom(1000 + index);
    const hash = createHash("sha256");
    await mkdir(dirname(join(folder, path)), { recursive: true });
    const file = await open(join(folder, path), "wx");
    try {
      for (let written = 0; written < bytes; written += chunkBytes) {
        const chunk = random.bytes(Math.min(chunkBytes, bytes - written));
        hash.update(chunk);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    uploads.push({ path, bytes, sha256: hash.digest("hex") });
  }
  return uploads;
}
