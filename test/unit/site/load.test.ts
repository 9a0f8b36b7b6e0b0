import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigurationErrors } from "../../../site/configuration-errors.ts";
import { loadSite, parseSite } from "../../../site/load.ts";
import { OperatorError } from "../../../site/operator-error.ts";

const example = readFileSync(new URL("../../../site/example.yaml", import.meta.url), "utf8");

/** The example with one text replaced, and the line in which that stands. */
function changed(from: string, to: string): { text: string; line: number } {
  const [before, ...after] = example.split(from);
  if (before === undefined || after.length !== 1) throw new Error(`not exactly once in the example: ${from}`);
  return { text: [before, after[0]].join(to), line: before.split("\n").length };
}

function errorsOf(text: string | Uint8Array): string[] {
  const result = parseSite(typeof text === "string" ? Buffer.from(text) : text);
  return Array.isArray(result) ? result.map(({ line, path, message }) => `${line}: ${path}: ${message}`) : [];
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "site-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

test("a good site is read with defaults filled in, durations in seconds and sizes in bytes", () => {
  const site = parseSite(Buffer.from(example));
  expect(site).toMatchObject({
    name: "photo-club",
    nginx: { site: "deploy/nginx.conf", from: "application" },
    permissions: { owner: "www-data", configuration: "600" },
    server: { release: "12", cores: 1, memory: 2 * 1024 ** 3, disk: 20 * 1024 ** 3 },
    objectives: {
      rpo: { database: 43_200, configuration: 86_400, uploads: 86_400, logs: 604_800, metrics: 604_800 },
      rto: { completeFailure: 7200, applicationServerFailure: 1800 },
    },
    stores: [{ kind: "directory", name: "usb-disk", timezone: "Europe/Madrid" }],
  });
});

test("the site of the sample application loads", async ({ skip }) => {
  const sample = new URL("../../../examples/chatbot/site.yaml", import.meta.url).pathname;
  skip(!existsSync(sample), "there is no sample yet");
  const { site, file } = await loadSite(sample);
  expect(site.name).toBe("chatbot");
  expect(file).toBe(sample);
});

test("a site is loaded as it would be on another release of Debian, with the PHP of that", async () => {
  const file = join(directory, "next.yaml");
  await writeFile(file, example);
  const { site: configured } = await loadSite(file);
  const { site } = await loadSite(file, "13");
  expect(site).toEqual({
    ...configured,
    server: { ...configured.server, release: "13" },
    php: { ...configured.php, version: "8.4" },
  });
  expect((await loadSite(file, "12")).site).toEqual(configured);
});

test("what of a site is tied to its own release is told when it is loaded on another", () => {
  const { text, line } = changed("packages: [composer, imagemagick]", "packages: [composer, php8.2-gmp]");
  expect(errorsOf(text)).toEqual([]);
  const result = parseSite(Buffer.from(text), "13");
  expect(result).toEqual([
    {
      line,
      path: "packages[1]",
      message:
        "php8.2-gmp belongs to another PHP than php.version 8.4: an extension goes into php.extensions, without a version",
    },
  ]);
});

test("a loaded site knows its folder, from which relative paths start", async () => {
  const file = join(directory, "site.yaml");
  await writeFile(file, example);
  expect(await loadSite(file)).toMatchObject({ directory, file, site: { name: "photo-club" } });
});

test("a file that is not there is wrong usage, with a way on", async () => {
  const error = await loadSite(join(directory, "nothing.yaml")).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(OperatorError);
  expect(error).toMatchObject({ exitCode: 2, next: expect.stringContaining("--site") as string });
});

test("all errors of all kinds come at once, in the order of their lines", async () => {
  const file = join(directory, "wrong.yaml");
  await writeFile(
    file,
    `version: 2
name: Photo
domain: photos.example.org
aliases: [photos.example.org]
aplication: {}
application:
  git: https://somebody:word@git.example.org/x.git
  revision: main
  path: /etc/site
php:
  version: 8.2
nginx:
  from: bakup
tls: { email: nobody }
configuration:
  files: [config.php]
permissions:
  configuration: "644"
objectives:
  rpo: { database: 6, logs: 0d }
checks:
  - kind: htp
  - kind: rows
    database: nowhere
    table: rows
  - kind: http
    path: /
    bearrer: {}
    text: hello
name: twice
`,
  );
  const error = await loadSite(file).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigurationErrors);
  if (!(error instanceof ConfigurationErrors)) return;
  expect(error.exitCode).toBe(2);
  expect(error.what).toBe(`${file} has 19 errors`);
  expect(error.why.split("\n").map((line) => line.replace(`${file}:`, ""))).toEqual([
    "1: version: must be 1",
    "1: stores: missing",
    "4: aliases[0]: photos.example.org is the domain itself: leave it out of the aliases",
    "5: aplication: unknown key; did you mean `application`?",
    "7: application.git: a credential in a URL ends up in logs and on the host: take it out",
    "8: application.revision: main is a branch, and a branch moves: name a tag or a full commit id",
    "9: application.path: /etc belongs to the system, not to a site",
    "11: php.version: text is expected, and YAML reads this as a number: put it in quotes",
    "12: nginx.site: missing",
    "13: nginx.from: must be one of application, backup",
    "14: tls.email: not an e-mail address",
    "15: configuration.environmentFile: .env is not among configuration.files: it would not be restored",
    "18: permissions.configuration: 644 shows the site's secrets to every account",
    "20: objectives.rpo.database: a duration is a whole number with its unit: 90s, 30min, 6h or 7d",
    "20: objectives.rpo.logs: nothing can be recovered in no time: at least 1s",
    "22: checks[0].kind: must be one of http, rows, upload",
    "24: checks[1].database: no entry of databases is named nowhere",
    "28: checks[2].bearrer: unknown key; did you mean `bearer`?",
    "30: this key stands here twice: YAML would silently take the last",
  ]);
});

describe("one wrong field gives one error, at its line", () => {
  const cases: [what: string, from: string, to: string, message: string][] = [
    ["a duration without a unit", "database: 12h", "database: 12", "objectives.rpo.database: a duration is"],
    [
      "a duration in a unit unknown",
      "database: 12h",
      "database: 2w",
      "objectives.rpo.database: a duration is",
    ],
    [
      "a duration in quotes of nothing",
      "database: 12h",
      'database: ""',
      "objectives.rpo.database: a duration is",
    ],
    ["a size without a unit", "memory: 2GiB", "memory: 2048", "server.memory: a size is"],
    ["a size of decimal units", "memory: 2GiB", "memory: 2GB", "server.memory: a size is"],
    ["a number for a version", '"8.2"', "8.2", "php.version: text is expected"],
    [
      "a scalar for a list",
      "[composer, imagemagick]",
      "composer",
      "packages: a list (lines that start with -)",
    ],
    ["a list for a section", "tls:\n  email: webmaster@example.org", "tls: []", "tls: a section"],
    ["a section left empty", "metrics:\n  path: /metrics.php", "metrics:", "metrics: empty; a section"],
    [
      "a check of an unknown kind",
      "kind: upload",
      "kind: uplaod",
      "checks[4].kind: must be one of http, rows, upload",
    ],
    ["a status that is none", "text: all systems up", "status: 20", "checks[2].status: must be at least 100"],
    [
      "a path that climbs out",
      "path: data/admin.db",
      "path: ../admin.db",
      "databases[0].path: a path must not contain ..",
    ],
    [
      "a folder with a slash at its end",
      "path: data/uploads",
      "path: data/uploads/",
      "uploads[0].path: a path has no //",
    ],
    [
      "a time zone that is none",
      "Europe/Madrid",
      "Europe/Madird",
      "stores[0].timezone: not the name of a time zone",
    ],
    ["a domain in capitals", "domain: photos", "domain: Photos", "domain: not a domain name in lower case"],
    ["a secret without a source", '"command:pass show', '"pass show', "secrets[0].from: a secret comes from"],
    [
      "a check's nested field",
      "json: { status: ok,",
      "json: { status: [ok],",
      "checks[0].json.status: text, or a number",
    ],
    [
      "an unknown key of nothing near",
      "load: config.php",
      "colour: red",
      "configuration.colour: unknown key; known here: files",
    ],
    ["no stores", /stores:[^]*$/.exec(example)?.[0] ?? "", "stores: []\n", "stores: at least 1 entry needed"],
  ];
  test.each(cases)("%s", (_what, from, to, message) => {
    const { text, line } = changed(from, to);
    expect(errorsOf(text)).toEqual([expect.stringContaining(`${line}: ${message}`)]);
  });
});

describe("text that is no YAML for a site is told by its line", () => {
  const cases: [what: string, text: string | Uint8Array, errors: string[]][] = [
    ["an open bracket", `version: 1\nname: [a\n`, ["3: : not YAML: Flow sequence in block collection"]],
    ["a tab", `version: 1\ntls:\n\temail: a\n`, ["3: : not YAML: Tabs are not allowed"]],
    ["two documents", `version: 1\n---\nname: a\n`, ["2: : not YAML: Source contains multiple documents"]],
    ["a list", `- version: 1\n`, ["1: : a section (keys with values) is expected, and this is a list"]],
    ["bytes of another encoding", Buffer.from([0x6e, 0xe4]), ["1: : not UTF-8 text"]],
    ["far too much", Buffer.alloc(1024 ** 2 + 1, 35), ["1: : larger than 1 MiB"]],
    ["an anchor that is missing", `version: *one\n`, ["1: : not YAML: Unresolved alias"]],
  ];
  test.each(cases)("%s", (_what, text, errors) => {
    expect(errorsOf(text)).toEqual(errors.map((error) => expect.stringContaining(error) as string));
  });

  test("nothing at all misses every required field", () => {
    expect(errorsOf("")).toEqual(
      "version name domain application php nginx tls configuration checks stores"
        .split(" ")
        .map((name) => `1: ${name}: missing`),
    );
  });

  test("a bomb of aliases is refused at once", () => {
    const levels = "abcdefghij".split("");
    const bomb = levels.map((level, index) => {
      const below = levels[index - 1];
      return `${level}: &${level} [${below === undefined ? "x" : Array(9).fill(`*${below}`).join(", ")}]`;
    });
    expect(errorsOf(bomb.join("\n")).join("\n")).toContain("Excessive alias count");
  });
});

test("an error in what an anchor names is told where it is written", () => {
  const { text, line } = changed(
    "bearer: { variable: ADMIN_TOKEN }\n    jsonPresent",
    "bearer: &b { varable: ADMIN_TOKEN }\n    jsonPresent",
  );
  const [error] = errorsOf(text);
  expect(error).toBe(`${line}: checks[1].bearer.varable: unknown key; did you mean \`variable\`?`);
});

test("whatever the text is, the answer is a site or a list of errors with lines in it", () => {
  const lines = example.split("\n");
  const edits = fc.array(
    fc.tuple(
      fc.nat(lines.length - 1),
      fc.constantFrom("", "x", "  - {", "a: *b", "? [", "checks: 3", "__proto__: 1", "<<: {}"),
    ),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(edits, fc.string(), (replaced, noise) => {
      const text = [...lines];
      for (const [index, line] of replaced) text[index] = `${line}${noise}`;
      const result = parseSite(Buffer.from(text.join("\n")));
      if (!Array.isArray(result)) return;
      expect(result.length).toBeGreaterThan(0);
      const most = text.join("\n").split("\n").length;
      for (const { line } of result) expect(line >= 1 && line <= most).toBe(true);
      expect(result.map(({ line }) => line)).toEqual(result.map(({ line }) => line).sort((a, b) => a - b));
    }),
    { numRuns: 300 },
  );
});
