import { pinOf, type RestorePoint } from "../backups/restore-point.ts";
import type { Verdict } from "../backups/verdict.ts";
import { proveSigner, writeVerdict } from "../backups/verdict-folder.ts";
import type { RunRecord } from "../evidence/record.ts";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { readSecrets } from "../site/secrets.ts";
import { refuseOnProtectedHost } from "./protected-host.ts";
import { programVersion } from "./program-version.ts";

export interface VerdictSigner {
  /** Signs what a reading of a point came to, passed where `why` is null, and returns the path of the verdict. */
  read(point: RestorePoint, why: string | null): Promise<string>;
  /** The same of a drill; none of one that was interrupted. */
  drilled(point: RestorePoint, record: RunRecord): Promise<string | undefined>;
}

/**
 * Who signs verdicts here. The key is read and tried at once: its want is not to be found out after hours.
 *
 * @throws OperatorError: exit code 2 when site.yaml names no key to sign with, or no signer of it, 3 when it cannot be read or signs nothing.
 */
export async function verdictSigner(loaded: LoadedSite): Promise<VerdictSigner> {
  await refuseOnProtectedHost();
  const { site } = loaded;
  const name = site.verification?.key;
  if (name === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "nothing can be signed",
      "site.yaml names no key to sign verdicts with (verification.key)",
      "add one: docs/verification.md; or leave out --sign",
    );
  }
  const key = (await readSecrets(loaded, [name]))[name] ?? "";
  await proveSigner(loaded, key);
  const sign = (point: RestorePoint, level: Verdict["level"], why: string | null) => {
    const pin = pinOf(point);
    if (pin === null) throw new Error(`${point.id} was not read, and there is no verdict on it`);
    const verdict: Verdict = {
      version: 1,
      site: site.name,
      store: point.store,
      pin,
      level,
      result: why === null ? "passed" : "failed",
      // A terminal acts on control characters.
      why: why === null ? null : why.replaceAll(/\p{Cc}/gu, " ").slice(0, 1000),
      at: new Date().toISOString(),
      tool: `recovery-stack ${programVersion}`,
    };
    return writeVerdict(loaded, verdict, key);
  };
  return {
    read: (point, why) => sign(point, "readable", why),
    drilled: async (point, { outcome, error, watch }) => {
      if (outcome === "interrupted") return undefined;
      const fault = outcome === "failed" ? (error?.what ?? "it was not recovered") : watch?.errors[0];
      return sign(point, "proven", fault ?? null);
    },
  };
}
