import { cp, mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureDebianPackages, type DebianNeed } from "../../machines/debian-packages.ts";
import { loadSite } from "../../site/load.ts";
import { OperatorError, exitCodes } from "../../site/operator-error.ts";
import { type ArchivedDatabase, makeArchive } from "../archive.ts";
import { inBuildFolder, type PreparedExample } from "../build-folder.ts";
import { makeBundle } from "../bundle.ts";
import { environmentFile } from "../environment-file.ts";
import { packerNeeds } from "../packer-needs.ts";
import { withThrowAwayCluster } from "../throw-away-cluster.ts";
import { makePostgresqlDump, makeSqlite, postgresql } from "./database.ts";
import { makeOwnPoint, type PackedDatabase } from "./own-point.ts";
import { type SampleUpload, writeUploads } from "./sample-uploads.ts";

/** How large the sample is, when its backup was made, and where it goes. */
export interface SampleOptions {
  /** Kind of its database. Default sqlite. */
  database?: "sqlite" | "postgresql";
  /** Agents in the database. Default 20. */
  agents?: number;
  /** Messages in the database, eight to a conversation. Default 200. */
  messages?: number;
  /** Uploaded files. Default 12. */
  uploads?: number;
  /** Size of each of them in bytes. Default 4096. */
  uploadBytes?: number;
  /** When the backup says that it was made, to the second. Default now. */
  time?: Date;
  /**
   * Folder of site.yaml, or site.postgresql.yaml; bundle and backups go to its build/. Default this one; another gets a copy of
   * that file, unless it has one already.
   */
  directory?: string;
  /** Variables of .env, added to the default ones or standing in their place. */
  environment?: Record<string, string>;
  /** `runbook`, the default: an archive as the runbook's scripts make it; `own`: a folder of the format in docs/format.md. */
  format?: "runbook" | "own";
  /** ssh private key that signs a backup of our own format; by default nobody does. site.yaml says who can read it. */
  signingKey?: string;
}

/** What was made. The same options give the same bytes, except for what is encrypted and how long packing took. */
export interface PreparedSample extends PreparedExample {
  uploads: SampleUpload[];
}

const sampleFolder = fileURLToPath(new URL(".", import.meta.url));
const applicationFolder = join(sampleFolder, "app");
const tag = "v1.0.0";
const hostname = "chatbot.example.test";
const needs: Record<NonNullable<SampleOptions["format"]>, readonly DebianNeed[]> = {
  runbook: ["git", "tar", "gzip"].map(packageOfSameName),
  own: packerNeeds,
};
/** What differs between the two kinds of database. */
const kinds = {
  sqlite: {
    site: "site.yaml",
    backups: "backups",
    needs: [{ command: "sqlite3", package: "sqlite3" }],
    environment: { DATABASE_PATH: "data/admin.db" },
  },
  postgresql: {
    site: "site.postgresql.yaml",
    backups: "backups-postgresql",
    needs: [{ command: "pg_createcluster", package: "postgresql" }],
    environment: {
      ADMIN_DATABASE_URL: "postgres://chatbot:sample-not-a-real-password@localhost:5432/chatbot",
    },
  },
} satisfies Record<string, { site: string; backups: string; needs: DebianNeed[]; environment: object }>;
/** No real secrets, and told as such at a glance. One value has what breaks careless readers of .env. */
const defaultEnvironment = {
  OPENAI_API_KEY: "sk-sample-not-a-real-key-0000000000000000",
  ADMIN_TOKEN: "sample-not-a-real-token-00000000000000000000",
  CHATBOT_NAME: `The "sample" chatbot # 1`,
  OPENAI_BASE_URL: "https://api.openai.com/v1",
};

/**
 * Makes the sample's bundle and a backup as the runbook's scripts pack it.
 * Throws an OperatorError when a command that it needs cannot be installed, or an option makes no sense.
 */
export async function prepareSample(options: SampleOptions = {}): Promise<PreparedSample> {
  const {
    agents = 20,
    messages = 200,
    uploads = 12,
    uploadBytes = 4096,
    time: wanted = new Date(),
    database = "sqlite",
    format = "runbook",
  } = options;
  const kind = kinds[database];
  for (const [name, value] of Object.entries({ agents, messages, uploads, uploadBytes })) {
    if (!Number.isSafeInteger(value) || value < 0) throw unusable(name, "a whole number from 0");
  }
  if (Number.isNaN(wanted.getTime())) throw unusable("time", "a time such as 2026-01-31T04:00:00Z");
  if (!(format in needs)) throw unusable("format", "runbook or own");
  await ensureDebianPackages([...needs[format], ...kind.needs], (line) => {
    console.error(line);
  });

  const time = new Date(Math.floor(wanted.getTime() / 1000) * 1000);
  const directory = resolve(options.directory ?? sampleFolder);
  const build = { site: join(sampleFolder, kind.site), directory, backups: kind.backups };
  return inBuildFolder(build, async ({ site, work, keepBundle, keepBackup }) => {
    const made = join(work, "chatbot.bundle");
    const revision = await makeBundle(applicationFolder, { author: "Chatbot", tag }, made, work);
    const bundle = await keepBundle(made);
    const live = join(work, "site");
    const data = join(live, "data");
    await mkdir(join(data, "exports"), { recursive: true });
    const migrations = join(applicationFolder, "migrations", database);
    const size = { agents, messages };
    const files = await writeUploads(join(data, "uploads"), uploads, uploadBytes);
    await writeFile(join(data, "worker.heartbeat"), `${time.toISOString()}\n`);
    await writeFile(
      join(live, ".env"),
      environmentFile({ ...defaultEnvironment, ...kind.environment, ...options.environment }),
    );
    for (const file of ["config.php", "composer.json"])
      await cp(join(applicationFolder, file), join(live, file));
    const configuration = [".env", "config.php", "composer.json"];
    const asArchive = (database: ArchivedDatabase) =>
      makeArchive(live, { database, configuration, data: true }, time, hostname, work);
    const asOwnPoint = async (database: PackedDatabase) => {
      const { name, restorePoints } = (await loadSite(site)).site;
      return makeOwnPoint(name, live, database, configuration, { revision, bundle }, time, work, {
        recipients: restorePoints.recipients,
        signingKey: options.signingKey ?? "",
      });
    };
    const makers = {
      sqlite: async () => {
        const { rows, ...archived } = await makeSqlite(live, migrations, size);
        const packed = { name: "admin", kind: "sqlite", path: join(data, "admin.db") } as const;
        return { rows, point: await (format === "own" ? asOwnPoint(packed) : asArchive(archived)) };
      },
      postgresql: async () => {
        if (format === "runbook") {
          const dump = join(live, "admin_postgres.sql.gz");
          const { rows, ...archived } = await makePostgresqlDump(dump, migrations, size);
          return { rows, point: await asArchive(archived) };
        }
        const { rows, statements } = await postgresql(migrations, size);
        const packed = { name: "admin", kind: "postgresql", user: "chatbot", database: "chatbot" } as const;
        const point = await withThrowAwayCluster("chatbot", statements, (server) =>
          asOwnPoint({ ...packed, server, port: "5432", account: "" }),
        );
        return { rows, point };
      },
    };
    const { rows, point } = await makers[database]();
    return { site, bundle, revision, archive: await keepBackup(point), time, rows, uploads: files };
  });
}

function packageOfSameName(name: string): DebianNeed {
  return { command: name, package: name };
}

function unusable(option: string, expected: string): OperatorError {
  return new OperatorError(
    exitCodes.usage,
    `the sample cannot be made with this ${option}`,
    `${option} must be ${expected}`,
    "run it again with another value, or without the option",
  );
}

/** What the command line says; throws an OperatorError for an unknown option or a value that is no number. */
function readOptions(args: string[]): { sample: SampleOptions; json: boolean } {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args,
      options: {
        database: text,
        agents: text,
        messages: text,
        uploads: text,
        "upload-bytes": text,
        directory: text,
        time: text,
        format: text,
        "signing-key": text,
        json: { type: "boolean" },
      },
    });
    const { database } = values;
    if (database !== undefined && !isKind(database)) {
      throw new Error(`--database is ${Object.keys(kinds).join(" or ")}, not ${database}`);
    }
    const sample = {
      ...(database !== undefined && { database }),
      ...(values.agents !== undefined && { agents: wholeNumber(values.agents) }),
      ...(values.messages !== undefined && { messages: wholeNumber(values.messages) }),
      ...(values.uploads !== undefined && { uploads: wholeNumber(values.uploads) }),
      ...(values["upload-bytes"] !== undefined && { uploadBytes: wholeNumber(values["upload-bytes"]) }),
      ...(values.directory !== undefined && { directory: values.directory }),
      ...(values.time !== undefined && { time: new Date(values.time) }),
      // A name that is not known is refused with the rest of the options.
      ...(values.format !== undefined && { format: values.format as NonNullable<SampleOptions["format"]> }),
      ...(values["signing-key"] !== undefined && { signingKey: resolve(values["signing-key"]) }),
    };
    return { sample, json: values.json === true };
  } catch (error) {
    throw new OperatorError(
      exitCodes.usage,
      "the sample's options cannot be understood",
      error instanceof Error ? error.message : String(error),
      "options: --database KIND --agents N --messages N --uploads N --upload-bytes N --directory DIR --time ISO --format runbook|own --signing-key FILE --json",
      { cause: error },
    );
  }
}

function isKind(text: string): text is keyof typeof kinds {
  return Object.hasOwn(kinds, text);
}

function wholeNumber(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { sample, json } = readOptions(process.argv.slice(2));
    const prepared = await prepareSample(sample);
    // The line is progress: stdout stays free for what comes after it, such as a drill's --json.
    if (json) console.log(JSON.stringify(prepared, null, 2));
    else console.error(`made the sample's backup: ${relative(process.cwd(), prepared.archive)}`);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
  }
}
