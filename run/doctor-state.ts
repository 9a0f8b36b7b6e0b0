import { createDecipheriv, pbkdf2Sync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { z } from "zod";
import { findEngine } from "../engine/find.ts";
import type { Site } from "../site/schema.ts";
import type { Finding } from "./finding.ts";

const about = "Pulumi's state";
const project = fileURLToPath(new URL("..", import.meta.url));
const limitSeconds = 30;

const stacksSchema = z.array(z.object({ name: z.string() }));
const whoSchema = z.object({ url: z.string() });
const checkpointSchema = z.object({
  deployment: z.object({
    secrets_providers: z
      .object({ type: z.string(), state: z.object({ salt: z.string().optional() }).loose().optional() })
      .optional(),
  }),
});

/**
 * Whether plain `pulumi` could do its part in the night of a recovery: an engine, its backend, what opens its stacks, and where all that
 * lies. Nothing is changed. A recovery does without, which is said.
 */
export async function examineState(
  site: Site,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<Finding[]> {
  const engine = await findEngine({ allowBuild: false, say, signal });
  if (engine === undefined) {
    return [
      {
        about: "Pulumi's engine",
        level: "not seen",
        seen: "there is none here: npx recovery rebuild does without one",
        next: "install Pulumi where you would use the stacks",
      },
    ];
  }
  const pulumi = (...words: string[]) =>
    execa(engine.path, [...words, "--non-interactive", "--cwd", project], {
      env: { PULUMI_SKIP_UPDATE_CHECK: "true" },
      stdin: "ignore",
      reject: false,
      timeout: limitSeconds * 1000,
      cancelSignal: signal,
    });
  const listed = await pulumi("stack", "ls", "--json");
  if (listed.exitCode !== 0) {
    const why = listed.timedOut ? `it did not answer within ${limitSeconds} s` : lastLine(listed.stderr);
    return [
      {
        about,
        level: "bad",
        seen: `its backend cannot be reached: ${why}`,
        next: "pulumi login, with the backend and credentials that you keep for it; npx recovery rebuild does without",
      },
    ];
  }
  const stacks = stacksOf(
    site,
    stacksSchema.parse(JSON.parse(listed.stdout)).map(({ name }) => name),
  );
  const who = whoSchema.safeParse(parsed((await pulumi("whoami", "--json")).stdout));
  const url = who.data?.url ?? "";
  const phrase = await passphrase();
  const opened = await Promise.all(
    stacks.map(async (stack): Promise<Finding> => {
      const exported = await pulumi("stack", "export", "--stack", stack);
      if (exported.exitCode !== 0) {
        return {
          about: `stack ${stack}`,
          level: "bad",
          seen: `it cannot be read: ${lastLine(exported.stderr) || "pulumi said nothing"}`,
          next: `pulumi stack export --stack ${stack}`,
        };
      }
      const checkpoint = checkpointSchema.safeParse(parsed(exported.stdout)).data;
      return judgePassphrase(stack, checkpoint?.deployment.secrets_providers, phrase);
    }),
  );
  return [
    {
      about,
      level: "ok",
      seen: `its backend ${url === "" ? "" : `${url} `}answers, with ${stacks.length} stacks of this site`,
    },
    ...opened,
    ...judgeBackend(url, site),
    {
      about,
      level: "not seen",
      seen: "whether there is a copy elsewhere",
      next: `pulumi stack export --file ${stacks[0] ?? `${site.name}.offsite`}.json now and then, and keep it beside your keys`,
    },
  ];
}

/** The stacks of a site: those whose name is its own and a role, or a role alone. */
function stacksOf({ name }: Site, stacks: readonly string[]): string[] {
  return stacks.filter((stack) => {
    const [first = "", ...rest] = (stack.split("/").at(-1) ?? "").split(".");
    return rest.length === 0 || first === name;
  });
}

/** Whether what is at hand opens a stack. Pure. */
export function judgePassphrase(
  stack: string,
  provider: { type: string; state?: { salt?: string | undefined } | undefined } | undefined,
  phrase: string | undefined,
): Finding {
  const on = `stack ${stack}`;
  if (provider === undefined) return { about: on, level: "ok", seen: "nothing in it is encrypted" };
  const { type, state } = provider;
  if (type !== "passphrase" || state?.salt === undefined) {
    return {
      about: on,
      level: "not seen",
      seen: `whether its secrets can be opened: they are by ${type}`,
      next: `pulumi preview --stack ${stack}`,
    };
  }
  if (phrase === undefined) {
    return {
      about: on,
      level: "bad",
      seen: "its passphrase is not at hand: neither PULUMI_CONFIG_PASSPHRASE nor PULUMI_CONFIG_PASSPHRASE_FILE says it",
      next: "keep it beside your other keys; without it a new stack does the same: docs/state.md",
    };
  }
  return opens(state.salt, phrase)
    ? { about: on, level: "ok", seen: "the passphrase that is at hand opens it" }
    : {
        about: on,
        level: "bad",
        seen: "the passphrase that is at hand is not the one that it was made with",
        next: "find the right one, or begin a new stack: docs/state.md",
      };
}

/**
 * As Pulumi proves a passphrase: `v1:SALT:v1:NONCE:CIPHERTEXT` is the word `pulumi`, by AES-256-GCM with a key that PBKDF2 makes of it
 * (pkg/secrets/passphrase in the engine's source).
 */
function opens(proof: string, phrase: string): boolean {
  const [version, salt = "", inner, nonce = "", sealed = ""] = proof.split(":");
  if (version !== "v1" || inner !== "v1") return false;
  const key = pbkdf2Sync(phrase, Buffer.from(salt, "base64"), 1_000_000, 32, "sha256");
  const bytes = Buffer.from(sealed, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString() === "pulumi";
  } catch {
    return false;
  }
}

/** Whether the state goes where the site may go. Pure. */
export function judgeBackend(url: string, { stores }: Site): Finding[] {
  const [scheme = "", rest = ""] = url.split("://");
  const bucket = rest.split(/[/?]/)[0] ?? "";
  if (scheme === "s3") {
    const region = /[?&]region=([a-z0-9-]+)/.exec(url)?.[1];
    const buckets = stores.filter((store) => store.kind === "s3");
    const same = buckets.find((store) => store.bucket === bucket);
    const beside = buckets.find((store) => store.endpoint === undefined && store.region === region);
    if (same) {
      return [
        {
          about,
          level: "bad",
          seen: `it lies in the bucket of the store ${same.name}: both are lost together`,
          next: "move it: pulumi stack export, pulumi login elsewhere, pulumi stack import",
        },
      ];
    }
    return [
      {
        about,
        level: "not seen",
        seen: beside
          ? `it lies in ${region ?? ""}, as the store ${beside.name} does: whether in the same account is not known here`
          : "whether its bucket is in the account that the site or its backups are in",
        next: "let it be in another account, or keep a copy elsewhere",
      },
    ];
  }
  if (scheme === "file") {
    return [
      {
        about,
        level: "not seen",
        seen: "it lies on this computer: whether that is backed up",
        next: "let it be among your backups, or in a backend of its own",
      },
    ];
  }
  return [];
}

async function passphrase(): Promise<string | undefined> {
  const { PULUMI_CONFIG_PASSPHRASE: phrase, PULUMI_CONFIG_PASSPHRASE_FILE: file } = process.env;
  if (phrase !== undefined) return phrase;
  if (file === undefined || file === "") return undefined;
  return (await readFile(file, "utf8").catch(() => undefined))?.trim();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const lastLine = (text: string) =>
  text
    .trim()
    .split("\n")
    .at(-1)
    ?.replace(/^error: /, "") ?? "";
