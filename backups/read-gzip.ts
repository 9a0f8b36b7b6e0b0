import { createHash } from "node:crypto";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { Damage, type InspectionLimits } from "./inspection.ts";

/** What is known of a gzip file after one pass over its bytes. */
export interface GzipReading {
  sha256: string;
  storedBytes: number;
  unpackedBytes: number;
  damage: string | null;
}

/**
 * Reads a gzip file once: hashes what is stored and writes what is unpacked to `sink`. After damage it reads on to
 * the end for the hash. What breaks the file is reported, not thrown; only `source` itself and `signal` throw.
 */
export async function readGzip(
  source: AsyncIterable<Buffer>,
  limits: InspectionLimits,
  sink: Writable,
  signal?: AbortSignal,
): Promise<GzipReading> {
  const hash = createHash("sha256");
  const stored = source[Symbol.asyncIterator]();
  let storedBytes = 0;
  let unpackedBytes = 0;
  let sourceError: unknown;
  const next = async (): Promise<Buffer | undefined> => {
    let result: IteratorResult<Buffer, unknown>;
    try {
      signal?.throwIfAborted();
      result = await stored.next();
    } catch (error) {
      sourceError = error;
      throw error;
    }
    if (result.done === true) return undefined;
    hash.update(result.value);
    storedBytes += result.value.length;
    return result.value;
  };

  const first = await next();
  const gunzip = createGunzip();
  let damage: string | null = null;
  if (first === undefined) damage = "an empty file";
  else if (first[0] !== 0x1f || (first.length > 1 && first[1] !== 0x8b)) damage = "not a gzip file";
  else {
    try {
      await pipeline(
        // By hand, so that the source stays open when what follows fails.
        async function* () {
          for (let chunk: Buffer | undefined = first; chunk !== undefined; chunk = await next()) yield chunk;
        },
        gunzip,
        async function* (unpacked: AsyncIterable<Buffer>) {
          for await (const chunk of unpacked) {
            unpackedBytes += chunk.length;
            if (unpackedBytes > limits.expandedBytes && unpackedBytes > limits.expansion * storedBytes) {
              throw new Damage(`it unpacks to more than ${limits.expansion} times its size`);
            }
            yield chunk;
          }
        },
        sink,
      );
    } catch (error) {
      if (sourceError !== undefined) throw sourceError as Error;
      damage = damageOf(error, storedBytes, unpackedBytes);
    }
  }
  while ((await next()) !== undefined);

  // gunzip stops there and stays silent; the gzip program on a host fails.
  if (damage === null && gunzip.bytesWritten < storedBytes) {
    damage = `${storedBytes - gunzip.bytesWritten} foreign bytes after its end, at byte ${gunzip.bytesWritten}`;
  }
  return { sha256: hash.digest("hex"), storedBytes, unpackedBytes, damage };
}

function damageOf(error: unknown, storedBytes: number, unpackedBytes: number): string {
  if (error instanceof Damage) return error.message;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const text = error instanceof Error ? error.message : String(error);
  if (code === "Z_BUF_ERROR")
    return `cut short: its gzip stream ends in the middle, after ${storedBytes} bytes`;
  if (typeof code === "string" && code.startsWith("Z_")) {
    return `broken: ${text}, before byte ${storedBytes} (${unpackedBytes} bytes unpacked)`;
  }
  return `broken: ${text} (${unpackedBytes} bytes unpacked)`;
}
