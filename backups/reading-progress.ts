import { formatBytes } from "./format-bytes.ts";

/** A file of this size takes a while. */
export const longBytes = 256 * 1024 ** 2;

/** The bytes of a file, passed on; `say` is told how far it is, each GiB, and each quarter of a minute on a slow line. */
export async function* withProgress(
  bytes: AsyncIterable<Buffer>,
  file: { name: string; bytes: number },
  say: (line: string) => void,
): AsyncGenerator<Buffer> {
  const longMilliseconds = 15_000;
  let read = 0;
  let toldAt = 0;
  let toldAtMilliseconds = performance.now();
  for await (const chunk of bytes) {
    yield chunk;
    read += chunk.length;
    if (read - toldAt >= 1024 ** 3 || performance.now() - toldAtMilliseconds >= longMilliseconds) {
      toldAt = read;
      toldAtMilliseconds = performance.now();
      say(`reading ${file.name}: ${formatBytes(read)} of ${formatBytes(file.bytes)}`);
    }
  }
}
