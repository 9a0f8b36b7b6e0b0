import { link, lstat, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { inTurns } from "./in-turns.ts";
import { fetchEvidence, shareEvidence } from "./shared-evidence.ts";
import { isGood, type RestorePoint } from "./restore-point.ts";
import { signWith, whoSigned } from "./ssh-signature.ts";
import { isYetToCome, type Verdict, verdictSchema } from "./verdict.ts";

/** A verdict is a few hundred bytes. */
const mostBytes = 16 * 1024;
const namespace = "recovery-stack-verdict";

/**
 * The verdicts on these points that a verifier of the site signed. What none of them signed, or is of something else, counts as none,
 * and is told to `say`: it is not there by chance.
 *
 * @throws OperatorError (exit code 3) without ssh-keygen.
 */
export async function readVerdicts(
  loaded: LoadedSite,
  points: readonly RestorePoint[],
  say: (line: string) => void,
): Promise<Verdict[]> {
  if (loaded.site.verification === undefined) return [];
  await fetchEvidence(loaded, "verdicts", verdictFolder(loaded), say);
  const files = await inTurns(points.filter(isGood), 8, async ({ store, id }) => {
    const folder = verdictFolder(loaded, store, id);
    const names = await readdir(folder).catch(() => []);
    return names.filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
  });
  const verdicts = await inTurns(files.flat().sort(), 4, (file) => readVerdict(loaded, file, say));
  return verdicts.filter((verdict) => verdict !== undefined);
}

/** The verdicts of drills, newest first, down to one that passed; also on points that are no longer kept. As readVerdicts. */
export async function newestDrills(
  loaded: Pick<LoadedSite, "site" | "directory">,
  now: Date,
  say: (line: string) => void,
): Promise<Verdict[]> {
  if (loaded.site.verification === undefined) return [];
  const folder = verdictFolder(loaded);
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const drills = names.filter((name) => /^proven-\d{8}T\d{6}\.\d{3}Z\.json$/.test(basename(name)));
  const read: Verdict[] = [];
  // Their names tell the time: only those are read that could be newer than one that passed.
  for (const name of drills.sort((one, other) => (basename(one) < basename(other) ? 1 : -1))) {
    const verdict = await readVerdict(loaded, join(folder, name), say);
    if (verdict?.level !== "proven" || isYetToCome(verdict, now)) continue;
    read.push(verdict);
    if (verdict.result === "passed") break;
  }
  return read;
}

async function readVerdict(
  { site }: Pick<LoadedSite, "site">,
  file: string,
  say: (line: string) => void,
): Promise<Verdict | undefined> {
  const [bytes, signature] = await Promise.all([small(file), small(`${file}.sig`)]);
  const verdict = bytes && verdictSchema.safeParse(parsed(bytes)).data;
  const isSigned = async () =>
    bytes !== undefined &&
    signature !== undefined &&
    (await whoSigned(bytes, signature, site.verification?.signers ?? [], namespace)) === "signer";
  const fault =
    verdict === undefined
      ? "it is no verdict"
      : verdict.site !== site.name
        ? `it is one on ${verdict.site}`
        : (await isSigned())
          ? undefined
          : "none of verification.signers signed it";
  if (fault === undefined) return verdict;
  // A terminal acts on control characters.
  say(`${file} does not count: ${fault}`.replaceAll(/\p{Cc}/gu, "?"));
  return undefined;
}

function verdictFolder(
  { site, directory }: Pick<LoadedSite, "site" | "directory">,
  ...within: string[]
): string {
  return resolve(directory, site.verification?.folder ?? "", ...within);
}

/**
 * Signs a verdict and puts it among the site's, here and in its evidence bucket; none is ever overwritten. `key` is a private key of ssh.
 *
 * @throws OperatorError as proveSigner, and as shareEvidence: it is kept here then.
 */
export async function writeVerdict(loaded: LoadedSite, verdict: Verdict, key: string): Promise<string> {
  const bytes = Buffer.from(`${JSON.stringify(verdictSchema.parse(verdict), null, 2)}\n`);
  const signature = await signatureOf(loaded, bytes, key);
  const { store, pin, level, at } = verdict;
  const folder = verdictFolder(loaded, store, pin.id);
  const file = join(folder, `${level}-${at.replaceAll(/[-:]/g, "")}.json`);
  await mkdir(folder, { recursive: true });
  // The signature first: without it the verdict would be a stranger's for a moment.
  for (const [path, content] of [
    [`${file}.sig`, signature],
    [file, bytes],
  ] as const) {
    const draft = `${path}.new`;
    await writeFile(draft, content);
    await link(draft, path);
    await rm(draft);
  }
  await shareEvidence(loaded, "verdicts", verdictFolder(loaded));
  return file;
}

/**
 * Whether verdicts that this key signs would count.
 *
 * @throws OperatorError: exit code 3 when the key signs nothing; 2 when site.yaml does not name it as a verifier's.
 */
export async function proveSigner(loaded: Pick<LoadedSite, "site">, key: string): Promise<void> {
  await signatureOf(loaded, Buffer.from("no verdict\n"), key);
}

async function signatureOf({ site }: Pick<LoadedSite, "site">, bytes: Buffer, key: string): Promise<Buffer> {
  const { verification } = site;
  if (verification === undefined) throw new Error("a verdict of a site that names no verifiers");
  const signed = await signWith(key, bytes, namespace);
  if ("fault" in signed) {
    throw new OperatorError(
      exitCodes.missingHere,
      `the secret ${verification.key ?? ""} signs no verdict`,
      `ssh-keygen said: ${signed.fault}`,
      "give a private key of ssh that no passphrase locks: ssh-keygen -t ed25519 -N '' -f verifier",
    );
  }
  if ((await whoSigned(bytes, signed.signature, verification.signers, namespace)) !== "signer") {
    throw new OperatorError(
      exitCodes.usage,
      "the verdict would count as nobody's",
      "verification.signers in site.yaml does not name the public key of verification.key",
      "add it there, or take another key",
    );
  }
  return signed.signature;
}

/** The bytes of a small regular file; undefined for anything else. */
async function small(file: string): Promise<Buffer | undefined> {
  const stats = await lstat(file).catch(() => undefined);
  return stats?.isFile() === true && stats.size <= mostBytes
    ? readFile(file).catch(() => undefined)
    : undefined;
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
