import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { exitCodes, OperatorError } from "./operator-error.ts";
import type { Site } from "./schema.ts";

const mostBytes = 64 * 1024;

/** Of a site what tells where its secrets are. */
export interface SecretSources {
  site: Pick<Site, "secrets">;
  /** That of site.yaml. */
  directory: string;
}

export interface SecretOptions {
  /** How long a `command:` may take: a password manager may have to ask for its own password. */
  commandTimeoutSeconds?: number;
  signal?: AbortSignal;
}

/**
 * Reads secrets from where site.yaml says, one after the other, since a source may ask the operator something.
 * Values are for the memory of this process: never for argv, environment, logs, records or Pulumi inputs.
 *
 * @throws OperatorError: exit code 3 when a secret is not there or empty, 2 when site.yaml has no secret of a name.
 */
export async function readSecrets(
  { site, directory }: SecretSources,
  names: readonly string[],
  { commandTimeoutSeconds = 120, signal }: SecretOptions = {},
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const name of new Set(names)) {
    const entry = site.secrets.find((secret) => secret.name === name);
    if (entry === undefined) {
      throw new OperatorError(
        exitCodes.usage,
        `the secret ${name} is not known`,
        "site.yaml has no entry of this name under secrets",
        "add one: docs/site.md, section secrets",
      );
    }
    signal?.throwIfAborted();
    const source = entry.from.slice(entry.from.indexOf(":") + 1);
    const value = entry.from.startsWith("env:")
      ? fromEnvironment(name, source)
      : entry.from.startsWith("file:")
        ? await fromFile(name, resolve(directory, source))
        : await fromCommand(name, source, directory, commandTimeoutSeconds, signal);
    values[name] = usable(name, entry.from, value);
  }
  return values;
}

function fromEnvironment(name: string, variable: string): string {
  const value = process.env[variable];
  if (value !== undefined) return value;
  throw missing(
    name,
    `the variable ${variable} is not set`,
    `set it: read -rs ${variable} && export ${variable}`,
  );
}

async function fromFile(name: string, path: string): Promise<string> {
  // Not blocking: a named pipe would wait for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw missing(
      name,
      messageOf(error),
      `put the file there, or correct the secret's \`from\` in site.yaml`,
    );
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile())
      throw missing(name, `${path} is not a file`, "correct the secret's `from` in site.yaml");
    // As ssh does with a private key: whoever can read it here has the site.
    if ((stats.mode & 0o007) !== 0) {
      throw missing(name, `every account on this computer can reach into ${path}`, `chmod 600 ${path}`);
    }
    if (stats.size > mostBytes) {
      throw missing(
        name,
        `${path} is larger than ${mostBytes} bytes`,
        "correct the secret's `from` in site.yaml",
      );
    }
    return withoutLastNewline(text(name, await handle.readFile()));
  } finally {
    await handle.close();
  }
}

async function fromCommand(
  name: string,
  command: string,
  directory: string,
  timeoutSeconds: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { ending, stdout, stderr } = await runCommand(command, directory, timeoutSeconds, signal);
  if (ending !== null) {
    const said = stderr === "" ? "it said nothing" : `it said: ${stderr}`;
    throw missing(
      name,
      `\`${command}\` ${ending}; ${said}`,
      "run it by hand until it prints the secret, then again",
    );
  }
  return withoutLastNewline(text(name, stdout));
}

interface CommandResult {
  /** How it failed; null when it ended well. */
  ending: string | null;
  stdout: Buffer;
  /** The last of what it said, for the operator. */
  stderr: string;
}

function runCommand(
  command: string,
  directory: string,
  timeoutSeconds: number,
  signal: AbortSignal | undefined,
): Promise<CommandResult> {
  return new Promise((done, fail) => {
    const child = spawn("/bin/sh", ["-c", command], {
      cwd: directory,
      // The terminal stays within reach for a password manager's question; without one there is no asking.
      stdio: [process.stdin.isTTY ? "inherit" : "ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    let stdoutBytes = 0;
    let stderr = "";
    const finish = (ending: string | null) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", interrupt);
      // What the shell started may hold the pipes open: nobody waits for it.
      child.stdout.destroy();
      child.stderr.destroy();
      done({ ending, stdout: Buffer.concat(chunks), stderr: stderr.trim().slice(-2000) });
    };
    const kill = (ending: string) => {
      child.kill("SIGKILL");
      finish(ending);
    };
    const interrupt = () => {
      fail(signal?.reason instanceof Error ? signal.reason : new Error("interrupted"));
      kill("was interrupted");
    };
    const timer = setTimeout(() => {
      kill(`did not end within ${timeoutSeconds} s`);
    }, timeoutSeconds * 1000);
    signal?.addEventListener("abort", interrupt, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes > mostBytes) kill(`printed more than ${mostBytes} bytes`);
      else chunks.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString("utf8")).slice(-4000);
    });
    child.on("error", (error) => {
      finish(`could not be started (${error.message})`);
    });
    child.on("close", (code, killedBy) => {
      finish(
        code === 0
          ? null
          : killedBy === null
            ? `ended with ${code ?? "no"} status`
            : `was ended by ${killedBy}`,
      );
    });
  });
}

function usable(name: string, from: string, value: string): string {
  const source = from.slice(0, from.indexOf(":"));
  const reason =
    value.trim() === ""
      ? `its source (${source}) gave nothing`
      : value.includes("\0")
        ? `its source (${source}) gave a zero byte, which no file of variables can hold`
        : undefined;
  if (reason !== undefined)
    throw missing(name, reason, "look at the secret's `from` in site.yaml and at its source");
  return value;
}

function text(name: string, bytes: Buffer): string {
  if (/^(age-encryption\.org\/v1|-----BEGIN AGE ENCRYPTED FILE-----)/.test(bytes.toString("latin1", 0, 50))) {
    throw missing(
      name,
      "its source gave a file that age has encrypted: a key that is locked with a passphrase, perhaps",
      "let the secret's `from` unlock it: command:age -d FILE, which asks on the terminal",
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw missing(name, "its source gave bytes that are not UTF-8 text", "store it as text, such as base64");
  }
}

/** Editors and `echo` end a file with a newline that is no part of the secret. */
function withoutLastNewline(value: string): string {
  return value.replace(/\r?\n$/, "");
}

function missing(name: string, why: string, next: string): OperatorError {
  return new OperatorError(exitCodes.missingHere, `the secret ${name} cannot be read`, why, next);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
